#include "enforcer/egress/tls_loader.h"

#include <cerrno>

#include <dlfcn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"

namespace treadline::egress {
namespace {

// Each part with its length before it.
std::string counted(const std::string& text) {
    return std::to_string(text.size()) + " " + text;
}
result<std::string> take_counted(std::string& bytes) {
    size_t size = 0;
    size_t at = 0;
    for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && at < 9; ++at) {
        size = size * 10 + static_cast<size_t>(bytes[at] - '0');
    }
    if (at == 0 || at >= bytes.size() || bytes.size() - at - 1 < size) {
        return fail("the process that makes the run's certificate authority died");
    }
    std::string part = bytes.substr(at + 1, size);
    bytes.erase(0, at + 1 + size);
    return part;
}

result<ok> make_and_send(const std::vector<std::string>& hosts, const std::string& java_store, int told, int key) {
    TlsLibrary* library = TRY(load_tls());
    const Authority authority = TRY(library->make_authority(hosts));
    const auto store = library->with_certificate(java_store, authority.certificate);
    TRY(sys::write_all(key, authority.key)); // a page takes it
    return sys::write_all(told, counted(authority.certificate) + counted(store.value_or("")));
}

} // namespace

result<TlsLibrary*> load_tls() {
    const std::string program = TRY(sys::readlink("/proc/self/exe"));
    // As built and as installed: ../lib/treadline beside the folder of programs.
    const std::string path = join_path(parent_path(parent_path(program)), std::string("lib/treadline/") + tls_module);
    void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (module == nullptr) {
        const char* why = ::dlerror();
        return fail("cannot load what looks into TLS (" + printable(why == nullptr ? path : why) + "); install Treadline whole, with OpenSSL 3 and nghttp2");
    }
    const auto get = reinterpret_cast<decltype(&treadline_tls_library)>(::dlsym(module, "treadline_tls_library"));
    if (get == nullptr) {
        return fail("'" + printable(path) + "' is of another version; install Treadline anew");
    }
    return get();
}

result<RunAuthority> make_run_authority(const std::vector<std::string>& hosts, const std::string& java_store) {
    auto told = TRY(sys::pipe());
    auto key = TRY(sys::pipe());
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno("cannot fork to make the run's certificate authority");
    }
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        told.first.reset();
        key.first.reset();
        if (const auto made = make_and_send(hosts, java_store, told.second.get(), key.second.get()); !made) {
            (void)sys::write_all(told.second.get(), "!" + made.error().message());
        }
        ::_exit(0);
    }
    told.second.reset();
    key.second.reset();
    auto bytes = sys::read_all(told.first.get());
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!bytes) {
        return failure(bytes.error());
    }
    if (bytes->starts_with('!')) {
        return fail(bytes->substr(1));
    }
    RunAuthority authority;
    authority.certificate = TRY(take_counted(*bytes));
    authority.java_store = TRY(take_counted(*bytes));
    authority.key = std::move(key.first);
    return authority;
}

} // namespace treadline::egress
