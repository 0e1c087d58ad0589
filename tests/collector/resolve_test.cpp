#include <sys/stat.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "collector/call_table.h"
#include "collector/origins.h"
#include "collector/path_resolver.h"
#include "collector/scripts.h"
#include "collector/tracing_support.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::test;

TEST_CASE("a path is resolved from where the call started", "[collector][resolve]") {
    const TemporaryDirectory directory;
    directory.write("real/file", "x");
    REQUIRE(::symlink("real", (directory / "alias").c_str()) == 0);
    REQUIRE(::symlink("real/file", (directory / "link").c_str()) == 0);
    const auto follow = [&](const std::string& text) {
        return resolve_path(directory.path(), text, LastLink::Follow, 1);
    };
    const auto keep = [&](const std::string& text) {
        return resolve_path(directory.path(), text, LastLink::Keep, 1);
    };
    CHECK(follow("link") == directory / "real/file");
    CHECK(keep("link") == directory / "link");
    CHECK(keep("alias/file") == directory / "real/file"); // links on the way are always followed
    CHECK(keep("alias/new") == directory / "real/new");
    CHECK(keep("alias/../x") == directory / "x");
    CHECK(keep("new/") == directory / "new");
    CHECK(keep("real/.") == directory / "real");
    CHECK(keep("real/..") == directory.path());
    CHECK(keep("none/at/all") == directory / "none/at/all");
    CHECK(keep("none/../x") == directory / "x");
    CHECK(follow("/") == "/");
    CHECK(keep("/nowhere-at-all") == "/nowhere-at-all");
    CHECK(resolve_path("/", "etc", LastLink::Keep, 1) == "/etc");
    const std::string long_name(5000, 'x');
    CHECK(keep(long_name) == directory / long_name);
}

TEST_CASE("links to what is missing are followed as far as they lead", "[collector][resolve]") {
    const TemporaryDirectory directory;
    directory.write("real/file", "x");
    const auto link = [&](const std::string& target, const std::string& name) {
        REQUIRE(::symlink(target.c_str(), (directory / name).c_str()) == 0);
    };
    link("real/none", "dangling");
    link(directory / "dangling", "chain");
    link("real/gone/dir", "way");
    link("loop", "loop");
    const auto follow = [&](const std::string& text) {
        return resolve_path(directory.path(), text, LastLink::Follow, 1);
    };
    CHECK(follow("dangling") == directory / "real/none");
    CHECK(follow("chain") == directory / "real/none");
    CHECK(resolve_path(directory.path(), "dangling", LastLink::Keep, 1) == directory / "dangling");
    CHECK(follow("way/x") == directory / "real/gone/dir/x");
    CHECK(follow("way/../x") == directory / "real/gone/x"); // not the directory that holds the link
    CHECK(follow("loop") == directory / "loop");
    CHECK(follow("loop/x") == directory / "loop/x");
}

TEST_CASE("a path is resolved as its process's root has it", "[collector][resolve]") {
    const TemporaryDirectory directory;
    directory.write("jail/etc/file", "x");
    directory.write("outside", "x");
    REQUIRE(::symlink("/etc", (directory / "jail/way").c_str()) == 0);
    REQUIRE(::symlink("/etc/none", (directory / "jail/dangling").c_str()) == 0);
    const Start jailed{directory / "jail/etc", 1, directory / "jail"};
    const auto path = [&](const std::string& text) { return resolve(jailed, text, LastLink::Follow).path; };
    CHECK(path("/etc/file") == directory / "jail/etc/file");
    CHECK(path("file") == directory / "jail/etc/file");
    CHECK(path("/way/file") == directory / "jail/etc/file");
    CHECK(path("../../../way/file") == directory / "jail/etc/file");
    CHECK(path("/dangling") == directory / "jail/etc/none");
    CHECK(path("/none") == directory / "jail/none");
    CHECK(path("/") == directory / "jail");
    // A working directory from before the change of root stays where it is.
    CHECK(resolve({directory.path(), 1, directory / "jail"}, "outside", LastLink::Follow).path ==
          directory / "outside");
}

TEST_CASE("whether a path is a directory is told with it", "[collector][resolve]") {
    const TemporaryDirectory directory;
    directory.write("real/file", "x");
    REQUIRE(::symlink("real", (directory / "link").c_str()) == 0);
    const Start here{directory.path(), 1, "/"};
    CHECK(resolve(here, "real", LastLink::Follow).directory);
    CHECK(resolve(here, "real", LastLink::Keep).directory);
    CHECK(resolve(here, "link/", LastLink::Follow).directory);
    CHECK_FALSE(resolve(here, "link", LastLink::Keep).directory);
    CHECK_FALSE(resolve(here, "real/file", LastLink::Follow).directory);
    CHECK_FALSE(resolve(here, "none", LastLink::Follow).directory);
}

TEST_CASE("/proc/self and /dev/fd mean the process that asked", "[collector][resolve]") {
    CHECK(resolve_path("/", "/proc/self/none", LastLink::Keep, 4194303) == "/proc/4194303/none");
    CHECK(resolve_path("/", "/dev/fd/77", LastLink::Keep, 4194303) == "/proc/4194303/fd/77");
    CHECK(resolve_path("/", "/proc/selfish", LastLink::Keep, 4194303) == "/proc/selfish");
}

TEST_CASE("where a process's descriptor or directory leads is not guessed", "[collector][resolve]") {
    const TemporaryDirectory directory;
    const std::string self = "/proc/" + std::to_string(::getpid());
    const auto link = [&](const std::string& target, const std::string& name) {
        REQUIRE(::symlink(target.c_str(), (directory / name).c_str()) == 0);
    };
    link(self + "/cwd", "way");
    link(self + "/status", "plain");
    const auto find = [&](const std::string& text, LastLink last) {
        return resolve({directory.path(), ::getpid(), "/"}, text, last);
    };
    for (const std::string& text :
         {std::string("way"), std::string("way/file"), self + "/cwd", self + "/root/etc", self + "/exe",
          self + "/fd/0", self + "/task/" + std::to_string(::getpid()) + "/cwd"}) {
        CAPTURE(text);
        CHECK(find(text, LastLink::Follow).unknown);
    }
    CHECK(find("way/file", LastLink::Keep).unknown);
    CHECK_FALSE(find("way", LastLink::Keep).unknown); // the link itself
    CHECK_FALSE(find(self + "/cwd", LastLink::Keep).unknown);
    CHECK_FALSE(find(self + "/cwds", LastLink::Follow).unknown);
    CHECK(find("plain", LastLink::Follow).path == self + "/status");
    CHECK_FALSE(find("plain", LastLink::Follow).unknown);
}

TEST_CASE("what the run made is told from what it found", "[collector][origins]") {
    PathTable paths;
    Origins origins(paths);
    origins.found(paths.id_of("/p/old"));
    origins.created(paths.id_of("/p/new"));
    CHECK(origins.is_created(paths.id_of("/p/new")));
    CHECK_FALSE(origins.is_created(paths.id_of("/p/old")));
    CHECK_FALSE(origins.is_created(paths.id_of("/p")));
    origins.created(paths.id_of("/p/old")); // removed and made again
    CHECK_FALSE(origins.is_created(paths.id_of("/p/old")));
    origins.created(paths.id_of("/p/dir"));
    CHECK(origins.is_created(paths.id_of("/p/dir/any/thing")));
    origins.renamed(paths.id_of("/p/new"), paths.id_of("/p/moved"));
    origins.renamed(paths.id_of("/p/old"), paths.id_of("/p/dir/old"));
    CHECK(origins.is_created(paths.id_of("/p/moved")));
    CHECK_FALSE(origins.is_created(paths.id_of("/p/dir/old")));
    origins.renamed(paths.id_of("/p/new"), paths.id_of("/p/old")); // over a file that was there
    CHECK_FALSE(origins.is_created(paths.id_of("/p/old")));
    CHECK_FALSE(origins.is_created(paths.id_of("/p/dirt")));
}

TEST_CASE("what lies in a renamed directory is as new or old as it was", "[collector][origins]") {
    PathTable paths;
    Origins origins(paths);
    const auto is_created = [&](const std::string& path) { return origins.is_created(paths.id_of(path)); };
    const auto rename = [&](const std::string& from, const std::string& to) {
        origins.renamed(paths.id_of(from), paths.id_of(to));
    };
    origins.found(paths.id_of("/old"));
    origins.found(paths.id_of("/old/file"));
    origins.created(paths.id_of("/old/new"));
    origins.created(paths.id_of("/old/dir"));
    rename("/old", "/moved");
    CHECK(is_created("/moved/new"));
    CHECK(is_created("/moved/dir/any/thing"));
    CHECK_FALSE(is_created("/moved/file"));
    CHECK_FALSE(is_created("/moved/other"));
    CHECK_FALSE(is_created("/moved"));
    origins.created(paths.id_of("/moved/later"));
    rename("/moved", "/p/again");
    CHECK(is_created("/p/again/new"));
    CHECK(is_created("/p/again/later"));
    CHECK_FALSE(is_created("/p/again/file"));
    rename("/p/again", "/old"); // in a circle
    CHECK_FALSE(is_created("/old/other"));
    CHECK(is_created("/old/new"));

    origins.created(paths.id_of("/made"));
    rename("/made", "/x");
    CHECK(is_created("/x/any"));
    origins.found(paths.id_of("/y"));
    origins.created(paths.id_of("/y/new"));
    rename("/y", "/z");
    origins.created(paths.id_of("/z")); // another one in its place
    CHECK_FALSE(is_created("/z/new"));
}

TEST_CASE("the interpreter of a first line", "[collector][scripts]") {
    CHECK(shebang("#!/bin/sh\nx") == "/bin/sh");
    CHECK(shebang("#! \t/usr/bin/env node\n") == "/usr/bin/env");
    CHECK(shebang("#!/bin/sh") == "/bin/sh");
    CHECK(shebang("#!\n/bin/sh").empty());
    CHECK(shebang("# !/bin/sh").empty());
    CHECK(shebang("").empty());
}

TEST_CASE("the loader that a program names", "[collector][scripts]") {
    const std::string self = slurp("/proc/self/exe");
    const std::string loader = elf_interpreter(std::string_view(self).substr(0, 4096));
    CHECK(loader.find("ld-") != std::string::npos);
    CHECK(::access(program_loader(sys::readlink("/proc/self/exe").value(), {"/", ::getpid()}).c_str(),
                   X_OK) == 0);
    for (size_t size = 0; size < 1024; ++size) { // cut off anywhere
        const std::string found = elf_interpreter(std::string_view(self).substr(0, size));
        CHECK((found.empty() || found == loader));
    }
    std::string damaged = self.substr(0, 4096);
    for (size_t at = 16; at < 64; ++at) {
        damaged[at] = '\xff';
        CHECK(elf_interpreter(damaged).size() < damaged.size());
    }
    CHECK(elf_interpreter("#!/bin/sh\n").empty());
    CHECK(elf_interpreter("").empty());
}

TEST_CASE("the call table names every path call and no other", "[collector][calls]") {
    const auto table = call_table();
    int path_calls = 0;
    for (int number = 0; number < TL_CALLS; ++number) {
        const tl_call& call = table[static_cast<size_t>(number)];
        if (call.family == TL_FAMILY_NONE) {
            continue;
        }
        CAPTURE(number, syscall_name(number));
        CHECK(syscall_name(number)[0] != '#');
        CHECK(call.path < 6);
        CHECK(call.path2 < 6);
        CHECK((call.op2 == 0) == (call.path2 < 0));
        path_calls += call.family == TL_FAMILY_PATH ? 1 : 0;
    }
    CHECK(path_calls >= 25);
    CHECK(syscall_name(511) == "#511");
    CHECK(syscall_name(452) == "fchmodat2");
}

TEST_CASE("what tracing lacks is said in one sentence with the remedy", "[collector][support]") {
    const TracingSupport good{true, true, "6.1.0-18-amd64", "/x/treadline-collector"};
    CHECK(check_tracing(good));
    TracingSupport bad = good;
    bad.privileged = false;
    CHECK(check_tracing(bad).error().message() ==
          "tracing needs privilege, and the collector has none; run `sudo setcap cap_bpf,cap_perfmon+ep "
          "/x/treadline-collector` once, or run under sudo");
    bad = good;
    bad.kernel_types = false;
    CHECK(check_tracing(bad).error().message().find("CONFIG_DEBUG_INFO_BTF=y") != std::string::npos);
    for (const char* kernel : {"4.19.0", "5.10.0-9-amd64", "5.16.2"}) {
        bad = good;
        bad.kernel = kernel;
        CHECK(check_tracing(bad).error().message().find(std::string("this is ") + kernel) !=
              std::string::npos);
    }
    bad.kernel = "5.17.0";
    CHECK(check_tracing(bad));
}

TEST_CASE("what follows a name that means a descriptor or directory of the process", "[collector][resolve]") {
    CHECK(after_proc_start("/proc/self/fd/3/a/b") == "a/b");
    CHECK(after_proc_start("/proc/thread-self/fd/12").empty());
    CHECK(after_proc_start("/proc/self/cwd/../x") == "../x");
    CHECK(after_proc_start("/proc/self/root") == "");
    CHECK(after_proc_start("/proc/17/cwd/x/y") == "x/y");
    CHECK(after_proc_start("/proc/17/task/18/fd/3/x") == "x");
    CHECK(after_proc_start("/proc/17/exe") == "");
    CHECK(after_proc_start("/dev/fd/3/x") == "x");
    CHECK(after_proc_start("/dev/stdin") == "");
}
