#include "profiler/review.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "profiler/proposal_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

const std::string start = "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/node\n";

struct Reviewed {
    Review review;
    std::string text;
};

Reviewed reviewed(const std::string& profile_text, const std::string& trace) {
    const auto fixture = test::read_fixture(start + trace);
    const auto profile = read_profile(profile_text, "profile.yaml");
    INFO((profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    const auto policy =
        Policy::build(*profile, "profile.yaml", fixture.variables(), test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    Reviewed result;
    result.review =
        review({*profile, *policy, profile_text, "profile.yaml", fixture.traces, test::fixture_variables});
    result.text = to_text(result.review, 200);
    return result;
}

const ReviewLine* line_for(const Review& review, const std::string& rule) {
    for (const ReviewGroup& group : review.groups) {
        for (const ReviewLine& line : group.lines) {
            if (line.rule == rule) {
                return &line;
            }
        }
    }
    return nullptr;
}

bool has_risk(const Review& review, std::string_view part) {
    return std::any_of(review.risks.begin(), review.risks.end(),
                       [&](const std::string& risk) { return risk.find(part) != std::string::npos; });
}

const std::string head = "treadline: 1\nname: x\ninclude: [base]\n";

} // namespace

TEST_CASE("each rule says what it means and which program needed it in how many runs", "[profiler][review]") {
    const auto result = reviewed(
        head + "files:\n  ${project}/**: r\n  ${project}/out/: rwc\n  /usr/bin/node: rx\n",
        "file 1 read {project}/a\nfile 1 create {project}/out/b\n" + start + "file 1 read {project}/a\n");
    const ReviewLine* tree = line_for(result.review, "${project}/**");
    REQUIRE(tree != nullptr);
    CHECK(tree->meaning == "everything below: read and list");
    CHECK(tree->evidence.runs == 2);
    CHECK(tree->evidence.programs == std::vector<std::string>{"node"});
    CHECK(tree->evidence.examples == std::vector<std::string>{"${project}/a"});
    CHECK(tree->line == 5);
    const ReviewLine* names = line_for(result.review, "${project}/out/");
    REQUIRE(names != nullptr);
    CHECK(names->meaning == "what lies directly in it: read and list, change, create, delete and rename");
    CHECK(names->evidence.runs == 1);
    CHECK(result.text.find("seen in 2 of 2 runs") != std::string::npos);
    CHECK(result.text.find("seen in 1 of 2 runs") != std::string::npos);
    // Nothing needed it: no claim is made.
    CHECK(line_for(result.review, "/usr/bin/node")->evidence.runs == 0);
}

TEST_CASE("a harmless profile has no risks", "[profiler][review]") {
    const auto result =
        reviewed(head + "files:\n  ${project}/**: rwc\n  ${tmp}/x: rw\nprivate: [\"${tmp}\"]\n", "");
    CHECK(result.review.risks.empty());
    CHECK(result.text.find("Nothing in it stands out as risky") != std::string::npos);
}

TEST_CASE("each kind of risk is said", "[profiler][review]") {
    CHECK(has_risk(reviewed(head + "files: {\"${home}/x\": rw}\n", "").review, "outside the project"));
    CHECK(
        has_risk(reviewed(head + "files: {\"${home}/.ssh/id_rsa\": r}\n", "").review, "opens a credential"));
    CHECK(has_risk(reviewed(head + "files: {\"${project}/.git/hooks/pre-commit\": wc}\n", "").review,
                   "runs later"));
    CHECK(has_risk(reviewed(head + "files: {\"${project}/build/**\": rwcx}\n", "").review, "written itself"));
    CHECK(has_risk(reviewed(head + "syscalls: [ptrace]\n", "").review, "ptrace"));
    CHECK(has_risk(reviewed(head + "environment: {pass: [GITHUB_TOKEN]}\n", "").review, "GITHUB_TOKEN"));
    CHECK(has_risk(reviewed(head + "environment: {pass: [LD_PRELOAD]}\n", "").review, "LD_PRELOAD"));
    CHECK(has_risk(reviewed(head + "network: {connect: [\"*.example.org:443\"]}\n", "").review,
                   "every name below"));
    CHECK(has_risk(reviewed(head + "network: {publish: [80]}\n", "").review, "reachable"));
}

TEST_CASE("private data, untrusted input and a way out in one profile are one sentence",
          "[profiler][review]") {
    const std::string way_out = "network: {connect: [\"api.example.org:443\"]}\n";
    const std::string private_data = "files: {\"${home}/notes/**\": r}\n";
    CHECK(has_risk(reviewed(head + private_data + way_out, "").review, "can send that data away"));
    CHECK_FALSE(has_risk(reviewed(head + private_data, "").review, "can send that data away"));
    CHECK_FALSE(has_risk(reviewed(head + "files: {\"${home}/.gitconfig\": r}\n" + way_out, "").review,
                         "send that data"));
    CHECK_FALSE(has_risk(reviewed(head + way_out, "").review, "can send that data away"));
}

TEST_CASE("what is withheld is listed with its line and reason, a person's own remark is not",
          "[profiler][review]") {
    const std::string text =
        head + "# my remark\nfiles:\n  ${project}/a: r\n#  ${home}/.netrc: r  # credential: netrc\n";
    const auto withheld = withheld_in(text);
    REQUIRE(withheld.size() == 1);
    CHECK(withheld[0].line == 7);
    CHECK(withheld[0].rule == "${home}/.netrc: r");
    CHECK(withheld[0].reason == "credential: netrc");
}

TEST_CASE("an incomplete run is said before anything else", "[profiler][review]") {
    const auto result = reviewed("treadline: 1\nname: x\nlearned: {command: [a], runs: 1, complete: false}\n",
                                 "run project=/p home=/home/ann complete=no because=ring\\sfull\n");
    REQUIRE(result.review.warnings.size() == 2);
    CHECK(result.text.find("Incomplete") < result.text.find("Nothing in it stands out"));
}

TEST_CASE("a review is safe to print, whatever the program called its files", "[profiler][review]") {
    const std::string trace = "process 7 1 /tmp/\\x1b[2Jx\nfile 7 read {home}/\\x1b]0;t\\x07 {home}/a\\nb\n"
                              "file 7 read {project}/\\x9b {project}/q {project}/z/\\xe2\\x80\\xae\n";
    const std::string text = proposal_text(test::reduced(start + trace), "x").value();
    const auto result = reviewed(text, trace);
    for (const std::string& shown : {text, result.text}) {
        CHECK(std::none_of(shown.begin(), shown.end(),
                           [](char c) { return (c >= 0 && c < 0x20 && c != '\n') || c == 0x7F; }));
        CHECK(shown.find("\xe2\x80\xae") == std::string::npos);
        CHECK(shown.find("\x9b") == std::string::npos);
    }
}

TEST_CASE("a review fits the terminal it is for", "[profiler][review]") {
    const auto result =
        reviewed(head + "files: {\"${home}/x\": rwx, \"${project}/**\": rwcx}\nsyscalls: [ptrace]\n",
                 "file 1 read {project}/a {project}/b {project}/c\n");
    const std::string text = to_text(result.review, 60);
    size_t longest = 0;
    size_t at = 0;
    while (at < text.size()) {
        const size_t end = std::min(text.find('\n', at), text.size());
        longest = std::max(longest, end - at);
        at = end + 1;
    }
    CHECK(longest <= 60);
}

TEST_CASE("a rule that not every run needed says how often it is needed at least", "[profiler][review]") {
    const auto result =
        reviewed(head + "files: {\"${project}/a\": r, \"${project}/b\": r}\n",
                 "file 1 read {project}/a {project}/b\n" + start + "file 1 read {project}/a\n");
    CHECK(result.text.find("seen in 1 of 2 runs (needed by at least 9 % of all)") != std::string::npos);
    CHECK(result.text.find("seen in 2 of 2 runs (") == std::string::npos);
}

TEST_CASE("what has not been seen yet is said once, and not without runs", "[profiler][review]") {
    auto result = reviewed(head + "files: {\"${project}/a\": r}\n", "");
    CHECK(result.text.find("Seen so far") == std::string::npos);
    result.review.confidence = Confidence{3, 0.031, LeftOut{3, 0, 0, {}}};
    const std::string text = to_text(result.review, 200);
    CHECK(text.find("Seen so far: about 3 % of what this command does has not been seen yet; another run "
                    "would help\n") != std::string::npos);
    CHECK(text.find("Seen so far: learned without it, each of 3 runs would have been denied nothing\n") !=
          std::string::npos);
}

TEST_CASE("the JSON of a review has what the documentation promises", "[profiler][review]") {
    auto result = reviewed(
        head + "files:\n  ${project}/a: r\n#  ${home}/.netrc: r  # credential: netrc\nsyscalls: [ptrace]\n",
        "file 1 read {project}/a\n" + start);
    auto json = nlohmann::json::parse(to_json(result.review));
    CHECK(json.at("name") == "x");
    CHECK(json.at("file") == "profile.yaml");
    CHECK(json.at("stored_runs") == 2);
    CHECK(json.at("risks").size() == 1);
    CHECK(json.at("warnings").empty());
    CHECK(json.at("confidence").is_null());
    REQUIRE(json.at("withheld").size() == 1);
    CHECK(json.at("withheld").at(0).at("reason") == "credential: netrc");
    const auto& rule = json.at("rules").at(0);
    CHECK(rule.at("rule") == "${project}/a");
    CHECK(rule.at("meaning") == "read");
    CHECK(rule.at("line") == 5);
    CHECK(rule.at("runs") == 1);
    CHECK(rule.at("of_runs") == 2);
    CHECK(rule.at("at_least") == 0.0945);
    CHECK(rule.at("programs") == nlohmann::json({"node"}));
    CHECK(rule.at("roles") == nlohmann::json::array());
    CHECK(rule.at("only_after_untrusted") == false);
    CHECK(rule.at("first_seen_unix_ms").is_number());
    result.review.confidence =
        Confidence{2, 0.123456, LeftOut{2, 1, 0.5, {{Operation::Read, "${project}/a", "no"}}}};
    json = nlohmann::json::parse(to_json(result.review)).at("confidence");
    CHECK(json.at("runs") == 2);
    CHECK(json.at("unseen") == 0.1235);
    CHECK(json.at("left_out").at("denied_runs") == 1);
    CHECK(json.at("left_out").at("examples").at(0).at("object") == "${project}/a");
    result.review.confidence = Confidence{1, {}, {}};
    json = nlohmann::json::parse(to_json(result.review)).at("confidence");
    CHECK(json.at("unseen").is_null());
    CHECK(json.at("left_out").is_null());
}

TEST_CASE("what waits under review is listed apart, with its comment", "[profiler][review]") {
    const auto result = reviewed(head + "files:\n  ${project}/a: r\n#  /b: r   # no\nreview:\n  files:\n"
                                        "    /c: rw   # one run only\n  syscalls: [ptrace]\n",
                                 "");
    REQUIRE(result.review.withheld.size() == 3);
    CHECK_FALSE(result.review.withheld[0].under_review);
    CHECK(result.review.withheld[1].under_review);
    CHECK(result.review.withheld[1].line == 9);
    CHECK(result.review.withheld[1].rule == "/c: rw");
    CHECK(result.review.withheld[1].reason == "one run only");
    CHECK(result.review.withheld[2].rule == "ptrace");
    const auto json = nlohmann::json::parse(to_json(result.review));
    CHECK(json.at("withheld").at(0).at("under_review") == false);
    CHECK(json.at("withheld").at(1).at("under_review") == true);
    CHECK(result.text.find("Under 'review:', not allowed. To accept a rule, move it up to its section in "
                           "profile.yaml.\n  line 9: /c: rw\n") != std::string::npos);
    CHECK(line_for(result.review, "/c") == nullptr);
    CHECK(reviewed(head, "").text.find("review:") == std::string::npos);
}
