#include <sys/stat.h>
#include <unistd.h>

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

TEST_CASE("/proc/self and /dev/fd mean the process that asked", "[collector][resolve]") {
    CHECK(resolve_path("/", "/proc/self/none", LastLink::Keep, 4194303) == "/proc/4194303/none");
    CHECK(resolve_path("/", "/dev/fd/77", LastLink::Keep, 4194303) == "/proc/4194303/fd/77");
    CHECK(resolve_path("/", "/proc/selfish", LastLink::Keep, 4194303) == "/proc/selfish");
}

TEST_CASE("what the run made is told from what it found", "[collector][origins]") {
    Origins origins;
    origins.found("/p/old");
    origins.created("/p/new");
    CHECK(origins.is_created("/p/new"));
    CHECK_FALSE(origins.is_created("/p/old"));
    CHECK_FALSE(origins.is_created("/p"));
    origins.created("/p/old"); // removed and made again
    CHECK_FALSE(origins.is_created("/p/old"));
    origins.created("/p/dir");
    CHECK(origins.is_created("/p/dir/any/thing"));
    origins.renamed("/p/new", "/p/moved");
    origins.renamed("/p/old", "/p/dir/old");
    CHECK(origins.is_created("/p/moved"));
    CHECK_FALSE(origins.is_created("/p/dir/old"));
    origins.renamed("/p/new", "/p/old"); // over a file that was there
    CHECK_FALSE(origins.is_created("/p/old"));
    CHECK_FALSE(origins.is_created("/p/dirt"));
}

TEST_CASE("the interpreter of a first line", "[collector][scripts]") {
    CHECK(shebang("#!/bin/sh\nx") == "/bin/sh");
    CHECK(shebang("#! \t/usr/bin/env node\n") == "/usr/bin/env");
    CHECK(shebang("#!/bin/sh") == "/bin/sh");
    CHECK(shebang("#!\n/bin/sh").empty());
    CHECK(shebang("# !/bin/sh").empty());
    CHECK(shebang("").empty());
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
