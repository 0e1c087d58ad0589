#include "profiler/proposal_limit.h"

#include <algorithm>
#include <set>

#include <catch2/matchers/catch_matchers_string.hpp>

#include "profiler/proposal_text.h"
#include "profiles/profile_reader.h"
#include "profiles/yaml_tree.h"
#include "tests/support/support.h"

using namespace treadline;
using Catch::Matchers::ContainsSubstring;

namespace {

ProposedRule file_rule(const std::string& path, int runs, uint64_t accesses) {
    ProposedRule rule{Section::Files, path + ": r", {}, ""};
    rule.evidence.runs = runs;
    rule.evidence.of_runs = 2;
    rule.evidence.accesses = accesses;
    rule.evidence.programs = {"a-program", "another", "a third"};
    return rule;
}

Proposal with_files_in_home(int number) {
    Proposal proposal;
    proposal.learned.command = {"x"};
    proposal.learned.complete = true;
    proposal.rules.push_back({Section::Include, "base", {}, ""});
    for (int i = 0; i < number; ++i) {
        proposal.rules.push_back(file_rule("${home}/" + std::to_string(i) + "-\xc3\xa9 x", 1, 1));
    }
    proposal.rules.push_back(file_rule("${project}/**", 2, 9));
    return proposal;
}

bool has(const Proposal& proposal, const std::string& text) {
    return std::any_of(proposal.rules.begin(), proposal.rules.end(),
                       [&](const ProposedRule& rule) { return rule.text == text; });
}

} // namespace

TEST_CASE("a proposal that a profile can hold stays as it is", "[profiler][limit]") {
    Proposal proposal = with_files_in_home(1000);
    const std::string before = proposal_text(proposal, "x").value();
    limit_proposal(proposal, max_yaml_bytes);
    CHECK(proposal.warnings.empty());
    CHECK(proposal_text(proposal, "x").value() == before);
    CHECK(proposal.learned.complete);
}

TEST_CASE("of a proposal no profile can hold the best supported rules are written, and the rest is told",
          "[profiler][limit]") {
    Proposal proposal = with_files_in_home(20'000);
    REQUIRE_FALSE(proposal_text(proposal, "x").has_value());
    limit_proposal(proposal, max_yaml_bytes);
    REQUIRE(proposal.warnings.size() == 1);
    CHECK_THAT(proposal.warnings[0], ContainsSubstring("what they allow is denied; most are in ${home},"));
    const auto text = proposal_text(proposal, "x");
    REQUIRE(text.has_value());
    CHECK(text->size() <= max_yaml_bytes);
    CHECK(text->size() > max_yaml_bytes / 2);
    CHECK(has(proposal, "${project}/**: r"));
    CHECK(has(proposal, "${home}/0-\xc3\xa9 x: r"));
    CHECK_FALSE(has(proposal, "${home}/19999-\xc3\xa9 x: r"));
    CHECK_FALSE(read_profile(*text, "x").value().learned->complete);
}

TEST_CASE("learning again adds nothing to a profile that was full", "[profiler][limit]") {
    const Proposal all = with_files_in_home(20'000);
    Proposal first = all;
    limit_proposal(first, max_yaml_bytes);
    const std::string text = proposal_text(first, "x").value();
    CHECK(text.size() > max_yaml_bytes - 8192);
    std::set<std::string> written;
    for (const ProposedRule& rule : first.rules) {
        written.insert(rule.text);
    }
    Proposal rest = all;
    std::erase_if(rest.rules, [&](const ProposedRule& rule) { return written.count(rule.text) != 0; });
    REQUIRE(rest.rules.size() > 1000);
    limit_proposal(rest, max_yaml_bytes - text.size());
    CHECK(rest.rules.empty());
}

TEST_CASE("comments to accept give way to rules that stand, and no deny gives way", "[profiler][limit]") {
    Proposal proposal = with_files_in_home(3);
    for (int i = 0; i < 100; ++i) {
        ProposedRule rule = file_rule("${home}/.key-" + std::to_string(i), 2, 1000);
        rule.withheld = "credential: key";
        proposal.rules.push_back(rule);
        proposal.rules.push_back({Section::Deny, "${project}/key-" + std::to_string(i), {}, ""});
    }
    limit_proposal(proposal, 12'000);
    CHECK(proposal.learned.complete);
    REQUIRE(proposal.warnings.size() == 1);
    CHECK_THAT(proposal.warnings[0], ContainsSubstring("that would wait for you"));
    const auto number_of = [&](auto which) {
        return std::count_if(proposal.rules.begin(), proposal.rules.end(), which);
    };
    CHECK(number_of([](const ProposedRule& rule) { return rule.section == Section::Deny; }) == 100);
    CHECK(number_of(
              [](const ProposedRule& rule) { return rule.section == Section::Files && rule.stands(); }) == 4);
    CHECK(number_of([](const ProposedRule& rule) { return !rule.withheld.empty(); }) < 100);
    CHECK(has(proposal, "base"));
}

TEST_CASE("nobody is asked to decide on more rules than anybody reads", "[profiler][limit]") {
    Proposal proposal = with_files_in_home(3);
    for (size_t i = 0; i < 2 * most_to_decide; ++i) {
        ProposedRule rule = file_rule("/home/bob/" + std::to_string(i), 1, i);
        rule.review = "another user's";
        proposal.rules.push_back(rule);
    }
    limit_proposal(proposal, max_yaml_bytes);
    CHECK(proposal.rules.size() == 1 + 4 + most_to_decide);
    CHECK(has(proposal, "/home/bob/1999: r"));
    CHECK_FALSE(has(proposal, "/home/bob/999: r"));
    CHECK(proposal.learned.complete);
    REQUIRE(proposal.warnings.size() == 1);
    Proposal again = proposal;
    limit_proposal(again, max_yaml_bytes, most_to_decide - 1);
    CHECK(again.rules.size() == 1 + 4 + 1);
    CHECK_THAT(proposal.warnings[0],
               ContainsSubstring("without 1000 rules") && ContainsSubstring("most are in /home/bob,"));
}
