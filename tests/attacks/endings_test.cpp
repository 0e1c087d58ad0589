// Threats list, sections 12 and 13: to outlast the run or use the machine up, and what comes along in the environment.
#include <catch2/catch_test_macros.hpp>

#include <filesystem>

#include <unistd.h>

#include "tests/attacks/corpus.h"
#include "tests/attacks/outsiders.h"

using namespace treadline::test;

namespace {

// Whether a file is there, or comes within the time in which the attack's daemon would make it.
Success appears(const std::string& name) {
    return [name](const World& world, const Finished&) {
        for (int i = 0; i < 40 && !std::filesystem::exists(world.place(name)); ++i) {
            ::usleep(20'000);
        }
        return std::filesystem::exists(world.place(name));
    };
}

Denial limit(const std::string& value) {
    return {"limit", value, std::nullopt, "resources"};
}

Rules limited(const std::string& rule) {
    return tests_rules().with("resources", rule).with("syscalls", "@process");
}

} // namespace

TEST_CASE("nothing outlasts the run", "[attack][endings]") {
    hold({"a daemon", {"hostile", "haunt", "out/mark"}, appears("./out/mark"), {}, tests_rules().with("syscalls", "@process")});
    hold({"a job in the background", {"sh", "-c", "(sleep 0.3; : > out/mark) & exit 0"}, appears("./out/mark"), {}});
    hold({"one that ignores signals", {"sh", "-c", "(trap '' TERM HUP INT; sleep 0.3; : > out/mark) & exit 0"}, appears("./out/mark"), {}});
}

TEST_CASE("what the profile limits is not used up", "[attack][endings]") {
    if (::geteuid() != 0) { // whose processes the kernel does not count
        hold({"processes", {"hostile", "bomb", "60"}, says_ok(), {limit("30")}, limited("processes: 30")});
    }
    hold({"memory", {"hostile", "grow", "300"}, says_ok(), {limit("100M")}, limited("memory: 100M")});
    hold({"memory of many processes together", {"sh", "-c", "for i in 1 2 3 4; do $0 grow 80 & done; wait; echo ok", HOSTILE}, says_ok(), {limit("150M")},
          limited("memory: 150M")});
    hold({"memory as files", {"sh", "-c", "head -c 200M /dev/zero > /dev/shm/big && sleep 0.5 && echo ok"}, says_ok(), {limit("100M")}, limited("memory: 100M")});
    hold({"one large file", {"sh", "-c", "head -c 3M /dev/zero > out/big && echo ok"}, says_ok(), {limit("1M")}, limited("file_size: 1M")});
    hold({"time", {"hostile", "spin", "3"}, says_ok(), {limit("1s")}, limited("time: 1s")});
}

TEST_CASE("a run that a limit ended says so by its status", "[attack][endings]") {
    const World world;
    world.write("./.treadline/profile.yaml", limited("time: 1s").yaml());
    CHECK(world.enforce(limited("time: 1s"), {"sleep", "20"}).run.status == 124);
    world.write("./.treadline/profile.yaml", limited("file_size: 1M").yaml());
    CHECK(world.enforce(limited("file_size: 1M"), {"sh", "-c", "head -c 3M /dev/zero > out/big"}).run.status == 124);
    CHECK(world.enforce(limited("file_size: 1M"), {"sh", "-c", "head -c 1M /dev/zero > out/big"}).run.status == 0);
    CHECK(std::filesystem::file_size(world.place("./out/big")) == 1 << 20);
    world.write("./.treadline/profile.yaml", limited("memory: 50M").yaml());
    CHECK(world.enforce(limited("memory: 50M"), {"hostile", "grow", "200"}).run.status == 124);
    world.write("./.treadline/profile.yaml", limited("memory: 200M").yaml());
    CHECK(world.enforce(limited("memory: 200M"), {"hostile", "grow", "20"}).run.status == 0);
}

TEST_CASE("secrets and code in the caller's variables do not come along", "[attack][environment]") {
    const auto set = [](const std::string& name, const std::string& value) {
        return [name, value](World& world) {
            world.write("./out/start", "echo SECRET code ran\n");
            world.environment[name] = value;
            return std::vector<std::string>{};
        };
    };
    const auto variable = [](const std::string& name) { return Denial{"environment", name, name, "environment.pass"}; };
    for (const char* name : {"AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "NPM_TOKEN", "ANTHROPIC_API_KEY", "DATABASE_URL"}) {
        hold({name, {"env"}, prints_a_secret(), {variable(name)}, agent_rules(), set(name, "SECRET value")});
    }
    hold({"BASH_ENV", {"bash", "-c", "true"}, prints_a_secret(), {variable("BASH_ENV")}, agent_rules(), set("BASH_ENV", "out/start")});
    hold({"ENV", {"sh", "-i", "-c", "true"}, prints_a_secret(), {variable("ENV")}, agent_rules(), set("ENV", "./out/start")});
    hold({"an exported function", {"bash", "-c", "ls"}, prints_a_secret(), {variable("BASH_FUNC_ls%%")}, agent_rules(), set("BASH_FUNC_ls%%", "() { echo SECRET code ran; }")});
    hold({"GIT_EXTERNAL_DIFF and its like", {"git", "var", "GIT_EDITOR"}, prints_a_secret(), {variable("GIT_EDITOR")}, agent_rules(), set("GIT_EDITOR", "SECRET-editor")});
}
