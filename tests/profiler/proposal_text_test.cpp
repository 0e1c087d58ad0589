#include "profiler/proposal_text.h"

#include "profiler/certificate.h"
#include "profiler/rule_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

TEST_CASE("a withheld rule is a comment that becomes the rule when its # is taken away", "[profiler][text]") {
    Proposal proposal;
    proposal.learned.command = {"x"};
    proposal.rules = {{Section::Files, "${home}/.netrc: r", {}, "credential: netrc"},
                      {Section::Connect, "10.0.0.1:80", {}, "private"},
                      {Section::Listen, "80", {}, ""},
                      {Section::Environment, "A_TOKEN", {}, "secret"},
                      {Section::Syscalls, "@file", {}, ""},
                      {Section::Syscalls, "ptrace", {}, "dangerous"}};
    std::string text = proposal_text(proposal, "x").value();
    const Profile before = read_profile(text, "t").value();
    CHECK(before.files.empty());
    CHECK(before.network.connect.empty());
    CHECK(before.syscalls.size() == 1);
    // As a person would: every line's leading '#' goes.
    std::string accepted;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '#' || (i > 0 && text[i - 1] != '\n')) {
            accepted += text[i];
        }
    }
    const auto after = read_profile(accepted, "t");
    INFO((after ? "" : after.error().message()) << accepted);
    REQUIRE(after.has_value());
    CHECK(after->files.size() == 1);
    CHECK(after->network.connect.size() == 1);
    CHECK(after->network.listen.size() == 1);
    CHECK(after->environment.pass.size() == 1);
    CHECK(after->syscalls.size() == 2);
}

TEST_CASE("a comment says which programs in how many runs, and no more", "[profiler][text]") {
    CHECK(short_evidence({7, 2, 3, {"node", "npm", "sh"}, {}}) == "node, npm… (2 of 3 runs)");
    CHECK(short_evidence({7, 3, 3, {"node"}, {}}) == "node (3 runs)");
    CHECK(short_evidence({7, 1, 1, {}, {}}) == "(1 run)");
    CHECK(short_evidence({}).empty());
}

TEST_CASE("a rule's path may hold the separator of its own line", "[profiler][text]") {
    const auto [path, modes] = file_rule_parts("${home}/a: r: rw");
    CHECK(path == "${home}/a: r");
    CHECK(to_string(modes) == "rw");
}

TEST_CASE("a program's name cannot add a line to a profile", "[profiler][text]") {
    Proposal proposal;
    proposal.learned.command = {"x\ny: z"};
    proposal.rules = {{Section::Files, "${project}/a: r", {1, 1, 1, {"evil\n  /: rwcx #"}, {}}, ""}};
    const Profile profile = read_profile(proposal_text(proposal, "n\nm").value(), "t").value();
    REQUIRE(profile.files.size() == 1);
    CHECK(profile.files[0].path == "${project}/a");
    CHECK(profile.learned->command[0] == "x\ny: z");
    CHECK(profile.name == "n\\x0Am");
}

TEST_CASE("a certificate's digest is its SHA-256", "[profiler][text]") {
    // FIPS 180-4 examples.
    CHECK(certificate_digest("abc") ==
          "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(certificate_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(certificate_digest("").empty());
}

TEST_CASE("without a run there is nothing to learn", "[profiler][text]") {
    test::Fixture none;
    CHECK_FALSE(reduce(none.input()).has_value());
}
