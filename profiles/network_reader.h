// The reader of a profile's `network`.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "profiles/profile.h"

namespace treadline {

// What hands out a credential, or only takes away, has nothing to wait for under `review:`.
enum class NetworkKeys : uint8_t { All, Proposed };

// As read_profile(); `file` is for messages only.
result<ok> read_network(const struct YamlNode& node, Network& out, NetworkKeys which, const std::string& file);

} // namespace treadline
