// Messages of systemd-resolved's varlink interface (io.systemd.Resolve), as far as lookups of host names need
// it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace treadline {

struct VarlinkCall {
    std::string name;     // the host asked for, as canonical_host(); "" for any other method
    bool answered = true; // false: "oneway"
};
struct VarlinkReply {
    bool continues = false; // more replies to the same call follow
    bool failed = false;
    std::vector<std::string> addresses;
};

// One message without its NUL; none: not what it should be.
std::optional<VarlinkCall> parse_varlink_call(std::string_view json);
std::optional<VarlinkReply> parse_varlink_reply(std::string_view json);

} // namespace treadline
