// What the tests of reports report.
#pragma once

#include <string>

#include "enforcer/report.h"

namespace treadline::test {

inline Violation example_violation(const std::string& object, const std::string& operation = "read") {
    Violation one;
    one.layer = "mount";
    one.operation = operation;
    one.object = object;
    one.pid = 7;
    one.exe = "/usr/bin/node";
    one.argv = {"node", "evil.js"};
    one.section = "files";
    one.rule = "${home}/.ssh/id: r";
    one.reason = "no rule names it";
    one.opens = "no other file";
    one.risk = "gives away SSH keys";
    one.line = 12;
    one.count = 2;
    return one;
}

// With one denial.
inline RunReport example_report() {
    RunReport run;
    run.command = {"npm", "test"};
    run.profile = "/p/.treadline/profile.yaml";
    run.project = "/p";
    run.outcome.violations = {example_violation("/home/ann/.ssh/id")};
    run.degraded = {"no memory limit"};
    return run;
}

} // namespace treadline::test
