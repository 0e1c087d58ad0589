#include "profiler/confidence.h"

#include <cmath>
#include <random>

#include <catch2/catch_approx.hpp>

#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;
using Catch::Approx;

namespace {

const std::string start = "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/node\n";

// A command that reads each of some files with a chance of its own. They lie far apart, so that no rule folds
// two of them.
class Population {
public:
    Population(size_t files, unsigned seed) : random_(seed) {
        std::uniform_real_distribution<double> any(0, 1);
        for (size_t i = 0; i < files; ++i) {
            const double chance = any(random_);
            chances_.push_back(chance * chance); // more rare ones than frequent ones
        }
    }
    [[nodiscard]] std::vector<bool> run() {
        std::vector<bool> read;
        for (const double chance : chances_) {
            read.push_back(std::bernoulli_distribution(chance)(random_));
        }
        return read;
    }
    [[nodiscard]] const std::vector<double>& chances() const { return chances_; }

private:
    std::mt19937 random_;
    std::vector<double> chances_;
};

Trace trace_of(const std::vector<bool>& read, int64_t id) {
    Trace trace = test::read_fixture(start).traces[0];
    trace.run.id = id;
    for (size_t i = 0; i < read.size(); ++i) {
        if (read[i]) {
            FileAccess access;
            access.process = 1;
            access.path = "/etc/" + std::string(1, static_cast<char>('a' + i / 26)) +
                          std::string(1, static_cast<char>('a' + i % 26)) + "/data/file";
            trace.files.push_back(access);
        }
    }
    return trace;
}

} // namespace

TEST_CASE("the bound on a rule's share of runs is Wilson's", "[profiler][confidence]") {
    // (p + z²/2n − z·sqrt(p(1−p)/n + z²/4n²)) / (1 + z²/n) with z = 1.959964, by hand.
    CHECK(wilson_lower_bound(1, 1) == Approx(0.20655).margin(0.0001));
    CHECK(wilson_lower_bound(5, 6) == Approx(0.43650).margin(0.0001));
    CHECK(wilson_lower_bound(1, 2) == Approx(0.09453).margin(0.0001));
    CHECK(wilson_lower_bound(10, 10) == Approx(0.72247).margin(0.0001));
    CHECK(wilson_lower_bound(0, 5) == 0);
    CHECK(wilson_lower_bound(0, 0) == 0);
}

TEST_CASE("a rule is trusted more the more runs needed it, and less the more did not",
          "[profiler][confidence]") {
    for (int runs = 2; runs < 40; ++runs) {
        CHECK(wilson_lower_bound(runs, runs) > wilson_lower_bound(runs - 1, runs - 1));
        CHECK(wilson_lower_bound(1, runs) < wilson_lower_bound(1, runs - 1));
        CHECK(wilson_lower_bound(runs, runs) < 1);
    }
}

TEST_CASE("the unseen share is what Chao and Jost estimate from rules seen once and twice",
          "[profiler][confidence]") {
    // Three runs; 10 rules in all of them, 2 in two, 3 in one: 37 incidences.
    std::vector<int> incidences(10, 3);
    incidences.insert(incidences.end(), {2, 2, 1, 1, 1, 0});
    // 3/37 · (2·3)/(2·3 + 2·2)
    CHECK(unseen_share(incidences, 3).value() == Approx(3.0 / 37 * 0.6));
    // Nothing seen twice: 3/33 · (2·2)/(2·2 + 2)
    std::vector<int> none_twice(10, 3);
    none_twice.insert(none_twice.end(), {1, 1, 1});
    CHECK(unseen_share(none_twice, 3).value() == Approx(3.0 / 33 * 4 / 6));
    CHECK(unseen_share({3, 3, 2}, 3).value() == 0);
}

TEST_CASE("one run, or none that needed anything, gives no estimate", "[profiler][confidence]") {
    CHECK_FALSE(unseen_share({1, 1, 1}, 1).has_value());
    CHECK_FALSE(unseen_share({}, 3).has_value());
    CHECK_FALSE(unseen_share({0, 0}, 3).has_value());
    CHECK(unseen_share({1, 1}, 2).has_value());
}

TEST_CASE("the unseen share is right on average where the truth is known", "[profiler][confidence]") {
    for (const int runs : {3, 5, 10}) {
        double estimated = 0;
        double truth = 0;
        constexpr int rounds = 200;
        for (unsigned seed = 0; seed < rounds; ++seed) {
            Population population(150, seed);
            std::vector<int> incidences(150, 0);
            for (int run = 0; run < runs; ++run) {
                const std::vector<bool> read = population.run();
                for (size_t i = 0; i < read.size(); ++i) {
                    incidences[i] += read[i];
                }
            }
            double all = 0;
            double unseen = 0;
            for (size_t i = 0; i < incidences.size(); ++i) {
                all += population.chances()[i];
                unseen += incidences[i] == 0 ? population.chances()[i] : 0;
            }
            estimated += unseen_share(incidences, runs).value() / rounds;
            truth += unseen / all / rounds;
        }
        INFO(runs << " runs: estimated " << estimated << ", true " << truth);
        CHECK(std::abs(estimated - truth) < 0.015);
    }
}

TEST_CASE("what leaving a run out denies is what a new run would be denied", "[profiler][confidence]") {
    constexpr size_t files = 60;
    constexpr size_t runs = 5;
    double estimated = 0;
    double truth = 0;
    constexpr int rounds = 6;
    for (unsigned seed = 0; seed < rounds; ++seed) {
        Population population(files, seed);
        const auto fixture = test::read_fixture(start);
        ReduceInput input = fixture.input();
        input.traces.clear();
        std::vector<bool> seen(files, false);
        for (size_t run = 0; run < runs; ++run) {
            const std::vector<bool> read = population.run();
            for (size_t i = 0; i < files && run > 0; ++i) {
                seen[i] = seen[i] || read[i]; // by as many runs as teach when one is left out
            }
            input.traces.push_back(trace_of(read, static_cast<int64_t>(run) + 1));
        }
        const auto left_out = leave_one_out(input, {});
        REQUIRE(left_out.has_value());
        REQUIRE(left_out->has_value());
        CHECK((*left_out)->runs == runs - 1);
        CHECK(input.traces.size() == runs); // back in, in their order
        CHECK(input.traces[2].run.id == 3);
        estimated += (*left_out)->denied_share / rounds;
        double all = 0;
        double unseen = 0;
        for (size_t i = 0; i < files; ++i) {
            all += population.chances()[i];
            unseen += seen[i] ? 0 : population.chances()[i];
        }
        truth += unseen / all / rounds;
    }
    INFO("estimated " << estimated << ", true " << truth);
    CHECK(std::abs(estimated - truth) < 0.04);
}

TEST_CASE("what only one run did is denied to it when it is left out, what all did is not",
          "[profiler][confidence]") {
    const std::string both = "file 1 read {project}/a/x/1\n";
    const auto fixture =
        test::read_fixture(start + both + start + both + "file 1 read {project}/b/y/2 {home}/.netrc\n");
    ReduceInput input = fixture.input();
    const auto left_out = leave_one_out(input, {});
    REQUIRE(left_out.has_value());
    REQUIRE(left_out->has_value());
    CHECK((*left_out)->denied_runs == 1);
    // The credential is withheld whoever learned: no false denial.
    REQUIRE((*left_out)->examples.size() == 1);
    CHECK((*left_out)->examples[0].object == "${project}/b/y/2");

    // The first run finds everything cold; nobody will have learned without it.
    const auto cold = test::read_fixture(start + both + "file 1 read {project}/b/y/2\n" + start + both + start + both);
    ReduceInput warm = cold.input();
    CHECK((*leave_one_out(warm, {}))->denied_runs == 0);

    const auto same = test::read_fixture(start + both + start + both);
    ReduceInput again = same.input();
    CHECK((*leave_one_out(again, {}))->denied_runs == 0);
    const auto one = test::read_fixture(start + both);
    ReduceInput single = one.input();
    CHECK_FALSE(leave_one_out(single, {})->has_value());
}

TEST_CASE("what is withheld counts as denied in every run until a person accepts it", "[profiler][confidence]") {
    const std::string run = start + "file 1 read {project}/a {home}/.netrc\nfile 1 create {project}/.git/config\n";
    const auto fixture = test::read_fixture(run + run + run);
    ReduceInput input = fixture.input();
    const auto confidence_with = [&](const std::string& rules) {
        const Profile profile =
            read_profile("treadline: 1\nname: x\ninclude: [base]\nfiles: {" + rules + "}\n", "p").value();
        const Policy policy =
            Policy::build(profile, "p", fixture.variables(), test::fixture_abstractions()).value();
        Confidence confidence = confidence_in(policy, input.traces, input.variables);
        confidence.left_out = leave_one_out(input, confidence.denied).value();
        return confidence;
    };
    const Confidence withheld = confidence_with("\"${project}/**\": r");
    REQUIRE(withheld.denied.size() == 1); // the credential was masked, and the command did without it
    CHECK(withheld.denied[0].object == "${project}/.git/config");
    CHECK(withheld.left_out->denied_runs == 2);
    CHECK(withheld.left_out->examples.at(0).object == "${project}/.git/config");

    const Confidence accepted = confidence_with("\"${project}/**\": r, \"${project}/.git/config\": c");
    CHECK(accepted.denied.empty());
    CHECK(accepted.left_out->denied_runs == 0);
}

TEST_CASE("of many runs a sample is left out", "[profiler][confidence]") {
    std::string text;
    for (int run = 0; run < 11; ++run) {
        text += start + "file 1 read /srv/a/x/1\n";
    }
    const auto fixture = test::read_fixture(text);
    ReduceInput input = fixture.input();
    CHECK((*leave_one_out(input, {}))->runs == 8);
}

TEST_CASE("an include counts as one rule in the estimate", "[profiler][confidence]") {
    const auto fixture = test::read_fixture(start + "file 1 read /etc/passwd /srv/a\n" + start +
                                            "file 1 read /usr/lib/x.so /srv/a\n");
    const Profile profile =
        read_profile("treadline: 1\nname: x\ninclude: [base]\nfiles: {/srv/a: r}\n", "p").value();
    const Policy policy =
        Policy::build(profile, "p", fixture.variables(), test::fixture_abstractions()).value();
    const Confidence confidence = confidence_in(policy, fixture.traces, test::fixture_variables);
    CHECK(confidence.runs == 2);
    CHECK(confidence.unseen.value() == 0); // base was needed twice, by another of its rules each
}

TEST_CASE("how much is unseen is said in one sentence", "[profiler][confidence]") {
    CHECK(unseen_sentence({5, 0.031, {}}) ==
          "about 3 % of what this command does has not been seen yet; another run would help");
    CHECK(unseen_sentence({5, 0.004, {}}) ==
          "less than 1 % of what this command does has not been seen yet (5 runs)");
    CHECK(unseen_sentence({5, 0.0, {}}) == "no rule was needed by one run only (5 runs)");
    CHECK(unseen_sentence({1, {}, {}}) ==
          "one run does not show what differs between runs; learn a second time to see it");
    CHECK(unseen_sentence({2, {}, {}}).empty());
    CHECK(left_out_sentence({2, 0.0, {}}).empty());
    CHECK(left_out_sentence({3, 0.0, LeftOut{3, 0, 0, {}}}) ==
          "learned without it, each of 3 runs would have been denied nothing");
    CHECK(denied_sentence({3, 0.0, {}, {}}).empty());
    CHECK(denied_sentence({1, {}, {}, {{Operation::Create, "${project}/.git/config", "no"}}}) ==
          "later runs will be denied 1 thing that these did, until the profile allows it: create "
          "${project}/.git/config");
    CHECK(denied_sentence({2, 0.0, {}, std::vector<DeniedAccess>(4, {Operation::Read, "/a", "no"})}) ==
          "later runs will be denied 4 things that these did, until the profile allows them: read /a, read /a, "
          "read /a, …");
    CHECK(
        left_out_sentence({3, 0.0, LeftOut{3, 1, 0.2, {{Operation::Read, "${project}/x\x1b", "no"}}}}) ==
        "learned without it, 1 of 3 runs would have been denied something (about 20 % of a run's accesses): "
        "read ${project}/x\\x1B");
}
