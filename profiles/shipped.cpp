#include "profiles/shipped.h"

#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "profiles/catalogue.h"
#include "profiles/profile_reader.h"
#include "profiles/yaml_pack.h"

namespace treadline {
namespace {

// At most one byte more than the reader accepts, so that a file that never ends is refused, not read.
result<std::string> read_bounded(int fd, const std::string& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return fail_errno("cannot look at '" + printable(path) + "'");
    }
    if (!S_ISREG(status.st_mode)) {
        return fail("'" + printable(path) + "' is not a regular file");
    }
    if (status.st_size > static_cast<off_t>(max_yaml_bytes)) {
        return fail("'" + printable(path) +
                    "' is larger than 1 MiB, which no profile a person can review is");
    }
    return sys::read_all(fd);
}

// Component by component with O_NOFOLLOW: neither `..` (refused by the reader) nor a symbolic link leaves the
// directory, whoever changes it meanwhile.
result<std::string> read_below(const std::string& directory, const std::string& relative) {
    unique_fd at = TRY(sys::open(directory, O_PATH | O_DIRECTORY));
    const auto parts = split(relative, '/');
    for (size_t i = 0; i < parts.size(); ++i) {
        const std::string name(parts[i]);
        if (name.empty() || name == "." || name == "..") {
            return fail("'./" + printable(relative) + "' does not stay in the profile's folder");
        }
        const int flags =
            i + 1 < parts.size() ? O_PATH | O_DIRECTORY | O_NOFOLLOW : O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
        auto next = sys::openat(at.get(), name, flags);
        if (!next) {
            return fail_code(next.error().code,
                             "cannot open './" + printable(relative) +
                                 "' below the profile's folder (symbolic links are not followed)");
        }
        at = std::move(*next);
    }
    return read_bounded(at.get(), "./" + relative);
}

} // namespace

std::vector<std::string> shipped_abstractions() {
    std::vector<std::string> names;
    for (const EmbeddedFile& file : embedded_abstractions) {
        names.emplace_back(file.name);
    }
    return names;
}

std::vector<std::string> learned_abstractions() {
    std::vector<std::string> names = shipped_abstractions();
    std::erase(names, "base");
    return names;
}

result<Profile> shipped_abstraction(const std::string& name) {
    for (const EmbeddedFile& file : embedded_abstractions) {
        if (file.name == name) {
            return read_profile(unpack_yaml(file.packed), name + ".yaml");
        }
    }
    return fail("there is no abstraction '" + printable(name) + "'; shipped are " +
                join(shipped_abstractions(), ", ") + ", a file of your own is written ./" + printable(name) +
                ".yaml");
}

std::string shipped_description(const std::string& name) {
    for (const EmbeddedFile& file : embedded_abstractions) {
        if (file.name == name && file.text.starts_with('#')) {
            return std::string(trimmed(file.text.substr(1, file.text.find('\n') - 1)));
        }
    }
    return "";
}

Policy::Loader abstraction_loader(std::string directory) {
    return [directory = std::move(directory)](const std::string& name) -> result<Profile> {
        if (name.substr(0, 2) != "./") {
            return shipped_abstraction(name);
        }
        if (directory.empty()) {
            return fail("'" + printable(name) + "' cannot be read: there is no profile folder here");
        }
        return read_profile(TRY(read_below(directory, name.substr(2))), name);
    };
}

result<Profile> load_profile(const std::string& path) {
    const unique_fd fd = TRY(sys::open(path, O_RDONLY | O_NONBLOCK));
    return read_profile(TRY(read_bounded(fd.get(), path)), path);
}

result<Policy> load_policy(const std::string& path, const Variables& variables) {
    const Profile profile = TRY(load_profile(path));
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    return Policy::build(profile, path, variables, abstraction_loader(TRY(sys::realpath(folder))));
}

} // namespace treadline
