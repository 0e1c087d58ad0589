// Threats list, sections 1 and 2: files that are nobody's to read.
#include <catch2/catch_test_macros.hpp>

#include "tests/attacks/corpus.h"

using namespace treadline::test;

namespace {

const Denial key{"mount", "~/.ssh/id_ed25519", "${home}/.ssh/id_ed25519: r"};

} // namespace

TEST_CASE("credentials are not read where they lie", "[attack][files]") {
    const std::vector<std::pair<std::string, std::string>> places = {
        {"~/.ssh/id_ed25519", "${home}/.ssh/id_ed25519: r"},
        {"~/.aws/credentials", "${home}/.aws/credentials: r"},
        {"~/.netrc", "${home}/.netrc: r"},
        {"~/.npmrc", "${home}/.npmrc: r"},
        {"~/.config/gh/hosts.yml", "${config}/gh/hosts.yml: r"},
        {"~/diary", "${home}/diary: r"},
        {"./.env", "${project}/.env: r"},
    };
    for (const auto& [place, rule] : places) {
        for (const Rules& rules : {tests_rules(), agent_rules()}) {
            const std::string path = place.starts_with("./") ? place.substr(2) : place;
            hold({"reads " + place, {"hostile", "read", path}, prints_a_secret(), {{"mount", place, rule}}, rules});
        }
    }
}

TEST_CASE("a credential is not read by another way to its name", "[attack][files]") {
    hold({"through /proc/self/root", {"sh", "-c", "exec cat /proc/self/root$HOME/.ssh/id_ed25519"}, prints_a_secret(), {key}});
    hold({"through /proc/self/cwd", {"sh", "-c", "exec cat /proc/self/cwd/../.ssh/id_ed25519"}, prints_a_secret(), {key}});
    hold({"through /proc/thread-self", {"sh", "-c", "exec cat /proc/thread-self/root$HOME/.ssh/id_ed25519"}, prints_a_secret(), {key}});
    hold({"by dots and doubled slashes", {"sh", "-c", "exec cat ..//./project/../.ssh///id_ed25519"}, prints_a_secret(), {key}});
    hold({"from a descriptor of the home", {"hostile", "read-at", "..", ".ssh/id_ed25519"}, prints_a_secret(), {key}});
}

TEST_CASE("a credential is not read through a link made in the project", "[attack][files]") {
    for (const Rules& rules : {tests_rules(), agent_rules()}) {
        hold({"a symbolic link to the key", {"sh", "-c", "ln -s ~/.ssh/id_ed25519 out/l && exec cat out/l"}, prints_a_secret(), {key}, rules});
        hold({"a symbolic link to its directory", {"sh", "-c", "ln -s ~/.ssh out/l && exec cat out/l/id_ed25519"}, prints_a_secret(), {key}, rules});
        hold({"a chain of links", {"sh", "-c", "ln -s ../.. out/a; ln -s a/.ssh out/b; ln -s b/id_ed25519 out/c; exec cat out/c"}, prints_a_secret(), {key}, rules});
    }
}
