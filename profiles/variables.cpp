#include "profiles/variables.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include <pwd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

// In the order that decides between equal folders: what a profile is about comes first.
constexpr std::array<std::string_view, 8> path_variables = {"project", "tmp",   "cache",   "config",
                                                            "data",    "state", "runtime", "home"};

// Replaces each `${name}` that is not behind a backslash.
result<std::string> replace_variables(std::string_view text, const std::map<std::string, std::string, std::less<>>& values) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const size_t plain = std::min(text.find_first_of("\\$", at), text.size());
        out += text.substr(at, plain - at);
        at = plain;
        if (at == text.size()) {
            break;
        }
        if (text[at] == '\\' && at + 1 < text.size()) {
            out += text.substr(at, 2);
            at += 2;
            continue;
        }
        if (text.substr(at, 2) != "${") {
            out += text[at++];
            continue;
        }
        const size_t end = text.find('}', at);
        if (end == std::string_view::npos) {
            return fail("'" + printable(text) + "' has a '${' that is never closed");
        }
        const std::string_view name = text.substr(at + 2, end - at - 2);
        const auto found = values.find(name);
        if (found == values.end()) {
            return fail("'" + printable(text) + "' names the unknown variable '${" + printable(name) + "}'");
        }
        out += found->second;
        at = end + 1;
    }
    return out;
}

} // namespace

Variables::Variables(std::map<std::string, std::string, std::less<>> values) : values_(std::move(values)) {
    for (const std::string_view name : path_variables) {
        const auto found = values_.find(name);
        if (found != values_.end()) {
            found->second = normalise_path(found->second);
        }
    }
    for (const auto& [name, value] : values_) {
        escape(name);
    }
}

void Variables::escape(const std::string& name) {
    const std::string& value = values_.at(name);
    escaped_[name] = value == "/" ? std::string() : escape_path(value); // "${project}/x" where the project is "/"
}

result<std::string> Variables::expand(std::string_view written) const {
    return unescape_path(TRY(expand_pattern(written)));
}

result<std::string> Variables::expand_pattern(std::string_view written) const {
    std::string text = TRY(replace_variables(written, escaped_));
    return text.empty() && !written.empty() ? std::string("/") : text;
}

std::string Variables::shorten(std::string_view path) const {
    std::string_view best;
    size_t length = 0;
    for (const std::string_view name : path_variables) {
        const std::string& value = get(name);
        if (value.size() > 1 && value.size() > length && is_within(path, value)) {
            best = name;
            length = value.size();
        }
    }
    if (best.empty()) {
        return escape_path(path);
    }
    return "${" + std::string(best) + "}" + escape_path(path.substr(length));
}

const std::string& Variables::get(std::string_view name) const {
    static const std::string unset;
    const auto found = values_.find(name);
    return found == values_.end() ? unset : found->second;
}

Variables Variables::with(std::string name, std::string value) const {
    Variables more = *this;
    more.values_[name] = std::move(value);
    more.escape(name);
    return more;
}

bool is_path_variable(std::string_view name) {
    return std::find(path_variables.begin(), path_variables.end(), name) != path_variables.end();
}

result<UserIdentity> identity_of(unsigned uid) {
    std::vector<char> buffer(16 * 1024);
    passwd entry{};
    passwd* found = nullptr;
    int code = 0;
    while ((code = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found)) == ERANGE) {
        buffer.resize(buffer.size() * 2);
    }
    const std::string who = "user " + std::to_string(uid);
    if (code != 0) {
        return fail_code(code, "cannot look up " + who);
    }
    if (found == nullptr) {
        return fail(who + " is not in the password database");
    }
    if (found->pw_dir == nullptr || found->pw_dir[0] != '/') {
        return fail(who + " has no home directory in the password database");
    }
    return UserIdentity{uid, found->pw_gid, found->pw_name, found->pw_dir};
}

namespace {

// Programs look for their files in $HOME, so that is where the rules mean; "/" or a missing directory is no
// home.
std::optional<std::string> home_in(const std::map<std::string, std::string>& environment) {
    const auto found = environment.find("HOME");
    if (found == environment.end() || found->second.empty() || found->second[0] != '/') {
        return std::nullopt;
    }
    const auto path = sys::realpath(found->second);
    if (!path || *path == "/" || !sys::open(*path, O_PATH | O_DIRECTORY)) {
        return std::nullopt;
    }
    return *path;
}

} // namespace

Variables variables_for(const UserIdentity& user, const std::string& project,
                        const std::map<std::string, std::string>& environment) {
    const auto resolved = [](const std::string& path) {
        return sys::realpath(path).value_or(normalise_path(path));
    };
    // The XDG base directory specification: a relative value is to be ignored.
    const auto from = [&](const char* name, const std::string& otherwise) {
        const auto found = environment.find(name);
        const bool usable = found != environment.end() && !found->second.empty() && found->second[0] == '/';
        return resolved(usable ? found->second : otherwise);
    };
    const std::string home = home_in(environment).value_or(resolved(user.home));
    return Variables({
        {"project", resolved(project)},
        {"home", home},
        {"login_home", resolved(user.home)},
        {"tmp", from("TMPDIR", "/tmp")},
        {"cache", from("XDG_CACHE_HOME", home + "/.cache")},
        {"config", from("XDG_CONFIG_HOME", home + "/.config")},
        {"data", from("XDG_DATA_HOME", home + "/.local/share")},
        {"state", from("XDG_STATE_HOME", home + "/.local/state")},
        {"runtime", from("XDG_RUNTIME_DIR", "/run/user/" + std::to_string(user.uid))},
        {"user", user.name},
        {"uid", std::to_string(user.uid)},
    });
}

} // namespace treadline
