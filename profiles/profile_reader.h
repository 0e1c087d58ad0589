// Reads a profile's text, strictly: what is not understood is an error, never ignored.
//
// Errors read "file:line:column: sentence that says what to do". Nothing is merged or expanded here; names of
// included files and system calls are checked when the policy is built.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "profiles/profile.h"

namespace treadline {

// `file` is for messages only.
result<Profile> read_profile(std::string_view text, const std::string& file);
result<Profile> read_profile(const struct YamlNode& tree, const std::string& file);

// host:port of a `connect` entry in canonical form: lower-case host without a trailing dot, "*.host", or an
// address in its one text form without brackets (IPv4 in IPv6 becomes IPv4). "/tcp" behind it means any
// protocol, not only TLS and HTTP that name the host. `host` as the whole name means a service on the loopback of the
// machine that Treadline runs on; there is no telling what it speaks, so any protocol is meant.
inline constexpr std::string_view host_loopback = "host";
struct HostPort {
    std::string host;
    uint16_t port = 0;
    bool address = false;
    bool any_protocol = false;
};
result<HostPort> parse_host_port(std::string_view text);

// "512M" -> bytes; K, M, G, T count 1024. "90s", "10m", "2h" -> seconds. "200%" -> 200.
std::optional<uint64_t> parse_memory(std::string_view text);
std::optional<uint64_t> parse_duration(std::string_view text);
std::optional<uint32_t> parse_percent(std::string_view text);

} // namespace treadline
