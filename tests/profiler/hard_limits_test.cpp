// What no saving of lines buys: places that no wide rule reaches, each beside its neighbour that one may.
#include "profiler/hard_limits.h"

#include <algorithm>

#include "profiler/disk_survey.h"
#include "profiler/reduce.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Rules = std::vector<std::string>;

const std::string start = "run project=/home/ann/p home=/home/ann user=ann\nprocess 1 0 /usr/bin/tool\n";

std::string reads(const std::string& directory, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += "file 1 read " + directory + "/" + static_cast<char>('a' + i % 26) +
                static_cast<char>('a' + i / 26) + "\n";
    }
    return text;
}
std::string on_disk(const std::string& directory, int count) {
    std::string text = "disk " + directory;
    for (int i = 0; i < count; ++i) {
        text += std::string(" ") + static_cast<char>('a' + i % 26) + static_cast<char>('a' + i / 26);
    }
    return text + "\n";
}

Rules files(const std::string& rest, int64_t tightness = 1000) {
    const auto fixture = test::read_fixture(start + rest);
    ReduceInput input = fixture.input();
    input.costs.tightness = tightness;
    const auto proposal = reduce(input);
    REQUIRE(proposal.has_value());
    return test::lines_of(*proposal, Section::Files);
}
bool any_wide(const Rules& rules) {
    return std::any_of(rules.begin(), rules.end(), [](const std::string& rule) {
        return rule.find("/: ") != std::string::npos || rule.find("/**: ") != std::string::npos;
    });
}

} // namespace

TEST_CASE("a fold at home shows at most half as many files as were read, one in the project may show more",
          "[profiler][limits]") {
    for (const std::string place : {"/home/ann/data", "/srv/data"}) {
        INFO(place);
        CHECK_FALSE(any_wide(files(reads(place, 20) + on_disk(place, 500))));
        CHECK_FALSE(any_wide(files(reads(place, 20) + on_disk(place, 31))));
        CHECK(any_wide(files(reads(place, 20) + on_disk(place, 24))));
    }
    CHECK(files(reads("/home/ann/p/data", 20) + on_disk("/home/ann/p/data", 500)) ==
          Rules{"${project}/data/**: r"});
}

TEST_CASE("a fold at home that writes shows hardly a file that was not written", "[profiler][limits]") {
    const auto writes = [](std::string text) {
        for (size_t at = 0; (at = text.find(" read ", at)) != std::string::npos;) {
            text.replace(at, 6, " write update ");
        }
        return text;
    };
    CHECK_FALSE(any_wide(files(writes(reads("/home/ann/data", 2)) + on_disk("/home/ann/data", 4))));
    CHECK(any_wide(files(writes(reads("/home/ann/data", 40)) + on_disk("/home/ann/data", 40))));
}

TEST_CASE("files of a working copy beside the project are listed sooner than others at home",
          "[profiler][limits]") {
    const std::string seen = reads("/home/ann/q/src", 20) + on_disk("/home/ann/q/src", 24);
    CHECK(any_wide(files(seen)));
    CHECK_FALSE(any_wide(files(seen + "disk /home/ann/q src/ .git/\n")));
    // A toolchain that is installed as one is no project.
    const std::string toolchain = reads("/home/ann/.nvm/src", 20) + on_disk("/home/ann/.nvm/src", 24);
    CHECK(any_wide(files(toolchain + "disk /home/ann/.nvm src/ .git/\n")));
}

TEST_CASE("nothing folds in another user's home, whatever it would save", "[profiler][limits]") {
    for (const std::string place :
         {"/home/bob", "/home/bob/docs", "/home/bob/p/node_modules/x", "/root/data"}) {
        INFO(place);
        const Rules rules = files(reads(place, 60), 10);
        CHECK(rules.size() == 60);
        CHECK_FALSE(any_wide(rules));
    }
    // In one's own it does, and in what is no home.
    CHECK(files(reads("/home/ann/docs", 60)) == Rules{"${home}/docs/: r"});
    CHECK(any_wide(files(reads("/home/linuxbrew/.linuxbrew/lib", 60))));
}

TEST_CASE("nothing folds right above the place of a credential, there or not", "[profiler][limits]") {
    for (const std::string place : {"/home/ann/.docker", "/home/ann/.cargo", "/home/ann/.m2",
                                    "/home/ann/.gradle", "/etc/ssh", "/home/ann/.config/git"}) {
        INFO(place);
        CHECK_FALSE(any_wide(files(reads(place, 60), 10)));
        // Nor a tree from further above.
        CHECK_FALSE(any_wide(files(reads(place + "/x", 1) + reads(place, 30), 10)));
    }
    // Beside it, and below it, where there is none.
    CHECK(any_wide(files(reads("/home/ann/.docker/cli-plugins", 60))));
    CHECK(any_wide(files(reads("/home/ann/.cargo/registry/src", 60))));
    CHECK(any_wide(files(reads("/home/ann/.dockerish", 60))));
}

TEST_CASE("a directory above that of a credential folds by its own names, and not as a tree",
          "[profiler][limits]") {
    const Rules rules = files(reads("/srv/team/keep/x", 30) + reads("/srv/team/keep", 30) +
                              "disk /srv/team/keep/x id_ed25519\n");
    CHECK(std::find(rules.begin(), rules.end(), "/srv/team/keep/: r") != rules.end());
    CHECK(rules.size() == 31);
    CHECK(files(reads("/srv/team/keep/x", 30) + reads("/srv/team/keep", 30)) ==
          Rules{"/srv/team/keep/**: r"});
}

TEST_CASE("a secret that lies on the disk makes its directory a list, in the project it does not",
          "[profiler][limits]") {
    for (const std::string name :
         {"id_rsa", "id_rsa.bak", ".env", ".env.old", "server.key", "backup.kdbx~"}) {
        INFO(name);
        CHECK_FALSE(any_wide(files(reads("/home/ann/data", 60) + "disk /home/ann/data " + name + "\n", 10)));
        CHECK_FALSE(any_wide(files(reads("/srv/data", 60) + "disk /srv/data " + name + "\n", 10)));
        CHECK(files(reads("/home/ann/p/data", 60) + "disk /home/ann/p/data " + name + "\n") ==
              Rules{"${project}/data/**: r"});
    }
    for (const std::string name : {"id_card.pdf", "environment", "monkey", "bak"}) {
        INFO(name);
        CHECK(any_wide(files(reads("/home/ann/data", 60) + "disk /home/ann/data " + name + "\n")));
    }
}

TEST_CASE("an accessed secret makes the directory it lies in a list", "[profiler][limits]") {
    CHECK(any_wide(files(reads("/home/ann/data", 60))));
    const Rules rules = files(reads("/home/ann/data", 60) + "file 1 read /home/ann/data/.env\n");
    CHECK(rules.size() == 61);
    CHECK_FALSE(any_wide(rules));
}

TEST_CASE("public packages may ship keys for their tests", "[profiler][limits]") {
    CHECK(any_wide(files(reads("/opt/tool/tests", 60) + "disk /opt/tool/tests server.key id_rsa\n")));
}

TEST_CASE("tightness trades lines against what they show, and never the hard limits", "[profiler][limits]") {
    const std::string seen = reads("/home/ann/data", 20) + on_disk("/home/ann/data", 30);
    CHECK(any_wide(files(seen, 500)));
    CHECK_FALSE(any_wide(files(seen, 1000)));
    const std::string project = reads("/home/ann/p/src", 4) + on_disk("/home/ann/p/src", 500);
    CHECK(any_wide(files(project, 1000)));
    CHECK_FALSE(any_wide(files(project, 20'000)));
    CHECK_FALSE(any_wide(files(reads("/home/ann/.docker", 100), 10)));
}

TEST_CASE("a tightness is a decimal number within its bounds", "[profiler][limits]") {
    CHECK(parse_tightness("1").value() == 1000);
    CHECK(parse_tightness("0.5").value() == 500);
    CHECK(parse_tightness("2.125").value() == 2125);
    CHECK(parse_tightness("0.01").value() == 10);
    CHECK(parse_tightness("100").value() == 100'000);
    for (const char* text :
         {"", "0", "0.009", "100.1", "-1", "1e2", "1.", ".5", "1.2345", "1,5", "1000", "x", "1.2.3"}) {
        INFO(text);
        CHECK_FALSE(parse_tightness(text).has_value());
    }
}

TEST_CASE("a sibling's secret two directories down, or a sibling that is a project, bars the rule above both",
          "[profiler][limits]") {
    std::string used;
    std::string sibling = "disk /home/ann/data other/";
    for (int i = 0; i < 80; ++i) {
        used += "file 1 read /home/ann/data/m" + std::to_string(i) + "/a\n";
        sibling += " m" + std::to_string(i) + "/";
    }
    sibling += "\n";
    const auto spans_both = [&](const std::string& disk) {
        const Rules rules = files(used + disk);
        return std::find(rules.begin(), rules.end(), "${home}/data/**: r") != rules.end();
    };
    CHECK(spans_both(sibling + "disk /home/ann/data/other sub/\ndisk /home/ann/data/other/sub a\n"));
    CHECK_FALSE(
        spans_both(sibling + "disk /home/ann/data/other sub/\ndisk /home/ann/data/other/sub .npmrc.bak\n"));
    CHECK_FALSE(
        spans_both(sibling + "disk /home/ann/data/other sub/\ndisk /home/ann/data/other/sub .git/ a\n"));
    // What is too large to be looked at may hold one.
    std::string large = sibling + "disk /home/ann/data/other";
    for (int i = 0; i < 2000; ++i) {
        large += " d" + std::to_string(i) + "/";
    }
    CHECK_FALSE(spans_both(large + "\n"));
}
