#include "collector/scripts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "collector/path_resolver.h"

namespace treadline {
namespace {

constexpr size_t shebang_max = 256; // BINPRM_BUF_SIZE, Linux 5.1
constexpr int chain_max = 5;

std::string first_bytes(const std::string& path) {
    // O_NONBLOCK: the name may have become a FIFO since.
    const auto fd = sys::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat about {};
    if (!fd || ::fstat(fd->get(), &about) != 0 || !S_ISREG(about.st_mode)) {
        return {};
    }
    std::string bytes(shebang_max, '\0');
    const ssize_t got = ::pread(fd->get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
}

} // namespace

std::string shebang(std::string_view first_line) {
    if (first_line.substr(0, 2) != "#!") {
        return {};
    }
    first_line.remove_prefix(2);
    first_line = first_line.substr(0, first_line.find_first_of(std::string_view("\n\0", 2)));
    const size_t start = first_line.find_first_not_of(" \t");
    if (start == std::string_view::npos) {
        return {};
    }
    first_line.remove_prefix(start);
    return std::string(first_line.substr(0, first_line.find_first_of(" \t")));
}

std::vector<std::string> script_interpreters(const std::string& script, const std::string& program) {
    std::vector<std::string> between;
    std::string at = script;
    for (int i = 0; i < chain_max; ++i) {
        const std::string next = shebang(first_bytes(at));
        if (next.empty() || next.front() != '/') {
            break;
        }
        at = resolve_path("/", next, LastLink::Follow, ::getpid());
        if (at == program) {
            break;
        }
        between.push_back(at);
    }
    // The file may have been rewritten since: only a chain that ends where the kernel ended is true.
    if (at != program) {
        between.clear();
    }
    return between;
}

} // namespace treadline
