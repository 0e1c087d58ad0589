// ${project}, ${home} and friends: what makes a profile hold on another person's machine.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace treadline {

// Values are absolute normalised paths without a trailing '/', except user and uid.
//   project  the folder that holds .treadline        home   $HOME, else the login's home directory
//   tmp      the temporary directory ($TMPDIR or /tmp) cache  $XDG_CACHE_HOME or ~/.cache
//   config   $XDG_CONFIG_HOME or ~/.config            data   $XDG_DATA_HOME or ~/.local/share
//   state    $XDG_STATE_HOME or ~/.local/state        runtime  $XDG_RUNTIME_DIR or /run/user/UID
//   user     the login name                           uid    the user id
//   login_home  the home directory of the password database; the guards watch both homes
// ${env:NAME} is not expanded here; it is for credentials only.
class Variables {
public:
    Variables() = default;
    explicit Variables(std::map<std::string, std::string, std::less<>> values);

    // A written path (pattern.h) as plain bytes: variables replaced, escapes decoded; expand(shorten(p)) is
    // p. An unknown variable, or a `${` that is never closed, is an error that names it.
    [[nodiscard]] result<std::string> expand(std::string_view written) const;

    // The same for what may hold wildcards: variables replaced, their values escaped, all other escapes kept,
    // ready for parse_pattern(). A project called `a*b` thereby stays one folder.
    [[nodiscard]] result<std::string> expand_pattern(std::string_view written) const;

    // The shortest portable way to write an absolute path, in its written form (escaped, see pattern.h):
    // /home/ann/p/x -> ${project}/x. The longest value wins; project before home where both are the same
    // folder. A path under no variable stays absolute.
    [[nodiscard]] std::string shorten(std::string_view path) const;

    // Whether names directly in this directory, or further down, are mostly told apart by whose they are: in
    // temporary and runtime directories, /run and /var, where another user's run makes `/tmp/tsx-1001` of
    // `/tmp/tsx-1000`.
    [[nodiscard]] bool names_tell_users(std::string_view directory) const;
    // How a rule writes a name in such a place: escaped, with ${uid} and ${user} for the words that are
    // these. As it is where they tell nothing: for users of the system, and where the user's name is a word
    // that programs use.
    [[nodiscard]] std::string portable_name(std::string_view name) const;

    [[nodiscard]] const std::string& get(std::string_view name) const; // "" if unset

    // A copy with one more. `profile` and `profile_folder`, set by whoever loads a profile, close those to
    // writing (profiles/catalogue/protected.yaml).
    [[nodiscard]] Variables with(std::string name, std::string value) const;

private:
    void escape(const std::string& name);

    using Values = std::map<std::string, std::string, std::less<>>;
    Values values_;
    Values escaped_; // the same as they go into a pattern
};

// Whether `name` is one of the folders above (not user, uid).
bool is_path_variable(std::string_view name);

// From the caller's environment and the password database, for the user `uid`. The only function here that
// looks at the machine. Paths are resolved (realpath) where they exist, because the trace holds resolved
// paths.
struct UserIdentity {
    unsigned uid = 0;
    unsigned gid = 0;
    std::string name;
    std::string home;
};
result<UserIdentity> identity_of(unsigned uid);
Variables variables_for(const UserIdentity& user, const std::string& project,
                        const std::map<std::string, std::string>& environment);

} // namespace treadline
