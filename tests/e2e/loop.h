// A project of its own in a home of its own, and the treadline commands run in it as a user would.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/support.h"

namespace treadline::test {

class Loop {
public:
    Loop();

    // In the project, with HOME set to the temporary home, and the built programs first in PATH.
    [[nodiscard]] Finished shell(const std::string& script) const;
    [[nodiscard]] Finished treadline(std::vector<std::string> words) const;
    [[nodiscard]] Finished learn(const std::string& script) const;   // treadline learn -- sh -c SCRIPT
    [[nodiscard]] Finished enforce(const std::string& script) const; // treadline enforce --strict -- sh -c SCRIPT

    // Violations of an enforced run, from --report json; but for the variables of whoever runs the tests.
    [[nodiscard]] nlohmann::json violations(const std::vector<std::string>& command) const;

    // A second checkout of the project, elsewhere, with the same profile.
    [[nodiscard]] Loop clone() const;

    [[nodiscard]] const std::string& home() const { return home_; }
    [[nodiscard]] const std::string& project() const { return project_; }
    std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const;
    [[nodiscard]] std::string profile() const { return slurp(project_ + "/.treadline/profile.yaml"); }

private:
    std::shared_ptr<TemporaryDirectory> root_;
    std::string home_;
    std::string project_;
};

// Whether this process can start a collector that traces (file capabilities, or root).
bool can_trace();

} // namespace treadline::test
