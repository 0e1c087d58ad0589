"""The workloads of tools/bench/quality: real programs that nobody here wrote, from Debian's sources and from npm.

`prepare` runs once, in the project's folder, with network; `$SOURCES` holds the unpacked Debian sources. `check` is what
is learned and enforced, as ./check in the project; `$1` is `forward` or `reversed`, the order of the tests. Both are sh -e.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    what: str
    prepare: str
    check: str
    sources: tuple = ()  # of Debian, by name
    programs: tuple = ()  # that have to be installed
    network: bool = False  # needs the loopback that its own server listens on


NPM = Workload(
    "npm", "npm ci and the tests of minimist, with tape and its 125 dependencies",
    """
npm pack --silent minimist@1.2.8 >/dev/null
tar xf minimist-*.tgz --strip-components=1
rm minimist-*.tgz
npm pkg delete devDependencies scripts
npm pkg set scripts.test=tape
npm install --save-dev tape@5.7.0
rm -r node_modules
""",
    """
npm ci --offline --no-audit --no-fund
if [ "$1" = reversed ]; then tests=$(ls -r test/*.js); else tests=$(ls test/*.js); fi
npm test -- $tests
""", programs=("npm",))

CMAKE = Workload(
    "cmake", "cJSON: cmake, build, ctest",
    "cp -R \"$SOURCES\"/cjson/. .",
    """
cmake -S . -B build -DCMAKE_BUILD_TYPE=Debug -DENABLE_CJSON_TEST=On
cmake --build build
if [ "$1" = reversed ]; then
    for test in $(seq 19 -1 1); do ctest --test-dir build --output-on-failure -I "$test,$test"; done
else
    ctest --test-dir build --output-on-failure
fi
""", sources=("cjson",), programs=("cmake", "cc"))

# The generated files have to look newer than what they were generated from.
AUTOTOOLS = Workload(
    "autotools", "libcsv: configure, make, make check",
    """
cp -R "$SOURCES"/libcsv/. .
touch aclocal.m4; sleep 0.1; touch configure Makefile.in
chmod +x configure install-sh missing depcomp
""",
    """
./configure
if [ "$1" = reversed ]; then make check; make; else make; make check; fi
""", sources=("libcsv",), programs=("make", "cc"))

PYTEST = Workload(
    "pytest", "toolz: its tests, with pytest",
    "cp -R \"$SOURCES\"/toolz/. .",
    """
if [ "$1" = reversed ]; then order=-r; else order=; fi
tests=$(find toolz -name 'test_*.py' | LC_ALL=C sort $order)
/usr/bin/python3 -m pytest -q $tests
""", sources=("toolz",), programs=("/usr/bin/py.test-3",))

GIT = Workload(
    "git", "branch, commit with a hook, rebase, worktree, stash, clone and push",
    """
cp -R "$SOURCES"/cjson/. .
git config --global user.name Ann
git config --global user.email ann@packages.example.org
git init -q -b main
mkdir .githooks
printf '#!/bin/sh\\ngit diff --cached --check\\n' >.githooks/pre-commit
chmod +x .githooks/pre-commit
git config core.hooksPath .githooks
git add -A
git commit -q --no-verify -m 'the library as it came'
""",
    """
temporary=$(mktemp -d)
git switch -q -c topic
echo 'a line' >>README.md
git commit -q -a -m 'a line more'
git switch -q main
git commit -q --allow-empty -m 'meanwhile'
git switch -q topic
git rebase -q main
git worktree add -q "$temporary/tree" main --detach
git -C "$temporary/tree" log --oneline | wc -l
git worktree remove "$temporary/tree"
echo 'another' >>README.md
git stash -q
git stash pop -q
git checkout -q README.md
git clone -q . "$temporary/clone"
(cd "$temporary/clone" && echo more >>LICENSE && git commit -q -a -m 'from the clone' && git push -q origin HEAD:pushed)
git log --stat --all | tail -n 3
git switch -q main
git branch -q -D topic pushed
rm -rf "$temporary"
""", sources=("cjson",), programs=("git",))

PIPELINE = Workload(
    "pipeline", "find, xargs, grep, awk, sort, tar and gzip over the files of three source packages",
    "cp -R \"$SOURCES\"/. .; rm -f *.tar.*",
    """
if [ "$1" = reversed ]; then order=-r; else order=; fi
mkdir -p out
find cjson toolz libcsv -type f | LC_ALL=C sort $order >out/files
xargs grep -hoE '[a-z_]{4,}' <out/files | sort | uniq -c | sort -rn | head -n 100 >out/words
xargs wc -l <out/files | awk '{ total += $1 } END { print total }' >out/lines
xargs sha256sum <out/files | cut -d ' ' -f 1 | sort -u >out/digests
tar cf - -T out/files | gzip -9 >out/all.tar.gz
tar tzf out/all.tar.gz | sed 's,.*/,,' | sort | comm -12 - - | wc -l
""", sources=("cjson", "toolz", "libcsv"), programs=("tar", "gzip"))

WEB = Workload(
    "web", "http-server from npm, and curl as its client",
    """
npm init -y >/dev/null
npm install http-server@14.1.1
mkdir site
cp -R "$SOURCES"/cjson/. site
""",
    """
node_modules/.bin/http-server site -a 127.0.0.1 -p 8080 >server.log 2>&1 &
server=$!
trap 'kill $server' EXIT
for i in $(seq 100); do curl -sf -o /dev/null http://127.0.0.1:8080/ && break; sleep 0.1; done
if [ "$1" = reversed ]; then order=-r; else order=; fi
files=$(cd site && find . -name '*.c' | LC_ALL=C sort $order)
for file in $files; do curl -sf "http://127.0.0.1:8080/$file" | cmp - "site/$file"; done
""", sources=("cjson",), programs=("npm", "curl"), network=True)

# The key is the scripted model's, which takes any; given here, it is nothing the command's caller has to pass on.
AGENT = Workload(
    "agent", "qwen-code from npm reads, edits and runs a test, driven by a scripted model on loopback",
    """
npm pack --silent minimist@1.2.8 >/dev/null
tar xf minimist-*.tgz --strip-components=1
rm -r minimist-*.tgz test
printf "require('assert').deepEqual(require('.')(['-a', '1']), { _: [], a: 1 });\\n" >test.js
cp "$BENCH"/scripted_model .
npm install --global --prefix "$HOME/.local" @qwen-code/qwen-code@0.24.4
git init -q -b main
git add -A
git -c user.name=Ann -c user.email=ann@packages.example.org commit -q -m 'as it came'
""",
    """
/usr/bin/python3 scripted_model 8090 &
model=$!
trap 'kill $model' EXIT
export OPENAI_API_KEY=any OPENAI_BASE_URL=http://127.0.0.1:8090/v1 OPENAI_MODEL=scripted
"$HOME/.local/bin/qwen" --yolo --prompt 'Make the tests pass.'
grep -q 'edited by the agent' index.js
git checkout -q index.js
""", programs=("npm", "git"), network=True)

WORKLOADS = (NPM, CMAKE, AUTOTOOLS, PYTEST, GIT, PIPELINE, WEB, AGENT)
