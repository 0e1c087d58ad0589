// Of which HTTP requests a rule speaks: its `methods` and `paths`.
#pragma once

#include <string>
#include <string_view>

#include "profiles/profile.h"

namespace treadline {

// Whether the rule speaks of the request. A target that a server could take for another path (dot segments, doubled slashes,
// encoded separators) is in no rule that names paths.
bool is_in(const RequestScope& scope, std::string_view method, std::string_view target);

// Whether everything that `other` speaks of, `wide` does.
bool contains(const RequestScope& wide, const RequestScope& other);

bool is_http_token(std::string_view text); // RFC 9110, 5.6.2: what names fields and methods

// What is wrong with an entry, as a phrase behind its quoted text; "" for nothing.
std::string method_complaint(std::string_view entry);
std::string request_path_complaint(std::string_view entry); // "/v1/models", "/v1/**"

std::string upgrade_complaint(std::string_view entry);      // "websocket"

std::string to_string(const RequestScope& scope); // " GET,POST /v1/**"; "" where it is every request
std::string to_string(const Inspection& inspection); // "a.org:443 GET /chat, upgrades to websocket"

} // namespace treadline
