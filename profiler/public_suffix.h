// Which part of a host name belongs to one owner, by the Public Suffix List as libpsl ships it.
#pragma once

#include <string>

namespace treadline {

// Whether everybody below this name is one owner: it is neither a public suffix (`org`, `co.uk`, a hosting
// service's `pages.example`) nor above one. False where the list is missing, so that nothing is widened by
// guess.
bool has_one_owner(const std::string& name);

} // namespace treadline
