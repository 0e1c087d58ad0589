// What the tests of several stages share.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace treadline::test {

// A directory of its own, removed with everything in it at the end. Its path is resolved.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    // Writes a file below, making the directories it needs; returns its path.
    std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const;

private:
    std::string path_;
};

struct Finished {
    int status = 0; // as a shell says it
    std::string out;
    std::string err;
};
struct RunOptions {
    std::string directory;                          // "" stays here
    std::map<std::string, std::string> environment; // on top of this process's
    int timeout_seconds = 60;                       // then killed, status 137
};
Finished run(const std::vector<std::string>& argv, const RunOptions& options = {});

std::string slurp(const std::string& path);

// Whether TREADLINE_REQUIRE=all (CI): then a missing capability is a failure, not a skip.
bool everything_required();

} // namespace treadline::test

// Skips the test with a reason when something it needs is missing, or fails it where everything must run.
#define REQUIRE_CAPABILITY(available, reason)                                                                \
    do {                                                                                                     \
        if (!(available)) {                                                                                  \
            if (::treadline::test::everything_required()) {                                                  \
                FAIL("required here, but missing: " << (reason));                                            \
            }                                                                                                \
            SKIP(reason);                                                                                    \
        }                                                                                                    \
    } while (false)
