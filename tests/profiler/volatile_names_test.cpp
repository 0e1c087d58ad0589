#include "profiler/volatile_names.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

TEST_CASE("names that change from run to run are recognised", "[profiler][names]") {
    for (const char* name : {
             "4711",                                    // a process id
             "npm-12345",                               // … behind a name
             "sedXk2Ld9", "tmp.aB3xZ9kQ", "ccpQ7rTz.s", // mkstemp(3)
             "x-AbC123",                                // mkdtemp(3), as Node calls it
             "2026-11-20T16_48_02_113Z-debug-0.log",    // a date
             "20261120", "1763657282.lock",             // a day, seconds
             "550e8400-e29b-41d4-a716-446655440000",    // a UUID
             "5d41402abc4b2a76b9719d911017c592",        // a digest
             "main.5fa3c1d.js",                         // an abbreviated one
             "stats.cpython-311.pyc.139812345678901",   // CPython's own way to a temporary name
         }) {
        INFO(name);
        CHECK(kind_of_name(name) == NameKind::Volatile);
    }
}

TEST_CASE("ordinary names are not taken for volatile ones", "[profiler][names]") {
    for (const char* name :
         {"src",         "index.js",         "README.md", "node_modules", "left-pad",       "TryCompile",
          "CMakeFiles",  "x86_64-linux-gnu", "sha256sum", "base64.h",     "utf_8.py",       "libc.so.6",
          "iso-8859-15", "Makefile",         "a1",        "facade",       "COMMIT_EDITMSG", "test-12.txt",
          "MACOSX",      "camelCaseName",    "i18n",      "f5.c"}) {
        INFO(name);
        CHECK(kind_of_name(name) == NameKind::Stable);
    }
}

TEST_CASE("a version is stable here and not elsewhere", "[profiler][names]") {
    CHECK(kind_of_name("python3.11") == NameKind::Version);
    CHECK(kind_of_name("v22.1.0") == NameKind::Version);
    CHECK(kind_of_name("left-pad@1.3.0") == NameKind::Version);
    CHECK(kind_of_name("libfoo.so.1.2") == NameKind::Version);
    CHECK(kind_of_name("python3") == NameKind::Stable);
}

TEST_CASE("a wildcard stands for the part that changes, and for no more", "[profiler][names]") {
    CHECK(with_wildcards("svc-4711.sock") == "svc-*.sock");
    CHECK(with_wildcards("tmp.aB3xZ9kQ") == "tmp.*");
    CHECK(with_wildcards("4711") == "*");
    CHECK(with_wildcards("bus") == "bus");
    CHECK(with_wildcards("libfoo.so.1.2") == "libfoo.so.1.2");
}

TEST_CASE("any bytes may be a name", "[profiler][names]") {
    CHECK(kind_of_name("") == NameKind::Stable);
    CHECK(kind_of_name(std::string_view("\0\xff", 2)) == NameKind::Stable);
    CHECK(kind_of_name(std::string(4096, '-')) == NameKind::Stable);
    CHECK(kind_of_name(std::string(255, '7')) == NameKind::Volatile);
}

TEST_CASE("a suffix drawn by mkdtemp is told from a word of its length", "[profiler][names]") {
    for (const char* drawn : {"demo-JiROVf", "tmp.0PdLtdx9F8", "tmpXk-aB3xYz", "pip_a8s3kf0q",
                              "part-a8s3kf.json", "tmpab3_e9kq"}) {
        INFO(drawn);
        CHECK(drawn_shape(drawn) == DrawnShape::Likely);
    }
    for (const char* possible : {"report", "my-output", "MyFile", "BuildDir", "README", "sample12",
                                 "x-rcrqvi", "tmpabcdefgh", "tmpab_defgh", "parser.c", "Makefile.am"}) {
        INFO(possible);
        CHECK(drawn_shape(possible) == DrawnShape::Possible);
    }
    for (const char* given :
         {"results", "data-2024", "", "demo-x", "index.lock", ".lock", "lock", "Cargo.toml"}) {
        INFO(given);
        CHECK(drawn_shape(given) == DrawnShape::No);
    }
}

TEST_CASE("a name is drawn when four signs say so, its shape among them", "[profiler][names]") {
    const auto likely = DrawnShape::Likely;
    const auto possible = DrawnShape::Possible;
    // exclusive, gone, differs, temporary
    CHECK(is_drawn(likely, {true, true, false, false}));
    CHECK(is_drawn(likely, {true, false, true, false}));
    CHECK(is_drawn(likely, {true, false, false, true}));
    CHECK_FALSE(is_drawn(likely, {true, false, false, false}));
    CHECK(is_drawn(possible, {true, true, false, true}));
    CHECK(is_drawn(possible, {true, true, true, false}));
    CHECK_FALSE(is_drawn(possible, {true, true, false, false}));     // what was unpacked and thrown away
    CHECK_FALSE(is_drawn(DrawnShape::No, {true, true, true, true})); // a lock
}
