// A profile as canonical YAML text.
//
// read_profile(write_profile(p)) == p for every profile whose entries are in their written form (pattern.h),
// as the reader and Variables::shorten() give them, and whose memory limit is a whole number of KiB (others
// are rounded up). Comments are the editor's business. The same profile gives the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "profiles/profile.h"

namespace treadline {

std::string write_profile(const Profile& profile);

// One line for `files:`; the path in its written form.
std::string rule_line(std::string_view written_path, Modes modes);

// One entry of `connect`: 'mirror.example.org:443', or {host: "mirror.example.org:80", methods: [GET, HEAD]}.
std::string connect_line(std::string_view endpoint, const RequestScope& scope);

// {host: "packages.example.org:443", sent: 2M, requests: 400}
std::string budget_line(const Budget& budget);

std::string memory_text(uint64_t bytes);     // "2G", "1536M"
std::string duration_text(uint64_t seconds); // "10m", "90s"
std::string
resources_text(const Resources& resources); // "{memory: 2G, time: 10m}"; "" where nothing is limited

// {command: [npm, test], runs: 3, complete: true}
std::string learned_text(const Learned& learned);

} // namespace treadline
