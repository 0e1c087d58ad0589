#include "profiles/profile_editor.h"

#include <algorithm>

#include "base/text.h"
#include "profiles/profile_writer.h"
#include "tests/profiles/example.h"

using namespace treadline;
using treadline::test::contains;

namespace {

std::string inserted(std::string_view text, const std::vector<Insertion>& insertions) {
    const auto changed = insert_rules(text, insertions, "p.yaml");
    INFO(text);
    INFO((changed ? "" : changed.error().what));
    REQUIRE(changed);
    return *changed;
}

} // namespace

TEST_CASE("a rule is inserted where it sorts, and every other line stays", "[profiles][editor]") {
    const std::string before = "treadline: 1\n# my profile\nfiles:   # hand-made\n  /a: r    # first\n  # "
                               "about c\n  /c: rw\n\nprivate:\n- /tmp  # odd indent\n";
    const std::string after =
        inserted(before, {{"files", "/b: rx", "sh (1 run)", false}, {"files", "/d: r", "", false}});
    CHECK(after == "treadline: 1\n# my profile\nfiles:   # hand-made\n  /a: r    # first\n  /b: rx   # sh (1 "
                   "run)\n  # about c\n  /c: rw\n  /d: r\n\nprivate:\n- "
                   "/tmp  # odd indent\n");
    CHECK(inserted(before, {{"private", "/x", "", false}}).ends_with("- /tmp  # odd indent\n- /x\n"));
}

TEST_CASE("a rule stands where it would have been learned: the project's, the variables', the rest",
          "[profiles][editor]") {
    const std::string before =
        "treadline: 1\nfiles:\n  ${project}/a: r\n  ${home}/b: r\n#  ${home}/d: r   # no\n"
        "  /srv/z: r\nunix: [\"${project}/s\", \"${home}/t\", /run/u]\n"
        "network: {listen: [0, 80, 3000]}\nenvironment: {pass: [A, C]}\n";
    CHECK(inserted(before, {{"files", "${home}/c: r", "", false},
                            {"files", "${home}/e: r", "", true},
                            {"files", "${project}/b: r", "", false},
                            {"files", "/srv/zz: r", "", false},
                            {"unix", "${home}/s", "", false},
                            {"network.listen", "443", "", false},
                            {"environment.pass", "B", "", false},
                            {"environment.pass", "D", "", false}}) ==
          "treadline: 1\nfiles:\n  ${project}/a: r\n  ${project}/b: r\n  ${home}/b: r\n  ${home}/c: r\n"
          "#  ${home}/d: r   # no\n#  ${home}/e: r\n  /srv/z: r\n  /srv/zz: r\n"
          "unix: [\"${project}/s\", \"${home}/s\", \"${home}/t\", /run/u]\n"
          "network: {listen: [0, 80, 443, 3000]}\nenvironment: {pass: [A, B, C, D]}\n");
}

TEST_CASE("in a section that a person has arranged, a rule stands by its directory, else at the end",
          "[profiles][editor]") {
    const std::string before =
        "treadline: 1\nfiles:\n  /z/b: r\n  /z/d: r   # d\n  # ours\n  /a/x: r\nsyscalls: "
        "[ptrace, \"@base\"]\n";
    const std::string after = inserted(
        before,
        {{"files", "/z/c: r", "", false}, {"files", "/m/m: r", "", false}, {"syscalls", "bpf", "", false}});
    CHECK(after ==
          "treadline: 1\nfiles:\n  /z/b: r\n  /z/c: r\n  /z/d: r   # d\n  # ours\n  /a/x: r\n  /m/m: r\n"
          "syscalls: [ptrace, \"@base\", bpf]\n");
    CHECK(contains(inserted("treadline: 1\ninclude: [base, node]\n", {{"include", "git", "", false}}),
                   "[base, node, git]"));
}

TEST_CASE("a comment is no place for a rule unless it holds one", "[profiles][editor]") {
    const std::string before =
        "treadline: 1\nfiles:\n  /a: r\n# note: rw is too much\n# /b: of course\n  /d: r\n";
    CHECK(inserted(before, {{"files", "/c: r", "", false}}) ==
          "treadline: 1\nfiles:\n  /a: r\n  /c: r\n# note: rw is too much\n# /b: of course\n  /d: r\n");
}

TEST_CASE("many variables are written on few lines, and learning again goes on there", "[profiles][editor]") {
    std::vector<Insertion> names;
    for (int i = 10; i < 40; ++i) {
        names.push_back({"environment.pass", "VARIABLE_" + std::to_string(i), "", false});
    }
    std::string text = inserted("treadline: 1\n", names);
    const auto check_lines = [&] {
        for (const std::string_view line : split(text, '\n')) {
            INFO(text);
            CHECK(line.size() <= 100);
        }
    };
    check_lines();
    CHECK(std::count(text.begin(), text.end(), '\n') <= 7);
    CHECK(contains(text, "environment:\n  pass: [VARIABLE_10, "));
    // Again and again: each on the last line, or on a new one below the first name.
    for (int i = 40; i < 60; ++i) {
        text = inserted(text, {{"environment.pass", "VARIABLE_" + std::to_string(i), "", false}});
        check_lines();
    }
    CHECK(test::read(text).environment.pass.size() == 50);
    CHECK(contains(text, ",\n         VARIABLE_"));
    CHECK(inserted(text, {{"environment.pass", "VARIABLE_59", "", false}}) == text);
    // One that waits for a person needs a line of its own, for the comment.
    names.push_back({"environment.pass", "NPM_TOKEN", "a secret", true});
    CHECK(contains(inserted("treadline: 1\n", names), "\n    - VARIABLE_10\n"));
}

TEST_CASE("a list in brackets stays in brackets", "[profiles][editor]") {
    const std::string before(test::example);
    const std::string after = inserted(before, {{"syscalls", "bpf", "", false},
                                                {"private", "${cache}", "", false},
                                                {"network.listen", "8080", "", false},
                                                {"environment.pass", "TERM", "", false},
                                                {"include", "git", "", false},
                                                {"unix", "\"@a, b\"", "", false},
                                                {"network.connect", "a.example.org:80", "", false},
                                                {"files", "/usr/bin/make: rx", "make (2 runs)", false}});
    CHECK(contains(after, "syscalls: [\"@base\", \"@file\", \"@network\", bpf, ptrace]\n"));
    CHECK(contains(after, "private: [/tmp, ${home}, \"${cache}\"]           # starts empty"));
    CHECK(contains(after, "  listen:  [3000, 8080]                  # inside the sandbox\n"));
    CHECK(contains(after, "environment: {pass: [PATH, LANG, TERM], set: {CI: \"1\"}}\n"));
    CHECK(contains(after, "include: [base, node, git]              # abstractions"));
    CHECK(contains(after, "unix: [\"/run/user/*/bus\", \"@a, b\"]"));
    CHECK(contains(after, "\"10.0.0.5:5432\", \"a.example.org:80\"]\n"));
    CHECK(contains(
        after, "  /usr/bin/git: rx                 # npm (2 runs)\n  /usr/bin/make: rx   # make (2 runs)\n"));
}

TEST_CASE("brackets over several lines, with comments and a last comma, are understood",
          "[profiles][editor]") {
    const std::string before = "treadline: 1\ndeny: [\n  \"/a]\",  # not the end ]\n  '/it''s', # nor "
                               "'this\n]\nfiles: {}\nenvironment: {set: {A: \"}\"}}\n";
    const std::string after = inserted(
        before,
        {{"deny", "/b", "", false}, {"files", "/c: r", "", false}, {"environment.pass", "B", "", false}});
    const Profile profile = test::read(after);
    CHECK(profile.deny == std::vector<Entry>{{"/a]", {}}, {"/it's", {}}, {"/b", {}}});
    CHECK(profile.files.size() == 1);
    CHECK(profile.environment.pass.size() == 1);
    CHECK(contains(after, "\"/a]\",  # not the end ]\n"));
    CHECK(contains(after, "# nor 'this\n"));
}

TEST_CASE("a missing section is appended", "[profiles][editor]") {
    const std::string before = "treadline: 1\nname: x";
    const std::string after = inserted(before, {{"files", "${project}/**: r", "node (3 runs)", false},
                                                {"syscalls", "@file", "", false},
                                                {"network.connect", "*.a.org:443", "curl", false},
                                                {"network.listen", "0", "", false},
                                                {"environment.pass", "LC_*", "", false}});
    CHECK(after == "treadline: 1\nname: x\n\nfiles:\n  ${project}/**: r   # node (3 runs)\n\nnetwork:\n  "
                   "listen: [0]\n  connect:\n    - \"*.a.org:443\"   # "
                   "curl\nsyscalls: [\"@file\"]\nenvironment:\n  pass: [LC_*]\n");
}

TEST_CASE("inserting what is there changes no byte", "[profiles][editor]") {
    const std::string before(test::example);
    CHECK(inserted(before, {{"files", "/usr/bin/git: x", "again", false},
                            {"files", "${project}/**: r", "", true},
                            {"syscalls", "@base", "", false},
                            {"private", "\"${home}\"", "", false},
                            {"network.listen", "3000", "", false}}) == before);
    const std::vector<Insertion> rules = {{"files", "${home}/.npmrc: r", "holds tokens", true},
                                          {"files", "/b: rx", "sh", false},
                                          {"syscalls", "ptrace", "reads memory", true},
                                          {"environment.pass", "NPM_TOKEN", "a secret", true},
                                          {"unix", "/run/docker.sock", "root", true},
                                          {"network.connect", "10.0.0.1:80", "private", true}};
    for (const std::string& start : {before, std::string("treadline: 1\n")}) {
        const std::string once = inserted(start, rules);
        CHECK(once != start);
        CHECK(inserted(once, rules) == once);
    }
}

TEST_CASE("missing modes are added to the rule that is there", "[profiles][editor]") {
    const std::string before = "treadline: 1\nfiles:\n  /a: r # why\n  \"/b\": 'x'\n";
    CHECK(inserted(before, {{"files", "/a: w", "", false},
                            {"files", "/a: c", "", false},
                            {"files", "/b: r", "", false},
                            {"files", "/c: r", "", false}}) ==
          "treadline: 1\nfiles:\n  /a: rwc # why\n  \"/b\": rx\n  /c: r\n");
}

TEST_CASE("a withheld rule is a comment until its # is removed", "[profiles][editor]") {
    const std::string before = "treadline: 1\nfiles:\n  /a: r\nsyscalls:\n  - \"@base\"\n";
    const std::string after = inserted(before, {{"files", "${home}/.npmrc: r", "npm configuration", true},
                                                {"syscalls", "bpf", "dangerous", true}});
    CHECK(after == "treadline: 1\nfiles:\n#  ${home}/.npmrc: r   # npm configuration\n  /a: r\nsyscalls:\n  "
                   "- \"@base\"\n#  - bpf   # dangerous\n");
    CHECK(test::read(after) == test::read(before));
    std::string accepted = after;
    for (const char* mark : {"#  $", "#  -"}) {
        accepted.erase(accepted.find(mark), 1);
    }
    CHECK(test::read(accepted).files.size() == 2);
    CHECK(test::read(accepted).syscalls.size() == 2);
}

TEST_CASE("hostile names and comments cannot add lines of their own", "[profiles][editor]") {
    const std::string path = test::ann().shorten("/home/ann/p/x: r\n  /etc/**: rwcx #");
    const std::string after =
        inserted("treadline: 1\nfiles:\n  /a: r\n",
                 {{"files", rule_line(path, Mode::Read), "evil\n  /b: rwcx\x1b[2J", false},
                  {"files", rule_line(path + "2", Mode::Read), "a\n  /c: rwcx", true}});
    const Profile profile = test::read(after);
    REQUIRE(profile.files.size() == 2);
    CHECK(profile.files[0].path == path);
    CHECK(after.find('\x1b') == std::string::npos);
}

TEST_CASE("Windows line ends stay", "[profiles][editor]") {
    const std::string after = inserted("treadline: 1\r\nfiles:\r\n  /a: r\r\n",
                                       {{"files", "/b: r", "x", false}, {"private", "/tmp", "", false}});
    CHECK(after == "treadline: 1\r\nfiles:\r\n  /a: r\r\n  /b: r   # x\r\nprivate: [/tmp]\r\n");
}

TEST_CASE("a style that cannot be changed safely is an error, and so is a rule the reader would refuse",
          "[profiles][editor]") {
    CHECK_FALSE(insert_rules("{treadline: 1}\n", {{"files", "/b: r", "", false}}, "p.yaml"));
    CHECK_FALSE(insert_rules("treadline: 1\n...\n", {{"files", "/b: r", "", false}}, "p.yaml"));
    for (const char* line : {"b: r", "/b: q", "/b", "/a/../b: r", "/a*: c", "\"/b\nx\": r", ""}) {
        INFO(line);
        CHECK_FALSE(insert_rules("treadline: 1\n", {{"files", line, "", false}}, "p.yaml"));
    }
    CHECK_FALSE(insert_rules("treadline: 1\n", {{"network.listen", "http", "", false}}, "p.yaml"));
    CHECK_FALSE(insert_rules("treadline: 1\n", {{"nowhere", "x", "", false}}, "p.yaml"));
    CHECK_FALSE(insert_rules("treadline: 2\n", {}, "p.yaml"));
}

TEST_CASE("generated profiles take generated rules in either style", "[profiles][editor]") {
    for (int i = 0; i < 60; ++i) {
        Profile profile;
        for (int j = 0; j < i % 7; ++j) {
            profile.files.push_back(
                {"/f/" + std::to_string(j * 37 % 11) + "_" + std::to_string(j), Mode::Read, {}});
            profile.deny.push_back({"/d/" + std::to_string(j), {}});
        }
        const std::string text = write_profile(profile);
        const std::string after = inserted(text, {{"files", "/f/5: rx", i % 2 == 0 ? "why" : "", false},
                                                  {"deny", "/d/a b", "", i % 3 == 0}});
        CHECK(test::read(after).files.size() == profile.files.size() + 1);
        CHECK(test::read(after).deny.size() == profile.deny.size() + (i % 3 == 0 ? 0 : 1));
    }
}

TEST_CASE("a path longer than a simple key is inserted all the same", "[profiles][editor]") {
    const std::string path = "/" + std::string(250, 'a') + "/" + std::string(250, 'b') + "/" +
                             std::string(250, 'c') + "/" + std::string(250, 'd') + "/" +
                             std::string(250, 'e');
    const std::string once =
        inserted("treadline: 1\nfiles:\n  /a: r\n", {{"files", path + ": r", "", false}});
    CHECK(test::read(once).files.size() == 2);
    CHECK(inserted(once, {{"files", path + ": r", "", false}}) == once);
}

TEST_CASE("learned is updated in place and nothing else is", "[profiles][editor]") {
    const Learned learned{{"npm", "run", "test"}, 4, false, "sha256:ab"};
    const auto updated = [&](const std::string& text) {
        const auto changed = update_learned(text, learned, "p.yaml");
        INFO((changed ? "" : changed.error().what));
        REQUIRE(changed);
        return *changed;
    };
    std::string expected(test::example);
    expected.replace(expected.find("runs: 3, complete: true"), 23,
                     "runs: 4, complete: false, certificate: \"sha256:ab\"");
    CHECK(updated(std::string(test::example)) == expected);
    CHECK(updated(expected) == expected);
    CHECK(updated("treadline: 1\nname: x # y\nfiles: {/a: r}\n") ==
          "treadline: 1\nname: x # y\nlearned: {command: [npm, run, test], runs: 4, complete: false, "
          "certificate: \"sha256:ab\"}\nfiles: {/a: r}\n");
    CHECK(updated("treadline: 1\nlearned:\n  # by hand\n  runs: 1 # once\n  command: [make]\n") ==
          "treadline: 1\nlearned:\n  # by hand\n  complete: false\n  certificate: \"sha256:ab\"\n  runs: 4 # "
          "once\n  command: [make]\n");
    CHECK(updated("treadline: 1") == "treadline: 1\nlearned: {command: [npm, run, test], runs: 4, complete: "
                                     "false, certificate: \"sha256:ab\"}\n");
}
