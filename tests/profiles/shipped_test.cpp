#include "profiles/shipped.h"

#include <unistd.h>

#include "profiles/syscall_groups.h"
#include "tests/profiles/example.h"
#include "tests/support/support.h"

using namespace treadline;
using treadline::test::contains;

namespace {
Policy with(const std::string& names) {
    return test::policy("include: [" + names + "]\n");
}
} // namespace

TEST_CASE("every shipped abstraction is read, builds and describes itself", "[profiles][shipped]") {
    const auto names = shipped_abstractions();
    REQUIRE(names.size() >= 22);
    CHECK(names.front() == "runtime"); // what every learned profile includes
    for (const std::string& name : names) {
        INFO(name);
        const auto profile = shipped_abstraction(name);
        INFO((profile ? "" : profile.error().what));
        REQUIRE(profile);
        CHECK(profile->name == name);
        CHECK(shipped_description(name).size() > 10);
        CHECK(Policy::build(*profile, name, test::ann(), abstraction_loader("")));
    }
}

TEST_CASE("no shipped abstraction reaches a credential, a protected file, another's home or a dangerous call",
          "[profiles][shipped]") {
    for (const std::string& name : shipped_abstractions()) {
        const Policy policy = with(name);
        INFO(name);
        for (const PolicyRule& rule : policy.files()) {
            INFO(rule.text);
            const bool wide = rule.pattern.extent == Extent::Subtree;
            for (const char* top :
                 {"/", "/home", "/home/ann", "/home/ann/p", "/etc", "/var", "/run", "/usr", "/sys", "/root",
                  "/tmp", "/opt", "/home/ann/.config", "/home/ann/.cache", "/home/ann/.local/share"}) {
                CHECK_FALSE((wide && rule.pattern.path == top));
            }
            const Guard* guard = policy.guards().find(
                rule.pattern.path, !Modes(Mode::Read).covers(rule.modes.without(Mode::Execute)));
            CHECK((guard == nullptr || rule.pattern.extent == Extent::Glob));
            const bool changes = rule.modes.has(Mode::Write) || rule.modes.has(Mode::Create);
            const std::string& path = rule.pattern.path;
            const bool in_place_to_change =
                path.substr(0, 5) == "/dev/" || path.substr(0, 6) == "/proc/" ||
                path.substr(0, 15) == "/home/ann/.npm/" ||
                path == "/home/ann/.cargo/.package-cache" ||
                contains(path, "/_temp/_runner_file_commands/s"); // set_output_, step_summary_
            CHECK((!changes || in_place_to_change));
            CHECK_FALSE((changes && rule.modes.has(Mode::Execute)));
        }
        for (const Guards::Place& place : policy.guards().places()) {
            if (place.floating.empty() && !place.glob && policy.guards().find(place.path, false) != nullptr) {
                INFO(place.path);
                CHECK_FALSE(policy.decide(Operation::Read, place.path).allowed);
            }
        }
        for (const std::string& call : policy.syscalls()) {
            CHECK_FALSE(syscalls::danger_of(call));
        }
        CHECK(policy.connect().empty());
        CHECK(policy.unix_sockets().empty());
        CHECK(policy.private_directories().empty());
    }
}

TEST_CASE("runtime carries any dynamically linked program, but runs none", "[profiles][shipped]") {
    const Policy runtime = with("runtime");
    for (const char* path :
         {"/usr/lib/x86_64-linux-gnu/libc.so.6", "/etc/ld.so.cache", "/usr/share/zoneinfo/UTC",
          "/usr/local/lib/libx.so.1", "/usr/local/lib/x86_64-linux-gnu/libx.so", "/proc/12/status",
          "/dev/null", "/sys/devices/system/cpu/online", "/usr/lib/locale/locale-archive"}) {
        INFO(path);
        CHECK(runtime.decide(Operation::Read, path).allowed);
    }
    CHECK(runtime.decide(Operation::Write, "/dev/null").allowed);
    CHECK(runtime.decide(Operation::Execute, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").allowed);
    // What is of this machine and its people, and no package's, is not for every program.
    for (const char* path :
         {"/etc/shadow", "/etc/passwd", "/etc/group", "/etc/hostname", "/etc/machine-id", "/etc/hosts",
          "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/timezone", "/etc/profile",
          "/usr/local/share/x", "/usr/local/lib/python3.11/dist-packages/x.pth", "/home/ann/p/x",
          "/home/ann/.bashrc", "/proc/12/environ", "/etc/ssl/private/x.key", "/var/lib/x", "/root/x",
          "/tmp/x"}) {
        INFO(path);
        CHECK_FALSE(runtime.decide(Operation::Read, path).allowed);
    }
    for (const char* path :
         {"/usr/lib/x86_64-linux-gnu/libc.so.6", "/proc/sys/kernel/core_pattern",
          "/sys/devices/system/cpu/online", "/etc/ld.so.cache", "/proc/sysrq-trigger", "/proc/12/mem",
          "/proc/12/comm"}) { // which nothing could hold: the process is not there when the run starts
        INFO(path);
        CHECK_FALSE(runtime.decide(Operation::Write, path).allowed);
    }
    for (const char* path : {"/usr/bin/sh", "/usr/bin/sudo", "/usr/bin/ls"}) {
        CHECK_FALSE(runtime.decide(Operation::Execute, path).allowed);
    }
    CHECK_FALSE(runtime.decide(Operation::Syscall, "rename").allowed);
    CHECK_FALSE(runtime.decide(Operation::Environment, "SSH_AUTH_SOCK").allowed);
}

TEST_CASE("base allows what profiles of 0.1.0 include it for", "[profiles][shipped]") {
    const Policy base = with("base");
    for (const char* path :
         {"/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/share/zoneinfo/UTC", "/usr/local/lib/python3.11/x.py",
          "/usr/local/share/fonts/x", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d/x.conf",
          "/etc/passwd", "/etc/group", "/etc/hostname", "/etc/machine-id", "/etc/os-release",
          "/etc/lsb-release", "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf",
          "/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/networks", "/etc/localtime",
          "/etc/timezone", "/etc/default/locale", "/etc/locale.alias", "/etc/inputrc", "/etc/terminfo/x/y",
          "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/java/cacerts", "/etc/ssl/openssl.cnf",
          "/etc/ca-certificates.conf", "/proc/12/status", "/dev/tty", "/dev/shm/x"}) {
        INFO(path);
        CHECK(base.decide(Operation::Read, path).allowed);
    }
    for (const char* path : {"/etc/shadow", "/home/ann/p/x", "/root/x", "/etc/ssl/private/x.key"}) {
        CHECK_FALSE(base.decide(Operation::Read, path).allowed);
    }
    CHECK(base.decide(Operation::Environment, "LC_ALL").allowed);
}

TEST_CASE("learning chooses from all abstractions but the one that is several of them", "[profiles][shipped]") {
    std::vector<std::string> names = shipped_abstractions();
    CHECK(std::erase(names, "base") == 1);
    CHECK(learned_abstractions() == names);
}

TEST_CASE("each abstraction runs its programs and not those of others", "[profiles][shipped]") {
    const std::tuple<std::string, std::string, std::string> programs[] = {
        {"coreutils", "/usr/bin/sort", "/usr/bin/dash"},
        {"shell", "/usr/bin/sed", "/usr/bin/git"},
        {"shell", "/usr/bin/sort", "/usr/bin/chroot"},
        {"node", "/usr/bin/node", "/usr/lib/node_modules/npm/bin/npm-cli.js"},
        {"npm", "/usr/lib/node_modules/npm/bin/npm-cli.js", "/usr/lib/node_modules/typescript/bin/tsc"},
        {"git", "/usr/lib/git-core/git-remote-https", "/usr/bin/node"},
        {"python", "/usr/bin/python3.11", "/usr/bin/gcc-12"},
        {"c-toolchain", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "/usr/bin/cmake"},
        {"c-toolchain", "/usr/bin/x86_64-linux-gnu-gcc-12", "/usr/bin/curl"},
        {"cmake", "/usr/bin/ctest", "/usr/bin/node"},
        {"cmake", "/usr/bin/ninja", "/usr/bin/cargo"},
        {"python", "/usr/bin/pip3.11", "/usr/bin/dash"},
        {"rust", "/usr/bin/cargo", "/usr/bin/go"},
        {"rust", "/home/ann/.cargo/bin/rustup", "/home/ann/.cargo/bin/cargo-audit"},
        {"rust", "/home/ann/.rustup/toolchains/stable/bin/rustc", "/home/ann/.rustup/downloads/x"},
        {"go", "/usr/lib/go-1.19/pkg/tool/linux_amd64/compile", "/usr/bin/x86_64-linux-gnu-gcc-12"},
        {"java", "/usr/lib/jvm/java-17-openjdk-amd64/bin/javac", "/usr/share/maven/bin/mvn"},
        {"java", "/usr/lib/jvm/java-17-openjdk-amd64/lib/jspawnhelper", "/usr/bin/dash"},
        {"ssh-client", "/usr/bin/ssh", "/usr/bin/ssh-add"},
        {"ssh-client", "/usr/bin/sftp", "/usr/sbin/sshd"},
        {"ci-runner", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/usr/bin/dash"},
    };
    for (const auto& [name, own, foreign] : programs) {
        INFO(name);
        const Policy policy = with("runtime, " + name);
        CHECK(policy.decide(Operation::Execute, own).allowed);
        CHECK_FALSE(policy.decide(Operation::Execute, foreign).allowed);
    }
}

TEST_CASE("the pieces of base allow what they are named for and nothing of each other's",
          "[profiles][shipped]") {
    struct Piece {
        const char* name;
        std::vector<const char*> read, variables;
    };
    const Piece pieces[] = {
        {"tls-trust", {"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/openssl.cnf"}, {}},
        {"users", {"/etc/passwd", "/etc/group"}, {}},
        {"host", {"/etc/hostname", "/etc/machine-id", "/etc/timezone"}, {}},
        {"dns", {"/etc/resolv.conf", "/etc/hosts", "/usr/lib/x86_64-linux-gnu/libnss_dns.so.2"}, {}},
        {"tty", {"/dev/tty", "/dev/pts/0", "/usr/share/terminfo/x/xterm"}, {"TERM", "COLUMNS"}},
        {"locale",
         {"/usr/share/zoneinfo/UTC", "/usr/lib/locale/locale-archive",
          "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules"},
         {"LC_ALL", "TZ"}},
    };
    const Policy base = with("base");
    for (const Piece& piece : pieces) {
        for (const Piece& asked : pieces) {
            INFO(piece.name << " asked for what is of " << asked.name);
            const bool own = &piece == &asked;
            const Policy policy = with(piece.name);
            for (const char* path : asked.read) {
                CHECK(policy.decide(Operation::Read, path).allowed == own);
                CHECK(base.decide(Operation::Read, path).allowed);
            }
            for (const char* variable : asked.variables) {
                CHECK(policy.decide(Operation::Environment, variable).allowed == own);
                CHECK(base.decide(Operation::Environment, variable).allowed);
            }
        }
        const Policy policy = with(piece.name);
        for (const char* path : {"/etc/ssl/private/x.key", "/etc/shadow", "/etc/profile", "/home/ann/p/x",
                                 "/usr/lib/x86_64-linux-gnu/libc.so.6", "/proc/12/status"}) {
            CHECK_FALSE(policy.decide(Operation::Read, path).allowed);
        }
        CHECK(policy.syscalls().empty());
    }
    CHECK(with("tty").decide(Operation::Write, "/dev/tty").allowed);
    CHECK_FALSE(with("tty").decide(Operation::Write, "/dev/null").allowed);
    CHECK_FALSE(with("locale").decide(Operation::Write, "/etc/localtime").allowed);
}

TEST_CASE("no abstraction runs what changes identity or leaves the machine", "[profiles][shipped]") {
    std::string all;
    for (const std::string& name : shipped_abstractions()) {
        if (name != "ssh-client") { // which is for that
            all += (all.empty() ? "" : ", ") + name;
        }
    }
    const Policy policy = with(all);
    for (const char* program :
         {"su",      "sudo",    "ssh",         "scp",     "curl",  "wget",      "nc",     "socat",
          "docker",  "podman",  "systemd-run", "crontab", "at",    "newgrp",    "passwd", "mount",
          "unshare", "nsenter", "gdb",         "strace",  "bwrap", "dbus-send", "gpg",    "secret-tool"}) {
        INFO(program);
        CHECK_FALSE(policy.decide(Operation::Execute, "/usr/bin/" + std::string(program)).allowed);
    }
}

TEST_CASE("each abstraction opens what its programs read, and not what lies beside it",
          "[profiles][shipped]") {
    struct Pair {
        const char* name;
        Operation operation;
        const char* allowed;
        const char* denied;
    };
    using enum Operation;
    const Pair pairs[] = {
        {"ssh-client", Read, "/etc/ssh/ssh_config.d/a.conf", "/home/ann/.ssh/id_ed25519"},
        {"ssh-client", Read, "/etc/ssh/ssh_known_hosts", "/home/ann/.ssh/known_hosts"},
        {"ssh-client", Read, "/etc/ssh/ssh_config", "/etc/ssh/ssh_host_ed25519_key"},
        {"ssh-client", Syscall, "sendto", "ptrace"},
        {"java", Read, "/home/ann/.m2/repository/a/b.jar", "/home/ann/.m2/settings.xml"},
        {"java", Read, "/etc/java-17-openjdk/security/java.security", "/etc/java-17-openjdk/a/b/c"},
        {"java", Write, "/proc/12/coredump_filter", "/home/ann/.m2/repository/a/b.jar"},
        {"java", Environment, "JAVA_HOME", "JAVA_TOOL_OPTIONS"},
        {"rust", Read, "/home/ann/.cargo/config.toml", "/home/ann/.cargo/credentials.toml"},
        {"rust", Read, "/home/ann/.cargo/registry/src/a/lib.rs", "/home/ann/.cargo/env"},
        {"rust", Write, "/home/ann/.cargo/.package-cache", "/home/ann/.cargo/registry/src/a/lib.rs"},
        {"rust", Create, "/home/ann/.cargo/.package-cache", "/home/ann/.cargo/bin/cargo"},
        {"rust", Environment, "CARGO_TARGET_DIR", "CARGO_REGISTRY_TOKEN"},
        {"rust", Environment, "RUST_BACKTRACE", "RUSTC_WRAPPER"},
        {"go", Read, "/home/ann/go/pkg/mod/example.org/a/a.go", "/home/ann/go/src/own/a.go"},
        {"go", Read, "/home/ann/.config/go/env", "/home/ann/.netrc"},
        {"go", Environment, "GOOS", "GOFLAGS"},
        {"python", Read, "/home/ann/.cache/pip/http/a", "/home/ann/.config/pip/pip.conf"},
        {"python", Environment, "VIRTUAL_ENV", "PYTHONSTARTUP"},
        {"python", Read, "/usr/local/lib/python3.11/dist-packages/x.pth", "/usr/local/lib/node_modules/x.js"},
        {"npm", Write, "/home/ann/.npm/_logs/a", "/home/ann/.npm/_cacache/a"},
        {"npm", Create, "/home/ann/.npm/_logs/a", "/home/ann/.npmrc"},
        {"npm", Read, "/home/ann/.npm/_logs/a", "/home/ann/.npm/_cacache/a"},
        {"node", Read, "/etc/nodejs/openssl.cnf", "/home/ann/.npm/_logs/a"},
        {"interactive", Read, "/etc/profile.d/a.sh", "/etc/pam.d/login"},
        {"shell", Execute, "/usr/bin/bash", "/usr/bin/ssh"},
        {"c-toolchain", Read, "/usr/local/lib/libx.a", "/usr/local/share/x"},
        {"cmake", Read, "/usr/local/lib/cmake/x/x.cmake", "/usr/local/share/x"},
        {"cmake", Environment, "NINJA_STATUS", "MAKEFLAGS"},
        {"ci-runner", Write, "/home/ann/work/_temp/_runner_file_commands/set_output_1f",
         "/home/ann/work/_temp/_runner_file_commands/set_env_1f"},
        {"ci-runner", Write, "/__w/_temp/_runner_file_commands/step_summary_1f",
         "/__w/_temp/_runner_file_commands/add_path_1f"},
        {"ci-runner", Read, "/home/ann/work/_temp/_github_workflow/event.json", "/home/ann/work/_temp/x.sh"},
        {"ci-runner", Environment, "GITHUB_SHA", "GITHUB_TOKEN"},
        {"ci-runner", Environment, "CI_COMMIT_SHA", "CI_JOB_TOKEN"},
        {"ci-runner", Environment, "RUNNER_OS", "ACTIONS_RUNTIME_TOKEN"},
    };
    for (const Pair& pair : pairs) {
        INFO(pair.name << ": " << pair.allowed << ", " << pair.denied);
        const Policy policy = with(std::string("runtime, ") + pair.name);
        CHECK(policy.decide(pair.operation, pair.allowed).allowed);
        CHECK_FALSE(policy.decide(pair.operation, pair.denied).allowed);
    }
}

TEST_CASE("no abstraction lets a cache be written that later runs execute from",
          "[profiles][shipped]") {
    for (const std::string& name : shipped_abstractions()) {
        INFO(name);
        const Policy policy = with(name);
        for (const char* path :
             {"/home/ann/.cache/pip/wheels/a.whl", "/home/ann/.cache/go-build/1f/1f-d",
              "/home/ann/go/pkg/mod/a/a.go", "/home/ann/.cargo/registry/src/a/build.rs",
              "/home/ann/.cargo/git/checkouts/a/build.rs", "/home/ann/.m2/repository/a/a.jar",
              "/home/ann/.rustup/toolchains/a/bin/rustc", "/home/ann/.cache/node-gyp/a.h",
              "/home/ann/.cmake/packages/a", "/home/ann/.npm/_cacache/a"}) {
            INFO(path);
            CHECK_FALSE(policy.decide(Operation::Write, path).allowed);
            CHECK_FALSE(policy.decide(Operation::Create, path).allowed);
        }
    }
}

TEST_CASE("npm is told not to look for a newer npm", "[profiles][shipped]") {
    CHECK(with("npm").environment().set.at("npm_config_update_notifier") == "false");
}

TEST_CASE("an include beside the profile is read, one that leaves its folder is not", "[profiles][shipped]") {
    const test::TemporaryDirectory folder;
    folder.write("outside.yaml", "treadline: 1\nfiles: {/secret: r}\n");
    folder.write("p/team.yaml", "treadline: 1\nfiles: {/team: r}\n");
    folder.write("p/more/x.yaml", "treadline: 1\nfiles: {/more: r}\n");
    REQUIRE(::symlink("../outside.yaml", (folder / "p/link.yaml").c_str()) == 0);
    REQUIRE(::symlink("..", (folder / "p/up").c_str()) == 0);
    const auto load = [&](const std::string& include) {
        return load_policy(folder.write("p/profile.yaml", "treadline: 1\ninclude: [" + include + "]\n"),
                           test::ann());
    };
    const auto good = load("./team.yaml, ./more/x.yaml, base");
    REQUIRE(good);
    CHECK(good->decide(Operation::Read, "/team").allowed);
    CHECK(good->decide(Operation::Read, "/more").allowed);
    for (const char* bad : {"./link.yaml", "./up/outside.yaml", "./missing.yaml", "./more"}) {
        INFO(bad);
        CHECK_FALSE(load(bad));
    }
}

TEST_CASE("an unreadable, huge or special profile is refused with its name", "[profiles][shipped]") {
    const test::TemporaryDirectory folder;
    CHECK(contains(load_policy(folder / "none.yaml", test::ann()).error().message(), "none.yaml"));
    CHECK(contains(load_policy(folder.path(), test::ann()).error().message(), "not a regular file"));
    CHECK(contains(load_policy("/dev/zero", test::ann()).error().message(), "not a regular file"));
    CHECK(contains(
        load_policy(folder.write("big.yaml", std::string(2'000'000, 'x')), test::ann()).error().message(),
        "1 MiB"));
}
