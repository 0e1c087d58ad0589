#include "profiler/path_trie.h"

#include <algorithm>
#include <random>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

TEST_CASE("a trie gives back the paths it was given", "[profiler][trie]") {
    const std::vector<std::string> paths{
        "/", "/a", "/a/b", "${project}", "${project}/a", "${home}/.x/y z", "/a/b/c"};
    PathTrie trie;
    std::vector<PathTrie::Node> nodes;
    for (const std::string& path : paths) {
        nodes.push_back(trie.insert(path));
    }
    const auto renumbered = trie.finish();
    for (size_t i = 0; i < paths.size(); ++i) {
        CHECK(trie.path(renumbered[nodes[i]]) == paths[i]);
        CHECK(trie.find(paths[i]) == renumbered[nodes[i]]);
    }
    CHECK(trie.find("/a/x") == PathTrie::none);
    CHECK(trie.find("${tmp}") == PathTrie::none);
    CHECK(trie.find("/a/b/c/d") == PathTrie::none);
}

TEST_CASE("the order of insertion leaves no trace in a trie", "[profiler][trie]") {
    std::vector<std::string> paths;
    std::mt19937 random(7);
    for (int i = 0; i < 3000; ++i) {
        std::string path = "${project}";
        for (int depth = 0; depth < 4; ++depth) {
            path += "/" + std::to_string(random() % 9);
        }
        paths.push_back(path);
    }
    const auto listing = [&] {
        PathTrie trie;
        for (const std::string& path : paths) {
            trie.insert(path);
        }
        trie.finish();
        std::string text;
        for (PathTrie::Node node = 1; node < trie.size(); ++node) {
            text += trie.path(node) + "\n";
        }
        return text;
    };
    const std::string before = listing();
    std::shuffle(paths.begin(), paths.end(), random);
    CHECK(listing() == before);
}

TEST_CASE("parents come before children, and siblings stand side by side in order", "[profiler][trie]") {
    PathTrie trie;
    for (const char* path : {"/b/z", "/b/a", "/a", "/b/m/x"}) {
        trie.insert(path);
    }
    trie.finish();
    for (PathTrie::Node node = 1; node < trie.size(); ++node) {
        CHECK(trie.parent(node) < node);
    }
    const PathTrie::Node b = trie.find("/b");
    REQUIRE(trie.child_count(b) == 3);
    CHECK(trie.name(trie.first_child(b)) == "a");
    CHECK(trie.name(trie.first_child(b) + 1) == "m");
    CHECK(trie.name(trie.first_child(b) + 2) == "z");
}

TEST_CASE("what was appended twice is one node with the children of both", "[profiler][trie]") {
    PathTrie trie;
    const PathTrie::Node root = trie.insert("${project}");
    const PathTrie::Node first = trie.append_child(root, "directory-name");
    const PathTrie::Node second = trie.append_child(root, "directory-name");
    const PathTrie::Node other = trie.append_child(root, "directory-name2");
    const PathTrie::Node a = trie.append_child(first, "a");
    const PathTrie::Node again = trie.append_child(second, "a");
    const PathTrie::Node b = trie.append_child(second, "b");
    const PathTrie::Node by_text = trie.insert("${project}/directory-name/b");
    const auto renumbered = trie.finish();
    CHECK(trie.size() == 6);
    CHECK(renumbered[first] == renumbered[second]);
    CHECK(renumbered[a] == renumbered[again]);
    CHECK(renumbered[b] == renumbered[by_text]);
    CHECK(trie.path(renumbered[other]) == "${project}/directory-name2");
    const PathTrie::Node directory = trie.find("${project}/directory-name");
    REQUIRE(trie.child_count(directory) == 2);
    CHECK(trie.name(trie.first_child(directory)) == "a");
    CHECK(trie.name(trie.first_child(directory) + 1) == "b");
}

TEST_CASE("what was appended is found once it is indexed", "[profiler][trie]") {
    PathTrie trie;
    const PathTrie::Node root = trie.insert("/usr");
    const PathTrie::Node lib = trie.append_child(root, "lib");
    const PathTrie::Node bin = trie.append_child(root, "bin");
    trie.index_appended();
    CHECK(trie.insert("/usr/bin") == bin);
    CHECK(trie.insert("/usr/lib") == lib);
    const PathTrie::Node share = trie.append_child(root, "share");
    trie.index_appended();
    CHECK(trie.insert("/usr/share") == share);
    CHECK(trie.insert("/usr/lib") == lib);
}

TEST_CASE("a path of two thousand names needs no recursion", "[profiler][trie]") {
    std::string path;
    for (int i = 0; i < 2000; ++i) {
        path += "/d";
    }
    PathTrie trie;
    trie.insert(path);
    trie.finish();
    CHECK(trie.path(trie.find(path)) == path);
}
