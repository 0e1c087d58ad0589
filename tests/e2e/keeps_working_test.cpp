// What has to keep working under a profile (the shared list of threats ends with it): each is learned once, and passes under
// --strict in another checkout at another place. npm, make, git's everyday work, shells and Python are in workloads_test.cpp.
#include <filesystem>
#include <fstream>

#include "tests/e2e/learned_loop.h"

using namespace treadline::test;
namespace fs = std::filesystem;

namespace {

bool have(const std::string& program) {
    return run({"sh", "-c", "command -v " + program}).status == 0;
}

#define REQUIRE_PROGRAM(name) REQUIRE_CAPABILITY(have(name), std::string(name) + ", which tools/install-deps installs")

const std::string repository = "git init -q -b main . && git config user.name t && git config user.email t@example.org && "
                               "printf '.treadline\\n' > .gitignore";

} // namespace

TEST_CASE("cargo builds and tests a crate under its profile", "[e2e][keeps][cargo]") {
    REQUIRE_PROGRAM("/usr/bin/cargo");
    const Loop loop;
    loop.write("Cargo.toml", "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    loop.write("src/main.rs", "pub fn two() -> i32 { 2 }\nfn main() { println!(\"{}\", two()); }\n"
                              "#[cfg(test)] mod tests { #[test] fn is_two() { assert_eq!(super::two(), 2); } }\n");
    keeps_working(loop, "/usr/bin/cargo test --offline -q && /usr/bin/cargo run --offline -q");
}

TEST_CASE("CMake with ninja configures, builds and tests under its profile", "[e2e][keeps][cmake]") {
    REQUIRE_PROGRAM("cmake");
    REQUIRE_PROGRAM("ninja");
    const Loop loop;
    loop.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.20)\nproject(demo C)\nenable_testing()\nadd_executable(app main.c)\n"
                                 "add_test(NAME app COMMAND app)\n");
    loop.write("main.c", "#include <stdio.h>\nint main(void) { puts(\"two\"); return 0; }\n");
    keeps_working(loop, "cmake -G Ninja -S . -B build && cmake --build build && ctest --test-dir build");
}

TEST_CASE("go vets, tests and builds a module under its profile", "[e2e][keeps][go]") {
    REQUIRE_PROGRAM("go");
    const Loop loop;
    loop.write("go.mod", "module demo\ngo 1.19\n");
    loop.write("main.go", "package main\nimport \"fmt\"\nfunc Two() int { return 2 }\nfunc main() { fmt.Println(Two()) }\n");
    loop.write("main_test.go", "package main\nimport \"testing\"\nfunc TestTwo(t *testing.T) { if Two() != 2 { t.Fatal() } }\n");
    keeps_working(loop, "go vet ./... && go test ./... && go build -o app . && ./app");
}

TEST_CASE("Java is compiled and run under its profile", "[e2e][keeps][java]") {
    REQUIRE_PROGRAM("javac");
    const Loop loop;
    loop.write("src/Main.java", "import java.nio.file.*;\npublic class Main { public static void main(String[] a) throws Exception {\n"
                                "Path p = Files.createTempFile(\"demo\", \".txt\"); Files.writeString(p, \"two\");\n"
                                "System.out.println(Files.readString(p)); Files.delete(p); } }\n");
    keeps_working(loop, "mkdir -p out && javac -d out src/Main.java && java -cp out Main");
}

TEST_CASE("node fetches from a server on loopback under its profile", "[e2e][keeps][node]") {
    const Loop loop;
    loop.write("fetch.js", "const server = require('http').createServer((q, s) => s.end('hello'));\n"
                           "server.listen(0, '127.0.0.1', async () => {\n"
                           "  const answer = await fetch(`http://localhost:${server.address().port}/`);\n"
                           "  if (await answer.text() !== 'hello') process.exit(1);\n"
                           "  server.close(); server.closeAllConnections();\n});\n");
    keeps_working(loop, "node fetch.js");
}

TEST_CASE("pip builds and installs a package of the project under its profile", "[e2e][keeps][pip]") {
    REQUIRE_PROGRAM("/usr/bin/pip");
    const Loop loop;
    loop.write("pkg/pyproject.toml", "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n"
                                     "[project]\nname = \"demo-pkg\"\nversion = \"1.0\"\n");
    loop.write("pkg/demo_pkg/__init__.py", "two = 2\n");
    keeps_working(loop, "/usr/bin/pip install -q --no-index --no-build-isolation --no-deps --target site ./pkg && "
                        "PYTHONPATH=site /usr/bin/python3 -c 'import demo_pkg; assert demo_pkg.two == 2'");
}

TEST_CASE("a repository of 10 000 files is searched, changed and committed under its profile", "[e2e][keeps][git]") {
    const Loop loop;
    for (int directory = 0; directory < 100; ++directory) {
        const std::string path = loop.project() + "/src/" + std::to_string(directory);
        fs::create_directories(path);
        for (int file = 0; file < 100; ++file) {
            std::ofstream(path + "/" + std::to_string(file)) << directory << " " << file << "\n";
        }
    }
    // What git starts in the background outlasts a command, and makes the learning run incomplete.
    keeps_working(loop, "set -e; test \"$(git ls-files src | wc -l)\" = 10000; test \"$(find src -type f | wc -l)\" = 10000; "
                        "test \"$(git grep -l '^5 7$' src)\" = src/5/7; grep -rlx '5 7' src; echo new > src/5/7; "
                        "git -c gc.auto=0 commit -qam new; test -z \"$(git status --porcelain)\"",
                  repository + "; git add -A; git -c gc.auto=0 commit -qm all");
}

TEST_CASE("git adds a worktree beside the project, works in it and removes it, once the rules for its place are accepted and adapted", "[e2e][keeps][git]") {
    const Loop loop;
    const std::string script = "set -e; git worktree add -q --detach ../wt; git -C ../wt status --short; test -e ../wt/a; git worktree remove ../wt";
    const std::string prepare = repository + "; echo 1 > a; git add -A; git commit -qm one";
    // `../wt` is no place relative to the project: in the clone, which lies in ~/elsewhere, it is another one.
    keeps_working(loop, script, prepare, [](const std::string& learned) {
        std::string profile = accepting({"${home}/wt/.git: "})(learned);
        for (size_t at = 0; (at = profile.find("${home}/wt", at)) != std::string::npos; ++at) {
            profile.replace(at, 10, "${home}/elsewhere/wt");
        }
        return profile;
    });
}

TEST_CASE("git fetches a submodule under its profile, once its configuration and hooks are accepted", "[e2e][keeps][git]") {
    const Loop loop;
    const std::string prepare = "(mkdir -p ~/lib && cd ~/lib && " + repository + " && echo 1 > a && git add -A && git commit -qm one); " + repository +
                                "; git -c protocol.file.allow=always submodule --quiet add ~/lib lib; git add -A; git commit -qm two; "
                                "git submodule --quiet deinit -f lib; rm -rf .git/modules";
    keeps_working(loop, "git -c protocol.file.allow=always submodule --quiet update --init && test -e lib/a", prepare,
                  accepting({".git/config:", ".git/modules/lib/config:", ".git/modules/lib/hooks/"}));
}
