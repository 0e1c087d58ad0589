// What the fuzzers start from and have found, and a few thousand changes of it, with every compiler.
#include <algorithm>
#include <filesystem>
#include <random>

#include "tests/fuzz/entries.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::test;

namespace {

using Entry = void (*)(std::string_view);

std::vector<std::string> seeds(const std::string& entry) {
    std::vector<std::string> paths;
    for (const auto& file :
         std::filesystem::directory_iterator(std::string(TREADLINE_FUZZ_SEEDS) + "/" + entry)) {
        paths.push_back(file.path());
    }
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> texts;
    texts.reserve(paths.size());
    for (const std::string& path : paths) {
        texts.push_back(slurp(path));
    }
    return texts;
}

std::string changed(std::string text, const std::vector<std::string>& all, std::mt19937& random) {
    const auto below = [&](size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random); };
    for (size_t changes = 1 + below(4); changes > 0; --changes) {
        if (text.empty()) {
            return text;
        }
        const size_t at = below(text.size());
        switch (below(5)) {
        case 0:
            text[at] = static_cast<char>(below(256));
            break;
        case 1:
            text.resize(at);
            break;
        case 2:
            text.insert(at, 1 + below(8), static_cast<char>(below(256)));
            break;
        case 3:
            text.erase(at, 1 + below(8));
            break;
        default: {
            const std::string& other = all[below(all.size())];
            text.insert(at, other.substr(other.empty() ? 0 : below(other.size())));
        }
        }
    }
    return text;
}

void replay(const std::string& name, Entry entry, int times) {
    const std::vector<std::string> all = seeds(name);
    REQUIRE_FALSE(all.empty());
    entry("");
    std::mt19937 random(1); // the same changes every time
    for (const std::string& seed : all) {
        REQUIRE_NOTHROW(entry(seed));
        for (int i = 0; i < times; ++i) {
            const std::string text = changed(seed, all, random);
            CAPTURE(text);
            REQUIRE_NOTHROW(entry(text));
        }
    }
}

} // namespace

TEST_CASE("the event decoder takes any bytes", "[fuzz]") {
    replay("events", fuzz::events, 500);
}

TEST_CASE("the recorder takes any records", "[fuzz]") {
    replay("recorder", fuzz::recorder, 100);
}

TEST_CASE("the readers of DNS and varlink messages take any bytes", "[fuzz]") {
    replay("dns", fuzz::dns, 500);
    replay("varlink", fuzz::varlink, 500);
}

TEST_CASE("what programs send to the egress gateway may be anything", "[fuzz]") {
    replay("client_hello", fuzz::client_hello, 500);
    replay("dns_question", fuzz::dns_question, 500);
    replay("http_head", fuzz::http_head, 500);
    replay("observed", fuzz::observed, 500);
    replay("held_back", fuzz::held_back, 500);
    replay("request_target", fuzz::request_target, 500);
    replay("http2", fuzz::http2, 500);
    replay("socks", fuzz::socks, 500);
    replay("proxy_head", fuzz::proxy_head, 500);
    replay("redacted", fuzz::redacted, 500);
}

TEST_CASE("what a gateway hands over of the exchanges it has kept may be anything", "[fuzz]") {
    replay("kept_exchanges", fuzz::kept_exchanges, 500);
}

TEST_CASE("records of the kernel's audit log may hold whatever a program is called", "[fuzz]") {
    replay("landlock_records", fuzz::landlock_records, 500);
}

TEST_CASE("conversations with resolvers may consist of anything", "[fuzz]") {
    replay("traffic", fuzz::traffic, 500);
}
