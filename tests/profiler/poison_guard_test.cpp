#include "profiler/poison_guard.h"

#include "profiler/proposal_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Lines = std::vector<std::string>;
const std::string run = "run project=/p home=/home/ann tmp=/tmp\nprocess 1 0 /usr/bin/dash\n";
const std::string install =
    "process 2 1 /usr/bin/node node /usr/bin/npm ci\nprocess 3 2 /usr/bin/dash sh -c x\n";

Lines files(const std::string& fixture) {
    return test::lines_of(test::reduced(fixture), Section::Files);
}
Lines connects(const std::string& fixture) {
    return test::lines_of(test::reduced(fixture), Section::Connect);
}

} // namespace

TEST_CASE("a person's file that one of several runs needed waits for review", "[profiler][poison]") {
    const std::string both = run + "file 1 read {home}/notes\n";
    CHECK(files(both + "file 1 read {home}/once\n" + both) == Lines{"${home}/notes: r", "? ${home}/once: r"});
    // Of a single run nothing can be said.
    CHECK(files(both + "file 1 read {home}/once\n") == Lines{"${home}/notes: r", "${home}/once: r"});
    // The project's own files come and go.
    CHECK(files(run + "file 1 read {project}/a\n" + run) == Lines{"${project}/a: r"});
}

TEST_CASE("what only an install script needed of a person's waits for review", "[profiler][poison]") {
    CHECK(files(run + install + "file 3 read {home}/notes\n") == Lines{"? ${home}/notes: r"});
    CHECK(connects(run + install + "socket 3 connect tcp 203.0.113.7 443 api.example.org\n") ==
          Lines{"? api.example.org:443"});
    CHECK(files(run + install + "file 1 read {home}/notes\nfile 3 read {home}/notes\n") ==
          Lines{"${home}/notes: r"});
    CHECK(files(run + install + "file 3 read {project}/a\nfile 3 write update {tmp}/x\n") ==
          Lines{"${project}/a: r", "${tmp}/x: w"});
    CHECK(connects(run + install + "socket 2 connect tcp 203.0.113.7 443 packages.example.org\n") ==
          Lines{"packages.example.org:443"});
}

TEST_CASE("what a program needed that was started after input from outside waits for review",
          "[profiler][poison]") {
    const std::string agent =
        "process 2 1 /usr/bin/agent\nsocket 2 connect tcp 203.0.113.7 443 api.example.org\n"
        "process 3 2 /usr/bin/dash\n";
    CHECK(files(run + agent + "file 3 read {home}/notes\nfile 2 read {home}/settings\n") ==
          Lines{"? ${home}/notes: r", "${home}/settings: r"});
    CHECK(connects(run + agent + "socket 3 connect tcp 203.0.113.9 443 drop.example.net\n") ==
          Lines{"api.example.org:443", "? drop.example.net:443"});
}

TEST_CASE("another user's files and changes to another project always wait for review",
          "[profiler][poison]") {
    CHECK(files(run + "file 1 read /home/bob/x\n" + run + "file 1 read /home/bob/x\n") ==
          Lines{"? /home/bob/x: r"});
    const std::string other = "disk {home}/q .git/ a b\n";
    CHECK(files(run + other + "file 1 write update {home}/q/a\nfile 1 read {home}/q/b\n") ==
          Lines{"? ${home}/q/a: w", "${home}/q/b: r"});
    CHECK(files(run + "file 1 write update {home}/x\nfile 1 execute {home}/x\n") ==
          Lines{"? ${home}/x: rwx"});
}

TEST_CASE("a host that one of several runs needed waits, unless a package manager fetched from it",
          "[profiler][poison]") {
    const std::string fetch = "socket 1 connect tcp 203.0.113.7 443 api.example.org\n";
    CHECK(connects(run + fetch + run) == Lines{"? api.example.org:443"});
    CHECK(connects(run + fetch + run + fetch) == Lines{"api.example.org:443"});
    CHECK(connects(run + install + "socket 2 connect tcp 203.0.113.7 443 packages.example.org\n" + run) ==
          Lines{"packages.example.org:443"});
}

TEST_CASE("what waits for review is written where it allows nothing, with its reason", "[profiler][poison]") {
    const Proposal proposal =
        test::reduced(run + "file 1 read /home/bob/x\nfile 1 read {project}/a\n" + install +
                      "socket 3 connect tcp 203.0.113.7 443 api.example.org\n"
                      "socket 3 bind tcp 127.0.0.1 3000\nsocket 3 listen tcp 127.0.0.1 3000\n");
    const std::string text = proposal_text(proposal, "p").value();
    INFO(text);
    CHECK(text.ends_with(
        "\nreview: # allows nothing; move a line up to its section to accept it\n"
        "  files:\n"
        "    /home/bob/x: r                  # another user's; dash (1 run)\n"
        "  network:\n"
        "    connect:\n"
        "      - api.example.org:443         # only an install script needed it; dash (1 run)\n"
        "    listen:\n"
        "      - 3000                        # only an install script needed it; dash (1 run)\n"));
    const Profile profile = read_profile(text, "p").value();
    REQUIRE(profile.files.size() == 1);
    CHECK(profile.files[0].path == "${project}/a");
    CHECK(profile.network.connect.empty());
    CHECK(profile.review.files[0].path == "/home/bob/x");
}
