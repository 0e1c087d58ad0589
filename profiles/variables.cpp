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

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Not a word that programs put into names whoever runs them.
bool tells_a_user(std::string_view user) {
    constexpr std::string_view words[] = {"root",  "user",   "users", "test", "build", "builder",
                                          "node",  "git",    "app",   "dev",  "work",  "admin",
                                          "agent", "runner", "cache", "tmp",  "lib",   "run"};
    return user.size() >= 3 && std::find(std::begin(words), std::end(words), user) == std::end(words);
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
    const std::string_view rest = path.substr(length);
    std::string text = best.empty() ? "" : "${" + std::string(best) + "}";
    const size_t last = rest.rfind('/');
    const std::string_view directory = last == std::string_view::npos ? path : path.substr(0, length + last);
    if (!names_tell_users(directory)) {
        return text + escape_path(rest);
    }
    for (size_t at = 0; at < rest.size();) {
        const size_t end = std::min(rest.find('/', at + 1), rest.size());
        text += "/" + portable_name(rest.substr(at + 1, end - at - 1));
        at = end;
    }
    return text;
}

bool Variables::names_tell_users(std::string_view directory) const {
    std::string_view nearest;
    std::string_view root;
    for (const std::string_view name : path_variables) {
        const std::string& value = get(name);
        if (value.size() > root.size() && value.size() > 1 && is_within(directory, value)) {
            nearest = name;
            root = value;
        }
    }
    if (!nearest.empty()) {
        return nearest == "tmp" || nearest == "runtime";
    }
    constexpr std::string_view places[] = {"/tmp", "/run", "/var", "/dev/shm"};
    return std::any_of(std::begin(places), std::end(places),
                       [&](std::string_view place) { return is_within(directory, place); });
}

std::string Variables::portable_name(std::string_view name) const {
    constexpr size_t digits_of_people = 4; // from 1000 on; those below are the system's
    const std::string& uid = get("uid");
    if (uid.size() < digits_of_people) {
        return escape_path(name);
    }
    const std::string& user = get("user");
    for (size_t at = 0; at < name.size(); ++at) {
        const bool starts = at == 0 || !is_letter_or_digit(name[at - 1]);
        for (const bool by_name : {false, true}) {
            const std::string_view value = by_name ? user : uid;
            const size_t end = at + value.size();
            if (starts && (!by_name || tells_a_user(user)) && name.substr(at).starts_with(value) &&
                (end == name.size() || !is_letter_or_digit(name[end]))) {
                return escape_path(name.substr(0, at)) + (by_name ? "${user}" : "${uid}") +
                       portable_name(name.substr(end));
            }
        }
    }
    return escape_path(name);
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
