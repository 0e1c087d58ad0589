#include "tools/treadline/last_run.h"

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline {
namespace {

std::string file(const Context& context) {
    return join_path(parent_path(context.store), "last-run.json");
}

} // namespace

result<ok> remember_last_run(const Context& context, const std::string& report_json) {
    TRY(sys::make_directories(std::string(parent_path(context.store)), 0700));
    return sys::replace_file(file(context), report_json, 0600, sys::Keep::WhileRunning);
}

result<std::string> last_run(const Context& context) {
    auto text = sys::read_file(file(context));
    if (!text && text.error().code == ENOENT) {
        return fail("no enforced run of this project is known; run 'treadline enforce -- COMMAND' first");
    }
    return text;
}

} // namespace treadline
