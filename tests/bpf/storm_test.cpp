#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>

#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

namespace {

Traced storm(const TemporaryDirectory& directory, const std::string& kind, int threads, int each) {
    TraceOptions inside;
    inside.directory = directory.path();
    Traced run = traced({program("storm"), kind, std::to_string(threads), std::to_string(each)}, inside);
    CHECK(run.status == 0);
    CAPTURE(kind, threads, run.summary.incomplete_because);
    return run;
}

} // namespace

TEST_CASE("a storm of opens is recorded whole or its losses are counted", "[bpf][storm]") {
    for (const int threads : {1, 4, 16}) {
        for (const std::string kind : {"open", "missing"}) {
            const TemporaryDirectory directory;
            const int each = 16'000 / threads;
            const Traced run = storm(directory, kind, threads, each);
            const AccessKind access = kind == "open" ? AccessKind::Create : AccessKind::Read;
            const auto found =
                std::count_if(run.trace.files.begin(), run.trace.files.end(), [&](const FileAccess& f) {
                    return f.access == access &&
                           f.path.substr(0, directory.path().size()) == directory.path();
                });
            if (run.summary.complete) {
                CHECK(found == threads * each);
            } else {
                CHECK(found < threads * each);
                CHECK(run.summary.lost.count("ring full") == 1);
            }
        }
    }
}

TEST_CASE("a storm of connects is recorded whole", "[bpf][storm]") {
    const TemporaryDirectory directory;
    const Traced run = storm(directory, "connect", 4, 4'000);
    CHECK(run.summary.complete);
    CHECK(run.trace.sockets.size() == 16'000);
}

TEST_CASE("repeats are counted, also of accesses that made room for others", "[bpf][storm]") {
    const TemporaryDirectory directory;
    constexpr int distinct = 100'000; // more than the kernel remembers
    const Traced run = storm(directory, "thrice", 1, distinct);
    CHECK(run.summary.complete);
    int found = 0;
    uint64_t count = 0;
    for (const FileAccess& access : run.trace.files) {
        if (access.path.substr(0, directory.path().size() + 1) == directory.path() + "/") {
            ++found;
            count += access.count;
        }
    }
    CHECK(found == distinct);
    CHECK(count == 3 * distinct);
}

TEST_CASE("a flood while the collector is stopped loses records, counts each of them and ends partial",
          "[bpf][storm]") {
    const TemporaryDirectory directory;
    TraceOptions stopped;
    stopped.directory = directory.path();
    stopped.meanwhile = [](pid_t collector, pid_t command) {
        CHECK(::kill(collector, SIGSTOP) == 0);
        siginfo_t ended{};
        ::waitid(P_PID, static_cast<id_t>(command), &ended, WEXITED | WNOWAIT);
        CHECK(::kill(collector, SIGCONT) == 0);
    };
    const Traced run = traced({program("storm"), "long", "4", "17500"}, stopped);
    CHECK(run.status == 0);
    CAPTURE(run.summary.incomplete_because);
    CHECK_FALSE(run.summary.complete);
    REQUIRE(run.summary.lost.count("ring full") == 1);
    const auto found = std::count_if(run.trace.files.begin(), run.trace.files.end(), [](const FileAccess& f) {
        return f.result == ENOENT && f.path.size() > 200;
    });
    // Of a path that is sent twice for the loss of its first access, both losses are counted.
    CHECK(static_cast<uint64_t>(found) + run.summary.lost.at("ring full") >= 70'000);
    CHECK(found > 0);
    const auto certificate = nlohmann::json::parse(run.trace.run.certificate);
    CHECK(certificate.at("records").at("sent").get<uint64_t>() ==
          certificate.at("records").at("arrived").get<uint64_t>() + run.summary.lost.at("ring full"));
}

TEST_CASE("a flood hides no access: it is recorded, or the run is partial", "[bpf][storm]") {
    const TemporaryDirectory directory;
    const std::string hidden = directory.write("hidden", "text");
    TraceOptions inside;
    inside.directory = directory.path();
    const Traced run = traced(
        {"/bin/sh", "-c", program("storm") + " missing 16 4000 & sleep 0.2; cat hidden; wait"}, inside);
    CHECK(run.status == 0);
    CHECK((file(run.trace, hidden, AccessKind::Read) || !run.summary.complete));
}

TEST_CASE("parents renamed under an open never give a path that was never there", "[bpf][storm]") {
    const TemporaryDirectory directory;
    const Traced run = storm(directory, "rename", 4, 2'000);
    std::set<std::string> allowed;
    for (int thread = 0; thread < 4; ++thread) {
        const std::string n = std::to_string(thread);
        allowed.insert({directory / ("d" + n), directory / ("d" + n) + "/f"});
        for (int i = 0; i < 50; ++i) {
            const std::string moved = directory / ("e" + n + "-" + std::to_string(i));
            allowed.insert({moved, moved + "/f", moved + "/d" + n});
        }
    }
    for (const FileAccess& access : run.trace.files) {
        if (access.path.substr(0, directory.path().size() + 1) == directory.path() + "/") {
            CAPTURE(access.path);
            CHECK(allowed.count(access.path) == 1);
        }
    }
}
