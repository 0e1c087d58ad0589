#include "profiles/pattern.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace treadline;

namespace {
Pattern pattern(std::string_view text) {
    const auto parsed = parse_pattern(text);
    INFO(text);
    REQUIRE(parsed);
    return *parsed;
}
} // namespace

TEST_CASE("an exact path matches itself and nothing near it", "[profiles][pattern]") {
    const Pattern exact = pattern("/a/b");
    CHECK(exact.matches("/a/b"));
    for (const char* other : {"/a", "/a/b/c", "/a/bc", "/a/B", "/a/b.bak", "/", "/b"}) {
        CHECK_FALSE(exact.matches(other));
    }
}

TEST_CASE("dir/ matches the directory and the names directly in it, not what lies deeper",
          "[profiles][pattern]") {
    const Pattern names = pattern("/a/");
    CHECK(names.matches("/a"));
    CHECK(names.matches("/a/b"));
    CHECK_FALSE(names.matches("/a/b/c"));
    CHECK_FALSE(names.matches("/ab"));
    CHECK_FALSE(names.matches("/"));
}

TEST_CASE("dir/** matches the directory and everything below, not its siblings", "[profiles][pattern]") {
    const Pattern subtree = pattern("/home/dev/**");
    CHECK(subtree.matches("/home/dev"));
    CHECK(subtree.matches("/home/dev/a/b/c"));
    CHECK_FALSE(subtree.matches("/home/dev2"));
    CHECK_FALSE(subtree.matches("/home/dev2/a"));
    CHECK_FALSE(subtree.matches("/home"));
    CHECK(pattern("/**").matches("/anything/at/all"));
}

TEST_CASE("a * stands for any text within one name", "[profiles][pattern]") {
    const Pattern glob = pattern("/run/user/*/bus");
    CHECK(glob.extent == Extent::Glob);
    CHECK(glob.matches("/run/user/1000/bus"));
    CHECK(glob.matches("/run/user/.hidden/bus"));
    CHECK_FALSE(glob.matches("/run/user/1000/x/bus"));
    CHECK_FALSE(glob.matches("/run/user/bus"));
    CHECK_FALSE(glob.matches("/run/user/1000/bus2"));
    CHECK(pattern("/a/*.c").matches("/a/.c"));
    CHECK(pattern("/a/x*y*z").matches("/a/xyyyz"));
    CHECK_FALSE(pattern("/a/x*y*z").matches("/a/xyyy"));
}

TEST_CASE("an escaped * is a star and matches nothing else", "[profiles][pattern]") {
    const Pattern star = pattern("/a/\\*");
    CHECK(star.extent == Extent::Exact);
    CHECK(star.path == "/a/*");
    CHECK(star.matches("/a/*"));
    CHECK_FALSE(star.matches("/a/b"));
    const Pattern mixed = pattern("/a/\\**.c");
    CHECK(mixed.matches("/a/*x.c"));
    CHECK_FALSE(mixed.matches("/a/xx.c"));
}

TEST_CASE("a pattern that can never match or never be held is refused", "[profiles][pattern]") {
    const auto text =
        GENERATE("", "a", "a/b", "./a", "/a/../b", "/a/./b", "/a//b", "//a", "/..", "/a/**/b", "/a/b**",
                 "/a/***", "/a*/**", "/a*/", "/a/\\x2E\\x2E/b", "/a/\\q", "/a/\\x2Fb", "/a/\\x00", "/a/\\x0");
    INFO(text);
    CHECK_FALSE(parse_pattern(text));
}

TEST_CASE("every path has one written form that reads back as the same bytes", "[profiles][pattern]") {
    std::string every_byte = "/";
    for (int byte = 1; byte < 256; ++byte) {
        if (byte != '/') {
            every_byte += static_cast<char>(byte);
        }
    }
    for (const std::string& path :
         {std::string("/plain/path.txt"), std::string("/a*b\\c"), std::string("/${home}/x"),
          std::string("/new\nline\x1b[31m"), std::string("/\xff\xfe"), std::string("/\u202Egpj.sh"),
          std::string("/ümlaut/日本"), std::string("/$x$"), every_byte}) {
        const std::string written = escape_path(path);
        INFO(written);
        CHECK(unescape_path(written).value() == path);
        CHECK(path_complaint(written) == "");
        CHECK(pattern(written) == Pattern{path, Extent::Exact});
    }
    CHECK(escape_path("/a*b\\c\n${d}$") == "/a\\*b\\\\c\\x0A\\${d}$");
}

TEST_CASE("a second spelling of the same path is refused", "[profiles][pattern]") {
    for (const char* text : {"/\\x73ecret", "/a/\\x2A", "/a/\\$b", "/a/s\\x73h*", "/a/\\x5C"}) {
        INFO(text);
        CHECK(path_complaint(text).find("does not need") != std::string::npos);
    }
    CHECK(path_complaint("/a/\\x0A*") == "");
}

TEST_CASE("a variable is a whole folder at the start, user and uid may stand inside", "[profiles][pattern]") {
    for (const char* good :
         {"${home}", "${home}/", "${home}/**", "${project}/a", "/run/user/${uid}/bus", "/home/${user}/x"}) {
        INFO(good);
        CHECK(path_complaint(good) == "");
    }
    for (const char* bad : {"${home}x", "${home}2/a", "${nobody}/a", "${home", "/a/${home}/b", "${user}/a",
                            "${env:HOME}/a", "${home}/../x", "${home}//x", "${home}/${", "$home/x", "~/x"}) {
        INFO(bad);
        CHECK(path_complaint(bad) != "");
    }
}

TEST_CASE("covers says whether one pattern holds everything another matches", "[profiles][pattern]") {
    CHECK(pattern("/a/**").covers(pattern("/a/b")));
    CHECK(pattern("/a/**").covers(pattern("/a/b/**")));
    CHECK(pattern("/a/**").covers(pattern("/a/")));
    CHECK(pattern("/a/**").covers(pattern("/a/b*/c")));
    CHECK(pattern("/a/").covers(pattern("/a/b")));
    CHECK(pattern("/a/").covers(pattern("/a/*.c")));
    CHECK(pattern("/a/*.c").covers(pattern("/a/b.c")));
    CHECK_FALSE(pattern("/a/").covers(pattern("/a/**")));
    CHECK_FALSE(pattern("/a/").covers(pattern("/a/b/")));
    CHECK_FALSE(pattern("/a/").covers(pattern("/a/*/c")));
    CHECK_FALSE(pattern("/a").covers(pattern("/a/")));
    CHECK_FALSE(pattern("/a/**").covers(pattern("/ab")));
    CHECK_FALSE(pattern("/a/**").covers(pattern("/a*/b")));
    CHECK_FALSE(pattern("/a/*.c").covers(pattern("/a/")));
}

TEST_CASE("a glob with many stars ends quickly on a long name", "[profiles][pattern]") {
    std::string glob = "/";
    for (int i = 0; i < 50; ++i) {
        glob += "a*";
    }
    CHECK_FALSE(matches_glob(glob + "b", "/" + std::string(4000, 'a')));
}
