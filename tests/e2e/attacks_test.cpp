// What a hostile test file tries under a learned profile; each attack is first shown to work without Treadline.
#include <catch2/generators/catch_generators.hpp>

#include "tests/e2e/loop.h"

using namespace treadline::test;
using nlohmann::json;

namespace {

// Runs `body` as JavaScript; exits 0 when the attack succeeded.
std::string script(const std::string& body) {
    return "const fs = require('fs'), home = process.env.HOME;\n" + body + "\n";
}

struct Attack {
    const char* name;
    std::string body;
    std::string object; // of the violation, home or project written ~ and .
    std::string rule;   // that would allow it
    std::string undo;
};

json find(const json& violations, const std::string& object) {
    for (const json& violation : violations) {
        if (violation.at("object") == object) {
            return violation;
        }
    }
    return nullptr;
}

std::string place(const Loop& loop, const std::string& object) {
    return object[0] == '~' ? loop.home() + object.substr(1) : loop.project() + object.substr(1);
}

} // namespace

TEST_CASE("a hostile test cannot steal the SSH key or leave anything that runs later, and each try is listed", "[e2e][attack]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Attack attack = GENERATE(
        Attack{"reads the key", "process.stdout.write(fs.readFileSync(home + '/.ssh/id_ed25519'))", "~/.ssh/id_ed25519",
               "${home}/.ssh/id_ed25519: r", ""},
        Attack{"reads it through a symlink in the project", "process.stdout.write(fs.readFileSync('tmp/link'))", "~/.ssh/id_ed25519",
               "${home}/.ssh/id_ed25519: r", ""},
        Attack{"reads it through /proc/self/root", "process.stdout.write(fs.readFileSync('/proc/self/root' + home + '/.ssh/id_ed25519'))",
               "~/.ssh/id_ed25519", "${home}/.ssh/id_ed25519: r", ""},
        Attack{"appends to .bashrc", "fs.appendFileSync(home + '/.bashrc', 'echo owned\\n')", "~/.bashrc", "${home}/.bashrc: ", "echo '# start-up' > ~/.bashrc"},
        Attack{"plants a git hook", "fs.writeFileSync('.git/hooks/pre-commit', '#!/bin/sh\\n', {mode: 0o755})", "./.git/hooks/pre-commit",
               "${project}/.git/hooks/pre-commit: ", "rm -f .git/hooks/pre-commit"},
        Attack{"opens its own fence", "fs.appendFileSync('.treadline/profile.yaml', '#\\n')", "./.treadline/profile.yaml", "", ""});
    CAPTURE(attack.name);

    const Loop loop;
    loop.write("test.js", "require('fs').writeFileSync('tmp/out', '1'); require('fs').rmSync('tmp/out');\n");
    loop.write("tmp/keep", "");
    REQUIRE(loop.shell("ln -s ~/.ssh/id_ed25519 tmp/link").status == 0);
    REQUIRE(loop.shell("git init -q . && git config user.name t && git config user.email t@example.org").status == 0);
    const Finished learned = loop.treadline({"learn", "--", "node", "test.js"});
    INFO(learned.err);
    REQUIRE(learned.status == 0);
    INFO(loop.profile());
    REQUIRE(loop.treadline({"enforce", "--strict", "--", "node", "test.js"}).status == 0);

    const std::string profile_before = loop.profile();
    loop.write("test.js", script(attack.body));
    CHECK(loop.shell("node test.js").status == 0); // without Treadline it works
    if (!attack.undo.empty()) {
        REQUIRE(loop.shell(attack.undo).status == 0);
    }
    loop.write(".treadline/profile.yaml", profile_before);

    const Finished enforced = loop.treadline({"enforce", "--", "node", "test.js"});
    INFO(enforced.err);
    CHECK(enforced.status == 1); // node's own status for an uncaught error
    CHECK(enforced.out.find("the secret key") == std::string::npos);
    CHECK(slurp(loop.home() + "/.bashrc") == "# start-up\n");
    CHECK(loop.shell("test -e .git/hooks/pre-commit").status != 0);
    CHECK(loop.profile() == profile_before);

    const json violations = loop.violations({"node", "test.js"});
    INFO(violations.dump(2));
    const json violation = find(violations, place(loop, attack.object));
    REQUIRE_FALSE(violation.is_null());
    if (attack.rule.empty()) {
        CHECK(violation.at("rule").is_null());
    } else {
        REQUIRE(violation.at("rule").is_string());
        CHECK(violation.at("rule").get<std::string>().find(attack.rule) != std::string::npos);
    }
}

TEST_CASE("nothing leaves: no route, no name, no socket of the host", "[e2e][attack]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write("test.js", "require('fs').readFileSync('port'); require('net').createServer().listen(0, '127.0.0.1', function () { this.close(); });\n");
    loop.write("port", "");
    REQUIRE(loop.treadline({"learn", "--", "node", "test.js"}).status == 0);
    REQUIRE(loop.treadline({"enforce", "--strict", "--", "node", "test.js"}).status == 0);
    // A server of the host, on its loopback.
    loop.write("outside.js", "require('net').createServer(s => { require('fs').appendFileSync('reached', 'x'); s.end(); })"
                             ".listen(0, '127.0.0.1', function () { require('fs').writeFileSync('port', String(this.address().port)); });\n"
                             "setTimeout(() => process.exit(0), 20000);\n");
    loop.write("test.js", "const port = Number(require('fs').readFileSync('port'));\n"
                          "require('net').connect(port, '127.0.0.1').on('connect', () => process.exit(0)).on('error', e => { console.log(e.code); process.exit(3); });\n");
    const Finished done = loop.shell("node outside.js & outside=$!; while ! test -s port; do sleep 0.1; done\n"
                                     "node test.js; echo without $?; sleep 0.2; rm -f reached\n"
                                     "treadline enforce -- node test.js; echo with $?; sleep 0.2; test -e reached && echo REACHED\n"
                                     "kill $outside");
    INFO(done.out << done.err);
    CHECK(done.out.find("without 0") != std::string::npos);
    CHECK(done.out.find("with 3") != std::string::npos);
    CHECK(done.out.find("REACHED") == std::string::npos);
}

TEST_CASE("what an earlier run hid from the search for secrets ends in a refusal, not in an open secret", "[e2e][attack]") {
    const Loop loop;
    loop.write(".env", "SECRET=1\n");
    loop.write("sub/.env", "SECRET=2\n");
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: rwcx\nsyscalls: [\"@file\"]\n");
    CHECK(loop.treadline({"enforce", "--", "sh", "-c", "cat sub/.env; ln sub/.env copy; cat copy"}).out.find("SECRET") == std::string::npos);
    REQUIRE(loop.shell("chmod 300 sub").status == 0); // as a run could have done
    const Finished hidden = loop.treadline({"enforce", "--", "sh", "-c", "cat sub/.env"});
    INFO(hidden.err);
    CHECK(hidden.status == 126);
    CHECK(hidden.err.find("sub") != std::string::npos);
    CHECK(hidden.out.find("SECRET") == std::string::npos);
    CHECK(loop.shell("chmod 700 sub").status == 0);
}

TEST_CASE("a link to a key in the project stops neither learning nor the tests, and reading through it is listed", "[e2e][attack]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write("package.json", R"({"name": "d", "version": "1.0.0", "scripts": {"test": "node --test"}})");
    loop.write("test/good.test.js", "require('node:test')('good', () => {});\n");
    REQUIRE(loop.shell("ln -s ~/.ssh/id_ed25519 link").status == 0);
    const Finished learned = loop.treadline({"learn", "--", "npm", "test"});
    INFO(learned.out << learned.err << loop.profile());
    REQUIRE(learned.status == 0);
    const Finished enforced = loop.treadline({"enforce", "--strict", "--", "npm", "test"});
    INFO(enforced.out << enforced.err);
    CHECK(enforced.status == 0);
    loop.write("test/steal.test.js", "require('node:test')('steal', () => { console.log(require('fs').readFileSync('link', 'utf8')); });\n");
    const Finished stolen = loop.treadline({"enforce", "--", "npm", "test"});
    INFO(stolen.out << stolen.err);
    CHECK(stolen.status == 1);
    CHECK(stolen.out.find("the secret key") == std::string::npos);
    const json violation = find(loop.violations({"npm", "test"}), loop.home() + "/.ssh/id_ed25519");
    REQUIRE_FALSE(violation.is_null());
    CHECK(violation.at("rule") == "${home}/.ssh/id_ed25519: r");
}

TEST_CASE("while learning, the profile is not the command's to change", "[e2e][attack]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    const std::string mine = "treadline: 1\nname: mine\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n";
    loop.write(".treadline/profile.yaml", mine);
    const Finished learned = loop.learn("echo '  /**: rwcx' >> .treadline/profile.yaml; rm -f .treadline/profile.yaml; true");
    INFO(learned.err);
    CHECK(learned.status == 0);
    CHECK(loop.profile().find("\n  /**: rwcx") == std::string::npos);
    CHECK(loop.profile().find("name: mine") != std::string::npos);
}
