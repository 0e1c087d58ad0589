// A learning run: everything permitted, existing credentials masked.
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {
Held learn(const Arena& arena, const std::vector<std::string>& argv, bool allow_credentials) {
    const auto plan =
        compile_learning(arena.variables(), inspect_machine(), arena.command(argv), {allow_credentials});
    REQUIRE(plan.has_value());
    return arena.run_plan(*plan);
}
} // namespace

TEST_CASE("a learning run does what it wants but read credentials", "[enforcer][sandbox][learning]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    const std::string env = arena.write("project/.env", "TOKEN\n");
    CHECK(learn(arena, {"sh", "-c", "echo x > " + arena.home("anywhere") + "; exit 3"}, false).status == 3);
    CHECK(std::filesystem::exists(arena.home("anywhere")));
    CHECK(learn(arena, {hostile, "read", key}, false).out == "EACCES\n");
    CHECK(learn(arena, {hostile, "read", env}, false).out == "EACCES\n");
    CHECK(learn(arena, {hostile, "connect", "127.0.0.1", "1"}, false).out == "ECONNREFUSED\n");
}

TEST_CASE("allowing credentials leaves them readable, and the run without new privileges",
          "[enforcer][sandbox][learning]") {
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    CHECK(learn(arena, {hostile, "read", key}, true).out == "SECRET\nok\n");
    CHECK(learn(arena, {"grep", "NoNewPrivs", "/proc/self/status"}, true).out == "NoNewPrivs:\t1\n");
}

TEST_CASE("a learning run's daemon is left as it would be", "[enforcer][sandbox][learning]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string mark = arena.project("mark");
    CHECK(learn(arena, {hostile, "daemon", mark, "200"}, false).status == 0);
    for (int i = 0; i < 100 && !std::filesystem::exists(mark); ++i) {
        ::usleep(20'000);
    }
    CHECK(std::filesystem::exists(mark));
}
