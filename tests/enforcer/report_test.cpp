#include <catch2/catch_test_macros.hpp>

#include <nlohmann/json.hpp>

#include "tests/enforcer/example_report.h"

using namespace treadline;

namespace {
RunReport report() {
    RunReport run = test::example_report();
    run.outcome.exit_status = 3;
    return run;
}
} // namespace

TEST_CASE("the JSON report has the contracted shape", "[enforcer][report]") {
    const auto json = nlohmann::json::parse(to_json(report()));
    CHECK(json["command"] == nlohmann::json({"npm", "test"}));
    CHECK(json["profile"] == "/p/.treadline/profile.yaml");
    CHECK(json["exit_status"] == 3);
    CHECK(json["degraded"] == nlohmann::json({"no memory limit"}));
    REQUIRE(json["violations"].size() == 1);
    const auto& violation = json["violations"][0];
    CHECK(violation["layer"] == "mount");
    CHECK(violation["operation"] == "read");
    CHECK(violation["object"] == "/home/ann/.ssh/id");
    CHECK(violation["process"]["pid"] == 7);
    CHECK(violation["process"]["exe"] == "/usr/bin/node");
    CHECK(violation["process"]["argv"] == nlohmann::json({"node", "evil.js"}));
    CHECK(violation["rule"] == "${home}/.ssh/id: r");
    CHECK(violation["risk"] == "gives away SSH keys");
    CHECK(violation["count"] == 2);
    CHECK(violation["denied"] == true);
    CHECK(violation["expected"] == false);
    CHECK(violation["expected_because"].is_null());
    CHECK(violation["opens"] == "no other file");
    CHECK(json["audit"] == false);
    CHECK(json["unseen"].empty());
}

TEST_CASE("a denial that a rule under review would lift names that rule", "[enforcer][report]") {
    RunReport run = report();
    CHECK(nlohmann::json::parse(to_json(run))["violations"][0]["review"].is_null());
    CHECK(to_text(run).find("move up from review") == std::string::npos);
    run.outcome.violations[0].review = "${home}/.ssh/: r";
    CHECK(nlohmann::json::parse(to_json(run))["violations"][0]["review"] == "${home}/.ssh/: r");
    CHECK(to_text(run).find("move up from review: ${home}/.ssh/: r") != std::string::npos);
}

TEST_CASE("a denial that no rule can allow has a null rule", "[enforcer][report]") {
    RunReport run = report();
    run.outcome.violations[0].rule.clear();
    CHECK(nlohmann::json::parse(to_json(run))["violations"][0]["rule"].is_null());
    run.outcome.violations.clear();
    CHECK(nlohmann::json::parse(to_json(run))["violations"].empty());
    CHECK(to_text(run).find("nothing was denied") != std::string::npos);
}

TEST_CASE("hostile names are harmless in both reports", "[enforcer][report]") {
    RunReport run = report();
    run.outcome.violations[0].object = "/tmp/\x1b]0;owned\x07\n::error::x\xff";
    run.outcome.violations[0].argv = {"\x9b"
                                      "31m"};
    for (const std::string& text : {to_json(run), to_text(run)}) {
        CHECK(text.find('\x1b') == std::string::npos);
        CHECK(text.find('\x07') == std::string::npos);
        CHECK(text.find('\xff') == std::string::npos);
        CHECK(text.find('\x9b') == std::string::npos);
        CHECK(text.find("\n::error::") == std::string::npos);
    }
    CHECK(nlohmann::json::parse(to_json(run))["violations"][0]["object"] ==
          "/tmp/\\x1B]0;owned\\x07\\x0A::error::x\\xFF");
}

TEST_CASE("the text report names what was denied and the line that would allow it", "[enforcer][report]") {
    CHECK(to_text(report()) == "npm test ended with 3\n"
                               "1 denied:\n"
                               "  read /home/ann/.ssh/id (mount, 2 times) by node\n"
                               "    no rule names it\n"
                               "    to allow it, under files: ${home}/.ssh/id: r\n"
                               "    that would also open: no other file\n"
                               "    risk: gives away SSH keys\n"
                               "degraded: no memory limit\n");
}
