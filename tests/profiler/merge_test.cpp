#include "profiler/merge.h"

#include <random>

#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

struct Side {
    Profile profile;
    Policy policy;
};

Side side_of(const Profile& profile) {
    RunInfo run;
    run.project = "/tmp/p";
    run.home = "/home/ann";
    auto policy =
        Policy::build(profile, "profile.yaml", test::fixture_variables(run), test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    return {profile, std::move(*policy)};
}

Side side_of(const std::string& rest, const std::string& name = "x") {
    const auto profile = read_profile("treadline: 1\nname: " + name + "\n" + rest, "profile.yaml");
    INFO(rest << (profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    return side_of(*profile);
}

result<Merged> merged(const Side& a, const Side& b) {
    return merge({a.profile, a.policy, "a.yaml", "/tmp/p"}, {b.profile, b.policy, "b.yaml", "/tmp/p"});
}

// The union where there is one; written and read again, as a person would use it.
Side both(const std::string& a, const std::string& b) {
    const auto done = merged(side_of(a), side_of(b));
    INFO((done ? "" : done.error().message()));
    REQUIRE(done.has_value());
    const auto read = read_profile(write_profile(done->profile), "merged.yaml");
    INFO((read ? "" : read.error().message()));
    REQUIRE(read.has_value());
    CHECK(*read == done->profile);
    return side_of(*read);
}

bool allows(const Side& side, Operation operation, const std::string& object) {
    return side.policy.decide(operation, object).allowed;
}

bool refused(const std::string& a, const std::string& b) {
    const bool one = !merged(side_of(a), side_of(b)).has_value();
    CHECK(one == !merged(side_of(b), side_of(a)).has_value());
    return one;
}

} // namespace

TEST_CASE("a merged profile allows what either allows, and nothing else", "[profiler][merge]") {
    const Side c = both("include: [base]\nfiles: {/srv/a: r, /srv/c: r}\nsyscalls: [\"@file\"]\n"
                        "network: {connect: [\"a.example.org:443\"], listen: [80]}\nenvironment: {pass: [A], "
                        "set: {S: \"1\"}}\n",
                        "files: {/srv/b: rw, /srv/c: w}\nsyscalls: [ptrace]\nunix: [/run/x]\n"
                        "network: {connect: [\"b.example.org:443\"]}\nenvironment: {pass: [B]}\n");
    CHECK(allows(c, Operation::Read, "/srv/a"));
    CHECK_FALSE(allows(c, Operation::Write, "/srv/a"));
    CHECK(allows(c, Operation::Write, "/srv/b"));
    CHECK(allows(c, Operation::Read, "/srv/c"));
    CHECK(allows(c, Operation::Write, "/srv/c"));
    CHECK_FALSE(allows(c, Operation::Create, "/srv/c"));
    CHECK(allows(c, Operation::Read, "/etc/passwd"));
    CHECK(allows(c, Operation::Syscall, "rename"));
    CHECK(allows(c, Operation::Syscall, "ptrace"));
    CHECK_FALSE(allows(c, Operation::Syscall, "mount"));
    CHECK(allows(c, Operation::Connect, "a.example.org:443"));
    CHECK(allows(c, Operation::Connect, "b.example.org:443"));
    CHECK_FALSE(allows(c, Operation::Connect, "c.example.org:443"));
    CHECK(allows(c, Operation::Listen, "80"));
    CHECK_FALSE(allows(c, Operation::Listen, "81"));
    CHECK(allows(c, Operation::UnixConnect, "/run/x"));
    CHECK_FALSE(allows(c, Operation::UnixConnect, "/run/y"));
    CHECK(allows(c, Operation::Environment, "A"));
    CHECK(allows(c, Operation::Environment, "B"));
    CHECK(allows(c, Operation::Environment, "S"));
    CHECK_FALSE(allows(c, Operation::Environment, "C"));
}

TEST_CASE("deny of either wins in a merged profile, and is said where it takes something away",
          "[profiler][merge]") {
    const std::string denying = "files: {/srv/**: r}\ndeny: [/srv/no]\n";
    const Side c = both(denying, "files: {/srv/no/x: r, /srv/yes: w}\n");
    CHECK_FALSE(allows(c, Operation::Read, "/srv/no/x"));
    CHECK(allows(c, Operation::Write, "/srv/yes"));
    const auto noted = merged(side_of(denying), side_of("files: {/srv/no/x: r}\n"));
    REQUIRE(noted->notes.size() == 1);
    CHECK(noted->notes[0].find("/srv/no/x: r") != std::string::npos);
    CHECK(merged(side_of(denying), side_of("files: {/opt/x: r}\n"))->notes.empty());
    CHECK(merged(side_of(denying), side_of(denying))->notes.empty());
}

TEST_CASE("what is private to one and the host's to the other cannot be merged", "[profiler][merge]") {
    const std::string own = "private: [\"${tmp}\"]\n";
    CHECK(refused(own, "files: {/tmp/input: r}\n"));
    CHECK(refused(own, "files: {\"${tmp}/**\": rwc}\n"));
    CHECK(refused(own, "files: {/tmp/: r}\n"));
    CHECK(refused(own, "files: {/tmp/*.txt: r}\n"));
    CHECK(refused(own, "files: {/**: r}\n"));
    CHECK(refused(own, own + "files: {/tmp/input: r}\n"));
    CHECK_FALSE(refused(own, own));
    CHECK_FALSE(refused(own, own + "files: {/tmp/**: x}\n"));
    CHECK_FALSE(refused(own, "files: {/srv/input: r}\n"));
    CHECK_FALSE(refused(own + "files: {/tmp/in/**: r}\n", "files: {/tmp/in/a: r}\n"));
}

TEST_CASE("what a merged profile could not say exactly is refused with both files' names",
          "[profiler][merge]") {
    CHECK(refused("environment: {set: {CI: \"1\"}}\n", "environment: {set: {CI: \"2\"}}\n"));
    CHECK_FALSE(refused("environment: {set: {CI: \"1\"}}\n", "environment: {set: {CI: \"1\"}}\n"));
    CHECK(refused("environment: {set: {CI: \"1\"}}\n", "environment: {pass: [\"C*\"]}\n"));
    CHECK_FALSE(refused("environment: {set: {CI: \"1\"}}\n", "environment: {pass: [B]}\n"));
    const auto credential = [](const std::string& value) {
        return "network: {credentials: [{host: a.example.org, header: X, value: \"" + value + "\"}]}\n";
    };
    CHECK(refused(credential("${env:A}"), credential("${env:B}")));
    CHECK_FALSE(refused(credential("${env:A}"), credential("${env:A}")));
    const auto why =
        merged(side_of("environment: {set: {CI: \"1\"}}\n"), side_of("environment: {set: {CI: \"2\"}}\n"));
    CHECK(why.error().message().find("a.yaml") != std::string::npos);
    CHECK(why.error().message().find("b.yaml") != std::string::npos);
}

TEST_CASE("the higher limit holds, and none where one profile has none", "[profiler][merge]") {
    const Side c =
        both("resources: {memory: 1G, processes: 10, time: 5m, file_size: 1M}\n", "resources: {memory: 2G, processes: 4, file_size: 3M}\n");
    CHECK(c.policy.resources().memory_bytes == uint64_t{2} << 30U);
    CHECK(c.policy.resources().processes == 10);
    CHECK(c.policy.resources().file_size_bytes == uint64_t{3} << 20U);
    CHECK_FALSE(c.policy.resources().time_seconds.has_value());
}

TEST_CASE("what waits in one profile and stands in the other waits no more, what stands for less does",
          "[profiler][merge]") {
    const Side c =
        both("review: {files: {/srv/a: r, /srv/b: rw}, syscalls: [ptrace, bpf], network: {listen: [80]}}\n",
             "files: {/srv/a: r, /srv/b: r}\nsyscalls: [ptrace]\nnetwork: {listen: [80]}\n");
    REQUIRE(c.profile.review.files.size() == 1);
    CHECK(c.profile.review.files[0].path == "/srv/b");
    REQUIRE(c.profile.review.syscalls.size() == 1);
    CHECK(c.profile.review.syscalls[0].text == "bpf");
    CHECK(c.profile.review.network.listen.empty());
}

TEST_CASE("what waits for review in either profile waits in the merged one, and allows nothing",
          "[profiler][merge]") {
    const Side c = both("review: {files: {/srv/a: r}, syscalls: [ptrace]}\n",
                        "review: {files: {/srv/b: r, /srv/a: w}}\n");
    REQUIRE(c.profile.review.files.size() == 2);
    CHECK(c.profile.review.files[0].modes == (Mode::Read | Mode::Write));
    CHECK(c.profile.review.syscalls.size() == 1);
    CHECK_FALSE(allows(c, Operation::Read, "/srv/a"));
    CHECK_FALSE(allows(c, Operation::Syscall, "ptrace"));
}

TEST_CASE("an include beside one profile is not there for the other's folder", "[profiler][merge]") {
    const Policy::Loader load = [](const std::string& name) {
        return read_profile("treadline: 1\nname: team\n", name);
    };
    const Profile profile = read_profile("treadline: 1\nname: x\ninclude: [./team.yaml]\n", "p").value();
    const Policy policy = Policy::build(profile, "p", Variables(), load).value();
    CHECK(merge({profile, policy, "a", "/one"}, {profile, policy, "b", "/one"}).has_value());
    CHECK_FALSE(merge({profile, policy, "a", "/one"}, {profile, policy, "b", "/two"}).has_value());
}

TEST_CASE("a profile merged with itself stays as it is but for how it was learned", "[profiler][merge]") {
    const Side side =
        side_of("learned: {command: [a], runs: 1, complete: true}\ninclude: [base]\nfiles: {/srv/a: r}\n"
                "private: [\"${tmp}\"]\nnetwork: {listen: [3000]}\n");
    Profile expected = side.profile;
    expected.learned = std::nullopt;
    CHECK(merged(side, side)->profile == expected);
    CHECK(merged(side_of("", "a"), side_of("", "b"))->profile.name == "a+b");
}

TEST_CASE("the decision on a merged profile is the union of both decisions less what either denies",
          "[profiler][merge]") {
    std::mt19937 random(11);
    const auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
    const std::vector<std::string> names{"a", "b", ".env", ".git", "x.c"};
    const auto path = [&](const std::string& root, size_t depth) {
        std::string text = root;
        for (size_t i = 0; i < depth; ++i) {
            text += "/" + pick(names);
        }
        return text;
    };
    const auto random_profile = [&] {
        std::map<std::string, std::string> files;
        for (int i = 0; i < 4; ++i) {
            const std::string at = path(pick({"${project}", "${tmp}", "/srv"}), random() % 3);
            files[at + pick({"", "", "/", "/**", "/*.c"})] = pick({"r", "rw", "x"});
        }
        std::string text = "files:\n";
        for (const auto& [at, modes] : files) {
            text += "  " + at + ": " + modes + "\n";
        }
        if (random() % 2 == 0) {
            text += "private: [\"" +
                    pick({"${tmp}", "/srv/a", "${tmp}/b", "${tmp}\", \"${tmp}/a", "/srv/a\", \"/srv/a/b"}) +
                    "\"]\n";
        }
        if (random() % 3 == 0) {
            text += "deny: [\"" + path(pick({"${project}", "/srv"}), 1) + pick({"", "/", "/**"}) + "\"]\n";
        }
        return text;
    };
    int merged_at_all = 0;
    for (int round = 0; round < 400; ++round) {
        const std::string first = random_profile();
        const std::string second = random_profile();
        const Side a = side_of(first);
        const Side b = side_of(second);
        const auto done = merged(a, b);
        if (!done) {
            continue;
        }
        ++merged_at_all;
        const Side c = side_of(done->profile);
        INFO(first << "\n" << second);
        for (int i = 0; i < 30; ++i) {
            const std::string asked = path(pick({"/tmp/p", "/tmp", "/srv"}), random() % 4);
            for (const Operation operation :
                 {Operation::Read, Operation::Write, Operation::Create, Operation::Execute}) {
                const Decision one = a.policy.decide(operation, asked);
                const Decision other = b.policy.decide(operation, asked);
                // A refusal that names a rule is one by `deny`.
                const bool denied =
                    (!one.allowed && !one.rule.empty()) || (!other.allowed && !other.rule.empty());
                INFO(to_string(operation) << " " << asked);
                CHECK(c.policy.decide(operation, asked).allowed ==
                      ((one.allowed || other.allowed) && !denied));
            }
        }
    }
    CHECK(merged_at_all > 100);
}
