#include "profiler/look_alikes.h"

#include "profiler/proposal_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Lines = std::vector<std::string>;
const std::string run = "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/node\n";
const std::string disk = "disk {project} a b c d e f id_rsa.bak deploy=key notes\n";
// Enough for one rule for the whole project.
const std::string reads =
    "file 1 read {project}/a {project}/b {project}/c {project}/d {project}/e {project}/f\n";

Lines denied(const std::string& fixture) {
    return test::lines_of(test::reduced(run + fixture), Section::Deny);
}

} // namespace

TEST_CASE("a file in the project that looks like a secret is taken out of the rule that would bring it along",
          "[profiler][look-alikes]") {
    CHECK(denied(reads + disk) == Lines{"${project}/deploy", "${project}/id_rsa.bak"});
    const Proposal proposal = test::reduced(run + reads + disk);
    const std::string text = proposal_text(proposal, "p").value();
    INFO(text);
    CHECK(text.find("deny:\n  - ${project}/deploy               # holds a private key, and was not used\n") !=
          std::string::npos);
    const auto fixture = test::read_fixture(run + reads + disk);
    const Policy policy =
        Policy::build(read_profile(text, "p").value(), "p", fixture.variables(), test::fixture_abstractions())
            .value();
    CHECK_FALSE(policy.decide(Operation::Read, "/p/id_rsa.bak").allowed);
    CHECK(policy.decide(Operation::Read, "/p/a").allowed);
    // Learning again says nothing new.
    ReduceInput input = fixture.input();
    input.existing = &policy;
    CHECK(missing_from(reduce(input).value(), policy, text).rules.empty());
}

TEST_CASE("nothing is denied that no rule reaches, that was used, or that is a test's",
          "[profiler][look-alikes]") {
    CHECK(denied("file 1 read {project}/a\n" + disk).empty());
    CHECK(denied(reads + "file 1 read {project}/deploy {project}/id_rsa.bak\n" + disk).empty());
    CHECK(denied("file 1 read {project}/test/a {project}/test/b {project}/test/c {project}/test/d "
                 "{project}/test/e\n"
                 "disk {project}/test a b c d e deploy=key id_rsa.old\n")
              .empty());
    // What the catalogue names is guarded without a line.
    CHECK(denied(reads + "disk {project} a b c d e f id_rsa .env\n").empty());
}

TEST_CASE("a profile that was learned before the file came is given the line with the next rule beside it",
          "[profiler][look-alikes]") {
    const std::string text = "treadline: 1\nname: x\ninclude: [base]\nfiles:\n  ${project}/**: r\n";
    const auto fixture = test::read_fixture(run + "file 1 write update {project}/a\n" + disk);
    const Policy policy =
        Policy::build(read_profile(text, "p").value(), "p", fixture.variables(), test::fixture_abstractions())
            .value();
    ReduceInput input = fixture.input();
    input.existing = &policy;
    CHECK(test::lines_of(missing_from(reduce(input).value(), policy, text), Section::Deny) ==
          Lines{"${project}/deploy", "${project}/id_rsa.bak"});
}

TEST_CASE("a secret in a directory of the project that nobody came to is found, however deep it lies",
          "[profiler][look-alikes]") {
    const std::string deep =
        "disk {project} a b c d e f ops/\ndisk {project}/ops notes keys/\n"
        "disk {project}/ops/keys old/ README\ndisk {project}/ops/keys/old id_rsa.bak tls=key x\n";
    CHECK(denied(reads + deep) == Lines{"${project}/ops/keys/old/id_rsa.bak", "${project}/ops/keys/old/tls"});
    // One that was listed only, as well.
    CHECK(denied(reads + "file 1 list {project}/ops\n" + deep) ==
          Lines{"${project}/ops/keys/old/id_rsa.bak", "${project}/ops/keys/old/tls"});
    // What packages bring for their tests is not, and neither is what git keeps.
    CHECK(denied(reads +
                 "disk {project} a b c d e f node_modules/ .git/\ndisk {project}/node_modules id_rsa.bak\n"
                 "disk {project}/.git id_rsa.bak\n")
              .empty());
}

TEST_CASE("where the project is too large to be searched to its end, learning says so",
          "[profiler][look-alikes]") {
    std::string many;
    for (int i = 0; i < 40; ++i) {
        many += "file 1 read {project}/s" + std::to_string(i) + "/a\n";
    }
    const auto project_with = [&](size_t directories) {
        std::string text = many + "disk {project} notes";
        for (size_t i = 0; i < directories; ++i) {
            text += " d" + std::to_string(i) + "/";
        }
        return text + "\ndisk {project}/d1999 id_rsa.bak\ndisk {project}/d0 deeper/\n"
                      "disk {project}/d0/deeper id_rsa.bak\n";
    };
    const auto warned = [&](const std::string& fixture) {
        const Proposal proposal = test::reduced(run + fixture);
        return std::any_of(proposal.warnings.begin(), proposal.warnings.end(),
                           [](const std::string& warning) {
                               return warning.find("too large to be searched") != std::string::npos;
                           });
    };
    CHECK(denied(project_with(1999)) == Lines{"${project}/d0/deeper/id_rsa.bak"});
    CHECK_FALSE(warned(project_with(1999)));
    // What is near is looked at first.
    CHECK(denied(project_with(2000)) == Lines{"${project}/d1999/id_rsa.bak"});
    CHECK(warned(project_with(2000)));
    // No rule would reach it.
    CHECK_FALSE(warned("file 1 read {project}/a\n" + project_with(2000).substr(many.size())));
}
