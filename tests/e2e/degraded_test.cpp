// Where the machine cannot hold everything: what doctor says is what enforce does.
#include <catch2/generators/catch_generators.hpp>

#include "tests/e2e/loop.h"

using namespace treadline::test;
using nlohmann::json;

namespace {

struct Place {
    const char* name;
    std::vector<std::string> wrapper; // before the command
    const char* standing;             // "" if it depends on the machine
};

Finished in_place(const Loop& loop, const Place& place, std::vector<std::string> words) {
    std::string script;
    std::vector<std::string> all = place.wrapper;
    words.insert(words.begin(), "treadline");
    all.insert(all.end(), words.begin(), words.end());
    for (const std::string& word : all) {
        script += "'" + word + "' ";
    }
    return loop.shell(script);
}

const std::string profile = "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n";

} // namespace

TEST_CASE("doctor predicts whether enforce holds, degrades or refuses", "[e2e][degraded]") {
    const Place place = GENERATE(
        Place{"as it is", {}, "full"}, Place{"no namespaces", {REFUSING, "namespaces"}, "degraded"},
        Place{"no Landlock", {REFUSING, "landlock"}, "degraded"},
        Place{"neither", {REFUSING, "landlock,namespaces"}, "refused"},
        Place{"no filter of one's own", {REFUSING, "filters"}, "refused"},
        Place{"somebody else listens", {REFUSING, "listeners"}, "degraded"},
        Place{"a user namespace that may have no more",
              {"unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"", "sh"},
              "degraded"},
        Place{"bubblewrap", {"bwrap", "--dev-bind", "/", "/", "--unshare-user", "--die-with-parent", "--"}, ""},
        Place{"bubblewrap that forbids namespaces",
              {"bwrap", "--dev-bind", "/", "/", "--unshare-user", "--disable-userns", "--die-with-parent", "--"},
              "degraded"});
    CAPTURE(place.name);
    const Loop loop;
    loop.write(".treadline/profile.yaml", profile);
    loop.write("conf/.env", "TOKEN=planted\n");

    const Finished told = in_place(loop, place, {"doctor", "--json"});
    INFO(told.out << told.err);
    REQUIRE(told.status == 0);
    const json facts = json::parse(told.out);
    const std::string standing = facts.at("enforce");
    if (*place.standing != '\0') {
        CHECK(standing == place.standing);
    }
    CHECK(facts.at("can_enforce").get<bool>() == (standing == "full"));
    CHECK(facts.at("gaps").empty() == (standing == "full"));

    const Finished plain = in_place(loop, place, {"enforce", "--", "sh", "-c", "echo ran"});
    INFO(plain.out << plain.err);
    CHECK(plain.status == (standing == "full" ? 0 : 126));
    CHECK(plain.out == (standing == "full" ? "ran\n" : ""));

    const Finished lenient = in_place(loop, place, {"enforce", "--allow-degraded", "--report", "json:r.json", "--", "sh", "-c",
                                                    "echo ran; cat conf/.env ~/.ssh/id_ed25519"});
    INFO(lenient.out << lenient.err);
    CHECK(lenient.status == (standing == "refused" ? 126 : 1));
    CHECK(lenient.out == (standing == "refused" ? "" : "ran\n")); // and neither secret
    if (standing != "refused") {
        const json report = json::parse(slurp(loop.project() + "/r.json"));
        for (const json& gap : facts.at("gaps")) {
            CHECK(std::find(report.at("degraded").begin(), report.at("degraded").end(), gap) != report.at("degraded").end());
        }
        CHECK(report.at("degraded").empty() == (standing == "full"));
    }
}

TEST_CASE("inside itself enforce refuses with the remedy, and degrades where asked to", "[e2e][degraded]") {
    const Loop loop;
    const std::string bin = TREADLINE_BIN;
    loop.write(".treadline/profile.yaml", profile + "  " + bin + "/treadline: rx\n  ${home}/.local/state/**: rwc\nsyscalls: [\"@network\", seccomp, "
                                                   "landlock_create_ruleset, landlock_add_rule, landlock_restrict_self]\n"
                                                   "environment: {pass: [PATH, HOME]}\n");
    const auto inside = [&](const std::string& words) { return loop.shell("treadline enforce -- treadline " + words); };
    const Finished told = inside("doctor --json");
    INFO(told.out << told.err);
    REQUIRE(told.status == 0);
    const std::string standing = json::parse(told.out).at("enforce");
    CHECK(standing == "degraded");
    const Finished refused = inside("enforce -- sh -c 'echo ran'");
    INFO(refused.err);
    CHECK(refused.status == 126);
    CHECK(refused.err.find("run Treadline outside of it") != std::string::npos);
    const Finished degraded = inside("enforce --allow-degraded -- sh -c 'echo ran; cat ~/.ssh/id_ed25519'");
    INFO(degraded.err);
    CHECK(degraded.out == "ran\n");
    CHECK(degraded.status == 1);
    // Nobody makes the inner one's connections, so it has none.
    loop.write("inner.yaml", profile + "network: {connect: [\"web.test:443\"]}\n");
    const Finished connects = inside("enforce -p inner.yaml --allow-degraded -- sh -c 'echo ran'");
    INFO(connects.err);
    CHECK(connects.status == 126);
    CHECK(connects.out.empty());
    CHECK(connects.err.find("takes seccomp notifications") != std::string::npos);
}
