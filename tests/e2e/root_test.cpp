// About root: under sudo the command runs as the invoking user; root itself is confined as well; another user's clone
// is held by the same profile.
#include <unistd.h>

#include "tests/e2e/loop.h"
#include "tests/support/auditing.h"

using namespace treadline::test;

namespace {

std::string test_user(const char* variable) {
    const char* name = std::getenv(variable);
    return name != nullptr ? name : "";
}

Finished as_user(const std::string& user, const std::string& script) {
    return run({"runuser", "-l", user, "-c", "export PATH=" TREADLINE_BIN ":$PATH; " + script}, {"/", {}, 110});
}

} // namespace

TEST_CASE("profiles learned by one user hold for another user's checkout at another path: npm, C, git, Python, shell", "[e2e][root]") {
    const std::string first = test_user("TREADLINE_TEST_USER");
    const std::string second = test_user("TREADLINE_TEST_OTHER_USER");
    REQUIRE_CAPABILITY(::geteuid() == 0 && !first.empty() && !second.empty(), "root and two test users; tests/run makes them");
    struct Project {
        const char* name;
        std::string make; // in its empty directory
        std::string command;
    };
    const std::vector<Project> projects = {
        {"npm",
         "mkdir test; echo '{\"name\":\"d\",\"version\":\"1.0.0\",\"scripts\":{\"test\":\"node --test\"},\"dependencies\":{\"ms\":\"2.1.3\"}}' > package.json; "
         "echo \"require('node:test')('ms', () => require('node:assert').equal(require('ms')('1s'), 1000))\" > test/a.test.js; "
         "npm install --no-audit --no-fund --silent",
         "npm test"},
        {"C",
         "echo 'int two(void);int main(void) { return two() - 2; }' > main.c; echo 'int two(void) { return 2; }' > two.c; "
         "printf 'app: main.o two.o\\n\\t$(CC) -o $@ $^\\ncheck: app\\n\\t./app\\nclean:\\n\\trm -f app *.o\\n' > Makefile",
         "make clean check"},
        {"git",
         "git init -q -b main .; git config user.name t; git config user.email t@example.org; echo .treadline > .gitignore; "
         "echo 1 > a; git add -A; git commit -qm first",
         "sh -c \"set -e; date +%N > a; git commit -qam second; git checkout -q -B side HEAD~; date +%N > b; git add b; "
         "git commit -qm side; git rebase -q main; git checkout -q main; git merge -q --ff-only side; git log --oneline; git status --short\""},
        {"Python",
         "echo 'import json, os, sqlite3, tempfile, pathlib' > tool.py; echo 'with tempfile.NamedTemporaryFile() as f: f.write(bytes(3))' >> tool.py; "
         "echo 'pathlib.Path(\"out\").mkdir(exist_ok=True)' >> tool.py; echo 'json.dump(sorted(os.listdir(\".\")), open(\"out/names.json\", \"w\"))' >> tool.py",
         "/usr/bin/python3 tool.py"},
        {"shell",
         "mkdir data; for i in 1 2 3 4 5; do echo \"line $i\" > data/$i.txt; done",
         "sh -c \"find data -name '*.txt' | sort | xargs cat | sed s/line/row/ | awk '{print \\$2}' | sort -n > sum; tar czf data.tgz data; rm data.tgz\""},
    };
    for (const Project& project : projects) {
        const auto script = [&](const std::string& directory, const std::string& then) {
            return "set -e; rm -rf " + directory + "; mkdir -p " + directory + "; cd " + directory + "; " + project.make + "; " + then;
        };
        INFO(project.name);
        const Finished learned = as_user(first, script("~/clone", "treadline learn -- " + project.command));
        INFO(learned.out << learned.err);
        REQUIRE(learned.status == 0);
        const std::string profile = as_user(first, "cat ~/clone/.treadline/profile.yaml").out;
        INFO(profile);
        CHECK(profile.find("/home/" + first) == std::string::npos); // nothing of the learner's home
        TemporaryDirectory shared;
        run({"chmod", "755", shared.path()});
        shared.write("profile.yaml", profile);
        const Finished enforced =
            as_user(second, script("~/own/work/tree", "mkdir .treadline; cp " + (shared / "profile.yaml") + " .treadline/; treadline enforce --strict -- " + project.command));
        INFO(enforced.out << enforced.err);
        CHECK(enforced.status == 0);
    }
}

TEST_CASE("under sudo the command runs as the invoking user, and so is all that is written", "[e2e][root]") {
    const std::string user = test_user("TREADLINE_TEST_USER");
    REQUIRE_CAPABILITY(::geteuid() == 0 && !user.empty(), "root and a test user; tests/run makes them");
    const std::string uid = run({"id", "-u", user}).out;
    // As sudo leaves it: root, with the invoking user's number in the environment.
    const Finished learned = as_user(user, "rm -rf ~/sudo ~/.local/state/treadline; mkdir ~/sudo");
    REQUIRE(learned.status == 0);
    const std::string home = run({"sh", "-c", "getent passwd " + user + " | cut -d: -f6"}).out;
    const std::string directory = home.substr(0, home.size() - 1) + "/sudo";
    const Finished done = run({TREADLINE_BIN "/treadline", "learn", "--", "sh", "-c", "id -u; touch made"},
                              {directory, {{"SUDO_UID", uid.substr(0, uid.size() - 1)}, {"SUDO_USER", user}}, 60});
    INFO(done.err);
    REQUIRE(done.status == 0);
    CHECK(done.out == uid);
    const Finished owners = run({"sh", "-c", "stat -c %u made .treadline/profile.yaml"}, {directory, {}, 10});
    CHECK(owners.out == uid + uid);
    CHECK(as_user(user, "cd ~/sudo && treadline runs --json | grep -c '\"complete\": true'").out == "1\n");
    const Finished enforced = run({TREADLINE_BIN "/treadline", "enforce", "--strict", "--", "sh", "-c", "id -u; touch made"},
                                  {directory, {{"SUDO_UID", uid.substr(0, uid.size() - 1)}, {"SUDO_USER", user}}, 60});
    INFO(enforced.err);
    CHECK(enforced.status == 0);
    CHECK(enforced.out == uid);
}

TEST_CASE("under sudo learning passes through the gateway, and the record is the invoking user's", "[e2e][root]") {
    const std::string user = test_user("TREADLINE_TEST_USER");
    REQUIRE_CAPABILITY(::geteuid() == 0 && !user.empty(), "root and a test user; tests/run makes them");
    const std::string uid = run({"id", "-u", user}).out;
    REQUIRE(as_user(user, "rm -rf ~/sudo-net ~/.local/state/treadline; mkdir ~/sudo-net").status == 0);
    const std::string home = run({"sh", "-c", "getent passwd " + user + " | cut -d: -f6"}).out;
    const std::string directory = home.substr(0, home.size() - 1) + "/sudo-net";
    const Finished done = run({"sh", "-c",
                               "python3 -c 'import http.server as h; s = h.HTTPServer((\"127.0.0.1\", 0), h.SimpleHTTPRequestHandler); "
                               "print(s.server_port, flush=True); s.serve_forever()' > port 2> /dev/null & server=$!; "
                               "while ! test -s port; do sleep 0.1; done; "
                               TREADLINE_BIN "/treadline learn -- sh -c \"id -u; curl -sS -o /dev/null http://127.0.0.1:$(cat port)/seen\"; status=$?; kill $server; exit $status"},
                              {directory, {{"SUDO_UID", uid.substr(0, uid.size() - 1)}, {"SUDO_USER", user}}, 60});
    INFO(done.err);
    REQUIRE(done.status == 0);
    CHECK(done.out == uid);
    const std::string port = run({"cat", "port"}, {directory, {}, 10}).out;
    const Finished runs = as_user(user, "cd ~/sudo-net && treadline runs --json | grep -E 'complete\"|network\"' && treadline show 1 | grep -c 'GET /seen'");
    INFO(runs.out << runs.err);
    CHECK(runs.out.find("\"complete\": true") != std::string::npos);
    CHECK(runs.out.find("\"network\": \"gateway\"") != std::string::npos);
    CHECK(runs.out.ends_with("\n1\n"));
    const std::string profile = as_user(user, "cat ~/sudo-net/.treadline/profile.yaml").out;
    INFO(profile);
    CHECK(profile.find("- host:" + port.substr(0, port.size() - 1) + "  ") != std::string::npos); // withheld, with its reason
}

TEST_CASE("root itself learns, and is confined without root's rights", "[e2e][root]") {
    REQUIRE_CAPABILITY(::geteuid() == 0, "root");
    const Loop loop;
    const Finished learned = loop.treadline({"learn", "--", "sh", "-c", "cat /etc/hostname; touch made"});
    INFO(learned.err);
    REQUIRE(learned.status == 0);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", "cat /etc/hostname; touch made"}).status == 0);
    const Finished stolen = loop.treadline({"enforce", "--", "sh", "-c", "cat /etc/shadow || cat /root/.bashrc || cat ~/.ssh/id_ed25519"});
    CHECK(stolen.status != 0);
    CHECK(stolen.out.empty());
}

namespace {

constexpr const char* signalling_profile = "treadline: 1\nname: p\ninclude: [base, shell]\nsyscalls: [\"@base\", \"@process\"]\n";

bool logs_landlock() { // Landlock ABI 7
    return nlohmann::json::parse(run({TREADLINE_BIN "/treadline", "doctor", "--json"}).out).at("landlock_abi") >= 7;
}

} // namespace

TEST_CASE("with auditing on root is told what Landlock alone refused, once, and what it allowed is no violation", "[e2e][root]") {
    const Auditing on(true);
    REQUIRE_CAPABILITY(on.works() && logs_landlock(), "root outside of any container, auditing, and Landlock ABI 7");
    const Loop loop;
    loop.write(".treadline/profile.yaml", signalling_profile);
    const nlohmann::json told = loop.violations({"sh", "-c", "kill 1; sleep 10 & kill $!"}); // the first is Treadline's own
    INFO(told.dump(2));
    REQUIRE(told.size() == 1);
    CHECK(told[0].at("layer") == "landlock");
    CHECK(told[0].at("operation") == "signal");
    CHECK(told[0].at("process").at("exe") == "/usr/bin/dash");
    CHECK(told[0].at("rule").is_null());
    const Finished explained = loop.treadline({"explain", "--last"});
    CHECK(explained.out.find("signal process ") != std::string::npos);
    CHECK(explained.out.find("only Landlock refused") == std::string::npos);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", "sleep 10 & kill $!"}).status == 0);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", "kill 1 || true"}).status == 77);
    CHECK(loop.treadline({"enforce", "--", "sh", "-c", "ls -l /proc/self/fd"}).out.find("socket:") == std::string::npos);
    const auto facts = nlohmann::json::parse(loop.treadline({"doctor", "--json"}).out);
    CHECK(facts.at("landlock_records") == true);
    CHECK(facts.at("landlock_records_problem") == "");
}

TEST_CASE("with auditing off the report says what is not seen, and what to do", "[e2e][root]") {
    const Auditing off(false);
    REQUIRE_CAPABILITY(off.works() && logs_landlock(), "root outside of any container, auditing, and Landlock ABI 7");
    const Loop loop;
    loop.write(".treadline/profile.yaml", signalling_profile);
    CHECK(loop.violations({"sh", "-c", "kill 1; true"}).empty());
    const Finished explained = loop.treadline({"explain", "--last"});
    INFO(explained.out);
    CHECK(explained.out.find("only Landlock refused") != std::string::npos);
    CHECK(explained.out.find("auditctl -e 1") != std::string::npos);
    CHECK(loop.treadline({"doctor"}).out.find("auditctl -e 1") != std::string::npos);
}

TEST_CASE("under sudo Landlock's records are read for the invoking user, who alone may not", "[e2e][root]") {
    const std::string user = test_user("TREADLINE_TEST_USER");
    REQUIRE_CAPABILITY(::geteuid() == 0 && !user.empty(), "root and a test user; tests/run makes them");
    const Auditing on(true);
    REQUIRE_CAPABILITY(on.works() && logs_landlock(), "root outside of any container, auditing, and Landlock ABI 7");
    const std::string uid = run({"id", "-u", user}).out;
    REQUIRE(as_user(user, "rm -rf ~/sudo-log ~/.local/state/treadline; mkdir -p ~/sudo-log/.treadline; cat > ~/sudo-log/.treadline/profile.yaml <<'E'\n" +
                              std::string(signalling_profile) + "E\n").status == 0);
    const std::string home = run({"sh", "-c", "getent passwd " + user + " | cut -d: -f6"}).out;
    const std::string directory = home.substr(0, home.size() - 1) + "/sudo-log";
    const Finished enforced = run({TREADLINE_BIN "/treadline", "enforce", "--", "sh", "-c", "id -u; kill 1"},
                                  {directory, {{"SUDO_UID", uid.substr(0, uid.size() - 1)}, {"SUDO_USER", user}}, 60});
    INFO(enforced.err);
    CHECK(enforced.out == uid);
    CHECK(enforced.err.find("denied signal process") != std::string::npos);
    const Finished alone = as_user(user, "cd ~/sudo-log && treadline enforce -- sh -c 'kill 1'; treadline explain --last");
    CHECK(alone.err.find("denied signal process") == std::string::npos);
    CHECK(alone.out.find("only root") != std::string::npos);
}

TEST_CASE("the collector refuses to watch another user's process", "[e2e][root]") {
    const std::string user = test_user("TREADLINE_TEST_USER");
    REQUIRE_CAPABILITY(::geteuid() == 0 && !user.empty(), "root and a test user; tests/run makes them");
    // A user's session that names a task of root's.
    const Finished done = as_user(user, "python3 - <<'E'\n"
                                        "import socket, os, array, json, subprocess, tempfile\n"
                                        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                                        "p = subprocess.Popen(['treadline-collector'], stdin=b)\n"
                                        "pidfd = os.pidfd_open(1)\n"
                                        "store = os.open(os.path.join(tempfile.mkdtemp(), 't.db'), os.O_RDWR | os.O_CREAT, 0o600)\n"
                                        "socket.send_fds(a, [json.dumps({'start': {'command': ['x']}}).encode()], [pidfd, store])\n"
                                        "print(a.recv(65536).decode())\n"
                                        "a.close(); p.wait()\n"
                                        "E\n");
    INFO(done.out << done.err);
    CHECK(done.out.find("\"error\"") != std::string::npos);
    CHECK(done.out.find("\"ready\"") == std::string::npos);
}
