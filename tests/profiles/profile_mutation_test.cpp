#include <random>

#include "profiles/profile_writer.h"
#include "tests/profiles/example.h"

using namespace treadline;

// A fuzzer small enough to run with every build: what the reader accepts has to survive being written, and
// nothing may crash it. A fixed seed, so that a find can be repeated.
TEST_CASE("random damage to a profile is refused or understood, and what is understood round-trips",
          "[profiles][yaml]") {
    std::mt19937 random(20240607);
    const auto pick = [&](size_t n) { return static_cast<size_t>(random() % n); };
    const std::string_view pieces[] = {"\n",
                                       "  ",
                                       ": ",
                                       "- ",
                                       "[",
                                       "]",
                                       "{",
                                       "}",
                                       "\"",
                                       "'",
                                       "#",
                                       "&a ",
                                       "*a",
                                       "!!str ",
                                       "|\n",
                                       "? ",
                                       "${home}",
                                       "\\x0A",
                                       "\\",
                                       "**",
                                       "/",
                                       "..",
                                       "\xff",
                                       "\x01",
                                       "\xE2\x80\xAE",
                                       "%",
                                       "---\n",
                                       "~",
                                       "\t",
                                       "\r\n",
                                       "treadline: 1\n"};
    int accepted = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string text(test::example);
        for (size_t edits = 1 + pick(3); edits > 0; --edits) {
            const size_t at = pick(text.size());
            switch (pick(4)) {
            case 0:
                text[at] = static_cast<char>(pick(256));
                break;
            case 1:
                text.erase(at, 1 + pick(8));
                break;
            case 2:
                text.insert(at, pieces[pick(std::size(pieces))]);
                break;
            default:
                text.insert(at, text.substr(pick(text.size()), pick(40)));
                break;
            }
        }
        const auto profile = read_profile(text, "p.yaml");
        if (!profile) {
            REQUIRE(profile.error().what.substr(0, 7) == "p.yaml:");
            continue;
        }
        ++accepted;
        const auto back = read_profile(write_profile(*profile), "p.yaml");
        INFO(text);
        INFO(write_profile(*profile));
        REQUIRE(back);
        REQUIRE(*back == *profile);
        if (accepted % 20 != 0) {
            continue;
        }
        // Building may refuse (an unknown call, say), never crash.
        const auto policy = Policy::build(*profile, "p.yaml", test::ann(), abstraction_loader(""));
        if (policy) {
            (void)policy->decide(Operation::Write, "/home/ann/p/x");
        }
    }
    CHECK(accepted > 100);
}
