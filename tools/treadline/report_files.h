// The files that reports go to: opened before the command starts, so that one that cannot be written is a refusal, and
// not the command's to redirect, remove or forge.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/report.h"
#include "profiles/policy.h"
#include "tools/treadline/context.h"

namespace treadline {

class ReportFiles {
public:
    // `wanted` are words of --report: "json:FILE", and "github" or "FORMAT:-" for standard output. "github" also appends
    // to the step's summary, where $GITHUB_STEP_SUMMARY names one.
    static result<ReportFiles> open(const std::vector<std::string>& wanted, const Context& context, const Policy& policy);

    // All of them; the errors of those that could not be written.
    std::vector<error> write(const RunReport& report);

private:
    struct Target {
        ReportFormat format = ReportFormat::Json;
        bool summary = false;
        std::string file; // "" for standard output
        unique_fd directory;
        unique_fd fd;
    };
    static result<Target> open_file(ReportFormat format, const std::string& file, const Policy& policy);
    static result<ok> write_target(Target& target, const RunReport& report);
    std::vector<Target> targets_;
};

} // namespace treadline
