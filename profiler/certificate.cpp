#include "profiler/certificate.h"

#include "base/sha256.h"

namespace treadline {

std::string certificate_digest(std::string_view certificate) {
    return certificate.empty() ? "" : "sha256:" + sha256_hex(certificate);
}

} // namespace treadline
