#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/text_search.h"

using namespace treadline::egress;

namespace {

std::string passed(const TextSearch& search, const std::vector<std::string>& pieces, int& found) {
    HoldingBack stream(search);
    std::string out;
    for (const std::string& piece : pieces) {
        out += stream.pass(piece);
    }
    found = stream.found();
    return found < 0 ? out + stream.rest() : out;
}

} // namespace

TEST_CASE("a text is found wherever the stream is cut, and nothing of it is passed on", "[egress][search]") {
    const std::string secret = "sk-aaabaaac-1";
    const TextSearch search({{secret, 3}});
    const std::string whole = "before aaab sk-aaabsk-aaabaaac-1 after";
    for (size_t first = 0; first <= whole.size(); ++first) {
        for (size_t second = first; second <= whole.size(); ++second) {
            int found = -1;
            const std::string out = passed(search, {whole.substr(0, first), whole.substr(first, second - first), whole.substr(second)}, found);
            REQUIRE(found == 3);
            REQUIRE(out.size() <= whole.find(secret));
            REQUIRE(whole.starts_with(out));
        }
    }
    int found = -1;
    std::vector<std::string> bytes;
    for (const char c : whole) {
        bytes.emplace_back(1, c);
    }
    passed(search, bytes, found);
    CHECK(found == 3);
}

TEST_CASE("what holds no text is passed on unchanged, wherever it is cut", "[egress][search]") {
    const TextSearch search({{"secret-value", 0}, {"value-two", 1}, {"ret", 2}});
    const std::string whole = "secre secret-valu secret-val";
    const TextSearch longer({{"secret-value", 0}, {"value-two", 1}});
    for (size_t cut = 0; cut <= whole.size(); ++cut) {
        int found = -1;
        CHECK(passed(longer, {whole.substr(0, cut), whole.substr(cut)}, found) == whole);
        CHECK(found == -1);
    }
    int found = -1;
    passed(search, {whole}, found);
    CHECK(found == 2); // a text that ends within another's beginning
}

TEST_CASE("only what may be a beginning is held back", "[egress][search]") {
    const TextSearch search({{"abcd", 0}});
    HoldingBack stream(search);
    CHECK(stream.pass("data: x\n\n") == "data: x\n\n"); // an event arrives when it is sent
    CHECK(stream.pass("xabc") == "x");
    CHECK(stream.pass("e") == "abce");
    CHECK(stream.rest().empty());
    HoldingBack end(search);
    CHECK(end.pass("ab").empty());
    CHECK(end.rest() == "ab");
    const TextSearch nothing({});
    CHECK(nothing.empty());
    CHECK(HoldingBack(nothing).pass("anything") == "anything");
}

TEST_CASE("a text is known in base64 whatever stands before it, and escaped", "[egress][search]") {
    const std::string secret = "p/ss+w:rd\"1~?";
    std::vector<TextSearch::Text> texts;
    for (const std::string& form : forms_of(secret)) {
        texts.push_back({form, 0});
    }
    const TextSearch search(texts);
    for (size_t before = 0; before < 9; ++before) {
        for (size_t behind = 0; behind < 4; ++behind) {
            std::string coded = base64(std::string(before, 'u') + secret + std::string(behind, 'x'));
            CHECK(search.find("Basic " + coded) == 0);
            for (char& c : coded) {
                c = c == '+' ? '-' : c == '/' ? '_' : c;
            }
            CHECK(search.find(coded) == 0);
        }
    }
    CHECK(search.find("k=p%2Fss%2Bw%3Ard%221~%3F&") == 0);
    CHECK(search.find("k=p%2fss%2bw%3ard%221~%3f&") == 0);
    CHECK(search.find("{\"k\":\"p\\/ss+w:rd\\\"1~?\"}") == 0);
    CHECK(search.find("p/ss+w:rd\"1~") == -1);
}

TEST_CASE("base64 is that of RFC 4648", "[egress][search]") {
    CHECK(base64("").empty());
    CHECK(base64("f") == "Zg==");
    CHECK(base64("fo") == "Zm8=");
    CHECK(base64("foo") == "Zm9v");
    CHECK(base64("foobar") == "Zm9vYmFy");
    CHECK(base64("\xFB\xFF") == "+/8=");
}
