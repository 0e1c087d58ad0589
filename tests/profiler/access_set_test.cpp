#include "profiler/access_set.h"

#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

AccessSet collected(std::string_view fixture) {
    return collect_accesses(test::read_fixture(fixture).traces, test::fixture_variables);
}

Modes seen(const AccessSet& set, std::string_view path) {
    const PathTrie::Node node = set.trie.find(path);
    return node == PathTrie::none ? Modes::none() : set.facts[node].seen;
}

} // namespace

TEST_CASE("each kind of access needs its modes", "[profiler][access]") {
    const AccessSet set = collected("run project=/p home=/h\nprocess 1 0 /usr/bin/sh\n"
                                    "file 1 read /p/r\nfile 1 write /p/w\nfile 1 write update /p/u\nfile 1 "
                                    "create /p/c\nfile 1 delete /p/d\n"
                                    "file 1 execute /p/x\nfile 1 list /p/l\n");
    CHECK(to_string(seen(set, "${project}/r")) == "r");
    CHECK(to_string(seen(set, "${project}/w")) == "wc"); // made where it is missing
    CHECK(to_string(seen(set, "${project}/u")) == "w");  // never made by this
    CHECK(to_string(seen(set, "${project}/c")) == "c");
    CHECK(to_string(seen(set, "${project}/d")) == "c");
    CHECK(to_string(seen(set, "${project}/x")) == "rx");
    CHECK(to_string(seen(set, "${project}/l")) == "r");
}

TEST_CASE("what was only looked at needs no rule and is no refusal", "[profiler][access]") {
    const AccessSet set = collected("run project=/p home=/h\nprocess 1 0 /usr/bin/stat\n"
                                    "file 1 stat /p/there\nfile 1 stat EACCES /root/x\nfile 1 read /p/r\n");
    CHECK(seen(set, "${project}/there").empty());
    CHECK(seen(set, "/root/x").empty());
    CHECK(to_string(seen(set, "${project}/r")) == "r");
    CHECK(set.warnings.empty());
}

TEST_CASE("what failed grants nothing, and what was refused is a warning", "[profiler][access]") {
    const AccessSet set = collected("run project=/p home=/h\nprocess 1 0 /usr/bin/cat\n"
                                    "file 1 read ENOENT /p/gone\nfile 1 write EACCES /etc/hosts\n"
                                    "file 1 create EEXIST /p/there\n");
    CHECK(seen(set, "${project}/gone").empty());
    CHECK(seen(set, "/etc/hosts").empty());
    CHECK(seen(set, "${project}/there").empty());
    REQUIRE(set.warnings.size() == 1);
    CHECK(set.warnings[0] == "refused by the system while learning: /etc/hosts (EACCES, cat)");
}

TEST_CASE("many refusals are counted, not listed", "[profiler][access]") {
    std::string text = "run project=/p home=/h\nprocess 1 0 /usr/bin/cat\n";
    for (int i = 0; i < 100; ++i) {
        text += "file 1 read EACCES /srv/" + std::to_string(i) + "\n";
    }
    const AccessSet set = collected(text);
    REQUIRE(set.warnings.size() == 6);
    CHECK(set.warnings.back() == "95 more accesses were refused by the system");
}

TEST_CASE("a credential is kept apart, whether it was read or masked", "[profiler][access]") {
    const AccessSet set = collected("run project=/p home=/h\nprocess 1 0 /usr/bin/node\n"
                                    "file 1 read /h/.ssh/known_hosts\nfile 1 read EACCES /h/.ssh/id_rsa\n"
                                    "file 1 read /h/.sshx /p/environment.js\n");
    REQUIRE(set.guarded.size() == 2);
    CHECK(set.guarded[0].path == "${home}/.ssh/id_rsa");
    CHECK(set.guarded[1].path == "${home}/.ssh/known_hosts");
    CHECK(set.guarded[1].kind == GuardKind::Credential);
    CHECK(set.guarded[1].evidence.programs == std::vector<std::string>{"node"});
    CHECK(seen(set, "${home}/.ssh/known_hosts").empty());
    CHECK(seen(set, "${home}/.sshx").has(Mode::Read));
}

TEST_CASE("a protected file may be read, and writing it is kept apart", "[profiler][access]") {
    const AccessSet set = collected("run project=/p home=/h\nprocess 1 0 /usr/bin/git\n"
                                    "file 1 read /p/.git/config\nfile 1 write /p/.git/config\n");
    CHECK(to_string(seen(set, "${project}/.git/config")) == "r");
    REQUIRE(set.guarded.size() == 1);
    CHECK(set.guarded[0].kind == GuardKind::Protected);
    CHECK(to_string(set.guarded[0].modes) == "w");
}

TEST_CASE("users and checkouts unite in portable paths", "[profiler][access]") {
    const AccessSet set =
        collected("run project=/home/ann/p home=/home/ann\nprocess 1 0 /usr/bin/a\n"
                  "file 1 read /home/ann/p/f /home/ann/.x /home/ann\n"
                  "run project=/srv/bob/p home=/home/bob tmp=/var/tmp/b\nprocess 1 0 /usr/bin/b\n"
                  "file 1 read /srv/bob/p/f /home/bob/.x /home/bob /var/tmp/b/t\n");
    CHECK(set.facts[set.trie.find("${project}/f")].runs == 3);
    CHECK(set.facts[set.trie.find("${home}/.x")].runs == 3);
    CHECK(set.facts[set.trie.find("${home}")].touched);
    CHECK(set.facts[set.trie.find("${tmp}/t")].runs == 2);
    CHECK(set.trie.find("/home") == PathTrie::none);
}

TEST_CASE("a file counts as made by the run only if every run made it", "[profiler][access]") {
    const AccessSet set =
        collected("run project=/p home=/h\nprocess 1 0 /usr/bin/a\nfile 1 create made /p/a /p/b\n"
                  "run project=/p home=/h\nprocess 1 0 /usr/bin/a\nfile 1 create made /p/a\n"
                  "file 1 read /p/b\n");
    CHECK(set.facts[set.trie.find("${project}/a")].created);
    CHECK_FALSE(set.facts[set.trie.find("${project}/b")].created);
}

TEST_CASE("the process ids in /proc are all the same process", "[profiler][access]") {
    const AccessSet set =
        collected("run project=/p home=/h\nprocess 1 0 /usr/bin/a\n"
                  "file 1 read /proc/4711/status /proc/4712/task/4713/comm /proc/meminfo\n");
    CHECK(seen(set, "/proc/self/status").has(Mode::Read));
    CHECK(seen(set, "/proc/self/task/self/comm").has(Mode::Read));
    CHECK(seen(set, "/proc/meminfo").has(Mode::Read));
}

TEST_CASE("the environments of other processes are one guarded path, whichever processes there were",
          "[profiler][access]") {
    const AccessSet set = collected("run project=/p home=/h\nprocess 1 0 /usr/bin/ps\n"
                                    "file 1 read EACCES /proc/1/environ /proc/4711/environ /proc/12/task/13/environ\n");
    REQUIRE(set.guarded.size() == 2);
    CHECK(set.guarded[0].path == "/proc/*/environ");
    CHECK(set.guarded[0].evidence.accesses == 2);
    CHECK(set.guarded[1].path == "/proc/*/task/*/environ");
}

TEST_CASE("rows of a store become the same set as texts, through variables, process ids and odd names",
          "[profiler][access]") {
    const auto fixture = test::read_fixture(
        "run project=/home/ann/p home=/home/ann tmp=/home/ann/p/t\nprocess 1 0 /usr/bin/a\n"
        "file 1 read / /home /home/ann /home/ann/p /home/ann/p/t /home/ann/p/t/x /home/ann/p/tt "
        "/home/ann/.ssh/id\n"
        "file 1 read /home/annie/p /home/ann/.cache/c /home/ann/p/$\n"
        "file 1 read /home/ann/p/${home} /home/ann/p/a*b /home/ann/p/.hidden /proc /proc/4711/maps "
        "/proc/self/x\n"
        "file 1 write made /home/ann/p/.git/config /home/ann/p/n/.env\nfile 1 read EACCES /home/ann/p/no "
        "/root/x\n"
        "file 1 read ENOENT /home/ann/p/never/there\nfile 1 stat /home/ann/p/looked\n"
        "file 1 read /home/ann/p/..a/b /home/ann/.c/.d/e /home/ann/p/s\nsocket 1 bind unix /home/ann/p/s 0\n"
        "run project=/srv/q home=/srv\nprocess 1 0 /usr/bin/b\nfile 1 execute /srv/q/t/x /srv/q /srv "
        "/srv/x/.env\n");
    std::vector<Trace> rows;
    for (const Trace& trace : fixture.traces) {
        rows.push_back(test::as_rows(trace));
    }
    const AccessSet a = collect_accesses(fixture.traces, test::fixture_variables);
    const AccessSet b = collect_accesses(rows, test::fixture_variables);
    REQUIRE(a.trie.size() == b.trie.size());
    for (PathTrie::Node node = 1; node < a.trie.size(); ++node) {
        INFO(a.trie.path(node));
        CHECK(a.trie.path(node) == b.trie.path(node));
        CHECK(a.facts[node].seen == b.facts[node].seen);
        CHECK(a.facts[node].runs == b.facts[node].runs);
        CHECK(a.facts[node].created == b.facts[node].created);
        CHECK(a.facts[node].touched == b.facts[node].touched);
    }
    CHECK(b.trie.find("${project}/never") == PathTrie::none);
    CHECK(a.records.size() == b.records.size());
    CHECK(a.warnings == b.warnings);
    REQUIRE(a.guarded.size() == b.guarded.size());
    for (size_t i = 0; i < a.guarded.size(); ++i) {
        CHECK(a.guarded[i].path == b.guarded[i].path);
        CHECK(a.guarded[i].modes == b.guarded[i].modes);
        CHECK(a.guarded[i].evidence.accesses == b.guarded[i].evidence.accesses);
    }
    CHECK(a.guarded.size() >= 4);
}

TEST_CASE("a bound UNIX socket is a file the run makes", "[profiler][access]") {
    const AccessSet set = collected("run project=/p home=/h\nprocess 1 0 /usr/bin/a\n"
                                    "socket 1 bind unix /p/run/s 0\nsocket 1 bind unix @x 0\n");
    const PathTrie::Node node = set.trie.find("${project}/run/s");
    REQUIRE(node != PathTrie::none);
    CHECK(set.facts[node].seen.has(Mode::Create));
    CHECK(set.facts[node].created);
}

TEST_CASE("evidence names the busiest programs and the runs", "[profiler][access]") {
    EvidenceCounter counter;
    for (const auto& [program, count] :
         std::vector<std::pair<std::string, uint64_t>>{{"a", 1}, {"b", 9}, {"c", 3}, {"d", 4}, {"e", 5}}) {
        counter.add({program, Role::Other, false}, 0, count);
    }
    counter.add({"b", Role::Shell, true}, 2, 1);
    const Evidence evidence = counter.finish(4);
    CHECK(evidence.accesses == 23);
    CHECK(evidence.runs == 2);
    CHECK(evidence.of_runs == 4);
    CHECK(evidence.programs == std::vector<std::string>{"b", "e", "d", "c"});
    CHECK(evidence.first_run == 0);
    CHECK(evidence.last_run == 2);
    CHECK(evidence.roles == std::vector<Role>{Role::Other, Role::Shell});
    CHECK_FALSE(evidence.only_after_untrusted);
}
