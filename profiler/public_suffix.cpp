#include "profiler/public_suffix.h"

#include <libpsl.h>

namespace treadline {

bool has_one_owner(const std::string& name) {
    const psl_ctx_t* const list = psl_builtin();
    return list != nullptr && psl_registrable_domain(list, name.c_str()) != nullptr;
}

} // namespace treadline
