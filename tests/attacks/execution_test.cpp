// Threats list, section 8: to run what no rule lets run.
#include <catch2/catch_test_macros.hpp>

#include "tests/attacks/corpus.h"
#include "tests/attacks/outsiders.h"

using namespace treadline::test;

namespace {

const Denial program{"landlock", "./out/p", "${project}/out/p: rx"};
const std::string copied = "cp /usr/bin/printf out/p; ";

std::vector<std::string> loader_of(const std::string& rest) {
    return {"sh", "-c", copied + "/lib64/ld-linux-x86-64.so.2 " + rest + "; exit 0"};
}

} // namespace

TEST_CASE("a program copied into a writable directory is not run", "[attack][execution]") {
    hold({"by its name", {"sh", "-c", copied + "out/p 'ran\\n'; exit 0"}, says("ran"), {program}});
    hold({"by a symbolic link", {"sh", "-c", copied + "ln -s p out/l; out/l 'ran\\n'; exit 0"}, says("ran"), {program}});
    hold({"by its descriptor", {"sh", "-c", "cp /usr/bin/true out/p; hostile=$0; $hostile exec-descriptor out/p && echo ran; exit 0", HOSTILE}, says("ran"), {program}});
    hold({"a script", {"sh", "-c", "printf '#!/bin/sh\\necho ran' > out/p; chmod +x out/p; out/p; exit 0"}, says("ran"), {program}});
    hold({"a script whose interpreter is a script", {"sh", "-c", "printf '#!/bin/sh\\necho ran' > out/p; printf \"#!$PWD/out/p\" > out/q; chmod +x out/*; out/q; exit 0"},
          says("ran"), {{"landlock", "./out/q", "${project}/out/q: rx"}}, tests_rules(), {}, {{"files", "${project}/out/p: x"}}});
}

TEST_CASE("an interpreter that no rule lets run is not run by way of a script", "[attack][execution]") {
    Rules rules = tests_rules();
    rules.files.push_back("${project}/out/s: x");
    hold({"a script for perl", {"sh", "-c", "printf '#!/usr/bin/perl\\nprint \"ran\\\\n\"' > out/s; chmod +x out/s; out/s; exit 0"}, says("ran"), {}, rules});
}

TEST_CASE("the dynamic loader runs no program that no rule lets run", "[attack][execution]") {
    hold({"in a writable directory", loader_of("out/p 'ran\\n'"), says("ran"), {program}});
    hold({"with options before it", loader_of("--library-path /usr/lib --argv0 x out/p 'ran\\n'"), says("ran"), {program}});
    Rules rules = tests_rules();
    rules.files.push_back("/usr/bin/perl: r");
    const std::vector<std::string> perl = {"sh", "-c", "/lib64/ld-linux-x86-64.so.2 /usr/bin/perl -e 'print \"ran\\n\"'; exit 0"};
    hold({"that can be read", perl, says("ran"), {{"landlock", "/usr/bin/perl", "/usr/bin/perl: rx"}}, rules});
}

TEST_CASE("memory is not run as a program", "[attack][execution]") {
    hold({"a memory file", {"hostile", "memory-exec"}, [](const World&, const Finished& run) { return run.status == 0; },
          {{"landlock", "/memfd:x (deleted)", std::nullopt, ""}}, tests_rules(), {}, {}, "", {}, true});
    hold({"a memory file that asks to be run", {"hostile", "memory-exec-asked"}, [](const World&, const Finished& run) { return run.status == 0; },
          {{"seccomp", "memfd_create", std::nullopt, ""}}, tests_rules(), {}, {}, "", {}, true});
}

TEST_CASE("an interpreter given a file runs it under the same rules", "[attack][execution]") {
    hold({"sh with a script of its own", {"sh", "-c", "echo 'cat ~/.ssh/id_ed25519' > out/s; exec sh out/s"}, prints_a_secret(),
          {{"mount", "~/.ssh/id_ed25519", "${home}/.ssh/id_ed25519: r"}}});
}

TEST_CASE("a library that the command wrote is not loaded as code", "[attack][execution]") {
    const auto library = [](World& world) {
        world.write("./out/p.so", slurp(PRELOADED));
        return std::vector<std::string>{};
    };
    hold({"set by the command", {"sh", "-c", "LD_PRELOAD=$PWD/out/p.so exec /usr/bin/true"}, prints_a_secret(), {}, tests_rules(), library});
    const auto from_outside = [library](World& world) {
        world.environment["LD_PRELOAD"] = world.place("./out/p.so");
        return library(world);
    };
    hold({"set by the caller", {"/usr/bin/true"}, prints_a_secret(),
          {{"environment", "LD_PRELOAD", "LD_PRELOAD", "environment.pass"}}, agent_rules(), from_outside});
}

TEST_CASE("no program that is run gains rights, whoever it belongs to", "[attack][execution]") {
    hold({"no_new_privs", {"grep", "NoNewPrivs", "/proc/self/status"}, says("NoNewPrivs:\t0"), {}});
}
