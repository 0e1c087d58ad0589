// Whole outputs: tests/golden/<case>/trace.txt -> profile.yaml, byte for byte. TREADLINE_UPDATE_GOLDEN=1
// rewrites the expectations; read the difference before committing it.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "profiler/proposal_text.h"
#include "profiler/rule_text.h"
#include "profiles/profile_editor.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

std::vector<std::filesystem::path> golden_cases() {
    std::vector<std::filesystem::path> cases;
    for (const auto& entry : std::filesystem::directory_iterator(TREADLINE_GOLDEN_DIRECTORY)) {
        if (std::filesystem::exists(entry.path() / "trace.txt")) {
            cases.push_back(entry.path());
        }
    }
    std::sort(cases.begin(), cases.end());
    return cases;
}

// The profile, and after it the warnings as comments: both are the output.
std::string output_of(const ReduceInput& input, const std::string& name) {
    const auto proposal = reduce(input);
    REQUIRE(proposal.has_value());
    auto text = proposal_text(*proposal, name);
    INFO((text ? "" : text.error().message()));
    REQUIRE(text.has_value());
    for (const std::string& warning : proposal->warnings) {
        *text += "# warning: " + warning + "\n";
    }
    return *text;
}

} // namespace

TEST_CASE("each golden trace gives exactly its profile", "[profiler][golden]") {
    const auto cases = golden_cases();
    REQUIRE(cases.size() >= 10);
    for (const auto& directory : cases) {
        INFO(directory);
        const auto fixture = test::read_fixture(test::slurp(directory / "trace.txt"));
        const std::string text = output_of(fixture.input(), directory.filename());
        if (std::getenv("TREADLINE_UPDATE_GOLDEN") != nullptr) {
            std::ofstream(directory / "profile.yaml") << text;
        }
        CHECK(text == test::slurp(directory / "profile.yaml"));
    }
}

TEST_CASE("learning a golden trace again into its own profile changes no byte", "[profiler][golden]") {
    for (const auto& directory : golden_cases()) {
        INFO(directory);
        const auto fixture = test::read_fixture(test::slurp(directory / "trace.txt"));
        const std::string text = test::slurp(directory / "profile.yaml");
        const auto profile = read_profile(text, "profile.yaml");
        REQUIRE(profile.has_value());
        const auto policy =
            Policy::build(*profile, "profile.yaml", fixture.variables(), test::fixture_abstractions());
        REQUIRE(policy.has_value());
        ReduceInput input = fixture.input();
        input.existing = &*policy;
        const Proposal missing = missing_from(reduce(input).value(), *policy, text);
        for (const ProposedRule& rule : missing.rules) {
            UNSCOPED_INFO(rule.text);
        }
        CHECK(missing.rules.empty());
        CHECK(update_learned(text, missing.learned, "profile.yaml").value() == text);
    }
}

TEST_CASE("the order in which accesses were recorded changes no byte of the profile", "[profiler][golden]") {
    std::mt19937 random(20);
    for (const auto& directory : golden_cases()) {
        INFO(directory);
        auto fixture = test::read_fixture(test::slurp(directory / "trace.txt"));
        for (int round = 0; round < 5; ++round) {
            for (Trace& trace : fixture.traces) {
                std::shuffle(trace.files.begin(), trace.files.end(), random);
                std::shuffle(trace.sockets.begin(), trace.sockets.end(), random);
                std::shuffle(trace.syscalls.begin(), trace.syscalls.end(), random);
                std::shuffle(trace.environment.begin(), trace.environment.end(), random);
                std::shuffle(trace.names.begin(), trace.names.end(), random);
            }
            CHECK(output_of(fixture.input(), directory.filename()) ==
                  test::slurp(directory / "profile.yaml"));
        }
    }
}

TEST_CASE("accesses as rows of a store give the same bytes as accesses as texts, in any order",
          "[profiler][golden]") {
    std::mt19937 random(21);
    for (const auto& directory : golden_cases()) {
        INFO(directory);
        auto fixture = test::read_fixture(test::slurp(directory / "trace.txt"));
        for (int round = 0; round < 3; ++round) {
            ReduceInput input = fixture.input();
            for (Trace& trace : input.traces) {
                std::shuffle(trace.files.begin(), trace.files.end(), random);
                trace = test::as_rows(trace);
            }
            CHECK(output_of(input, directory.filename()) == test::slurp(directory / "profile.yaml"));
        }
    }
}

TEST_CASE("what was observed and is not withheld is allowed by the profile", "[profiler][golden]") {
    for (const auto& directory : golden_cases()) {
        INFO(directory);
        const auto fixture = test::read_fixture(test::slurp(directory / "trace.txt"));
        const auto proposal = reduce(fixture.input());
        REQUIRE(proposal.has_value());
        const Variables variables = fixture.variables();
        const auto policy = Policy::build(profile_from(*proposal, "learned"), "learned", variables,
                                          test::fixture_abstractions());
        INFO((policy ? "" : policy.error().message()));
        REQUIRE(policy.has_value());
        std::vector<std::string> withheld;
        for (const ProposedRule& rule : proposal->rules) {
            if (!rule.stands() && rule.section == Section::Files) {
                withheld.push_back(variables.expand(rule.text.substr(0, rule.text.rfind(": "))).value());
            }
        }
        for (const FileAccess& access : fixture.traces.back().files) {
            if (access.result != 0 || access.access == AccessKind::Connect ||
                std::find(withheld.begin(), withheld.end(), access.path) != withheld.end()) {
                continue;
            }
            const Operation operation = access.access == AccessKind::Write     ? Operation::Write
                                        : access.access == AccessKind::Create  ? Operation::Create
                                        : access.access == AccessKind::Delete  ? Operation::Create
                                        : access.access == AccessKind::Execute ? Operation::Execute
                                                                               : Operation::Read;
            const Decision decision = policy->decide(operation, access.path);
            CHECK((decision.allowed ? "" : access.path + ": " + decision.reason) == "");
        }
    }
}
