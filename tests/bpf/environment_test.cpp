#include <nlohmann/json.hpp>

#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

namespace {

using Texts = std::vector<std::string>;

// Names that `process` (all for 0) was seen to ask for.
Texts read_by(const Trace& trace, int64_t process) {
    Texts names;
    for (const EnvironmentName& entry : trace.environment) {
        if (entry.read && (process == 0 || entry.process == process)) {
            names.push_back(entry.name);
        }
    }
    return names;
}

bool present(const Trace& trace, const std::string& name) {
    for (const EnvironmentName& entry : trace.environment) {
        if (entry.name == name) {
            return true;
        }
    }
    return false;
}

Traced with_variables(const Texts& command) {
    Texts argv = {"env", "-i", "TREADLINE_ONE=1", "TREADLINE_TWO=2"};
    argv.insert(argv.end(), command.begin(), command.end());
    // `env` is the first program; what it passes on is what a shell in the run would.
    ::setenv("TREADLINE_ONE", "1", 1);
    ::setenv("TREADLINE_TWO", "2", 1);
    Traced done = traced(argv);
    CHECK(done.status == 0);
    const auto certificate = nlohmann::json::parse(done.trace.run.certificate);
    const std::string reads = certificate.at("environment_reads");
    REQUIRE_CAPABILITY(reads == "seen where programs call getenv", reads);
    return done;
}

} // namespace

TEST_CASE("a variable a program asks the C library for is marked as read, by that program",
          "[bpf][environment]") {
    for (const char* way : {"getenv", "secure"}) {
        INFO(way);
        const Traced run = with_variables({program("variables"), way, "TREADLINE_TWO", "TREADLINE_TWO"});
        const auto reader = process(run.trace, program("variables"));
        REQUIRE(reader);
        CHECK(read_by(run.trace, reader->id) == Texts{"TREADLINE_TWO"});
        CHECK(present(run.trace, "TREADLINE_ONE")); // but nobody asked for it
        const Texts all = read_by(run.trace, 0);
        CHECK(std::find(all.begin(), all.end(), "TREADLINE_ONE") == all.end());
    }
}

TEST_CASE("asking for a variable that is not set is no read of one", "[bpf][environment]") {
    const Traced run = with_variables({program("variables"), "getenv", "TREADLINE_ONE", "TREADLINE_ABSENT"});
    CHECK_FALSE(present(run.trace, "TREADLINE_ABSENT"));
    const auto reader = process(run.trace, program("variables"));
    REQUIRE(reader);
    CHECK(read_by(run.trace, reader->id) == Texts{"TREADLINE_ONE"});
}

TEST_CASE("a program that reads the environment by itself leaves its variables merely present",
          "[bpf][environment]") {
    const Traced run = with_variables({program("variables"), "environ", "TREADLINE_ONE"});
    const auto reader = process(run.trace, program("variables"));
    REQUIRE(reader);
    CHECK(read_by(run.trace, reader->id).empty());
    CHECK(present(run.trace, "TREADLINE_ONE"));
}
