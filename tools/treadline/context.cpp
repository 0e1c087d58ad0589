#include "tools/treadline/context.h"

#include <cstdlib>

#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "profiles/shipped.h"

extern char** environ;

namespace treadline {
namespace {

constexpr std::string_view folder = ".treadline";
constexpr std::string_view file = "profile.yaml";

std::map<std::string, std::string> environment_map() {
    std::map<std::string, std::string> values;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const size_t equals = text.find('=');
        if (equals != std::string_view::npos && equals > 0) {
            values.emplace(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return values;
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0;
}

// A profile that somebody else left in a directory above must not be picked up by accident, as with git's
// safe.directory; one named with -p is taken as it is.
bool may_be_found(const std::string& path, unsigned uid) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && (status.st_uid == uid || status.st_uid == 0) &&
           (status.st_mode & S_IWOTH) == 0;
}

// Names the store's folder: readable, and different for two checkouts of the same name. FNV-1a, 64 bit.
std::string project_id(const std::string& project) {
    uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : project) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
    std::string name(file_name(project));
    for (char& c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.') {
            c = '_';
        }
    }
    return fmt::format("{}-{:016x}", name.empty() ? "root" : name.substr(0, 64), hash);
}

} // namespace

std::optional<unsigned> invoking_uid() {
    const char* text = std::getenv("SUDO_UID");
    if (::geteuid() != 0 || text == nullptr) {
        return std::nullopt;
    }
    char* end = nullptr;
    const unsigned long uid = std::strtoul(text, &end, 10);
    if (end == text || *end != '\0' || uid == 0 || uid > 0xFFFFFFFEU) {
        return std::nullopt;
    }
    return static_cast<unsigned>(uid);
}

result<ok> become_invoking_user() {
    const auto uid = invoking_uid();
    if (!uid) {
        return ok{};
    }
    const UserIdentity user = TRY(identity_of(*uid));
    if (::initgroups(user.name.c_str(), user.gid) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0 ||
        ::setresuid(user.uid, user.uid, user.uid) != 0) {
        return fail_errno("cannot become user " + user.name);
    }
    if (::setuid(0) == 0) {
        return fail("cannot give up root's rights");
    }
    ::setenv("HOME", user.home.c_str(), 1);
    ::setenv("USER", user.name.c_str(), 1);
    ::setenv("LOGNAME", user.name.c_str(), 1);
    for (const char* name : {"SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "XDG_STATE_HOME", "XDG_CACHE_HOME",
                             "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"}) {
        ::unsetenv(name); // root's, or sudo's own
    }
    return ok{};
}

result<Context> make_context(const Options& options) {
    Context context;
    context.user = TRY(identity_of(::geteuid()));
    context.environment = environment_map();
    context.directory = TRY(sys::realpath("."));
    if (!options.profile.empty()) {
        context.profile = join_path(context.directory, options.profile);
        const std::string parent(parent_path(context.profile));
        context.project = file_name(parent) == folder ? std::string(parent_path(parent)) : context.directory;
    } else {
        context.project = context.directory;
        for (std::string at = context.directory;; at = std::string(parent_path(at))) {
            const std::string candidate = fmt::format("{}/{}/{}", at == "/" ? "" : at, folder, file);
            if (may_be_found(candidate, context.user.uid)) {
                context.project = at;
                break;
            }
            if (at == "/") {
                break;
            }
        }
        context.profile = join_path(context.project, fmt::format("{}/{}", folder, file));
    }
    if (exists(context.project)) {
        context.project = TRY(sys::realpath(context.project));
    }
    context.profile_exists = exists(context.profile);
    context.variables = variables_for(context.user, context.project, context.environment);
    if (context.profile_exists) {
        // What judges the command is not the command's to change, wherever it lies. In a folder of the project's, its
        // includes lie beside it.
        const std::string profile = TRY(sys::realpath(context.profile));
        const std::string folder(parent_path(profile));
        context.variables = context.variables.with("profile", profile);
        if (folder != context.project && is_within(folder, context.project)) {
            context.variables = context.variables.with("profile_folder", folder);
        }
    }
    context.store = options.store.empty()
                        ? fmt::format("{}/treadline/{}/trace.db", context.variables.get("state"),
                                      project_id(context.project))
                        : join_path(context.directory, options.store);
    return context;
}

result<Policy> load_context_policy(const Context& context) {
    if (!context.profile_exists) {
        return fail(fmt::format("there is no profile at {}; run 'treadline learn -- COMMAND' to make one, or name one with -p",
                                context.profile));
    }
    return load_policy(context.profile, context.variables);
}

std::string described(const Context& context) {
    const std::string directory = context.directory == "/" ? "/" : context.directory + "/";
    return context.profile.starts_with(directory) ? context.profile.substr(directory.size()) : context.profile;
}

void say(std::string_view line) {
    // One write, so that lines of the command and ours do not mix within a line.
    const std::string text = "treadline: " + std::string(line) + "\n";
    (void)sys::write_all(STDERR_FILENO, text);
}

int complain(const error& problem, int status) {
    say(printable(problem.message()));
    return status;
}

} // namespace treadline
