// The contract of the command line and its JSON (docs/cli.md).
#include "tests/e2e/loop.h"

using namespace treadline::test;
using nlohmann::json;

TEST_CASE("query answers a line an object, in order, and exits 1 when any is denied", "[e2e][cli]") {
    const Loop loop;
    loop.write("src/main.c", "");
    loop.write(".env", "SECRET=1\n");
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base]\nfiles:\n  ${project}/**: r\n  /usr/bin/dash: rx\n");
    const Finished mixed = loop.treadline({"query", "read", "src/main.c", "~/.ssh/id_ed25519", loop.home() + "/.ssh/id_ed25519", ".env"});
    INFO(mixed.out << mixed.err);
    CHECK(mixed.status == 1);
    CHECK(mixed.out.substr(0, mixed.out.find('\n')) == "allow\t${project}/**: r");
    CHECK(std::count(mixed.out.begin(), mixed.out.end(), '\n') == 4);
    CHECK(loop.treadline({"query", "read", "src/main.c"}).status == 0);
    CHECK(loop.treadline({"query", "write", "src/main.c"}).status == 1);
    CHECK(loop.treadline({"query", "exec", "/bin/sh"}).status == 0); // a link to dash
    CHECK(loop.treadline({"query", "exec", "sh"}).status == 0);
    CHECK(loop.treadline({"query", "read", ".env"}).status == 1);
    CHECK(loop.treadline({"query", "connect", "example.org:443"}).status == 1);
    CHECK(loop.treadline({"query", "syscall", "read"}).status == 0);
    CHECK(loop.treadline({"query", "syscall", "mount"}).status == 1);
    CHECK(loop.treadline({"query", "env", "PATH"}).status == 0);
    CHECK(loop.treadline({"query", "env", "AWS_SECRET_ACCESS_KEY"}).status == 1);
    CHECK(loop.treadline({"query", "fly", "x"}).status == 2);
    CHECK(loop.shell("printf 'src/main.c\\n.env\\n' | treadline query read - | cut -f1").out == "allow\ndeny\n");
}

TEST_CASE("a link to a secret is judged as the secret", "[e2e][cli]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base]\nfiles:\n  ${project}/**: r\n");
    REQUIRE(loop.shell("ln -s ~/.ssh/id_ed25519 innocent.txt").status == 0);
    CHECK(loop.treadline({"query", "read", "innocent.txt"}).status == 1);
}

TEST_CASE("runs and show print the shapes of the contract", "[e2e][cli]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    REQUIRE(loop.treadline({"learn", "--", "sh", "-c", "cat /etc/hostname >out; cat /nonexistent; exit 0"}).status == 0);
    const json runs = json::parse(loop.treadline({"runs", "--json"}).out);
    REQUIRE(runs.size() == 1);
    const json& run = runs.at(0);
    CHECK(run.at("command") == json({"sh", "-c", "cat /etc/hostname >out; cat /nonexistent; exit 0"}));
    CHECK(run.at("exit_status") == 0);
    CHECK(run.at("processes").get<int>() >= 3);
    CHECK(run.at("accesses").get<int>() > 3);
    CHECK(run.at("complete") == true);
    CHECK(run.at("duration_s").is_number());
    CHECK(run.at("started").is_string());
    CHECK(run.at("probes").is_string());
    CHECK(run.at("lost").is_object());

    const json shown = json::parse(loop.treadline({"show", run.at("id").dump(), "--json"}).out);
    const auto has = [&](const std::string& path, const std::string& access, const std::string& result) {
        for (const json& file : shown.at("files")) {
            if (file.at("path") == path && file.at("access") == access && file.at("result") == result) {
                return file.at("count").get<int>() >= 1 && !file.at("exe").get<std::string>().empty();
            }
        }
        return false;
    };
    INFO(shown.dump(1));
    CHECK(has("/etc/hostname", "read", "ok"));
    CHECK(has(loop.project() + "/out", "create", "ok"));
    CHECK(has(loop.project() + "/out", "write", "ok"));
    CHECK(has("/nonexistent", "read", "ENOENT"));
    CHECK(has("/usr/bin/cat", "execute", "ok"));
    for (const char* key : {"run", "processes", "connections", "listens", "names", "syscalls", "environment"}) {
        CHECK(shown.contains(key));
    }
    CHECK(shown.at("processes").at(0).contains("argv"));
}

TEST_CASE("learning again adds what is missing and changes no other byte", "[e2e][cli]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write("one/a", "1");
    REQUIRE(loop.treadline({"learn", "--", "sh", "-c", "cat one/a"}).status == 0);
    std::string edited = loop.profile();
    edited.insert(edited.find("files:"), "# a person's comment\n");
    edited += "\n# the end\n";
    loop.write(".treadline/profile.yaml", edited);
    REQUIRE(loop.treadline({"learn", "--", "sh", "-c", "cat one/a; head -c 1 /etc/fstab >/dev/null; date > made"}).status == 0);
    const std::string extended = loop.profile();
    INFO(extended);
    CHECK(extended.find("# a person's comment\n") != std::string::npos);
    CHECK(extended.find("\n# the end\n") != std::string::npos);
    CHECK(loop.treadline({"query", "read", "/etc/fstab"}).status == 0);
    // Every line that was there is still there, in order, but for the `learned:` block.
    size_t at = 0;
    std::istringstream lines(edited);
    for (std::string line; std::getline(lines, line);) {
        if (line.find("learned") != std::string::npos || line.find("command:") != std::string::npos || line.find("runs:") != std::string::npos ||
            line.find("complete:") != std::string::npos || line.find("certificate:") != std::string::npos) {
            continue;
        }
        const size_t found = extended.find(line + "\n", at);
        INFO(line);
        REQUIRE(found != std::string::npos);
        at = found;
    }
    REQUIRE(loop.treadline({"enforce", "--strict", "--", "sh", "-c", "cat one/a; head -c 1 /etc/fstab >/dev/null; date > made"}).status == 0);
}

TEST_CASE("diff exits 1 and names the rule when a profile widens", "[e2e][cli]") {
    const Loop loop;
    loop.write("old.yaml", "treadline: 1\nname: t\ninclude: [base]\nfiles:\n  ${project}/**: r\n");
    loop.write("new.yaml", "treadline: 1\nname: t\ninclude: [base]\nfiles:\n  ${project}/**: r\n  ${home}/notes/**: rw\n");
    const Finished wider = loop.treadline({"diff", "old.yaml", "new.yaml", "--json"});
    INFO(wider.out << wider.err);
    CHECK(wider.status == 1);
    CHECK(json::parse(wider.out).at("widens") == true);
    CHECK(json::parse(wider.out).at("added").dump().find("${home}/notes/**") != std::string::npos);
    const Finished narrower = loop.treadline({"diff", "new.yaml", "old.yaml", "--json"});
    CHECK(narrower.status == 0);
    CHECK(json::parse(narrower.out).at("removed").size() == 1);
    CHECK(loop.treadline({"diff", "old.yaml", "old.yaml"}).status == 0);
}

TEST_CASE("every subcommand has help with an example", "[e2e][cli]") {
    const Loop loop;
    for (const char* name : {"learn", "profile", "runs", "show", "review", "diff", "lint", "merge", "query", "enforce", "explain", "doctor"}) {
        const Finished help = loop.treadline({name, "--help"});
        INFO(name << help.out);
        CHECK(help.status == 0);
        CHECK(help.out.find(std::string("treadline ") + name) != std::string::npos);
    }
    CHECK(loop.treadline({"--version"}).out.starts_with("treadline 0."));
    CHECK(loop.treadline({"learn"}).status == 125);
    CHECK(loop.treadline({"enforce"}).status == 125);
    CHECK(loop.treadline({"frobnicate"}).status == 2);
}

TEST_CASE("doctor says what works here", "[e2e][cli]") {
    const Loop loop;
    const Finished text = loop.treadline({"doctor"});
    INFO(text.out);
    CHECK(text.status == 0);
    const json facts = json::parse(loop.treadline({"doctor", "--json"}).out);
    CHECK(facts.at("landlock_abi").is_number());
    CHECK(facts.at("user_namespaces").is_boolean());
    CHECK(facts.at("can_trace").get<bool>() == can_trace());
    if (can_trace()) {
        const std::string probes = facts.at("probes");
        CHECK((probes == "tracepoint" || probes == "lsm"));
        CHECK(text.out.find("probes    " + probes) != std::string::npos);
        CHECK((probes == "lsm" || facts.at("probes_because").get<std::string>().find("trampolines") != std::string::npos));
    }
}

TEST_CASE("explain says how each rule is held, and why the last run was denied", "[e2e][cli]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n");
    const Finished how = loop.treadline({"explain"});
    INFO(how.out << how.err);
    CHECK(how.status == 0);
    CHECK(how.out.find("${project}/**: r") != std::string::npos);
    CHECK(how.out.find("landlock") != std::string::npos);
    CHECK(loop.treadline({"explain", "--last"}).status == 2); // none yet
    REQUIRE(loop.treadline({"enforce", "--", "sh", "-c", "cat ~/.ssh/id_ed25519"}).status == 1);
    const Finished last = loop.treadline({"explain", "--last"});
    INFO(last.out << last.err);
    CHECK(last.status == 0);
    CHECK(last.out.find("${home}/.ssh/id_ed25519: r") != std::string::npos);
    // A run with less to tell takes the place of one with more, and the reverse.
    REQUIRE(loop.treadline({"enforce", "--", "sh", "-c", ":"}).status == 0);
    const Finished shorter = loop.treadline({"explain", "--last"});
    CHECK(shorter.out.find("nothing was denied") != std::string::npos);
    CHECK(shorter.out.find("id_ed25519") == std::string::npos);
    REQUIRE(loop.treadline({"enforce", "--", "sh", "-c", "cat ~/.ssh/id_ed25519"}).status == 1);
    CHECK(loop.treadline({"explain", "--last"}).out == last.out);
}
