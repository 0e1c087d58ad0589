// A decision by a few `connect` rules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "base/text.h"
#include "enforcer/egress/decision.h"
#include "profiles/profile_reader.h"

namespace treadline::test {

inline egress::Decision decided_by(const std::vector<std::string>& connect, const std::string& more = "",
                                   std::vector<std::string> own_addresses = {}) {
    std::string text = "treadline: 1\nname: test\nnetwork:\n" + more + "  connect: [";
    for (const std::string& rule : connect) {
        text += "\"" + rule + "\", ";
    }
    const auto profile = read_profile(text + "]\n", "profile.yaml");
    if (!profile) {
        FAIL(profile.error().message());
    }
    auto policy = Policy::build(*profile, "profile.yaml", Variables(), [](const std::string&) -> result<Profile> { return Profile{}; });
    if (!policy) {
        FAIL(policy.error().message());
    }
    return egress::Decision(std::make_shared<const Policy>(std::move(*policy)), std::move(own_addresses));
}

inline egress::Contact named(const std::string& name, uint16_t port) {
    return {name, "", port, ""};
}
inline egress::Contact dialled(const std::string& address, uint16_t port) {
    return {"", address, port, ""};
}

} // namespace treadline::test
