#include "profiles/yaml_pack.h"

#include <catch2/catch_test_macros.hpp>

#include "profiles/catalogue.h"

using namespace treadline;

namespace {

bool same(const YamlNode& a, const YamlNode& b) {
    if (a.kind != b.kind || a.at.line != b.at.line || a.at.column != b.at.column || a.offset != b.offset || a.quoted != b.quoted ||
        a.flow != b.flow || a.text != b.text || a.items.size() != b.items.size() || a.entries.size() != b.entries.size()) {
        return false;
    }
    for (size_t i = 0; i < a.items.size(); ++i) {
        if (!same(a.items[i], b.items[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < a.entries.size(); ++i) {
        if (!same(a.entries[i].key, b.entries[i].key) || !same(a.entries[i].value, b.entries[i].value)) {
            return false;
        }
    }
    return true;
}

} // namespace

TEST_CASE("a packed tree is the tree that was parsed", "[profiles][yaml]") {
    const std::string long_text(300, 'x');
    for (const std::string& text : {std::string(), std::string("a: 'b'\nc: [1, \"${d}\", {e: f}]\ng:\n  - {}\n  - []\n  -\nh: \"\\0\\x80\"\n"),
                                    "- " + long_text + "\n"}) {
        CAPTURE(text);
        const auto parsed = parse_yaml(text, "test.yaml");
        REQUIRE(parsed);
        CHECK(same(unpack_yaml(pack_yaml(*parsed)), *parsed));
    }
    YamlNode other;
    CHECK_FALSE(same(unpack_yaml(pack_yaml(*parse_yaml("a", "test.yaml"))), other));
}

TEST_CASE("what is compiled in is what the files say", "[profiles][yaml]") {
    REQUIRE(embedded_catalogues.size() == 3);
    REQUIRE(embedded_abstractions.size() > 10);
    for (const auto files : {embedded_catalogues, embedded_abstractions}) {
        for (const EmbeddedFile& file : files) {
            CAPTURE(file.name);
            const auto parsed = parse_yaml(file.text, std::string(file.name));
            REQUIRE(parsed);
            CHECK(same(unpack_yaml(file.packed), *parsed));
        }
    }
}
