// What stands at the places of guards is what lstat(2) says, however it was found out.
#include <catch2/catch_test_macros.hpp>

#include <filesystem>

#include <sys/stat.h>

#include "enforcer/parent_directories.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;
namespace fs = std::filesystem;

TEST_CASE("places are found where they are, through links and beside many other names, and nowhere else", "[enforcer][guards]") {
    const Arena arena;
    const auto policy = arena.policy("files:\n  ${project}/**: r\n");
    for (const char* name : {".netrc", ".bashrc", ".config/gh/hosts.yml", ".aws/credentials", "elsewhere/key"}) {
        arena.write(name, "");
    }
    fs::create_directory_symlink(arena.home("elsewhere"), arena.home(".ssh"));
    fs::create_symlink(arena.home(".netrc"), arena.home(".npmrc"));
    std::vector<std::string> paths = {arena.home(".ssh/key"), arena.home("missing/at/all"), "/etc"};
    for (const Guards::Place& place : policy->guards().places()) {
        if (place.floating.empty() && !place.glob) {
            paths.push_back(place.path);
        }
    }
    const auto agree = [&] {
        ParentDirectories parents(*policy);
        for (const std::string& path : paths) {
            INFO(path);
            struct stat status {};
            const bool there = ::lstat(path.c_str(), &status) == 0;
            const auto found = parents.look(path);
            REQUIRE(found.has_value() == there);
            CHECK((!there || (found->st_ino == status.st_ino && found->st_mode == status.st_mode)));
        }
    };
    agree();
    SECTION("where there are too many names to read") {
        for (int i = 0; i < 2100; ++i) {
            arena.write("many-" + std::to_string(i), "");
        }
        agree();
    }
    SECTION("where the names cannot be read") {
        ::chmod(arena.home().c_str(), 0311);
        agree();
        ::chmod(arena.home().c_str(), 0755);
    }
}
