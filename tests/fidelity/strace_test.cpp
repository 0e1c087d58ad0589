#include <cerrno>
#include <climits>
#include <cstdlib>
#include <map>
#include <set>

#include "base/path.h"
#include "tests/bpf/traced.h"
#include "tests/fidelity/strace_log.h"

using namespace treadline;
using namespace treadline::test;

namespace {

// What a store holds, to be asked whether something is in it.
class Stored {
public:
    explicit Stored(const Trace& trace) {
        for (const FileAccess& access : trace.files) {
            if (access.result != 0) {
                continue;
            }
            for (const std::string& path : {access.path, access.requested}) {
                if (!path.empty()) {
                    paths_[std::string(to_string(access.access))].insert(path);
                }
            }
        }
        for (const SocketAccess& access : trace.sockets) {
            if (access.result == 0) {
                const bool abstract = access.protocol == "unix";
                addresses_.insert(access.operation + " " + access.address +
                                  (abstract ? "" : ":" + std::to_string(access.port)));
            }
        }
    }
    [[nodiscard]] bool has(const Seen& seen) const {
        for (const std::string& kind : seen.kinds) {
            if (seen.path.empty() ? addresses_.count(kind + " " + seen.address) != 0 : has(kind, seen.path)) {
                return true;
            }
        }
        return false;
    }

private:
    [[nodiscard]] bool has(const std::string& kind, const std::string& path) const {
        const auto found = paths_.find(kind);
        if (found == paths_.end()) {
            return false;
        }
        const std::set<std::string>& known = found->second;
        if (path.front() != '/') { // the log does not tell where it starts
            const std::string end = normalise_path(path);
            for (const std::string& one : known) {
                if (one.size() >= end.size() && one.compare(one.size() - end.size(), end.size(), end) == 0) {
                    return true;
                }
            }
            return false;
        }
        const std::string plain = normalise_path(path);
        return known.count(plain) != 0 || known.count(real(plain)) != 0 ||
               known.count(join_path(real(std::string(parent_path(plain))), file_name(plain))) != 0;
    }
    static std::string real(const std::string& path) {
        char buffer[PATH_MAX];
        return ::realpath(path.c_str(), buffer) == nullptr ? path : buffer;
    }

    std::map<std::string, std::set<std::string>> paths_; // by kind
    std::set<std::string> addresses_;
};

// Whether the log tells which object it is: "." does not say where it is, and files of a process in /proc
// have another name for each who looks.
bool is_told(const std::string& path) {
    return normalise_path(path) != "/" && !is_within(path, "/proc");
}

void check_subset(const std::string& script, size_t at_least) {
    REQUIRE_CAPABILITY(run({"strace", "-V"}).status == 0, "strace");
    const TemporaryDirectory directory;
    const std::string log = directory / "strace.log";
    directory.write("work/.keep", "");
    directory.write("home/.gitconfig", "[user]\nname = a\nemail = a@example.org\n");
    TraceOptions options;
    options.directory = directory / "work";
    options.out = directory / "out";
    ::setenv("HOME", (directory / "home").c_str(), 1);
    const Traced traced_run = traced({"strace", "-f", "-yy", "-qq", "-s", "4096", "-o", log, "-e",
                                      "trace=%file,%network", "sh", "-c", "set -e\n" + script},
                                     options);
    INFO(slurp(options.out));
    REQUIRE(traced_run.status == 0);

    const Stored stored(traced_run.trace);
    std::set<std::string> missing;
    size_t compared = 0;
    for (const Seen& seen : read_strace(slurp(log))) {
        if (!seen.path.empty() && !is_told(seen.path)) {
            continue;
        }
        ++compared;
        if (!stored.has(seen)) {
            missing.insert(seen.kinds.front() + " " + seen.path + seen.address + "\n      " + seen.line);
        }
    }
    std::string report;
    for (const std::string& one : missing) {
        report += "\n  " + one;
    }
    INFO(report);
    CHECK(missing.empty());
    CHECK(compared >= at_least);
}

} // namespace

TEST_CASE("what strace sees of a shell pipeline is in the store", "[bpf][fidelity][strace]") {
    check_subset(R"(
mkdir -p in/a in/b
for i in 1 2 3 4 5 6 7 8 9; do echo "$i of many" > in/a/$i; ln -s ../a/$i in/b/$i; done
find in -type f | xargs cat | sort -r | tee all | wc -l
cat in/b/* > copied
cd in && mv a c && cp -a c d && rm -r d && mkfifo pipe && chmod 600 ../copied && touch -d yesterday ../all
cd .. && tar cf x.tar in && mkdir out && tar xf x.tar -C out && sed -i s/many/few/ copied && ls -lR . > listing
)",
                 200);
}

TEST_CASE("what strace sees of git work is in the store", "[bpf][fidelity][strace]") {
    check_subset(R"(
git init -q -b main one && cd one
for i in 1 2; do echo $i > file$i; git add .; git commit -q -m $i; done
git checkout -q -b side HEAD~1 && echo 3 > file3 && git add . && git commit -q -m 3 && git rebase -q main
cd .. && git clone -q one two && cd two && git log --stat > ../log
)",
                 500);
}

TEST_CASE("what strace sees of a build is in the store", "[bpf][fidelity][strace]") {
    check_subset(R"(
mkdir source && cd source
echo 'int twice(int x);' > lib.h
echo '#include "lib.h"
int twice(int x) { return 2 * x; }' > lib.c
echo '#include <stdio.h>
#include "lib.h"
int main(void) { return twice(21) == 42 ? 0 : 1; }' > main.c
cat > CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(example C)
add_library(lib STATIC lib.c)
add_executable(program main.c)
target_link_libraries(program lib)
END
cmake -B build -G 'Unix Makefiles' > log && make -s -C build && build/program && build/program > result
)",
                 1000);
}

TEST_CASE("what strace sees of a python program is in the store", "[bpf][fidelity][strace]") {
    check_subset(R"(
cat > module.py <<'END'
def name(): return "module"
END
cat > program.py <<'END'
import json, os, shutil, socket, subprocess, tempfile, threading, module
with tempfile.TemporaryDirectory(dir=".") as where:
    with open(os.path.join(where, "a"), "w") as out: json.dump({"x": module.name()}, out)
    os.rename(os.path.join(where, "a"), os.path.join(where, "b"))
    shutil.copy(os.path.join(where, "b"), "kept")
subprocess.run(["/bin/sh", "-c", "cat kept > again"], check=True)
for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "here")):
    server = socket.socket(family); server.bind(address); server.listen(1)
    client = socket.socket(family); client.connect(server.getsockname())
END
python3 program.py
)",
                 200);
}

TEST_CASE("what strace sees of a node program is in the store", "[bpf][fidelity][strace]") {
    REQUIRE_CAPABILITY(run({"node", "--version"}).status == 0, "node");
    check_subset(R"(
mkdir -p node_modules/part && echo '{"name": "part", "main": "main.js"}' > node_modules/part/package.json
echo 'module.exports = () => 42;' > node_modules/part/main.js
cat > test.js <<'END'
const assert = require("assert"), fs = require("fs"), child = require("child_process");
assert.equal(require("part")(), 42);
fs.mkdirSync("a/b", {recursive: true});
fs.writeFileSync("a/b/c", "x"); fs.renameSync("a/b/c", "a/d"); fs.copyFileSync("a/d", "e"); fs.readdirSync("a");
assert.equal(child.execFileSync("cat", ["e"]).toString(), "x");
fs.rmSync("a", {recursive: true});
END
node test.js
)",
                 50);
}

TEST_CASE("a strace log is read call by call, and what is missing in a store is found",
          "[bpf][fidelity][strace]") {
    const std::vector<Seen> seen =
        read_strace("7 openat(AT_FDCWD</w>, \"a,\\\"b\", O_RDWR|O_CREAT, 0600) = 3</w/a,\\\"b>\n"
                    "7 openat(AT_FDCWD</w>, \"none\", O_RDONLY) = -1 ENOENT (No such file or directory)\n"
                    "7 openat(AT_FDCWD</w>, \"/dev/null\", O_RDONLY) = 4</dev/null<char 1:3>>\n"
                    "8 renameat2(5</x>, \"\\377\\n\", AT_FDCWD</w>, \"to\", 0 <unfinished ...>\n"
                    "7 unlink(\"../gone\") = 0\n"
                    "8 <... renameat2 resumed>) = 0\n"
                    "7 connect(3<TCP:[1.2.3.4:5->127.0.0.1:80]>, {sa_family=AF_INET, sin_port=htons(80), "
                    "sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 0\n"
                    "7 connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path=@\"name\"}, 8) = 0\n"
                    "7 +++ exited with 0 +++\n");
    std::vector<std::string> rows;
    for (const Seen& one : seen) {
        rows.push_back(one.kinds.front() + " " + one.path + one.address);
        CHECK_FALSE(Stored(Trace{}).has(one));
    }
    CHECK(rows == std::vector<std::string>{"read /w/a,\"b", "write /w/a,\"b", "read /dev/null",
                                           "delete ../gone", "delete /x/\xff\n", "create /w/to",
                                           "connect 127.0.0.1:80", "connect @name"});
    Trace trace;
    trace.files.emplace_back();
    trace.files.front().path = "/gone";
    trace.files.front().access = AccessKind::Delete;
    CHECK(Stored(trace).has(seen.at(3)));
    trace.files.front().result = EACCES; // what failed is no success
    CHECK_FALSE(Stored(trace).has(seen.at(3)));
}
