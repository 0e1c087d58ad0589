#include "base/path.h"

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

TEST_CASE("a path is normalised without looking at the disk", "[path]") {
    CHECK(normalise_path("/a/./b//c/../d/") == "/a/b/d");
    CHECK(normalise_path("/") == "/");
    CHECK(normalise_path("") == "/");
    CHECK(normalise_path("a/b") == "/a/b");
    CHECK(normalise_path("/../../a") == "/a");
    CHECK(normalise_path("/a/..") == "/");
}

TEST_CASE("joining takes an absolute path as it is", "[path]") {
    CHECK(join_path("/a/b", "c/../d") == "/a/b/d");
    CHECK(join_path("/a/b", "/etc/passwd") == "/etc/passwd");
    CHECK(join_path("/a/b", "") == "/a/b");
    CHECK(join_path("/a/b", "../../../x") == "/x");
}

TEST_CASE("a sibling whose name starts alike is not within a directory", "[path]") {
    CHECK(is_within("/home/dev", "/home/dev"));
    CHECK(is_within("/home/dev/x", "/home/dev"));
    CHECK_FALSE(is_within("/home/dev2", "/home/dev"));
    CHECK_FALSE(is_within("/home", "/home/dev"));
    CHECK(is_within("/anything", "/"));
}

TEST_CASE("a path is taken apart into parent, name and components", "[path]") {
    CHECK(parent_path("/a/b") == "/a");
    CHECK(parent_path("/a") == "/");
    CHECK(parent_path("/") == "/");
    CHECK(file_name("/a/b") == "b");
    CHECK(file_name("/").empty());
    CHECK(path_components("/a/bc/d") == std::vector<std::string_view>{"a", "bc", "d"});
    CHECK(path_components("/").empty());
}
