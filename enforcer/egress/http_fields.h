// Fields of HTTP, whichever version carries them: names and values in order, as sent. Names are the same in upper and lower
// case (RFC 9110, 5.1).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace treadline::egress {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

std::string lower_case(std::string_view text); // ASCII
bool is_name(std::string_view sent, std::string_view name);

// What would have a server, or one before it, take a request for another than the one that is judged, as what the request
// "has"; "" for nothing. `overrides`: headers that name another method or path count, too. `options`: what its Connection may
// name besides "keep-alive", "close" and "te", which change nothing.
enum class Overrides : bool { Pass, Count };
std::string redirection_in(const HttpFields& fields, Overrides overrides, std::initializer_list<std::string_view> options = {});

} // namespace treadline::egress
