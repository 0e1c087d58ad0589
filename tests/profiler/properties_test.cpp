// What holds whatever was traced: random runs over places of every class, beside credentials and other
// people's files.
#include <random>
#include <set>

#include "profiler/proposal_text.h"
#include "profiler/reduce.h"
#include "profiler/replay.h"
#include "profiler/rule_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

template <class T>
const T& one_of(const std::vector<T>& values, std::mt19937& random) {
    return values[random() % values.size()];
}

// A run: `base` is what it shares with others.
std::string random_run(std::mt19937& random, std::mt19937 base) {
    const std::vector<std::string> roots{
        "{project}",      "{project}/src",   "{home}",        "{home}/work",       "{home}/.config",
        "{home}/.docker", "{home}/.aws/cli", "{home}/.cargo", "{home}/.cache/x",   "/usr/share/thing",
        "/etc/app",       "/srv/data",       "{tmp}",         "{home}/other/repo", "/var/lib/app"};
    const std::vector<std::string> accesses{
        "read", "read", "list", "write", "create made", "create made gone", "execute"};
    const std::vector<std::string> others{
        "socket 2 connect tcp 203.0.113.7 443 api.example.org\n",
        "socket 3 connect tcp 203.0.113.8 443 a.b.example.net\n",
        "socket 2 connect unix /run/app/socket 0\n",
        "socket 2 bind tcp 0.0.0.0 8080\nsocket 2 listen tcp 0.0.0.0 8080\n",
        "syscall 2 rename mkdir\n",
        "syscall 3 fchown\n",
        "environment 1 NODE_ENV LC_TIME\n"};
    std::string text =
        "run project=/home/ann/p home=/home/ann tmp=/tmp\nprocess 1 0 /usr/bin/dash\n"
        "process 2 1 /usr/bin/node node /usr/bin/npm ci\nprocess 3 2 /usr/bin/dash sh -c x\n"
        "disk {home}/other/repo .git/ secret README\ndisk {home}/work a b c d e f g h id_rsa.bak\n"
        "disk {home}/.docker config.json a b c d\ndisk /srv/data a b c d e f g h i j\n";
    for (int i = 0; i < 40; ++i) {
        std::mt19937& source = i < 30 ? base : random;
        std::string path = one_of(roots, source);
        for (auto depth = 1 + source() % 3; depth > 0; --depth) {
            path += "/" + std::string(1, static_cast<char>('a' + source() % 5));
        }
        // What others left in a temporary place is another story: with it a private directory is no longer
        // empty.
        const std::string access = path.starts_with("{tmp}") ? "create made gone" : one_of(accesses, source);
        text += "file " + std::to_string(1 + source() % 3) + " " + access + " " + path + "\n";
    }
    for (int i = 0; i < 3; ++i) {
        text += one_of(others, random);
    }
    return text;
}

struct Learnt {
    test::Fixture fixture;
    Proposal proposal;
    std::string text;
};

Learnt learn(const std::string& runs) {
    Learnt learnt{test::read_fixture(runs), {}, ""};
    learnt.proposal = reduce(learnt.fixture.input()).value();
    learnt.text = proposal_text(learnt.proposal, "x").value();
    return learnt;
}

Policy policy_of(const std::string& text, const Variables& variables) {
    return Policy::build(read_profile(text, "x").value(), "x", variables, test::fixture_abstractions())
        .value();
}

// What the policy denies of the runs, as "read /path".
std::set<std::string> denied(const Policy& policy, const std::vector<Trace>& traces) {
    std::set<std::string> found;
    for (const DeniedAccess& access : replay(traces, test::fixture_variables, RuleIndex(policy)).denied) {
        found.insert(std::string(to_string(access.operation)) + " " + access.object);
    }
    return found;
}

} // namespace

TEST_CASE(
    "every access that was seen is allowed by the profile, or by what stands there for a person to accept",
    "[profiler][properties]") {
    std::mt19937 random(31);
    for (int round = 0; round < 12; ++round) {
        INFO("round " << round);
        const std::mt19937 base(random());
        std::string runs = random_run(random, base);
        for (auto more = random() % 3; more > 0; --more) {
            runs += random_run(random, base);
        }
        Learnt learnt = learn(runs);
        for (ProposedRule& rule : learnt.proposal.rules) {
            rule.withheld.clear();
            rule.review.clear();
        }
        const Policy accepted =
            policy_of(proposal_text(learnt.proposal, "x").value(), learnt.fixture.variables());
        CHECK(denied(accepted, learnt.fixture.traces).empty());
    }
}

TEST_CASE("no rule that was folded spans a credential's place, another user's home or another project's root",
          "[profiler][properties]") {
    std::mt19937 random(32);
    for (int round = 0; round < 12; ++round) {
        const std::mt19937 base(random());
        const Learnt learnt = learn(random_run(random, base) + random_run(random, base));
        const Policy policy = policy_of(learnt.text, learnt.fixture.variables());
        std::vector<std::string> places{"/home/bob/x", "/home/ann/.ssh/id_rsa", "/home/ann/work/id_rsa.bak",
                                        "/home/ann/other/repo/secret", "/root/x"};
        for (const Guards::Place& place : policy.guards().places()) {
            if (!place.path.empty() && place.path.find('*') == std::string::npos &&
                policy.guards().all()[place.guard].kind == GuardKind::Credential &&
                place.path.rfind("/home/ann/p/", 0) != 0) {
                places.push_back(place.path);
            }
        }
        REQUIRE(places.size() > 20);
        for (const PolicyRule& rule : policy.files()) {
            for (const std::string& place : places) {
                const bool spans = rule.origin.source == "x" && rule.pattern.extent != Extent::Exact &&
                                   rule.pattern.matches(place);
                CHECK((spans ? rule.text + " spans " + place : "") == "");
            }
        }
    }
}

TEST_CASE("learning more takes nothing away that the profile allowed, and no line a person wrote",
          "[profiler][properties]") {
    std::mt19937 random(33);
    for (int round = 0; round < 5; ++round) {
        const std::mt19937 base(random());
        const std::string first = random_run(random, base);
        Learnt learnt = learn(first);
        const std::string kept = "# mine\n" + learnt.text + "\ndeny: [\"${home}/work/a\"] # a person's\n";
        const Policy before = policy_of(kept, learnt.fixture.variables());

        const auto both = test::read_fixture(first + random_run(random, base));
        ReduceInput input = both.input();
        input.existing = &before;
        const Proposal missing = missing_from(reduce(input).value(), before, kept);
        std::vector<Insertion> insertions;
        for (const ProposedRule& rule : missing.rules) {
            insertions.push_back(insertion_of(rule));
        }
        const std::string extended = insert_rules(kept, insertions, "x").value();
        INFO(first << "\n--- kept\n" << kept << "\n--- extended\n" << extended);
        const Policy after = policy_of(extended, both.variables());
        for (const std::string& access : denied(after, learnt.fixture.traces)) {
            CHECK((denied(before, learnt.fixture.traces).contains(access) ? "" : access) == "");
        }
        for (const std::string line : {"# mine", "deny: [\"${home}/work/a\"] # a person's"}) {
            CHECK(extended.find(line) != std::string::npos);
        }
        // And again: not a byte.
        input.existing = &after;
        const Proposal again = missing_from(reduce(input).value(), after, extended);
        for (const ProposedRule& rule : again.rules) {
            CHECK(rule.text + " # " + rule_comment(rule) == "");
        }
    }
}

TEST_CASE("the order in which accesses were stored changes no byte", "[profiler][properties]") {
    std::mt19937 random(34);
    for (int round = 0; round < 8; ++round) {
        const std::mt19937 base(random());
        Learnt learnt = learn(random_run(random, base) + random_run(random, base));
        ReduceInput input = learnt.fixture.input();
        for (Trace& trace : input.traces) {
            std::shuffle(trace.files.begin(), trace.files.end(), random);
            std::shuffle(trace.sockets.begin(), trace.sockets.end(), random);
        }
        CHECK(proposal_text(reduce(input).value(), "x").value() == learnt.text);
    }
}
