#include "collector/path_table.h"

#include <map>
#include <random>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

TEST_CASE("a path has one number, and comes back byte by byte", "[collector][paths]") {
    PathTable table;
    const std::vector<std::string> texts = {"/",
                                            "/a",
                                            "/a/b",
                                            "/ab",
                                            "/a/b/c",
                                            "/a//b",
                                            "/a/",
                                            "//",
                                            "",
                                            "a",
                                            "memfd:x",
                                            "/new\nline/\xff",
                                            std::string("/nul\0byte", 9),
                                            "/a/.",
                                            std::string("/") + std::string(300'000, 'x')};
    std::map<uint32_t, std::string> ids;
    for (const std::string& text : texts) {
        const uint32_t id = table.id_of(text);
        CHECK(ids.emplace(id, text).second); // different texts, different numbers
    }
    for (const auto& [id, text] : ids) {
        CHECK(table.text(id) == text);
        CHECK(table.id_of(text) == id);
    }
}

TEST_CASE("a directory has a lower number than what lies in it, and is stored once", "[collector][paths]") {
    PathTable table;
    const uint32_t file = table.id_of("/usr/lib/x.so");
    CHECK(table.size() == 4); // "/", "usr", "lib", "x.so"
    CHECK(table.entry(file).name == "x.so");
    CHECK(table.entry(file).parent < file);
    CHECK(table.entry(file).parent == table.id_of("/usr/lib"));
    CHECK(table.id_of("/usr/lib/y.so") == 5);
    CHECK(table.size() == 5);
}

TEST_CASE("numbers do not depend on what was asked for before", "[collector][paths]") {
    std::mt19937 random(7);
    std::vector<std::string> texts;
    for (int i = 0; i < 3000; ++i) {
        std::string text;
        for (auto depth = 1 + random() % 6; depth > 0; --depth) {
            text += "/" + std::string(1 + random() % 2, static_cast<char>('a' + random() % 3));
        }
        texts.push_back(text);
    }
    PathTable table;
    std::map<std::string, uint32_t> ids;
    for (int i = 0; i < 20'000; ++i) {
        const std::string& text = texts[random() % texts.size()];
        const uint32_t id = table.id_of(text);
        CHECK(ids.try_emplace(text, id).first->second == id);
        CHECK(table.text(id) == text);
    }
}

TEST_CASE("a path of very many directories is no danger", "[collector][paths]") {
    std::string deep;
    for (int i = 0; i < 200'000; ++i) {
        deep += "/d";
    }
    PathTable table;
    CHECK(table.text(table.id_of(deep)) == deep);
}
