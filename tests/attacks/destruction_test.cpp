// Threats list, section 7: what may only be read is not destroyed.
#include <catch2/catch_test_macros.hpp>

#include <cstdio>

#include <sys/xattr.h>

#include "tests/attacks/corpus.h"

using namespace treadline::test;

TEST_CASE("a file that may only be read is changed in nothing, by whatever call", "[attack][files]") {
    const std::string file = "./src/main.c";
    const std::vector<std::pair<std::string, std::string>> attempts = {
        {"append", "w"},        {"truncate", "w"},          {"open-truncate", "w"}, {"punch-hole", "w"},       {"reopen-to-write", "w"},      {"reopen-read-to-write", "w"},
        {"chmod", "w"},         {"chmod-open", "w"},        {"chown", "w"},         {"chown-open", "w"},       {"set-times", "w"},            {"set-times-open", "w"},
        {"set-times-old", "w"}, {"set-attribute", "w"},     {"set-acl", "w"},       {"set-attribute-open", "w"}, {"remove-attribute", "w"},   {"remove-attribute-open", "w"},
        {"set-flag", "w"},      {"unlink", "c"},
    };
    for (const auto& [attempt, mode] : attempts) {
        Attack attack{attempt, {"hostile", attempt, "src/main.c"}, changes(file), {{"landlock", file, "${project}/src/main.c: " + mode}}};
        if (attempt == "unlink") {
            attack.never = "a file that a rule names is a mount point, where its directory is not open to it";
        }
        attack.prepare = [](World& world) {
            ::setxattr(world.place("./src/main.c").c_str(), "user.mine", "x", 1, 0);
            return std::vector<std::string>{};
        };
        hold(attack);
    }
}

TEST_CASE("removing everything removes what rules let it", "[attack][files]") {
    for (const char* script : {"rm -rf ~ 2>/dev/null; rm -rf . 2>/dev/null; find .. -delete 2>/dev/null; exit 0", "find ~ -type f -exec truncate -s 0 {} + 2>/dev/null; chmod -R 777 ~ 2>/dev/null; exit 0",
                               "for f in $(find . -type f); do : > $f; mv $f $f.locked; done 2>/dev/null; exit 0"}) {
        CAPTURE(script);
        World world;
        world.write("./.treadline/profile.yaml", tests_rules().yaml());
        world.write("./out/mine", "x");
        world.remember();
        const Enforced held = world.enforce(tests_rules(), {"sh", "-c", script});
        INFO(held.run.err);
        CHECK(world.changes() == std::vector<std::string>{});
        CHECK_FALSE(held.denials.empty());
        for (const Denial& denial : held.denials) {
            CHECK((denial.layer == "mount" || denial.layer == "landlock"));
            CHECK(denial.section == (denial.rule ? "files" : ""));
        }
        // And so it would be without: the proof that the script destroys.
        World free;
        free.write("./out/mine", "x");
        free.remember();
        CHECK(free.run({"sh", "-c", script}).status == 0);
        CHECK_FALSE(free.changes().empty());
    }
}

TEST_CASE("what fills up is the sandbox's own, and gone afterwards", "[attack][files]") {
    const World world;
    world.write("./.treadline/profile.yaml", tests_rules().yaml());
    const std::string fill = "i=0; while [ $i -lt 3000 ]; do : > $TMPDIR/f$i || exit 3; i=$((i+1)); done; ls $TMPDIR | wc -l";
    REQUIRE(world.run({"sh", "-c", fill}).out == "3000\n");
    REQUIRE(world.run({"sh", "-c", "rm $TMPDIR/f*"}).status == 0);
    const Enforced held = world.enforce(tests_rules(), {"sh", "-c", fill});
    CHECK(held.run.out == "3000\n");
    CHECK(world.run({"sh", "-c", "ls $TMPDIR | wc -l"}).out == "0\n");
    // No larger than a quarter of the machine's memory.
    const Enforced size = world.enforce(tests_rules(), {"sh", "-c", "df -Pk $TMPDIR | awk 'NR==2 {print $2}'; awk '/MemTotal/ {print $2}' /proc/meminfo"});
    long blocks = 0;
    long memory = 0;
    REQUIRE(std::sscanf(size.run.out.c_str(), "%ld %ld", &blocks, &memory) == 2);
    CHECK(blocks * 3 < memory);
}
