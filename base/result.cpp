#include "base/result.h"

#include <cstring>

namespace treadline {

std::string error::message() const {
    if (code == 0) {
        return what;
    }
    return what + ": " + std::strerror(code);
}

} // namespace treadline
