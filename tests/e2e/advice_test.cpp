// What treadline says about profiles and stored runs: minimise, confidence, lint, merge.
#include "tests/e2e/loop.h"

using namespace treadline::test;
using nlohmann::json;

namespace {

const json* rule_in(const json& rules, const std::string& text) {
    const auto at = std::find_if(rules.begin(), rules.end(),
                                 [&](const json& rule) { return rule.at("rule").get<std::string>() == text; });
    return at == rules.end() ? nullptr : &*at;
}

} // namespace

TEST_CASE("minimise finds the rules a person added for nothing, and no learned one", "[e2e][advice]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write("in/a", "1");
    REQUIRE(loop.learn("cat in/a > out").status == 0);
    const Finished learned = loop.treadline({"profile", "--minimise", "--json"});
    INFO(loop.profile() << learned.out << learned.err);
    for (const json& rule : json::parse(learned.out).at("rules")) {
        CHECK((rule.at("section") == "include" || rule.at("verdict") == "load-bearing"));
    }
    CHECK(json::parse(learned.out).at("denied").empty());
    CHECK(learned.status == 0);

    std::string edited = loop.profile();
    edited.insert(edited.find("files:\n") + 7, "  ${project}/never: r\n  ${project}/in/**: r\n");
    loop.write(".treadline/profile.yaml", edited);
    const Finished shrinks = loop.treadline({"profile", "--minimise", "--json"});
    INFO(shrinks.out << shrinks.err);
    CHECK(shrinks.status == 1);
    const json rules = json::parse(shrinks.out).at("rules");
    REQUIRE(rule_in(rules, "${project}/never: r") != nullptr);
    CHECK(rule_in(rules, "${project}/never: r")->at("verdict") == "never used");
    REQUIRE(rule_in(rules, "${project}/in/**: r") != nullptr);
    CHECK(rule_in(rules, "${project}/in/**: r")->at("verdict") == "redundant");
    CHECK(loop.profile() == edited); // advice only
    CHECK(loop.treadline({"profile", "--minimise"}).out.find("line ") != std::string::npos);
}

TEST_CASE("minimise without a profile or a run says what to do", "[e2e][advice]") {
    const Loop loop;
    CHECK(loop.treadline({"profile", "--minimise"}).status == 2);
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\n");
    const Finished no_runs = loop.treadline({"profile", "--minimise"});
    CHECK(no_runs.status == 2);
    CHECK(no_runs.err.find("treadline learn") != std::string::npos);
    CHECK(loop.treadline({"profile", "--json"}).status == 2);
}

TEST_CASE("learn and review say how much may not have been seen yet", "[e2e][advice]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write("a", "1");
    const std::string script = "cat a; test -e seen && cat seen; exit 0";
    const Finished first = loop.learn(script);
    INFO(first.err);
    CHECK(first.err.find("learn a second time") != std::string::npos);
    loop.write("seen", "2");
    const Finished second = loop.learn(script);
    INFO(second.err);
    CHECK(second.err.find("of what this command does has not been seen yet") != std::string::npos);
    const Finished review = loop.treadline({"review", "--json"});
    INFO(review.out << review.err);
    CHECK(review.status == 0);
    const json shown = json::parse(review.out);
    const json& confidence = shown.at("confidence");
    CHECK(confidence.at("runs") == 2);
    CHECK(confidence.at("unseen").get<double>() > 0);
    CHECK(confidence.at("left_out").at("denied_runs") == 1); // the second would not have been allowed `seen`
    CHECK(confidence.at("left_out").at("examples").dump().find("${project}/seen") != std::string::npos);
    const json* rule = nullptr;
    for (const char* text : {"${project}/seen", "${project}/**", "${project}/"}) {
        rule = rule != nullptr ? rule : rule_in(shown.at("rules"), text);
    }
    REQUIRE(rule != nullptr);
    CHECK(rule->at("of_runs") == 2);
    CHECK(rule->at("at_least").get<double>() > 0);
    CHECK(rule->at("at_least").get<double>() < 1);
    CHECK(loop.treadline({"review"}).out.find("Seen so far: ") != std::string::npos);
}

TEST_CASE("lint exits 1 for an error, 0 for less, and 2 without a profile", "[e2e][advice]") {
    const Loop loop;
    CHECK(loop.treadline({"lint"}).status == 2);
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base]\nfiles:\n  ${project}/**: r\n");
    const Finished clean = loop.treadline({"lint", "--json"});
    INFO(clean.out << clean.err);
    CHECK(clean.status == 0);
    CHECK(json::parse(clean.out).at("findings").empty());
    CHECK(loop.treadline({"lint"}).out.empty());

    loop.write(".treadline/profile.yaml",
               "treadline: 1\nname: t\nfiles:\n  ${home}/**: r\n  /bin/sh: rx\n  /usr/bin/no-such-program: rx\n");
    const Finished broad = loop.treadline({"lint", "--json"});
    INFO(broad.out << broad.err);
    CHECK(broad.status == 1);
    const json findings = json::parse(broad.out).at("findings");
    REQUIRE(findings.size() == 3);
    CHECK(findings.at(0).at("code") == "too-wide");
    CHECK(findings.at(0).at("severity") == "error");
    CHECK(findings.at(0).at("line") == 4);
    CHECK(findings.at(1).at("code") == "through-link");
    CHECK(findings.at(2).at("code") == "unknown-program");
    CHECK(loop.treadline({"lint"}).out.starts_with(".treadline/profile.yaml:4:3: error: "));

    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\nfiles:\n  ${project}/a: rq\n");
    const Finished broken = loop.treadline({"lint", "--json"});
    CHECK(broken.status == 1);
    CHECK(json::parse(broken.out).at("findings").at(0).at("code") == "invalid");
    CHECK(json::parse(broken.out).at("findings").at(0).at("line") == 4);
}

TEST_CASE("merge prints a profile that allows what either does, or says why there is none", "[e2e][advice]") {
    const Loop loop;
    loop.write("a.yaml", "treadline: 1\nname: a\nfiles:\n  ${project}/a: r\n");
    loop.write("b.yaml", "treadline: 1\nname: b\nfiles:\n  ${project}/b: rw\n");
    const Finished merged = loop.treadline({"merge", "a.yaml", "b.yaml"});
    INFO(merged.out << merged.err);
    REQUIRE(merged.status == 0);
    loop.write("c.yaml", merged.out);
    CHECK(loop.treadline({"query", "-p", "c.yaml", "read", "a"}).status == 0);
    CHECK(loop.treadline({"query", "-p", "c.yaml", "write", "b"}).status == 0);
    CHECK(loop.treadline({"query", "-p", "c.yaml", "write", "a"}).status == 1);

    loop.write("private.yaml", "treadline: 1\nname: b\nprivate: [\"${project}\"]\n");
    const Finished refused = loop.treadline({"merge", "a.yaml", "private.yaml"});
    CHECK(refused.status == 1);
    CHECK(refused.out.empty());
    CHECK(refused.err.find("private.yaml") != std::string::npos);
    CHECK(loop.treadline({"merge", "a.yaml", "none.yaml"}).status == 2);
}
