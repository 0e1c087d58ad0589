// Threats list, sections 1 and 2: files that are nobody's to read.
#include <catch2/catch_test_macros.hpp>

#include "base/text.h"
#include "tests/attacks/corpus.h"

using namespace treadline::test;

namespace {

const Denial key{"mount", "~/.ssh/id_ed25519", "${home}/.ssh/id_ed25519: r"};
const Denial secrets_of_project{"mount", "./.env", "${project}/.env: r"};

// A file of another process: there is no such process inside, and no rule lets one in.
Denial of_process(const std::string& path) {
    return {"mount", path, std::nullopt, ""};
}

} // namespace

TEST_CASE("credentials are not read where they lie", "[attack][files]") {
    const std::vector<std::pair<std::string, std::string>> places = {
        {"~/.ssh/id_ed25519", "${home}/.ssh/id_ed25519: r"},
        {"~/.aws/credentials", "${home}/.aws/credentials: r"},
        {"~/.netrc", "${home}/.netrc: r"},
        {"~/.npmrc", "${home}/.npmrc: r"},
        {"~/.config/gh/hosts.yml", "${config}/gh/hosts.yml: r"},
        {"~/diary", "${home}/diary: r"},
        {"./.env", "${project}/.env: r"},
    };
    for (const auto& [place, rule] : places) {
        for (const Rules& rules : {tests_rules(), agent_rules()}) {
            const std::string path = place.starts_with("./") ? place.substr(2) : place;
            hold({"reads " + place, {"hostile", "read", path}, prints_a_secret(), {{"mount", place, rule}}, rules});
        }
    }
    for (const char* path : {"~/.ssh/id_ed25519", "~/.aws/credentials", "~/.netrc", "~/.npmrc"}) {
        const std::string rule = "${home}" + std::string(path).substr(1) + ": r";
        hold({"reads " + std::string(path) + " where all of the home may be filled", {"hostile", "read", path}, prints_a_secret(),
              {{"mount", path, rule}}, whole_home_rules()});
    }
}

TEST_CASE("a credential is not read by another way to its name", "[attack][files]") {
    hold({"through /proc/self/root", {"sh", "-c", "exec cat /proc/self/root$HOME/.ssh/id_ed25519"}, prints_a_secret(), {key}});
    hold({"through /proc/self/cwd", {"sh", "-c", "exec cat /proc/self/cwd/../.ssh/id_ed25519"}, prints_a_secret(), {key}});
    hold({"through /proc/thread-self", {"sh", "-c", "exec cat /proc/thread-self/root$HOME/.ssh/id_ed25519"}, prints_a_secret(), {key}});
    hold({"by dots and doubled slashes", {"sh", "-c", "exec cat ..//./project/../.ssh///id_ed25519"}, prints_a_secret(), {key}});
    hold({"from a descriptor of the home", {"hostile", "read-at", "..", ".ssh/id_ed25519"}, prints_a_secret(), {key}});
    hold({"from the working directory of its place", {"sh", "-c", "cd ~/.ssh && exec cat id_ed25519 || exec cat ~/.ssh/id_ed25519"}, prints_a_secret(), {key}});
}

TEST_CASE("a credential is not read with the help of a process outside", "[attack][files]") {
    for (const char* below : {"cwd/id_ed25519", "fd/20", "root"}) {
        Attack attack{std::string("through /proc/PID/") + below, {"cat"}, prints_a_secret(), {of_process("$1")}};
        attack.prepare = [below](World& world) {
            const pid_t pid = world.bystander({"~/.ssh/id_ed25519"}, "~/.ssh");
            const std::string path = "/proc/" + std::to_string(pid) + "/" + below;
            return std::vector<std::string>{path.ends_with("/root") ? path + world.place("~/.ssh/id_ed25519") : path};
        };
        hold(attack);
    }
}

TEST_CASE("a credential that the caller left open is closed before the command starts", "[attack][files]") {
    // Nobody named anything: there is nothing to report but what the program asked for afterwards.
    const auto left_open = [](World& world) {
        world.inherit("~/.ssh/id_ed25519");
        return std::vector<std::string>{};
    };
    Attack by_number{"an inherited descriptor", {"hostile", "read-fd", "9"}, prints_a_secret(), {}};
    by_number.prepare = left_open;
    hold(by_number);
    Attack by_name{"an inherited descriptor, opened anew", {"hostile", "read", "/proc/self/fd/9"}, prints_a_secret(), {}};
    by_name.prepare = left_open;
    hold(by_name);
    Attack in_child{"an inherited descriptor, by a child", {"sh", "-c", "cat <&9"}, prints_a_secret(), {}};
    in_child.prepare = left_open;
    hold(in_child);
}

TEST_CASE("a credential is not read through a link made in the project", "[attack][files]") {
    for (const Rules& rules : {tests_rules(), agent_rules()}) {
        hold({"a symbolic link to the key", {"sh", "-c", "ln -s ~/.ssh/id_ed25519 out/l && exec cat out/l"}, prints_a_secret(), {key}, rules});
        hold({"a symbolic link to its directory", {"sh", "-c", "ln -s ~/.ssh out/l && exec cat out/l/id_ed25519"}, prints_a_secret(), {key}, rules});
        hold({"a chain of links", {"sh", "-c", "ln -s ../.. out/a; ln -s a/.ssh out/b; ln -s b/id_ed25519 out/c; exec cat out/c"}, prints_a_secret(), {key}, rules});
        hold({"a link through /proc", {"sh", "-c", "ln -s /proc/self/root$HOME/.ssh out/l; exec cat out/l/id_ed25519"}, prints_a_secret(), {key}, rules});
        hold({"a link to the project's secrets", {"sh", "-c", "ln -s ../.env out/l; exec cat out/l"}, prints_a_secret(), {secrets_of_project}, rules});
        Attack hard{"a hard link to the key", {"sh", "-c", "ln ~/.ssh/id_ed25519 out/l && exec cat out/l"}, prints_a_secret(), {key}, rules};
        hard.never = "a file brought in is a mount of its own, out of which no link leads";
        hold(hard);
        Attack copied{"a copy by reflink or bytes", {"sh", "-c", "cp --reflink=auto .env out/l && exec cat out/l"}, prints_a_secret(), {secrets_of_project}, rules};
        hold(copied);
    }
    for (const char* way : {"link-by-descriptor", "link-empty-path"}) {
        Attack attack{way, {"sh", "-c", HOSTILE " \"$0\" .env out/l > /dev/null && exec cat out/l", way}, prints_a_secret(),
                      {{"mount", "./.env", "${project}/.env: r"}}, agent_rules()};
        attack.never = "a second name could be written where the first one cannot";
        hold(attack);
    }
}

TEST_CASE("a link that was there before leads nowhere", "[attack][files]") {
    const auto shell = [](const char* script) {
        return [script](World& world) {
            REQUIRE(world.shell(script).status == 0);
            return std::vector<std::string>{};
        };
    };
    for (const Rules& rules : {tests_rules(), agent_rules()}) {
        hold({"a symbolic link to the key", {"cat", "notes"}, prints_a_secret(), {key}, rules, shell("ln -s ~/.ssh/id_ed25519 notes")});
        hold({"a symbolic link to its directory", {"cat", "notes/id_ed25519"}, prints_a_secret(), {key}, rules, shell("ln -s ~/.ssh notes")});
        hold({"a hard link to the key", {"cat", "notes"}, prints_a_secret(), {{"mount", "./notes", "${home}/.ssh/id_ed25519: r"}}, rules, shell("ln ~/.ssh/id_ed25519 notes")});
        hold({"a hard link to the project's secrets", {"cat", "src/notes"}, prints_a_secret(), {{"mount", "./src/notes", "${project}/.env: r"}}, rules, shell("ln .env src/notes")});
    }
}

TEST_CASE("swapping names while they are resolved reads nothing", "[attack][files]") {
    for (const Rules& rules : {tests_rules(), agent_rules()}) {
        Attack swap{"a directory becomes a link", {"hostile", "race-swap", "out/d", "out/l", "diary"}, prints_a_secret(), {{"mount", "~/diary", "${home}/diary: r"}}, rules};
        swap.prepare = [](World& world) {
            REQUIRE(world.shell("mkdir -p out/d && echo harmless > out/d/diary && ln -s ~ out/l").status == 0);
            return std::vector<std::string>{};
        };
        swap.races = true;
        hold(swap);
        Attack argument{"the name changes in memory", {"hostile", "race-argument", "Makefile", ".env"}, prints_a_secret(), {secrets_of_project}, rules};
        argument.races = true;
        hold(argument);
    }
}

TEST_CASE("no variant of opening opens more", "[attack][files]") {
    // openat2(2): RESOLVE_NO_XDEV 1, NO_MAGICLINKS 2, NO_SYMLINKS 4, BENEATH 8, IN_ROOT 16, CACHED 32
    hold({"openat2", {"hostile", "openat2", "/", "~/.ssh/id_ed25519", "0"}, prints_a_secret(), {key}});
    hold({"openat2 beneath the home", {"hostile", "openat2", "..", ".ssh/id_ed25519", "8"}, prints_a_secret(), {key}});
    hold({"openat2 with the home as its root", {"hostile", "openat2", "..", "/.ssh/id_ed25519", "16"}, prints_a_secret(), {key}});
    // What the link means there is not followed by the supervisor: mounts hold, and nothing is reported.
    hold({"openat2 with a root below which a link leads", {"sh", "-c", "ln -s /.ssh/id_ed25519 out/l; exec " HOSTILE " openat2 .. project/out/l 16"}, prints_a_secret(), {}});
    hold({"openat2 without links", {"hostile", "openat2", "..", ".ssh/id_ed25519", "6"}, prints_a_secret(), {key}});
    hold({"by a name only, then again", {"hostile", "reopen", ".env"}, prints_a_secret(), {secrets_of_project}});
    hold({"through a name padded to its longest", {"sh", "-c", "exec " HOSTILE " read-long-name ~ .ssh/id_ed25519"}, prints_a_secret(), {key}});
    // The name of that directory cannot be told, so nobody can judge what is opened from there: mounts and Landlock hold.
    hold({"from below a directory whose name is longer than a path may be", {"sh", "-c", "exec " HOSTILE " read-below-long out ~/.ssh/id_ed25519"}, prints_a_secret(), {}});
    hold({"while no descriptor is left", {"hostile", "exhaust-descriptors", "~/.ssh/id_ed25519"}, prints_a_secret(), {key}});
    Attack script{"a key among a script's words", {"sh", "-c", "exec sh ~/.ssh/id_ed25519"}, [](const World&, const Finished& run) { return run.err.find("SECRET: not found") != std::string::npos; }, {key}};
    hold(script);
}

// For root alone it is an attack: without the right to pass over permissions the kernel opens no file so (EPERM).
TEST_CASE("a file handle opens nothing", "[attack][files][root]") {
    Attack handle{"by a file handle", {"hostile", "read-handle"}, prints_a_secret(),
                  {{"seccomp", "open_by_handle_at", "open_by_handle_at", "syscalls"}, {"seccomp", "unshare", std::nullopt, ""}}};
    handle.prepare = [](World& world) { return std::vector<std::string>{world.handle("~/.ssh/id_ed25519")}; };
    handle.never = "it takes rights that a sandboxed process has in no namespace";
    hold(handle);
}

TEST_CASE("a server of the host is not reached by its socket in the project, the command's own is", "[attack][files]") {
    for (const Rules& rules : {tests_rules(), agent_rules()}) {
        Attack attack{"connects", {"hostile", "unix-connect"}, ends_well(), {{"seccomp", "./server", "${project}/server", "unix"}}, rules};
        attack.prepare = [](World& world) {
            world.listen("./server");
            return std::vector<std::string>{world.place("./server")};
        };
        hold(attack);
    }
    World world;
    Rules rules = agent_rules();
    rules.syscalls = {"@network"};
    world.write("./.treadline/profile.yaml", rules.yaml());
    const Enforced own = world.enforce(rules, {"hostile", "listen-and-connect", "out/s"});
    CHECK(own.run.out == "ok\n");
    CHECK(own.denials.empty());
}

TEST_CASE("names of any bytes are held, reported, and opened by the rule that is reported", "[attack][files]") {
    for (const std::string name : {"new\nline", "quote\"'", "star*", "\x1b[2Jred", "${home}", "%s%n", "\xff\xfe", "#: - &a", "-rf", " ", "\\n"}) {
        CAPTURE(name);
        const auto make = [&](const World& world, const Rules& rules) {
            world.write("./.treadline/profile.yaml", rules.yaml());
            world.write("~/odd/" + name, "SECRET odd\n");
            return std::vector<std::string>{"hostile", "read", world.place("~/odd/" + name)};
        };
        const World world;
        const auto argv = make(world, tests_rules());
        REQUIRE(world.run(argv).out == "SECRET odd\nok\n");
        const Enforced held = world.enforce(tests_rules(), argv);
        CHECK(held.run.out == "ENOENT\n");
        REQUIRE(held.denials.size() == 1);
        CHECK(held.denials[0].layer == "mount");
        CHECK(held.denials[0].object == treadline::printable(world.place("~/odd/" + name)));
        REQUIRE(held.denials[0].rule);
        const World other;
        const Rules opened = tests_rules().with("files", *held.denials[0].rule);
        CHECK(other.enforce(opened, make(other, opened)).run.out == "SECRET odd\nok\n");
    }
}
