// Each shipped abstraction against a real program of its kind, learned from one run: learning includes it,
// the run passes with it and not without it, without it there is more to read, and what it opens beyond its
// programs was used.
#include <algorithm>

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "collector/trace_reader.h"
#include "profiler/reduce.h"
#include "profiles/shipped.h"
#include "tests/e2e/loop.h"

using namespace treadline;
using namespace treadline::test;

namespace {

struct Kind {
    std::string name;
    std::string script{};                       // of the run that is learned
    std::vector<std::string> programs{};        // it needs, of the PATH
    std::map<std::string, std::string> files{}; // by name in the project
    std::string prepare{};                      // a script before learning
    std::string environment{};                  // NAME=VALUE…
    std::string command = "sh run.sh";
};

using Names = std::vector<std::string>;

bool holds(const Names& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

Names names_of(const std::vector<Entry>& entries) {
    Names names;
    for (const Entry& entry : entries) {
        names.push_back(entry.text);
    }
    return names;
}

std::string text_of(const std::string& abstraction) {
    return slurp(TREADLINE_ABSTRACTIONS "/" + abstraction + ".yaml");
}

// What is left of the abstraction when all that it says itself is taken away.
Profile emptied(const Profile& abstraction) {
    Profile rest;
    rest.name = abstraction.name;
    rest.include = abstraction.include;
    rest.syscalls = abstraction.syscalls;
    return rest;
}

class Shown {
public:
    explicit Shown(const Kind& kind) : kind_(kind) {
        for (const auto& [name, text] : kind.files) {
            loop_.write(name, text);
        }
        loop_.write("run.sh", kind.script);
        REQUIRE(loop_.shell(kind.prepare).status == 0);
        const Finished learned = run("learn --store ../store.db");
        INFO("learn: " << learned.err << learned.out);
        REQUIRE(learned.status == 0);
        trace_ = TraceReader::open(loop_.home() + "/store.db").value().read(1).value();
        variables_ =
            variables_for(identity_of(::getuid()).value(), loop_.project(), {{"HOME", loop_.home()}});
    }

    void is_included() const {
        INFO(loop_.profile());
        CHECK(holds(load_policy(loop_.project() + "/.treadline/profile.yaml", variables_).value().includes(),
                    kind_.name));
    }

    void saves_lines() const {
        const size_t with = lines_with(abstraction_loader(""));
        const size_t without = lines_with([&](const std::string& name) -> result<Profile> {
            auto profile = shipped_abstraction(name);
            return profile && name == kind_.name ? emptied(*profile) : profile;
        });
        CHECK(with < without);
    }

    void passes_only_with_it() const {
        const Finished with = run("enforce --strict");
        INFO("with: " << with.err << with.out << loop_.profile());
        CHECK(with.status == 0);

        // In its place a copy of what includes it, or of itself with nothing of its own in it.
        const std::string profile = loop_.profile();
        const size_t list = profile.find("include: [");
        const Names included =
            names_of(load_profile(loop_.project() + "/.treadline/profile.yaml").value().include);
        std::string outer = kind_.name;
        std::string copy;
        if (holds(included, outer)) {
            const Profile own = shipped_abstraction(outer).value();
            copy = "treadline: 1\ninclude: [" + join(names_of(own.include), ", ") + "]\nsyscalls: [";
            for (const std::string& call : names_of(own.syscalls)) {
                copy += (copy.back() == '[' ? "\"" : ", \"") + call + "\"";
            }
            copy += "]\n";
        } else {
            const auto at = std::find_if(included.begin(), included.end(), [&](const std::string& name) {
                return holds(names_of(shipped_abstraction(name).value().include), kind_.name);
            });
            REQUIRE(at != included.end());
            outer = *at;
            Names rest = names_of(shipped_abstraction(outer).value().include);
            std::erase(rest, kind_.name);
            copy = text_of(outer);
            const size_t from = copy.find("include: [");
            copy.replace(from, copy.find(']', from) - from, "include: [" + join(rest, ", "));
        }
        std::string other = profile;
        other.replace(profile.find(outer, list), outer.size(), "./without.yaml");
        loop_.write(".treadline/without.yaml", copy);
        loop_.write(".treadline/profile.yaml", other);
        const Finished without = run("enforce --strict");
        INFO("without: " << without.err << without.out << other);
        CHECK(without.status != 0);
        // A refused profile ends like a command that may not be executed.
        CHECK((without.status != 126 || without.err.find("Permission denied") != std::string::npos));
        loop_.write(".treadline/profile.yaml", profile);
    }

    // Programs are what an abstraction is for. Whatever else it opens on this machine was used by this run,
    // or says behind itself why it is there.
    void opens_what_is_used() const {
        const auto policy = Policy::build(shipped_abstraction(kind_.name).value(), kind_.name, variables_,
                                          abstraction_loader(""))
                                .value();
        const std::string text = text_of(kind_.name);
        const auto lines = split(text, '\n');
        for (const PolicyRule& rule : policy.files()) {
            const bool own = rule.origin.source == kind_.name;
            const bool a_program = rule.modes.has(Mode::Execute) && rule.pattern.extent != Extent::Subtree;
            if (!own || a_program || !is_there(rule.pattern) || was_used(rule)) {
                continue;
            }
            INFO(rule.text);
            const std::string_view line = lines.at(static_cast<size_t>(rule.origin.at.line) - 1);
            CHECK(line.find(" # ") != std::string_view::npos);
        }
    }

private:
    [[nodiscard]] Finished run(const std::string& treadline) const {
        return loop_.shell("exec env " + kind_.environment + " treadline " + treadline + " -- " +
                           kind_.command + " </dev/null");
    }
    [[nodiscard]] size_t lines_with(const Policy::Loader& load) const {
        ReduceInput input;
        input.traces = {trace_};
        input.variables = [this](const RunInfo&) { return variables_; };
        input.abstractions = load;
        input.shipped_abstractions = learned_abstractions();
        return reduce(input).value().rules.size();
    }
    static bool is_there(const Pattern& pattern) {
        if (pattern.extent != Extent::Glob) {
            struct stat status {};
            return ::stat(pattern.path.c_str(), &status) == 0;
        }
        glob_t found{};
        const bool any = ::glob(pattern.path.c_str(), 0, nullptr, &found) == 0;
        ::globfree(&found);
        return any;
    }
    [[nodiscard]] bool was_used(const PolicyRule& rule) const {
        return std::any_of(trace_.files.begin(), trace_.files.end(), [&](const FileAccess& access) {
            return access.result == 0 && access.access != AccessKind::Stat &&
                   rule.pattern.matches(access.path);
        });
    }

    const Kind& kind_;
    Loop loop_;
    Trace trace_;
    Variables variables_;
};

void show(const Kind& kind) {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    for (const std::string& program : kind.programs) {
        REQUIRE_CAPABILITY(Loop().shell("command -v " + program).status == 0,
                           program + " is not installed; tools/install-deps");
    }
    const Shown shown(kind);
    shown.is_included();
    shown.saves_lines();
    shown.passes_only_with_it();
    shown.opens_what_is_used();
}

} // namespace

TEST_CASE("runtime is what any program needs and no more", "[e2e][abstractions]") {
    show({.name = "runtime",
          .script = "free; cat /etc/debian_version; head -c 8 /dev/urandom | od; "
                    "echo x > /dev/null; echo x > /dev/full || true; file run.sh; /usr/bin/python3 -c '\n"
                    "import multiprocessing, mimetypes, os\n"
                    "multiprocessing.Semaphore(); mimetypes.guess_type(\"x.html\"); os.cpu_count()\n"
                    "open(\"/dev/zero\", \"rb\").read(4)'\n",
          .programs = {"file"}});
}

TEST_CASE("users is what names of users and groups need and no more", "[e2e][abstractions]") {
    show({.name = "users", .script = "set -e; id -un; ls -l run.sh\n"});
}

TEST_CASE("host is what asking for this machine needs and no more", "[e2e][abstractions]") {
    show({.name = "host",
          .script = "cat /etc/hostname /etc/machine-id /etc/timezone /etc/default/locale; true\n"});
}

TEST_CASE("interactive is what login and interactive shells need and no more", "[e2e][abstractions]") {
    show({.name = "interactive", .script = "bash -lc true; bash -ic true\n"});
}

TEST_CASE("coreutils is what core utilities need and no more", "[e2e][abstractions]") {
    show({.name = "coreutils",
          .files = {{"data", "b\na\n"}},
          .command = "timeout 20 nice stdbuf -oL env sort data"});
}

TEST_CASE("shell is what scripts need and no more", "[e2e][abstractions]") {
    show({.name = "shell",
          .script = "find . -name '*.txt' | xargs grep -h line | sed 's/line/row/' | awk '{print $2}' | sort "
                    "| uniq -c > sum.txt; "
                    "tar czf data.tgz data; rm data.tgz; bash -lc 'PS1=x; . /etc/profile; echo $0'\n",
          .files = {{"data/a.txt", "line 1\n"}, {"data/b.txt", "line 2\n"}}});
}

TEST_CASE("git is what work on a local repository needs and no more", "[e2e][abstractions]") {
    show({.name = "git",
          .script = "set -e; date +%N > b$(date +%N); git add -A; git commit -qm second; git log --oneline | "
                    "cat; git gc -q\n",
          .prepare = "git init -q -b main . && echo .treadline > .gitignore && git add -A && git -c "
                     "user.name=t -c user.email=t@example.org "
                     "commit -qm first && printf '[user]\\nname = t\\nemail = t@example.org\\n' > "
                     "~/.gitconfig && mkdir -p ~/.config/git && "
                     "echo '*.o' > ~/.config/git/ignore && echo '*.c text' > ~/.config/git/attributes && "
                     "touch ~/.config/git/config"});
}

TEST_CASE("node is what node needs and no more", "[e2e][abstractions]") {
    show({.name = "node",
          .script = "node two.js | grep -q 2\n",
          .files = {{"two.js", "require('child_process').execSync('ls'); require('crypto').randomBytes(4);\n"
                               "console.log(1 + 1);\n"}},
          .environment = "NODE_ENV=production NODE_NO_WARNINGS=1"});
}

TEST_CASE("npm is what npm needs beside node and no more", "[e2e][abstractions]") {
    show({.name = "npm",
          .script = "npm test\n",
          .programs = {"npm"},
          .files = {
              {"package.json", R"({"name": "demo", "version": "1.0.0", "scripts": {"test": "node --test"}})"},
              {"test/two.test.js",
               "require('node:test')('two', () => require('node:assert').equal(2, 1 + 1));\n"}}});
}

TEST_CASE("python is what python and pip need and no more", "[e2e][abstractions]") {
    show({.name = "python",
          .script = "set -e; /usr/bin/python3 -m venv env; /usr/bin/pip3 --version; env/bin/pip install -q "
                    "--no-index "
                    "./demo-1.0-py3-none-any.whl; "
                    "env/bin/python -c 'import demo, json, sqlite3, sysconfig; sysconfig.get_config_vars(); "
                    "print(demo.two)'\n",
          .files = {{"demo/__init__.py", "two = 2\n"},
                    {"demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"},
                    {"demo-1.0.dist-info/WHEEL",
                     "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
                    {"demo-1.0.dist-info/RECORD", "demo/__init__.py,,\n"}},
          .prepare = "/usr/bin/python3 -m zipfile -c demo-1.0-py3-none-any.whl demo demo-1.0.dist-info && rm "
                     "-r demo"});
}

TEST_CASE("c-toolchain is what a C project's make needs and no more", "[e2e][abstractions]") {
    show({.name = "c-toolchain",
          .script = "make -s clean all && ./app\n",
          .programs = {"make", "gcc"},
          .files = {{"Makefile", "all: app\napp: main.o\n\t$(CC) -o $@ $^ -lm\nclean:\n\trm -f app main.o\n"},
                    {"main.c", "#include <math.h>\n#include <stdio.h>\nint main(void) { printf(\"%d\\n\", "
                               "(int)sqrt(4.0)); return 0; }\n"}}});
}

TEST_CASE("cmake is what a CMake project's build and test with ninja need and no more",
          "[e2e][abstractions]") {
    show({.name = "cmake",
          .script = "set -e; rm -rf build; cmake -G Ninja -B build . >/dev/null; cmake --build build; cd "
                    "build; ctest -Q\n",
          .programs = {"cmake", "ninja"},
          .files = {{"CMakeLists.txt", "cmake_minimum_required(VERSION 3.18)\nproject(demo "
                                       "C)\nadd_executable(demo main.c)\nenable_testing()\n"
                                       "add_test(NAME runs COMMAND demo)\n"},
                    {"main.c", "int main(void) { return 0; }\n"}}});
}

TEST_CASE("rust is what cargo's build and test need and no more", "[e2e][abstractions]") {
    show({.name = "rust",
          .script = "cargo build -q --offline && cargo test -q --offline && cargo run -q --offline\n",
          .programs = {"cargo", "rustc"},
          .files = {{"Cargo.toml", "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"},
                    {"src/main.rs", "fn two() -> i32 { 2 }\nfn main() { println!(\"two is {}\", two()); }\n"
                                    "#[test]\nfn it_is_two() { assert_eq!(two(), 2); }\n"},
                    {"../.cargo/config.toml", "[term]\nquiet = true\n"},
                    {"../.gitconfig", "[user]\nname = t\n"}}});
}

TEST_CASE("go is what go's build and test need and no more", "[e2e][abstractions]") {
    show({.name = "go",
          .script = "go vet ./... && go build ./... && go test ./... && go run .\n",
          .programs = {"go"},
          .files = {
              {"go.mod", "module example.org/demo\n\ngo 1.19\n"},
              {"two.go",
               "package main\n\nfunc two() int { return 2 }\nfunc main() { println(\"two is\", two()) }\n"},
              {"two_test.go", "package main\n\nimport \"testing\"\n\nfunc TestTwo(t *testing.T) {\n\tif "
                              "two() != 2 {\n\t\tt.Fatal()\n\t}\n}\n"},
              {"../.config/go/env", "GOFLAGS=\n"}}});
}

TEST_CASE("java is what javac and java need and no more", "[e2e][abstractions]") {
    show({.name = "java",
          .script = "javac -d out Main.java && java -cp out Main\n",
          .programs = {"javac"},
          .files = {{"Main.java",
                     "public class Main {\n    public static void main(String[] words) throws Exception {\n"
                     "        System.out.println(new ProcessBuilder(\"/bin/true\").start().waitFor());\n"
                     "        System.out.println(java.security.MessageDigest.getInstance(\"SHA-256\"));\n    "
                     "}\n}\n"}}});
}

TEST_CASE("ssh-client is what ssh needs before it has a host and a key, and no more", "[e2e][abstractions]") {
    show({.name = "ssh-client",
          .script = "set -e; rm -f made made.pub; ssh-keygen -q -t ed25519 -N '' -f made; ssh-keygen -lf "
                    "made.pub; ssh -G host.example.org > options\n",
          .programs = {"ssh"}});
}

TEST_CASE("tls-trust is what a client of TLS needs to know whom to trust, and no more",
          "[e2e][abstractions]") {
    // A certificate that the system does not vouch for: refused with what the system trusts, accepted by
    // itself.
    show({.name = "tls-trust",
          .script = "openssl s_server -quiet -www -accept 127.0.0.1:34743 -cert server.crt -key "
                    "server.material & sleep 0.5\n"
                    "curl -sS https://localhost:34743/; refused=$?; curl -sS --cacert server.crt "
                    "https://localhost:34743/ > answer; "
                    "accepted=$?; kill $!; test $refused = 60 && test $accepted = 0\n",
          .programs = {"openssl", "curl"},
          .prepare = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext "
                     "subjectAltName=DNS:localhost -days 2 "
                     "-keyout server.material -out server.crt 2>/dev/null"});
}

TEST_CASE("dns is what looking up names needs and no more", "[e2e][abstractions]") {
    show({.name = "dns",
          .script = "getent ahosts localhost; getent services https; getent protocols tcp; getent networks "
                    "loopback; true\n"});
}

TEST_CASE("tty is what programs on a terminal need and no more", "[e2e][abstractions]") {
    show({.name = "tty",
          .script = "printf 'x\\n' | script -qec 'bash -c \"read -e line\"; stty rows 24 cols 80; stty -a > "
                    "/dev/tty; tput bold; tty; "
                    "LESSHISTFILE=- less -FX run.sh' /dev/null\n",
          .programs = {"script", "less"},
          .environment = "TERM=xterm"});
}

TEST_CASE("locale is what another language and time zone need and no more", "[e2e][abstractions]") {
    show({.name = "locale",
          .script = "set -e; date; test \"$LC_ALL\" = C.UTF-8; printf 'b\\na\\n' | sort; TZ=Europe/Berlin "
                    "date; printf '\\344' | iconv -f latin1 -t utf8 || true; ls /nowhere || true\n",
          .environment = "LC_ALL=C.UTF-8 LANGUAGE=de"});
}

TEST_CASE("ci-runner is what a step on a build server needs and no more", "[e2e][abstractions]") {
    const std::string files = "../work/_temp/_runner_file_commands/";
    show({.name = "ci-runner",
          .script = "echo two=2 >> $GITHUB_OUTPUT; echo done >> $GITHUB_STEP_SUMMARY; cat "
                    "$GITHUB_EVENT_PATH; test -n \"$GITHUB_SHA$RUNNER_OS\"\n",
          .files = {{files + "set_output_5f0c", ""},
                    {files + "step_summary_5f0c", ""},
                    {files + "set_env_5f0c", ""},
                    {"../work/_temp/_github_workflow/event.json", "{}\n"}},
          .environment = "GITHUB_ACTIONS=true GITHUB_SHA=1f GITHUB_REF_NAME=main RUNNER_OS=Linux "
                         "RUNNER_TEMP=$HOME/work/_temp "
                         "GITHUB_OUTPUT=$HOME/work/_temp/_runner_file_commands/set_output_5f0c "
                         "GITHUB_STEP_SUMMARY=$HOME/work/_temp/_runner_file_commands/step_summary_5f0c "
                         "GITHUB_EVENT_PATH=$HOME/work/_temp/_github_workflow/event.json"});
}
