#include "profiles/policy.h"

#include "tests/profiles/example.h"

using namespace treadline;
using treadline::test::contains;
using treadline::test::policy;
using treadline::test::policy_refusal;

namespace {

bool can(const Policy& rules, Operation operation, std::string_view object) {
    return rules.decide(operation, object).allowed;
}

constexpr auto Read = Operation::Read;
constexpr auto Write = Operation::Write;
constexpr auto Create = Operation::Create;
constexpr auto Execute = Operation::Execute;

} // namespace

TEST_CASE("an empty profile allows nothing", "[profiles][policy]") {
    const Policy none = policy("");
    for (const Operation operation : {Read, Write, Create, Execute, Operation::UnixConnect}) {
        CHECK_FALSE(can(none, operation, "/home/ann/p/x"));
        CHECK_FALSE(can(none, operation, "/"));
    }
    CHECK_FALSE(can(none, Operation::Connect, "a.example.org:443"));
    CHECK_FALSE(can(none, Operation::Connect, "127.0.0.1:80"));
    CHECK_FALSE(can(none, Operation::Listen, "3000"));
    CHECK_FALSE(can(none, Operation::Syscall, "read"));
    CHECK_FALSE(can(none, Operation::Environment, "PATH"));
    CHECK_FALSE(can(policy("files: {}\nnetwork: {connect: [], listen: []}\nsyscalls: []\n"),
                    Operation::Connect, "a.example.org:443"));
}

TEST_CASE("any protocol is allowed by a rule that says tcp, or names an address", "[profiles][policy]") {
    const Policy rules = policy("network: {connect: [\"a.test:22/tcp\", \"b.test:22\", \"10.0.0.5:22\"]}\n");
    CHECK(can(rules, Operation::Connect, "a.test:22"));
    CHECK(can(rules, Operation::Connect, "a.test:22/tcp"));
    CHECK(can(rules, Operation::Connect, "b.test:22"));
    CHECK_FALSE(can(rules, Operation::Connect, "b.test:22/tcp"));
    CHECK(can(rules, Operation::Connect, "10.0.0.5:22/tcp"));
    CHECK_FALSE(can(rules, Operation::Connect, "a.test:23/tcp"));
}

TEST_CASE("each mode grants its operation and no other", "[profiles][policy]") {
    const Policy rules = policy("files: {/r: r, /w: w, /c: c, /x: x}\n");
    const std::pair<Operation, std::string> grants[] = {
        {Read, "/r"}, {Write, "/w"}, {Create, "/c"}, {Execute, "/x"}};
    for (const auto& [operation, path] : grants) {
        for (const auto& [other, allowed] : grants) {
            INFO(path << " " << static_cast<int>(other));
            CHECK(can(rules, other, path) == (other == operation));
        }
    }
}

TEST_CASE("an allowed access names its rule as written and where it stands", "[profiles][policy]") {
    const Policy rules = policy("files:\n  ${project}/**: r\n  ${project}/build/**: rwc\n");
    const Decision decision = rules.decide(Read, "/home/ann/p/build/x");
    CHECK(decision.allowed);
    CHECK(decision.rule == "${project}/build/**: rwc");
    REQUIRE(decision.origin);
    CHECK(decision.origin->source == "p.yaml");
    CHECK(decision.origin->at.line == 4);
    CHECK(rules.decide(Read, "/home/ann/p/x").rule == "${project}/**: r");
}

TEST_CASE("a refused access comes with a reason and the smallest portable rule", "[profiles][policy]") {
    const Policy rules = policy("files: {\"${project}/a\": r}\n");
    const Decision decision = rules.decide(Write, "/home/ann/p/b");
    CHECK_FALSE(decision.allowed);
    CHECK(decision.section == "files");
    CHECK(decision.remedy == "${project}/b: w");
    CHECK(decision.reason == "no rule allows writing '${project}/b'");
    CHECK(rules.decide(Execute, "/usr/bin/git").remedy == "/usr/bin/git: rx");
    CHECK(rules.decide(Read, "/home/ann/p/x: y").remedy == "\"${project}/x: y\": r");
}

TEST_CASE("a remedy extends the rule that is there, so that no path gets two", "[profiles][policy]") {
    CHECK(policy("files: {\"${project}/a\": r}\n").decide(Write, "/home/ann/p/a").remedy ==
          "${project}/a: rw");
}

TEST_CASE("accepting a remedy allows exactly the access that was refused", "[profiles][policy]") {
    for (const auto& [operation, object] : std::vector<std::pair<Operation, std::string>>{
             {Read, "/home/ann/p/src/a*b"},
             {Write, "/etc/odd \"name\""},
             {Create, "/home/ann/p/new\nline"},
             {Execute, "/usr/bin/git"},
             {Read, "/home/ann/.ssh/id_ed25519"},
             {Write, "/home/ann/p/.git/hooks/pre-commit"},
             {Operation::Connect, "API.example.org.:443"},
             {Operation::Connect, "[2001:db8::1]:443"},
             {Operation::Connect, "a.example.org:22/tcp"},
             {Operation::Listen, "8080"},
             {Operation::UnixConnect, "/run/docker.sock"},
             {Operation::UnixConnect, "@/tmp/.X11-unix/X0"},
             {Operation::UnixConnect, "@odd*name\x01"},
             {Operation::Syscall, "ptrace"},
             {Operation::Syscall, "rename"},
             {Operation::Environment, "GITHUB_TOKEN"},
         }) {
        const Decision refused = policy("name: x\n").decide(operation, object);
        INFO(object << " " << refused.section << " " << refused.remedy);
        REQUIRE_FALSE(refused.allowed);
        REQUIRE_FALSE(refused.remedy.empty());
        const size_t dot = refused.section.find('.');
        std::string body = refused.section.substr(0, dot) + ":\n";
        if (dot != std::string::npos) {
            body += "  " + refused.section.substr(dot + 1) + ":\n  ";
        }
        const bool raw = refused.section == "network.connect" || refused.section == "unix";
        body += "  " +
                (refused.section == "files" ? refused.remedy
                                            : "- " + (raw ? "'" + refused.remedy + "'" : refused.remedy)) +
                "\n";
        CHECK(can(policy(body), operation, object));
    }
}

TEST_CASE("a look-alike path is not the allowed one", "[profiles][policy]") {
    const Policy rules = policy("files: {\"${home}/x\": r, \"${project}/**\": rwc, /home/dev/**: r}\n");
    CHECK(can(rules, Read, "/home/ann/x"));
    for (const char* other : {"/home/ann/x2", "/home/annx", "/home/ann/X", "/home/ann2/x", "/home/ann/p2/x",
                              "/home/dev2/x", "/home/ann/x/y", "/home/ann", "/x"}) {
        INFO(other);
        CHECK_FALSE(can(rules, Read, other));
    }
}

TEST_CASE("a path that is not resolved is refused, doubled and last slashes are ignored",
          "[profiles][policy]") {
    const Policy rules = policy("files: {\"${project}/**\": rwc}\n");
    CHECK(can(rules, Read, "/home/ann/p/a"));
    CHECK(can(rules, Read, "//home//ann/p/a/"));
    for (const std::string& path : {std::string("/home/ann/p/../.ssh/id"), std::string("/home/ann/p/./a"),
                                    std::string("home/ann/p/a"), std::string(""), std::string("p"),
                                    std::string("/home/ann/p/.."), std::string("/home/ann/p/a\0b", 15)}) {
        INFO(path);
        const Decision decision = rules.decide(Read, path);
        CHECK_FALSE(decision.allowed);
        CHECK(decision.remedy == "");
    }
    CHECK_FALSE(can(rules, Write, "/home/ann/p/.git/hooks/pre-commit/"));
    CHECK_FALSE(can(rules, Write, "/home/ann/p//.git//hooks//pre-commit"));
}

TEST_CASE("deny beats every rule, an exact one too, and everything below a denied directory",
          "[profiles][policy]") {
    const Policy rules =
        policy("files: {\"${project}/**\": rwcx, \"${project}/.env\": r, \"${project}/secret/a\": r}\n"
               "deny: [\"${project}/.env*\", \"${project}/secret\"]\nprivate: [/tmp]\n");
    CHECK(can(rules, Read, "/home/ann/p/env"));
    for (const char* path : {"/home/ann/p/.env", "/home/ann/p/.env.local", "/home/ann/p/.envs/x",
                             "/home/ann/p/secret", "/home/ann/p/secret/a", "/home/ann/p/secret/b/c"}) {
        INFO(path);
        const Decision decision = rules.decide(Read, path);
        CHECK_FALSE(decision.allowed);
        CHECK(decision.remedy == "");
        CHECK(contains(decision.reason, "`deny` refuses reading"));
    }
    CHECK(rules.decide(Read, "/home/ann/p/secret/a").rule == "${project}/secret");
    CHECK(can(rules, Read, "/home/ann/p/secrets"));
}

TEST_CASE("a credential is refused under every wide rule and opened by naming it", "[profiles][policy]") {
    for (const char* wide :
         {"/**", "${home}/**", "${home}/.ssh/**", "${home}/.ssh/*", "/home/*/.ssh/id_ed25519"}) {
        INFO(wide);
        const Policy rules = policy("files: {\"" + std::string(wide) + "\": r}\n");
        const Decision decision = rules.decide(Read, "/home/ann/.ssh/id_ed25519");
        CHECK_FALSE(decision.allowed);
        REQUIRE(decision.guard);
        CHECK(decision.guard->kind == GuardKind::Credential);
        CHECK(decision.remedy == "${home}/.ssh/id_ed25519: r");
        // What must not be read is masked: a rule to write it alone could not be held.
        CHECK(rules.decide(Write, "/home/ann/.ssh/id_ed25519").remedy == "${home}/.ssh/id_ed25519: rw");
    }
    const Policy named = policy("files: {\"${home}/.ssh/id_ed25519\": r}\n");
    const Decision opened = named.decide(Read, "/home/ann/.ssh/id_ed25519");
    CHECK(opened.allowed);
    CHECK(opened.guard != nullptr);
    CHECK_FALSE(can(named, Read, "/home/ann/.ssh/id_rsa"));
    CHECK_FALSE(can(named, Write, "/home/ann/.ssh/id_ed25519"));
    const Policy directory = policy("files: {\"${home}/.ssh/\": r}\n");
    CHECK(can(directory, Read, "/home/ann/.ssh/known_hosts"));
    CHECK_FALSE(can(directory, Read, "/home/ann/.ssh/keys/id"));
    CHECK_FALSE(can(policy("files: {\"${home}/\": r}\n"), Read, "/home/ann/.netrc"));
    CHECK_FALSE(can(policy("files: {\"${project}/\": r}\n"), Read, "/home/ann/p/.env"));
}

TEST_CASE("a protected file is readable, but written only by a rule that names it", "[profiles][policy]") {
    const Policy rules = policy("files: {\"${project}/**\": rwcx, \"${home}/**\": rw}\n");
    for (const char* path :
         {"/home/ann/p/.git/hooks/pre-commit", "/home/ann/p/.git/config", "/home/ann/p/sub/.git/config",
          "/home/ann/.bashrc", "/home/ann/.config/systemd/user/x.service", "/home/ann/.local/bin/ls",
          "/home/ann/p/.vscode/tasks.json", "/home/ann/p/.claude/settings.json", "/home/ann/p/.gitmodules",
          "/home/ann/p/.git"}) {
        INFO(path);
        CHECK(can(rules, Read, path));
        CHECK_FALSE(can(rules, Write, path));
        CHECK_FALSE(can(rules, Create, path));
    }
    CHECK(can(rules, Create, "/home/ann/p/.git/objects/ab/cd"));
    CHECK(can(rules, Write, "/home/ann/p/.git/index"));
    CHECK(can(rules, Create, "/home/ann/p/.git/config.lock"));
    CHECK(can(policy("files: {\"${project}/.git/hooks/pre-commit\": rwc}\n"), Create,
              "/home/ann/p/.git/hooks/pre-commit"));
    CHECK_FALSE(can(policy("files: {\"${project}/.git/hooks/pre-commit\": rwc}\n"), Create,
                    "/home/ann/p/.git/hooks/post-commit"));
}

TEST_CASE("no rule opens Treadline's own files", "[profiles][policy]") {
    const Policy rules = policy("files: {\"${project}/.treadline/profile.yaml\": rwc, "
                                "\"${project}/.treadline\": rwc, \"${state}/treadline/x/trace.db\": rw}\n");
    for (const char* path : {"/home/ann/p/.treadline/profile.yaml", "/home/ann/p/.treadline",
                             "/home/ann/p/.treadline/other", "/home/ann/.local/state/treadline/x/trace.db"}) {
        INFO(path);
        const Decision decision = rules.decide(Write, path);
        CHECK_FALSE(decision.allowed);
        CHECK(decision.remedy == "");
        CHECK_FALSE(can(rules, Create, path));
    }
    CHECK(can(rules, Read, "/home/ann/p/.treadline/profile.yaml"));
}

TEST_CASE("a private directory grants reading, writing and creating below itself, not executing",
          "[profiles][policy]") {
    const Policy rules = policy("private: [/tmp]\n");
    for (const Operation operation : {Read, Write, Create}) {
        CHECK(can(rules, operation, "/tmp/a/b"));
        CHECK(can(rules, operation, "/tmp"));
        CHECK_FALSE(can(rules, operation, "/tmpx"));
        CHECK_FALSE(can(rules, operation, "/var/tmp/a"));
    }
    CHECK_FALSE(can(rules, Execute, "/tmp/a"));
    CHECK(can(rules, Operation::UnixConnect, "/tmp/x.sock"));
    CHECK_FALSE(can(rules, Operation::UnixConnect, "/run/x.sock"));
}

TEST_CASE("`dir/**: x` lets what was made in a private directory run, and keeps it private",
          "[profiles][policy]") {
    const Policy rules = policy("private: [\"${tmp}\"]\nfiles: {\"${tmp}/**\": x, /tmp/in: r}\n");
    CHECK(rules.decide(Execute, "/tmp/work/s").rule == "${tmp}/**: x");
    for (const Operation operation : {Read, Write, Create, Operation::UnixConnect}) {
        CHECK(rules.decide(operation, "/tmp/work/s").rule == "private: ${tmp}");
    }
    // What another rule brings in is the host's all the same, and only what that says.
    CHECK(can(rules, Read, "/tmp/in"));
    CHECK_FALSE(can(rules, Write, "/tmp/in"));
    // Without a private directory it adds executing and nothing else.
    const Policy alone = policy("files: {\"${tmp}/**\": x}\n");
    CHECK(can(alone, Execute, "/tmp/s"));
    CHECK_FALSE(can(alone, Write, "/tmp/s"));
}

TEST_CASE("what is refused in the temporary directory is allowed by a private one, not by a drawn name",
          "[profiles][policy]") {
    const Policy none = policy("files: {/tmp/own: r}\n");
    for (const Operation operation : {Write, Create}) {
        CHECK(none.decide(operation, "/tmp/tmp.quSwZ9XnIF").section == "private");
        CHECK(none.decide(operation, "/tmp/tmp.quSwZ9XnIF/f").remedy == "${tmp}");
    }
    CHECK(can(policy("private: [\"${tmp}\"]\n"), Create, "/tmp/tmp.quSwZ9XnIF"));
    CHECK(none.decide(Read, "/tmp/in").remedy == "${tmp}/in: r"); // what is read was there before
    CHECK(none.decide(Write, "/tmp/own").remedy == "${tmp}/own: rw");
    CHECK(none.decide(Write, "/tmp").section == "files");
    CHECK(none.decide(Write, "/home/ann/p/a").remedy == "${project}/a: w");

    const Policy there = policy("private: [\"${tmp}\"]\nfiles: {/tmp/in: r}\n");
    CHECK(there.decide(Write, "/tmp/in").remedy == "${tmp}/in: rw");
    CHECK(there.decide(Execute, "/tmp/tmp.quSwZ9XnIF/s").section == "files");
    CHECK(there.decide(Execute, "/tmp/tmp.quSwZ9XnIF/s").remedy == "${tmp}/**: x");
    CHECK(there.decide(Execute, "/tmp/in").remedy == "${tmp}/in: rx");
}

TEST_CASE("a private home holds neither the project nor what rules bring into it", "[profiles][policy]") {
    const Policy rules = policy("private: [\"${home}\"]\nfiles: {\"${project}/**\": r, "
                                "\"${home}/.gitconfig\": r, \"${home}/lib/**\": r}\n");
    CHECK(can(rules, Create, "/home/ann/scratch"));
    CHECK(can(rules, Read, "/home/ann/p/a"));
    CHECK_FALSE(can(rules, Write, "/home/ann/p/a"));
    CHECK_FALSE(can(rules, Write, "/home/ann/.gitconfig"));
    CHECK_FALSE(can(rules, Create, "/home/ann/lib/x"));
    CHECK_FALSE(can(policy("private: [\"${home}\"]\n"), Write, "/home/ann/p/a"));
    CHECK_FALSE(can(rules, Write, "/home/ann/.bashrc"));
    CHECK_FALSE(can(rules, Read, "/home/ann/.ssh/id_rsa"));
}

TEST_CASE("names are connected to as written, with their subdomains only under a wildcard",
          "[profiles][policy]") {
    const Policy rules = policy("network: {connect: [\"github.com:443\", \"*.example.org:443\", "
                                "\"10.0.0.5:5432\", \"[2001:db8::1]:80\"]}\n");
    for (const char* allowed :
         {"github.com:443", "GITHUB.com.:443", "a.example.org:443", "a.b.example.org:443", "10.0.0.5:5432",
          "[::ffff:10.0.0.5]:5432", "[2001:DB8:0::1]:80"}) {
        INFO(allowed);
        CHECK(can(rules, Operation::Connect, allowed));
    }
    for (const char* refused :
         {"github.com:80", "evilgithub.com:443", "github.com.evil.test:443", "www.github.com:443",
          "example.org:443", "evilexample.org:443", "*.example.org:443", "a.example.org.evil.test:443",
          "10.0.0.6:5432", "10.0.0.5:443", "github.com", "a@github.com:443", "gіthub.com:443",
          "github.com:443 ", "[2001:db8::2]:80", "2001:db8::1:80", ".example.org:443"}) {
        INFO(refused);
        CHECK_FALSE(can(rules, Operation::Connect, refused));
    }
}

TEST_CASE("the sandbox's own loopback is reachable where something may listen", "[profiles][policy]") {
    const Policy rules = policy("network: {listen: [3000]}\n");
    CHECK(can(rules, Operation::Connect, "127.0.0.1:3000"));
    CHECK(can(rules, Operation::Connect, "[::1]:3000"));
    CHECK(can(rules, Operation::Connect, "localhost:3000"));
    CHECK_FALSE(can(rules, Operation::Connect, "127.0.0.1:3001"));
    CHECK_FALSE(can(rules, Operation::Connect, "10.0.0.1:3000"));
    CHECK(can(rules, Operation::Listen, "3000"));
    CHECK_FALSE(can(rules, Operation::Listen, "3001"));
    CHECK_FALSE(can(rules, Operation::Listen, "0"));
    const Policy any = policy("network: {listen: [0]}\n");
    CHECK(can(any, Operation::Listen, "0"));
    CHECK_FALSE(can(any, Operation::Listen, "80"));
    CHECK(can(any, Operation::Connect, "127.0.0.1:41234"));
}

TEST_CASE("a service of the host's loopback is reached by a rule for `host`, at the port it names", "[profiles][policy]") {
    const Policy rules = policy("network: {connect: [\"host:5432\"]}\n");
    for (const char* allowed : {"host:5432", "host:5432/tcp", "127.0.0.1:5432", "[::1]:5432", "localhost:5432", "localhost:5432/tcp"}) {
        INFO(allowed);
        CHECK(can(rules, Operation::Connect, allowed));
        CHECK(rules.decide(Operation::Connect, allowed).rule == "host:5432");
    }
    for (const char* refused : {"host:5433", "127.0.0.1:5433", "127.0.0.2:5432", "0.0.0.0:5432", "host.example.org:5432", "10.0.0.1:5432"}) {
        INFO(refused);
        CHECK_FALSE(can(rules, Operation::Connect, refused));
    }
    CHECK(policy("").decide(Operation::Connect, "127.0.0.1:5432").remedy == "host:5432");
    CHECK(policy("").decide(Operation::Connect, "[::1]:5432").remedy == "host:5432");
    // Names may lead there; that is less.
    CHECK_FALSE(can(policy("network: {connect: [\"127.0.0.1:5432\"]}\n"), Operation::Connect, "host:5432"));
}

TEST_CASE("a socket that is the whole machine is opened only by its full path", "[profiles][policy]") {
    const Policy wide = policy("unix: [\"/run/*\", \"/run/user/*/bus\", \"@/tmp/.X11-unix/X*\"]\n");
    CHECK(can(wide, Operation::UnixConnect, "/run/user/1000/bus"));
    CHECK(can(wide, Operation::UnixConnect, "@/tmp/.X11-unix/X0"));
    CHECK_FALSE(can(wide, Operation::UnixConnect, "/run/docker.sock"));
    CHECK_FALSE(can(wide, Operation::UnixConnect, "@other"));
    CHECK_FALSE(can(wide, Operation::UnixConnect, "relative"));
    CHECK(can(policy("unix: [/run/docker.sock]\n"), Operation::UnixConnect, "/run/docker.sock"));
    CHECK_FALSE(can(policy("files: {/run/**: rw}\n"), Operation::UnixConnect, "/run/x.sock"));
    CHECK_FALSE(
        can(policy("unix: [/run/x.sock]\ndeny: [/run/x.sock]\n"), Operation::UnixConnect, "/run/x.sock"));
}

TEST_CASE("system calls are allowed by group or by name, and say which", "[profiles][policy]") {
    const Policy rules = policy("syscalls: [\"@base\", bpf]\n");
    CHECK(rules.decide(Operation::Syscall, "openat2").rule == "@base");
    CHECK(can(rules, Operation::Syscall, "bpf"));
    const Decision file = rules.decide(Operation::Syscall, "rename");
    CHECK_FALSE(file.allowed);
    CHECK(file.remedy == "\"@file\"");
    const Decision danger = rules.decide(Operation::Syscall, "ptrace");
    CHECK_FALSE(danger.allowed);
    CHECK(danger.remedy == "ptrace");
    CHECK(contains(danger.reason, "dangerous"));
    CHECK(rules.decide(Operation::Syscall, "nonsense").remedy == "");
    CHECK_FALSE(can(rules, Operation::Syscall, "@base"));
    CHECK(std::is_sorted(rules.syscalls().begin(), rules.syscalls().end()));
}

TEST_CASE("a * passes neither secrets nor what makes programs run code; a full name does",
          "[profiles][policy]") {
    const Policy rules =
        policy("environment: {pass: [PATH, \"npm_*\", \"G*\", \"L*\", LD_LIBRARY_PATH], set: {CI: \"1\"}}\n");
    CHECK(rules.decide(Operation::Environment, "npm_config_cache").rule == "pass: npm_*");
    CHECK(can(rules, Operation::Environment, "CI"));
    CHECK(can(rules, Operation::Environment, "LD_LIBRARY_PATH"));
    for (const char* refused : {"npm_config__authToken", "GITHUB_TOKEN", "GIT_SSH_COMMAND", "LD_PRELOAD",
                                "PATH2", "path", "", "npm"}) {
        INFO(refused);
        CHECK_FALSE(can(rules, Operation::Environment, refused));
    }
    CHECK(can(policy("environment: {pass: [GITHUB_TOKEN]}\n"), Operation::Environment, "GITHUB_TOKEN"));
}

TEST_CASE("includes are merged; the profile's own rule is the one that is named", "[profiles][policy]") {
    const Policy rules = policy("include: [base]\nfiles: {/usr/lib/**: r}\n");
    CHECK(rules.decide(Read, "/usr/lib/x").origin->source == "p.yaml");
    CHECK(rules.decide(Read, "/etc/passwd").origin->source == "include users");
    CHECK(can(rules, Operation::Syscall, "read"));
    CHECK(can(rules, Operation::Environment, "LC_ALL"));
    CHECK(rules.includes() == std::vector<std::string>{"base", "runtime", "tty", "locale", "users", "host", "dns", "tls-trust"});
}

TEST_CASE("an include that is missing, broken or circular is an error at its line", "[profiles][policy]") {
    CHECK(policy_refusal("include: [nothing]\n").substr(0, 12) == "p.yaml:2:11:");
    CHECK(contains(policy_refusal("include: [nothing]\n"), "shipped are runtime"));
    CHECK(contains(policy_refusal("include: [./x.yaml]\n"), "no profile folder"));
    const auto circle = [](const std::string& name) -> result<Profile> {
        return read_profile(name == "a" ? "treadline: 1\ninclude: [b]\n" : "treadline: 1\ninclude: [a]\n",
                            name);
    };
    const auto built =
        Policy::build(test::read("treadline: 1\ninclude: [a]\n"), "p.yaml", test::ann(), circle);
    REQUIRE_FALSE(built);
    CHECK(contains(built.error().what, "includes itself"));
    const auto twice = [](const std::string& name) -> result<Profile> {
        return read_profile(
            name == "c" ? "treadline: 1\nsyscalls: [\"@base\"]\n" : "treadline: 1\ninclude: [c]\n", name);
    };
    CHECK(Policy::build(test::read("treadline: 1\ninclude: [a, b]\n"), "p.yaml", test::ann(), twice));
}

TEST_CASE("what only the machine can tell is an error when the policy is built", "[profiles][policy]") {
    CHECK(contains(policy_refusal("syscalls: [\"@base\", openatt]\n"),
                   "p.yaml:2:21: 'openatt' is no known system call"));
    CHECK(contains(policy_refusal("syscalls: [\"@fil\"]\n"), "there are @base @file"));
    const auto without =
        Policy::build(test::read("treadline: 1\nfiles:\n  ${runtime}/x: r\n"), "p.yaml",
                      Variables({{"home", "/h"}, {"project", "/p"}}), abstraction_loader(""));
    REQUIRE_FALSE(without);
    CHECK(contains(without.error().what, "p.yaml:3:3: "));
    Profile made;
    made.files = {{"/a*", Mode::Create, {}}};
    CHECK_FALSE(Policy::build(made, "p", test::ann(), abstraction_loader("")));
    made.files = {{"a", Mode::Read, {}}};
    CHECK_FALSE(Policy::build(made, "p", test::ann(), abstraction_loader("")));
}

TEST_CASE("the profile's limits and values win over those it includes", "[profiles][policy]") {
    const auto load = [](const std::string&) {
        return read_profile(
            "treadline: 1\nresources: {memory: 1G, time: 1m}\nenvironment: {set: {A: \"1\", B: \"1\"}}\n",
            "i");
    };
    const auto built = Policy::build(
        test::read("treadline: 1\ninclude: [i]\nresources: {memory: 2G}\nenvironment: {set: {A: \"2\"}}\n"),
        "p", test::ann(), load);
    REQUIRE(built);
    CHECK(built->resources().memory_bytes == 2ULL << 30);
    CHECK(built->resources().time_seconds == 60);
    CHECK(built->environment().set == std::map<std::string, std::string>{{"A", "2"}, {"B", "1"}});
}

TEST_CASE("literal stars and hostile names in rules mean themselves", "[profiles][policy]") {
    const Policy rules =
        policy("files:\n  ${project}/a\\*b: r\n  ${project}/n\\x0Al: r\n  ${project}/\\${home}: r\n");
    CHECK(can(rules, Read, "/home/ann/p/a*b"));
    CHECK_FALSE(can(rules, Read, "/home/ann/p/aXb"));
    CHECK(can(rules, Read, "/home/ann/p/n\nl"));
    CHECK(can(rules, Read, "/home/ann/p/${home}"));
}

TEST_CASE("inspect holds requests to its methods and paths, and everything else is asked as before", "[profiles][policy][inspect]") {
    const Policy rules = policy("network: {inspect: [{host: \"a.test:443\", methods: [GET], paths: [\"/v1/**\"]}, {host: \"a.test:443\", methods: [POST], paths: [/log]}, \"*.b.test:443\"]}\n");
    CHECK(rules.decide_request("a.test", 443, "GET", "/v1/x?y").allowed);
    CHECK(rules.decide_request("a.test", 443, "POST", "/log").allowed);
    CHECK_FALSE(rules.decide_request("a.test", 443, "POST", "/v1/x").allowed);
    CHECK_FALSE(rules.decide_request("a.test", 443, "GET", "/log").allowed);
    CHECK_FALSE(rules.decide_request("a.test", 443, "GET", "/v1/../log").allowed);
    CHECK(rules.decide_request("a.test", 8443, "DELETE", "/").allowed); // no rule is for that port
    CHECK(rules.decide_request("x.b.test", 443, "DELETE", "/").allowed);
    CHECK(rules.inspects("x.b.test", 443));
    CHECK_FALSE(rules.inspects("b.test", 443));
    CHECK_FALSE(rules.inspects("a.test", 80));
    CHECK(rules.limits_requests("a.test", 443));
    CHECK_FALSE(rules.limits_requests("x.b.test", 443));
}

TEST_CASE("a request may change to a protocol only where an inspect rule for it says so", "[profiles][policy][inspect]") {
    const Policy rules = policy("network: {inspect: [{host: \"a.test:443\", paths: [\"/chat/**\"], upgrades: [websocket]}, {host: \"a.test:443\", methods: [GET]}, \"b.test:443\"]}\n");
    CHECK(rules.decide_upgrade("a.test", 443, "GET", "/chat/1", "websocket").allowed);
    CHECK_FALSE(rules.decide_upgrade("a.test", 443, "GET", "/chat/1", "other").allowed);
    CHECK_FALSE(rules.decide_upgrade("a.test", 443, "GET", "/chat/../x", "websocket").allowed);
    CHECK_FALSE(rules.decide_upgrade("a.test", 80, "GET", "/chat/1", "websocket").allowed);
    CHECK_FALSE(rules.decide_upgrade("c.test", 443, "GET", "/", "websocket").allowed);
    CHECK(rules.decide_upgrade("b.test", 443, "GET", "/x", "websocket").remedy == "{host: \"b.test:443\", upgrades: [websocket]}");
    CHECK(rules.decide_upgrade("a.test", 443, "GET", "/x?y", "websocket").remedy == "{host: \"a.test:443\", methods: [GET], paths: [\"/x\"], upgrades: [websocket]}");
    CHECK(rules.decide_upgrade("a.test", 443, "GET", "/x\", evil", "websocket").remedy.empty());
    CHECK(rules.decide_upgrade("b.test", 443, "GET", "/", "h2c").remedy.empty());
}

TEST_CASE("a credential's variable is seen inside, as its placeholder, and its host is looked into", "[profiles][policy][credentials]") {
    const Policy rules = policy("network: {credentials: [{host: a.test, header: X-Key, value: \"${env:A_KEY}\"}, {host: \"b.test:8443\", header: X-Key, value: \"${env:B_KEY}\", variable: C, paths: [/x]}]}\n");
    CHECK(rules.decide(Operation::Environment, "A_KEY").rule == "credentials: a.test");
    CHECK(can(rules, Operation::Environment, "C"));
    CHECK_FALSE(can(rules, Operation::Environment, "B_KEY"));
    CHECK(rules.inspects("a.test", 443));
    CHECK(rules.inspects("b.test", 8443));
    CHECK_FALSE(rules.inspects("b.test", 443));
    CHECK(rules.limits_requests("b.test", 8443));
    CHECK_FALSE(can(rules, Operation::Connect, "a.test:443")); // which takes a `connect` rule
}
