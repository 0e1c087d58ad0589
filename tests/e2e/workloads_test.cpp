// The loop on real workloads: learn once, then the same command passes under --strict, here and in another clone.
#include "tests/e2e/loop.h"

using namespace treadline::test;

namespace {

void learn_then_enforce(const Loop& loop, const std::string& script, const std::string& between = "") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Finished learned = loop.learn(script);
    INFO("learn: " << learned.err << learned.out);
    REQUIRE(learned.status == 0);
    INFO("profile:\n" << loop.profile());
    if (!between.empty()) {
        REQUIRE(loop.shell(between).status == 0);
    }
    const Finished enforced = loop.enforce(script);
    INFO("enforce: " << enforced.err << enforced.out);
    CHECK(enforced.status == 0);

    const Loop elsewhere = loop.clone();
    if (!between.empty()) {
        REQUIRE(elsewhere.shell(between).status == 0);
    }
    const Finished again = elsewhere.enforce(script);
    INFO("enforce in another clone: " << again.err << again.out);
    CHECK(again.status == 0);
}

} // namespace

TEST_CASE("an npm project's tests pass under the profile learned from one run", "[e2e][npm]") {
    const Loop loop;
    loop.write("package.json", R"({"name": "demo", "version": "1.0.0", "scripts": {"test": "node --test"},
        "dependencies": {"ms": "2.1.3", "semver": "7.6.3", "minimist": "1.2.8"}})");
    loop.write("test/all.test.js", R"(
const test = require('node:test'), assert = require('node:assert'), fs = require('fs'), os = require('os'), path = require('path');
const ms = require('ms'), semver = require('semver'), minimist = require('minimist');
test('ms', () => assert.equal(ms('2 days'), 172800000));
test('semver', () => assert.ok(semver.satisfies('1.2.3', '^1.0.0')));
test('minimist', () => assert.deepEqual(minimist(['-a', '1']).a, 1));
test('temporary files', () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'demo-'));
    fs.writeFileSync(path.join(dir, 'x'), 'y');
    fs.rmSync(dir, {recursive: true});
});
test('a server on loopback', async () => {
    const server = require('http').createServer((q, s) => s.end('hello'));
    await new Promise(done => server.listen(0, '127.0.0.1', done));
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/`);
    assert.equal(await answer.text(), 'hello');
    server.close(); server.closeAllConnections();
});
)");
    const Finished installed = loop.shell("npm install --no-audit --no-fund");
    INFO(installed.err);
    REQUIRE(installed.status == 0);
    learn_then_enforce(loop, "npm test");
}

TEST_CASE("a C project builds under its profile, from clean and again", "[e2e][make]") {
    const Loop loop;
    loop.write("Makefile", "CFLAGS = -O1 -Wall\n"
                           "all: build/app\n"
                           "build/%.o: %.c app.h\n\tmkdir -p build\n\t$(CC) $(CFLAGS) -c -o $@ $<\n"
                           "build/app: build/main.o build/util.o\n\t$(CC) -o $@ $^ -lm\n"
                           "check: all\n\t./build/app | grep -q 'two is 2'\n"
                           "clean:\n\trm -rf build\n");
    loop.write("app.h", "#include <stdio.h>\nint two(void);\n");
    loop.write("main.c", "#include \"app.h\"\nint main(void) { printf(\"two is %d\\n\", two()); return 0; }\n");
    loop.write("util.c", "#include <math.h>\n#include \"app.h\"\nint two(void) { return (int)sqrt(4.0); }\n");
    learn_then_enforce(loop, "make clean all check");
}

TEST_CASE("git work passes under its profile: commit, branch, rebase, merge, log, gc", "[e2e][git]") {
    const Loop loop;
    REQUIRE(loop.shell("git init -q -b main . && git config user.name t && git config user.email t@example.org && "
                       "echo .treadline > .gitignore && echo 1 > a && git add -A && git commit -qm first")
                .status == 0);
    learn_then_enforce(loop,
                       "set -e; date +%N > b$(date +%N); git add -A; git commit -qm second; git checkout -q -B side HEAD~; "
                       "date +%N > c; git add c; git commit -qm side; git rebase -q main; git checkout -q main; "
                       "git merge -q --ff-only side; git log --oneline | head -3; git status --short; git stash list; git gc -q");
}

TEST_CASE("repositories and worktrees the command makes for itself work, and the project's own stay guarded", "[e2e][git]") {
    const Loop loop;
    REQUIRE(loop.shell("git init -q -b main . && git config user.name t && git config user.email t@example.org && "
                       "echo .treadline > .gitignore && echo 1 > a && git add -A && git commit -qm first")
                .status == 0);
    const std::string script = "set -e; rm -rf copy new tree; git clone -q . copy; git init -q -b main new; cd new; git config user.name n; "
                               "git config user.email n@example.org; echo 1 > x; git add x; git commit -qm one; cd ..; "
                               "git worktree add -q -f --detach tree; git -C tree status --short; git worktree remove --force tree; rm -rf copy new";
    learn_then_enforce(loop, script);
    CHECK(loop.treadline({"query", "write", ".git/hooks/pre-commit"}).status == 1);
    CHECK(loop.treadline({"query", "write", ".git/config"}).status == 1);
    CHECK(loop.shell("test -e copy -o -e new -o -e tree").status != 0);
}

TEST_CASE("a python script passes under its profile", "[e2e][python]") {
    const Loop loop;
    loop.write("tool.py", "import json, os, sqlite3, subprocess, tempfile, pathlib, hashlib\n"
                          "with tempfile.NamedTemporaryFile() as f:\n    f.write(b'x'); f.flush()\n"
                          "pathlib.Path('out').mkdir(exist_ok=True)\n"
                          "db = sqlite3.connect('out/data.db'); db.execute('create table if not exists t(a)'); db.execute('insert into t values (1)'); db.commit()\n"
                          "json.dump({'n': len(os.listdir('.'))}, open('out/result.json', 'w'))\n"
                          "print(subprocess.run(['/bin/echo', 'from a child'], capture_output=True, text=True).stdout)\n");
    learn_then_enforce(loop, "/usr/bin/python3 tool.py");
}

TEST_CASE("a shell pipeline over many files passes under its profile", "[e2e][shell]") {
    const Loop loop;
    for (int i = 0; i < 40; ++i) {
        loop.write("data/part-" + std::to_string(i) + ".txt", "line " + std::to_string(i) + "\nother\n");
    }
    learn_then_enforce(loop, "find data -name '*.txt' | sort | xargs grep -h line | sed 's/line/row/' | awk '{print $2}' | sort -n | uniq -c | head -5 > summary.txt; "
                             "cat summary.txt; sed -i s/1/one/ summary.txt; tar czf data.tgz data; rm -f data.tgz");
}

TEST_CASE("what was learned in one place still passes when the caches are cold", "[e2e]") {
    const Loop loop;
    loop.write("run.sh", "mkdir -p ~/.cache/tool && test -e ~/.cache/tool/x || date > ~/.cache/tool/x; cat ~/.cache/tool/x\n");
    learn_then_enforce(loop, "sh run.sh", "rm -rf ~/.cache");
}

TEST_CASE("what was learned with outputs in place holds where they are missing, and the reverse", "[e2e]") {
    const Loop loop;
    loop.write("run.sh", "#!/bin/sh\nset -e\nmkdir -p out\necho x > out/r.json\necho y > log.txt\nrm -f prog\ncp /bin/true prog\n./prog\n", 0755);
    REQUIRE(loop.shell("./run.sh").status == 0);
    learn_then_enforce(loop, "./run.sh", "rm -rf out log.txt prog");
    CHECK(loop.enforce("./run.sh").status == 0); // and with them in place again
}

TEST_CASE("a file that nobody may execute is refused as it is without Treadline, and is no violation", "[e2e][shell]") {
    const Loop loop;
    learn_then_enforce(loop, "echo echo no > tool; ./tool 2> refused; test $? = 126 && grep -q denied refused");
}

TEST_CASE("files made without a name, and named or forgotten, pass under the profile learned from one run", "[e2e][unnamed]") {
    const Loop loop;
    loop.write("out/old", "");
    loop.write("make.py", R"(
import os
forgotten = os.open('out', os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(forgotten, b'x')
named = os.open('out', os.O_TMPFILE | os.O_WRONLY, 0o600)
os.write(named, b'made')
os.link(f'/proc/self/fd/{named}', 'out/made', src_dir_fd=0)  # with a directory Python follows the link
)");
    learn_then_enforce(loop, "python3 make.py && cat out/made && rm out/made");
}
