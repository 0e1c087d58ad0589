// The ways of others that tools/bench/quality compares with, so that the comparison is with what it says.
#include "tools/bench/quality_baselines.h"

#include <algorithm>

#include "profiles/profile_writer.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Lines = std::vector<std::string>;

AccessSet accesses(const std::string& rest) {
    const auto fixture =
        test::read_fixture("run project=/home/ann/p home=/home/ann\nprocess 1 0 /usr/bin/tool\n" + rest);
    return collect_accesses(fixture.traces, test::fixture_variables);
}

Lines lines(const std::vector<FileRule>& rules) {
    Lines text;
    for (const FileRule& rule : rules) {
        text.push_back(rule_line(rule.path, rule.modes));
    }
    std::sort(text.begin(), text.end());
    return text;
}

} // namespace

TEST_CASE("the exact list is each path with its modes, united", "[tools][quality]") {
    const AccessSet set = accesses("file 1 read /srv/a {project}/b\nfile 1 write {project}/b");
    CHECK(lines(exact_rules(set)) == Lines{"${project}/b: rwc", "/srv/a: r"});
}

TEST_CASE("four files in a directory become its tree, three stay three", "[tools][quality]") {
    const AccessSet set =
        accesses("file 1 read /srv/a/1 /srv/a/2 /srv/a/3 /srv/b/1 /srv/b/2 /srv/b/3 /srv/b/deep/4\n"
                 "file 1 write /srv/a/4\nfile 1 execute /srv/a/deep/5");
    CHECK(lines(rules_folded_at(set, 4)) == Lines{"/srv/a/**: rw", "/srv/a/deep/5: rx", "/srv/b/1: r",
                                                  "/srv/b/2: r", "/srv/b/3: r", "/srv/b/deep/4: r"});
}

TEST_CASE("files directly in the root are never folded", "[tools][quality]") {
    const AccessSet set = accesses("file 1 read /a /b /c /d");
    CHECK(lines(rules_folded_at(set, 4)) == Lines{"/a: r", "/b: r", "/c: r", "/d: r"});
    CHECK(lines(gradm_rules(set)) == Lines{"/a: r", "/b: r", "/c: r", "/d: r"});
}

TEST_CASE("gradm's score folds the files of a middling directory and the tree of a full one",
          "[tools][quality]") {
    // Seven files, three levels deep, nothing below: two points for files, one each for depth and
    // descendants, twice because nothing is only written.
    std::string seven = "file 1 read", four = "file 1 read", two = "file 1 read";
    for (const char* name : {"1", "2", "3", "4", "5", "6", "7"}) {
        seven += std::string(" /srv/data/a/") + name;
    }
    for (const char* name : {"1", "2", "3", "4"}) {
        four += std::string(" /srv/data/b/") + name;
    }
    for (const char* name : {"1", "2"}) {
        two += std::string(" /srv/c/") + name;
    }
    CHECK(lines(gradm_rules(accesses(seven))) == Lines{"/srv/data/a/**: r"});
    CHECK(lines(gradm_rules(accesses(four))) == Lines{"/srv/data/b/: r"});
    CHECK(lines(gradm_rules(accesses(two))) == Lines{"/srv/c/1: r", "/srv/c/2: r"});
}
