// Each generaliser with its bound: what makes it fold, and what it may never fold into.
#include "profiler/fold.h"

#include <algorithm>
#include <random>

#include "profiler/proposal_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Lines = std::vector<std::string>;

const std::string start = "run project=/home/ann/p home=/home/ann\nprocess 1 0 /usr/bin/tool\n";

Lines files(const std::string& rest) {
    return test::lines_of(test::reduced(start + rest), Section::Files);
}
Lines private_directories(const std::string& rest) {
    return test::lines_of(test::reduced(start + rest), Section::Private);
}
std::string numbered(const std::string& access, const std::string& prefix, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += "file 1 " + access + " " + prefix + static_cast<char>('a' + i % 26) +
                static_cast<char>('a' + i / 26) + "\n";
    }
    return text;
}

} // namespace

TEST_CASE("a few reads in the project become the project's files, one stays one", "[profiler][fold]") {
    CHECK(files("file 1 read {project}/only") == Lines{"${project}/only: r"});
    CHECK(files("file 1 read {project}/a {project}/src/b {project}/lib/c") == Lines{"${project}/**: r"});
}

TEST_CASE("reading fails to fold into writing", "[profiler][fold]") {
    const Lines rules =
        files("file 1 read {project}/a {project}/b {project}/src/c\nfile 1 write {project}/log/out");
    CHECK(rules == Lines{"${project}/**: r", "${project}/log/out: wc"});
}

TEST_CASE("a directory the run made is its own, whatever it put there", "[profiler][fold]") {
    CHECK(files("file 1 create made {project}/build {project}/build/a.o {project}/build/x/b.o\n"
                "file 1 write made {project}/build/a.o {project}/build/x/b.o") ==
          Lines{"${project}/build/**: rwc"});
}

TEST_CASE("a temporary file beside its target opens that directory for names, and not what lies deeper",
          "[profiler][fold]") {
    const Lines rules = files("file 1 create made gone {project}/src/.aXk2Ld9\nfile 1 write made gone "
                              "{project}/src/.aXk2Ld9\nfile 1 create {project}/src/a\n"
                              "disk {project}/src a b deep/");
    CHECK(rules == Lines{"${project}/src/: rwc"});
}

TEST_CASE("a directory that `dir/` above it grants gets no rule of its own", "[profiler][fold]") {
    const std::string seen =
        numbered("read", "{home}/t/", 20) + numbered("write update", "{home}/t/sub/", 20);
    CHECK(files(seen + "file 1 list {home}/t/sub\n") == Lines{"${home}/t/: r", "${home}/t/sub/: w"});
    // What `dir/` does not grant still needs one.
    CHECK(files(seen + "file 1 delete directory {home}/t/sub/gone {home}/t/sub/more\n") !=
          Lines{"${home}/t/: r", "${home}/t/sub/: w"});
}

TEST_CASE("`dir/` and `dir/**` stand side by side where names are made and a tree is read",
          "[profiler][fold]") {
    const Lines both{"${project}/**: r", "${project}/: rwc"};
    const Lines rules =
        files(numbered("read", "{project}/src/deep/", 5) + numbered("read", "{project}/lib/", 5) +
              "file 1 create made gone {project}/.aXk2Ld9 {project}/.bQ7pRt2\n"
              "file 1 write made gone {project}/.aXk2Ld9 {project}/.bQ7pRt2\n"
              "disk {project} src/ lib/ secret1 secret2 secret3");
    CHECK((rules == both || rules == Lines{both[1], both[0]}));
}

TEST_CASE("names that change from run to run are never listed in the project", "[profiler][fold]") {
    const Lines rules = files("file 1 read {project}/out/4711 {project}/out/main.5fa3c1d.js");
    REQUIRE(rules.size() == 1);
    CHECK((rules[0] == "${project}/out/**: r" || rules[0] == "${project}/out/: r"));
}

TEST_CASE("names that differ between runs fold where the same names in both do not", "[profiler][fold]") {
    const std::string other = "run project=/home/ann/p home=/home/ann\nprocess 1 0 /usr/bin/tool\n";
    CHECK(files("file 1 read /data/x/alpha\nfile 1 read /data/x/beta\n" + other +
                "file 1 read /data/x/alpha\nfile 1 read /data/x/beta") ==
          Lines{"/data/x/alpha: r", "/data/x/beta: r"});
    CHECK(files("file 1 read /data/x/alpha\nfile 1 read /data/x/same\n" + other +
                "file 1 read /data/x/beta\nfile 1 read /data/x/same") == Lines{"/data/x/: r"});
}

TEST_CASE("temporary files make a private directory, a result left there does not", "[profiler][fold]") {
    CHECK(private_directories("file 1 create made gone {tmp}/ccXk2Ld9.s {tmp}/ccQ7pRt2.o") ==
          Lines{"${tmp}"});
    // A random name that could be a word.
    CHECK(private_directories(
              "file 1 create made gone directory {tmp}/x-rcrqvi\nfile 1 create made gone {tmp}/x-rcrqvi/f") ==
          Lines{"${tmp}"});
    const std::string result = "file 1 create made {tmp}/result.txt\nfile 1 write made {tmp}/result.txt";
    CHECK(private_directories(result).empty());
    CHECK(files(result) == Lines{"${tmp}/result.txt: rwc"});
}

TEST_CASE("a directory the run makes or removes is held as a tree, beside names made in the same place",
          "[profiler][fold]") {
    const std::string top = "file 1 create made {project}/top.txt {project}/other.txt\n"
                            "file 1 write made {project}/top.txt\ndisk {project} ci.sh sub.d/\n";
    // rm -rf dist; mkdir -p dist/bin; echo y > dist/bin/p
    for (const std::string was_there : {"", "file 1 delete directory {project}/dist/bin {project}/dist\n"}) {
        const Lines rules =
            files(top + was_there +
                  "file 1 create made directory {project}/dist {project}/dist/bin\n"
                  "file 1 create made {project}/dist/bin/p\nfile 1 execute made {project}/dist/bin/p");
        CHECK(rules == Lines{"${project}/: rwc", "${project}/dist/**: rwcx"});
    }
    // One that is made empty and stays is there when the next run removes it.
    CHECK(files(top + "file 1 create made directory {project}/empty") ==
          Lines{"${project}/: rwc", "${project}/empty/**: rwc"});
    // One that came and went with nothing in it is only a name.
    CHECK(files(top + "file 1 create made gone directory {project}/lock") == Lines{"${project}/: rwc"});
    // Deeper files of a directory that stays are no reason for a tree.
    CHECK(files("file 1 create made {project}/kept/deep/a") == Lines{"${project}/kept/deep/a: rwc"});
}

TEST_CASE("learning again does not take `dir/` for a directory that the run makes", "[profiler][fold]") {
    const auto fixture = test::read_fixture(
        start + "file 1 create made directory {project}/dist\nfile 1 create made {project}/dist/p");
    const auto add_to = [&](const std::string& rules) {
        const auto profile = read_profile("treadline: 1\nfiles:\n" + rules, "p");
        const auto policy = Policy::build(*profile, "p", fixture.variables(), test::fixture_abstractions());
        ReduceInput input = fixture.input();
        input.existing = &*policy;
        return test::lines_of(*reduce(input), Section::Files);
    };
    CHECK(add_to("  ${project}/: rwc\n") == Lines{"${project}/dist/**: rwc"});
    CHECK(add_to("  ${project}/dist/**: rwc\n").empty());
}

TEST_CASE("programs made in a temporary place run there by one rule that names none of them",
          "[profiler][fold]") {
    const Lines programs{"${tmp}/**: x"};
    for (const std::string name : {"tmp.0PdLtdx9F8", "demo-JiROVf"}) {
        for (const std::string end : {"made gone", "made"}) {
            INFO(name << ' ' << end);
            const std::string run = "file 1 create " + end + " directory {tmp}/" + name + "\nfile 1 create " +
                                    end + " {tmp}/" + name + "/s\nfile 1 write " + end + " {tmp}/" + name +
                                    "/s\nfile 1 execute " + end + " {tmp}/" + name + "/s\n";
            CHECK(private_directories(run) == Lines{"${tmp}"});
            CHECK(files(run) == programs);
        }
    }
    // A program that was there before is the host's.
    CHECK(private_directories("file 1 execute {tmp}/tool").empty());
    CHECK(files("file 1 execute {tmp}/tool") == Lines{"${tmp}/tool: rx"});
}

TEST_CASE("learning a second and a third time adds nothing for programs in a temporary directory",
          "[profiler][fold]") {
    const auto run = [](const std::string& name) {
        return test::read_fixture(start + "file 1 create made gone directory {tmp}/" + name +
                                  "\nfile 1 create made gone {tmp}/" + name +
                                  "/s\nfile 1 execute made gone {tmp}/" + name + "/s\n");
    };
    const auto first = run("tmp.0PdLtdx9F8");
    const auto learned = reduce(first.input());
    REQUIRE(learned.has_value());
    const auto policy =
        Policy::build(profile_from(*learned, "x"), "x", first.variables(), test::fixture_abstractions());
    REQUIRE(policy.has_value());
    for (const std::string name : {"tmp.quSwZ9XnIF", "work"}) {
        const auto again = run(name);
        ReduceInput input = again.input();
        input.existing = &*policy;
        const auto proposal = reduce(input);
        REQUIRE(proposal.has_value());
        CHECK(test::lines_of(*proposal, Section::Files).empty());
        CHECK(test::lines_of(*proposal, Section::Private).empty());
    }
}

TEST_CASE("one entry that came and went makes its temporary place private, guarded names in it or not",
          "[profiler][fold]") {
    const std::string made = "file 1 create made gone directory {tmp}/demo-JiROVf\n"
                             "file 1 list made gone {tmp}/demo-JiROVf\n"
                             "file 1 create made gone {tmp}/demo-JiROVf/f\n";
    CHECK(private_directories(made) == Lines{"${tmp}"});
    CHECK(files(made).empty());
    CHECK(private_directories(made + "file 1 create made gone {tmp}/demo-JiROVf/.env\n") == Lines{"${tmp}"});
}

TEST_CASE("what was in a temporary place before is named beside the private directory", "[profiler][fold]") {
    const std::string both = "file 1 create made gone {tmp}/ccXk2Ld9.s\nfile 1 read {tmp}/input.csv";
    CHECK(private_directories(both) == Lines{"${tmp}"});
    CHECK(files(both) == Lines{"${tmp}/input.csv: r"});
}

TEST_CASE("system programs are listed one by one, however many", "[profiler][fold]") {
    const Lines rules = files(numbered("execute", "/usr/bin/p", 40));
    CHECK(rules.size() == 40);
    CHECK(std::all_of(rules.begin(), rules.end(),
                      [](const std::string& rule) { return rule.ends_with(": rx"); }));
}

TEST_CASE("programs that belong together below /usr/lib fold", "[profiler][fold]") {
    CHECK(files(numbered("execute", "/usr/lib/tool/p", 5)) == Lines{"/usr/lib/tool/: rx"});
    CHECK(files(numbered("read", "/usr/include/sys/h", 5)) == Lines{"/usr/include/sys/**: r"});
}

TEST_CASE("files at home outside the project stay listed where folding would show others",
          "[profiler][fold]") {
    const Lines listed =
        files("file 1 read {home}/docs/a {home}/docs/b\ndisk {home}/docs a b c d e f g h private/");
    CHECK(listed == Lines{"${home}/docs/a: r", "${home}/docs/b: r"});
    CHECK(files(numbered("read", "{home}/.tool/", 20)) == Lines{"${home}/.tool/: r"});
}

TEST_CASE("no rule spans a place that holds more than one owner's files", "[profiler][fold]") {
    for (const std::string place :
         {"/", "/home/", "{home}/", "/etc/", "/dev/", "/var/", "/run/", "/usr/", "/sys/", "{tmp}/", "/srv/",
          "/var/lib/", "/home/bob/", "/run/user/", "{home}/.cache/", "{home}/.config/"}) {
        INFO(place);
        const Lines rules = files(numbered("read", place + "q", 60) + numbered("write", place + "w", 60));
        CHECK(rules.size() == 120); // names of no meaning, directly there: each stays its own rule
        for (const std::string& rule : rules) {
            CHECK(rule.find("*") == std::string::npos);
            CHECK(rule.find("/: ") == std::string::npos);
        }
    }
}

TEST_CASE("a project that is the whole home folds to nothing wide", "[profiler][fold]") {
    const Lines rules =
        test::lines_of(test::reduced("run project=/home/ann home=/home/ann\nprocess 1 0 /usr/bin/tool\n" +
                                     numbered("read", "/home/ann/f", 30)),
                       Section::Files);
    CHECK(rules.size() == 30);
}

TEST_CASE("what lies on the way to the project is not spanned, by whatever name", "[profiler][fold]") {
    const std::string text = "run project=/srv/jobs/team/p home=/home/ann\nprocess 1 0 /usr/bin/tool\n" +
                             numbered("read", "/srv/jobs/team/f", 30);
    CHECK(test::lines_of(test::reduced(text), Section::Files).size() == 30);
}

TEST_CASE("a wide rule in the project may lie over a credential, which stays a rule of its own and withheld",
          "[profiler][fold]") {
    CHECK(files("file 1 read {project}/a {project}/b {project}/src/c {project}/.env") ==
          Lines{"${project}/**: r", "# ${project}/.env: r"});
}

TEST_CASE("a repository's hooks are one line, whether its own or withheld; a single hook is named",
          "[profiler][fold]") {
    const std::string samples = "/.git/hooks/pre-push.sample {project}/x/.git/hooks/update.sample\n";
    CHECK(files("file 1 create made {project}/x" + samples + "file 1 write made {project}/x" + samples) ==
          Lines{"# ${project}/x/.git/hooks/: wc"});
    CHECK(files("file 1 create made {project}/x/.git {project}/x" + samples) ==
          Lines{"${project}/x/.git: rwc", "${project}/x/.git/hooks/: rwc"});
    CHECK(files("file 1 create {project}/.git/hooks/pre-commit") ==
          Lines{"# ${project}/.git/hooks/pre-commit: c"});
    CHECK(files("file 1 write {project}/a/.git/hooks/x {project}/b/.git/hooks/x") ==
          Lines{"# ${project}/a/.git/hooks/x: w", "# ${project}/b/.git/hooks/x: w"});
}

TEST_CASE("no rule with a wildcard in a name is ever proposed", "[profiler][fold]") {
    const Lines rules = files("file 1 read {home}/* {home}/a*b\nfile 1 create made {project}/*");
    CHECK(rules == Lines{"${project}/\\*: rwc", "${home}/\\*: r", "${home}/a\\*b: r"});
}

TEST_CASE("writing to the system is proposed, and withheld", "[profiler][fold]") {
    CHECK(files("file 1 write /etc/hosts /usr/bin/tool /sys/power/state /dev/sda") ==
          Lines{"# /dev/sda: w", "# /etc/hosts: w", "# /sys/power/state: w", "# /usr/bin/tool: w"});
}

TEST_CASE("random traces: all that was seen is allowed, and by no more rules than it has paths",
          "[profiler][fold]") {
    std::mt19937 random(11);
    const std::vector<std::string> roots{"{project}", "{home}",    "{tmp}",
                                         "/usr/lib",  "/srv/data", "{home}/.cache"};
    const std::vector<std::string> accesses{"read",    "write", "create", "create made", "create made gone",
                                            "execute", "list"};
    for (int round = 0; round < 80; ++round) {
        std::string text = start;
        for (int i = 0; i < 40; ++i) {
            std::string path = roots[random() % roots.size()];
            for (auto depth = 1 + random() % 3; depth > 0; --depth) {
                path += "/" + std::string(1, static_cast<char>('a' + random() % 4));
            }
            text += "file 1 " + accesses[random() % accesses.size()] + " " + path + "\n";
        }
        const auto fixture = test::read_fixture(text);
        const auto proposal = reduce(fixture.input());
        REQUIRE(proposal.has_value());
        // A rule withheld because it changes the system is left in for the question whether all is covered.
        Proposal accepted = *proposal;
        for (ProposedRule& rule : accepted.rules) {
            rule.withheld.clear();
            rule.review.clear();
        }
        CHECK(test::lines_of(accepted, Section::Files).size() +
                  test::lines_of(accepted, Section::Private).size() <=
              40);
        const auto policy = Policy::build(profile_from(accepted, "x"), "x", fixture.variables(),
                                          test::fixture_abstractions());
        INFO((policy ? "" : policy.error().message()));
        REQUIRE(policy.has_value());
        for (const FileAccess& access : fixture.traces[0].files) {
            const Operation operation = access.access == AccessKind::Write     ? Operation::Write
                                        : access.access == AccessKind::Create  ? Operation::Create
                                        : access.access == AccessKind::Execute ? Operation::Execute
                                                                               : Operation::Read;
            CHECK((policy->decide(operation, access.path).allowed ? "" : access.path) == "");
        }
    }
}

TEST_CASE("a name that was drawn is no rule, a lock file and what an archive brought are",
          "[profiler][fold]") {
    // Hardly a digit, as many of mkstemp's and Python's names: how they were made tells.
    const std::string drawn = "{home}/.app/part-xq3vkz.json";
    const auto made = [](const std::string& how, const std::string& name) {
        return files("file 1 read {home}/.app/settings\nfile 1 create made " + how + " " + name +
                     "\nfile 1 write made gone " + name);
    };
    const auto named = [](const std::string& name) {
        return Lines{"$" + name + ": rwc", "${home}/.app/settings: r"};
    };
    CHECK(made("exclusively gone", drawn) == Lines{"${home}/.app/: rwc"});
    CHECK(made("gone", drawn) == named(drawn));
    for (const std::string given : {"{home}/.app/index.lock", "{home}/.app/parser.c"}) {
        INFO(given);
        CHECK(made("exclusively gone", given) == named(given));
    }
    // Once made in another way, it is a name that somebody gave.
    CHECK(made("exclusively gone",
               drawn + "\nprocess 2 1 /usr/bin/other\nfile 2 create made gone " + drawn) == named(drawn));
}

TEST_CASE("what another user's run would call after that user is one rule for both", "[profiler][fold]") {
    const std::string read = "\nprocess 1 0 /usr/bin/tool\nfile 1 read /var/mail/";
    const std::string ann = "run project=/home/ann/p home=/home/ann user=ann" + read + "ann\n";
    const std::string bob = "run project=/home/bob/p home=/home/bob user=bob" + read + "bob\n";
    CHECK(test::lines_of(test::reduced(ann + bob), Section::Files) == Lines{"/var/mail/${user}: r"});
    CHECK(test::lines_of(test::reduced(ann), Section::Files) == Lines{"/var/mail/${user}: r"});
}

TEST_CASE("versions that differ between runs make their directory the rule", "[profiler][fold]") {
    const auto run = [](const std::string& version) {
        return start + "file 1 read {home}/.tools/node-v" + version + "/lib/a {home}/.tools/node-v" +
               version + "/lib/b\n";
    };
    const std::string disk = "disk {home}/.tools node-v20.1.0/ node-v20.2.0/\n";
    CHECK(test::lines_of(test::reduced(run("20.1.0") + run("20.2.0") + disk), Section::Files) ==
          Lines{"${home}/.tools/**: r"});
}
