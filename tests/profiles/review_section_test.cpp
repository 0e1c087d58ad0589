// `review:`: rules that are read, checked, kept and named, and allow nothing until a person moves them up.
#include "profiles/profile_editor.h"
#include "profiles/profile_writer.h"
#include "tests/profiles/example.h"

using namespace treadline;
using treadline::test::contains;
using treadline::test::read;
using treadline::test::refusal;

namespace {

const std::string every_key = "treadline: 1\n"
                              "files:\n  ${project}/**: r\n"
                              "\nreview:\n"
                              "  include: [git]\n"
                              "  files:\n    ${home}/notes: rw   # one run only\n"
                              "  private: [\"${tmp}\"]\n"
                              "  network: {connect: [\"a.example.org:443\"], listen: [80], publish: [81]}\n"
                              "  unix: [/run/s]\n"
                              "  syscalls: [ptrace]\n"
                              "  environment: {pass: [A_TOKEN]}\n"
                              "  resources: {memory: 1G}\n";

std::string inserted(std::string_view text, const std::vector<Insertion>& insertions) {
    const auto changed = insert_rules(text, insertions, "p.yaml");
    INFO(text);
    INFO((changed ? "" : changed.error().what));
    REQUIRE(changed);
    return *changed;
}

} // namespace

TEST_CASE("what stands under review is read apart from what is allowed, and written back",
          "[profiles][review]") {
    const Profile profile = read(every_key);
    CHECK(profile.files.size() == 1);
    CHECK(profile.network == Network{});
    CHECK(profile.review.files == std::vector<FileRule>{{"${home}/notes", Mode::Read | Mode::Write, {}}});
    CHECK(profile.review.files[0].at.line == 8);
    CHECK(profile.review.include.size() == 1);
    CHECK(profile.review.private_directories.size() == 1);
    CHECK(profile.review.network.connect.size() == 1);
    CHECK(profile.review.network.listen.size() == 1);
    CHECK(profile.review.network.publish.size() == 1);
    CHECK(profile.review.unix_sockets.size() == 1);
    CHECK(profile.review.syscalls.size() == 1);
    CHECK(profile.review.environment.pass.size() == 1);
    CHECK(profile.review.resources.memory_bytes == 1ULL << 30);
    CHECK(read(write_profile(profile)) == profile);
    CHECK_FALSE(contains(write_profile(read("treadline: 1\nreview: {}\n")), "review"));
}

TEST_CASE("a mistake under review is an error like any other", "[profiles][review]") {
    CHECK(contains(refusal("treadline: 1\nreview:\n  files: {/a: q}\n"), "p.yaml:3:"));
    CHECK(contains(refusal("treadline: 1\nreview: {fils: {}}\n"), "unknown key 'fils'"));
    CHECK(contains(refusal("treadline: 1\nreview: [/a]\n"), "has to be a map"));
    // Taking away, setting and handing out credentials have nothing to wait for; nor is there review of
    // review.
    for (const char* key : {"deny: [/a]", "review: {}", "name: x", "learned: {}",
                            "environment: {set: {A: b}}", "network: {credentials: []}"}) {
        INFO(key);
        CHECK(contains(refusal("treadline: 1\nreview: {" + std::string(key) + "}\n"), "unknown key"));
    }
    CHECK(contains(test::policy_refusal("review: {syscalls: [nonsense]}\n"), "nonsense"));
    CHECK(contains(test::policy_refusal("review: {include: [nonsense]}\n"), "nonsense"));
}

TEST_CASE("a rule under review allows nothing, and a denial names it", "[profiles][review]") {
    const Policy policy =
        Policy::build(read(every_key), "p.yaml", test::ann(), abstraction_loader("")).value();
    struct Case {
        Operation operation;
        const char* object;
        const char* rule;
    };
    for (const Case& asked :
         {Case{Operation::Read, "/home/ann/notes", "${home}/notes: rw"},
          Case{Operation::Create, "/tmp/x", "private: ${tmp}"},
          Case{Operation::Connect, "a.example.org:443", "a.example.org:443"},
          Case{Operation::Listen, "80", "listen: 80"}, Case{Operation::UnixConnect, "/run/s", "/run/s"},
          Case{Operation::Syscall, "ptrace", "ptrace"},
          Case{Operation::Environment, "A_TOKEN", "pass: A_TOKEN"}}) {
        INFO(asked.object);
        const Decision decision = policy.decide(asked.operation, asked.object);
        CHECK_FALSE(decision.allowed);
        CHECK(decision.review == asked.rule);
        CHECK(contains(decision.reason, "under `review:` waits a rule that would: " + decision.review));
    }
    CHECK(policy.files().size() == 1);
    CHECK(policy.private_directories().empty());
    CHECK(policy.includes().empty());
    CHECK_FALSE(policy.resources().memory_bytes);
    // What no rule under review would allow is refused without it, and what is allowed has nothing to wait
    // for.
    CHECK(policy.decide(Operation::Execute, "/home/ann/notes").review.empty());
    CHECK(policy.decide(Operation::Read, "/home/ann/p/x").allowed);
    CHECK(policy.decide(Operation::Read, "/home/ann/p/x").review.empty());
}

TEST_CASE("moving up a rule that deny refuses would not help, so that it is not named",
          "[profiles][review]") {
    const Policy policy = test::policy("deny: [/a]\nreview: {files: {/a: r, /b: r}}\n");
    CHECK(policy.decide(Operation::Read, "/a").review.empty());
    CHECK(policy.decide(Operation::Read, "/b").review == "/b: r");
}

TEST_CASE("rules are inserted under review, and nothing else moves", "[profiles][review][editor]") {
    const std::vector<Insertion> rules = {{"review.files", "${home}/a: r", "node (1 of 3 runs)", false},
                                          {"review.network.connect", "b.example.org:443", "curl", false},
                                          {"review.environment.pass", "B_TOKEN", "", false}};
    for (const std::string& before :
         {every_key, std::string("treadline: 1\n"), std::string("treadline: 1\nfiles: {/a: r}\nreview: {}\n"),
          std::string("treadline: 1\nreview:\n  syscalls: [ptrace]   # mine\nfiles: {/a: r}\n"),
          std::string("treadline: 1\nreview: {network: {listen: [80]}, files: {/x: r}}\n")}) {
        const std::string after = inserted(before, rules);
        INFO(after);
        const Profile profile = read(after);
        CHECK(profile.review.files.size() == read(before).review.files.size() + 1);
        CHECK(profile.files == read(before).files);
        CHECK(inserted(after, rules) == after);
    }
    CHECK(inserted("treadline: 1\n", rules) ==
          "treadline: 1\n\nreview:\n  environment:\n    pass: [B_TOKEN]\n  network:\n    connect:\n      - "
          "b.example.org:443   # curl\n  files:\n    ${home}/a: r   # node (1 of 3 runs)\n");
    CHECK(contains(inserted(every_key, rules),
                   "    ${home}/a: r   # node (1 of 3 runs)\n    ${home}/notes: rw"));
    CHECK_FALSE(insert_rules("treadline: 1\n", {{"review.deny", "/a", "", false}}, "p.yaml"));
}
