// The digest by which a profile names the coverage certificate of the run it was learned from.
#pragma once

#include <string>
#include <string_view>

namespace treadline {

// "sha256:" and 64 hexadecimal digits; "" for no certificate.
std::string certificate_digest(std::string_view certificate);

} // namespace treadline
