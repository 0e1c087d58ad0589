#include "tests/e2e/learned_loop.h"

namespace treadline::test {

Edit accepting(const std::vector<std::string>& lines) {
    return [lines](std::string profile) {
        for (const std::string& line : lines) {
            const size_t at = profile.find(line);
            INFO("no line '" << line << "' in\n" << profile);
            REQUIRE(at != std::string::npos);
            const size_t start = profile.rfind('\n', at) + 1;
            REQUIRE(profile[start] == '#');
            profile.erase(start, 1);
        }
        return profile;
    };
}

void keeps_working(const Loop& loop, const std::string& script, const std::string& prepare, const Edit& edit) {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop elsewhere = loop.clone();
    for (const Loop* checkout : {&loop, &elsewhere}) {
        const Finished prepared = checkout->shell(prepare.empty() ? ":" : "set -e; " + prepare);
        INFO(prepared.err << prepared.out);
        REQUIRE(prepared.status == 0);
    }
    const Finished learned = loop.learn(script);
    INFO("learn: " << learned.err << learned.out);
    REQUIRE(learned.status == 0);
    const std::string profile = edit ? edit(loop.profile()) : loop.profile();
    elsewhere.write(".treadline/profile.yaml", profile);
    INFO("profile:\n" << profile);
    const Finished enforced = elsewhere.enforce(script);
    INFO("enforce: " << enforced.err << enforced.out);
    CHECK(enforced.status == 0);
}

} // namespace treadline::test
