// What the tests of profiles/ share: one user with one project, and the profile every key appears in.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "profiles/policy.h"
#include "profiles/profile_reader.h"
#include "profiles/shipped.h"
#include "profiles/variables.h"

namespace treadline::test {

inline Variables ann() {
    return Variables({{"project", "/home/ann/p"},
                      {"home", "/home/ann"},
                      {"tmp", "/tmp"},
                      {"cache", "/home/ann/.cache"},
                      {"config", "/home/ann/.config"},
                      {"data", "/home/ann/.local/share"},
                      {"state", "/home/ann/.local/state"},
                      {"runtime", "/run/user/1000"},
                      {"user", "ann"},
                      {"uid", "1000"}});
}

inline Profile read(std::string_view text) {
    auto profile = read_profile(text, "p.yaml");
    INFO(text);
    INFO((profile ? "" : profile.error().what));
    REQUIRE(profile);
    return *profile;
}

// The error's sentence; fails where the text is accepted.
inline std::string refusal(std::string_view text) {
    const auto profile = read_profile(text, "p.yaml");
    INFO(text);
    REQUIRE_FALSE(profile);
    return profile.error().what;
}

inline Policy policy(const std::string& body) {
    auto built = Policy::build(read("treadline: 1\n" + body), "p.yaml", ann(), abstraction_loader(""));
    INFO(body);
    INFO((built ? "" : built.error().what));
    REQUIRE(built);
    return std::move(*built);
}

inline std::string policy_refusal(const std::string& body) {
    const auto built = Policy::build(read("treadline: 1\n" + body), "p.yaml", ann(), abstraction_loader(""));
    REQUIRE_FALSE(built);
    return built.error().what;
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

// The example of the design document, as it stands there.
inline constexpr std::string_view example = R"(treadline: 1
name: npm-test
learned: {command: [npm, test], runs: 3, complete: true}
include: [base, node]              # abstractions, as AppArmor's; shipped in profiles/, or a path in the project

files:                             # a file, or a whole subtree; r read/list, w write, c create/delete/rename, x execute
  ${project}/**: r
  ${project}/node_modules/**: rwc
  /usr/bin/git: rx                 # npm (2 runs)
private: [/tmp, ${home}]           # starts empty, writable, gone afterwards
deny: ["${project}/.env*", "${project}/.git/hooks/**"]

network:
  connect: ["packages.example.org:443", "*.githubusercontent.com:443", "10.0.0.5:5432"]
  listen:  [3000]                  # inside the sandbox
  publish: [3000]                  # reachable from the host's loopback
  credentials:                     # the sandbox sees a placeholder; the gateway puts the real value in
    - {host: api.openai.com, header: Authorization, value: "Bearer ${env:OPENAI_API_KEY}"}
unix: ["/run/user/*/bus"]          # sockets by path; @name for abstract
syscalls: ["@base", "@file", "@network", ptrace]
environment: {pass: [PATH, LANG], set: {CI: "1"}}
resources: {memory: 2G, processes: 256, cpu: 200%, time: 10m}
)";

} // namespace treadline::test
