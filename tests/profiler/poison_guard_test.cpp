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

TEST_CASE("who runs what an install script wrote is led by it, who runs what the command built is not",
          "[profiler][poison]") {
    // npm starts the tool that the script left; the tool starts a helper.
    const std::string later =
        "process 4 1 /usr/bin/node node /usr/bin/npm test\nprocess 5 4 /p/tool\n"
        "process 6 5 /usr/bin/cat\nfile 5 execute {project}/tool\nran 5 {project}/tool\n";
    const std::string reads = "file 5 read {home}/a\nfile 6 read {home}/b\nfile 4 read {home}/c\n";
    const auto at_home = [&](const std::string& writer) {
        Lines lines =
            files(run + install + "file " + writer + " create made {project}/tool\n" + later + reads);
        std::erase_if(lines,
                      [](const std::string& line) { return line.find("${home}") == std::string::npos; });
        return lines;
    };
    CHECK(at_home("3") == Lines{"? ${home}/a: r", "? ${home}/b: r", "${home}/c: r"});
    CHECK(at_home("1") == Lines{"${home}/a: r", "${home}/b: r", "${home}/c: r"});
    // What it wrote in turn, by rows as well as by texts.
    const std::string chain = install + "file 3 create made {project}/tool\n" + later +
                              "file 6 write made {project}/next\nprocess 7 1 /p/next\n"
                              "file 7 execute {project}/next\nran 7 {project}/next\n";
    auto fixture = test::read_fixture(run + chain);
    CHECK(Subjects(fixture.traces[0]).of(7).after_untrusted);
    CHECK(Subjects(test::as_rows(fixture.traces[0])).of(7).after_untrusted);
    CHECK_FALSE(Subjects(fixture.traces[0]).of(4).after_untrusted);
}

TEST_CASE("what was read only by way of a link that the run had made waits for review",
          "[profiler][poison]") {
    CHECK(files(run + "file 1 read linked {home}/notes\n") == Lines{"? ${home}/notes: r"});
    CHECK(files(run +
                "file 1 read linked {home}/notes\nprocess 2 1 /usr/bin/cat\nfile 2 read {home}/notes\n") ==
          Lines{"${home}/notes: r"});
    CHECK(files(run + "file 1 read linked {project}/a\n") == Lines{"${project}/a: r"});
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
