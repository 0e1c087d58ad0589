#include "profiles/guards.h"

#include <algorithm>
#include <array>

#include "base/path.h"
#include "base/text.h"
#include "profiles/catalogue.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

using Components = std::vector<std::string_view>;

std::vector<std::string> components_of(std::string_view pattern) {
    std::vector<std::string> parts;
    for (const std::string_view part : split(pattern, '/')) {
        if (!part.empty()) {
            parts.emplace_back(part);
        }
    }
    return parts;
}

// The shortest stretch path[from, end) that `parts` match whole; npos if none. The patterns hold at most one
// "**" inside, so the recursion is shallow.
size_t match_from(const std::vector<std::string>& parts, size_t part, const Components& path, size_t from) {
    if (part == parts.size()) {
        return from;
    }
    if (parts[part] == "**") {
        for (size_t at = from; at <= path.size(); ++at) {
            const size_t end = match_from(parts, part + 1, path, at);
            if (end != std::string_view::npos) {
                return end;
            }
        }
        return std::string_view::npos;
    }
    if (from >= path.size() || !matches_glob(parts[part], path[from])) {
        return std::string_view::npos;
    }
    return match_from(parts, part + 1, path, from + 1);
}

bool starts_with(const Components& path, const std::vector<std::string>& directory) {
    return path.size() >= directory.size() && std::equal(directory.begin(), directory.end(), path.begin());
}

// The other places an entry means: whoever moved ~/.config by XDG_CONFIG_HOME may still have files in the old
// one.
std::vector<std::string> with_default_places(const std::string& path) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 4> defaults = {{
        {"${config}/", "${home}/.config/"},
        {"${data}/", "${home}/.local/share/"},
        {"${cache}/", "${home}/.cache/"},
        {"${state}/", "${home}/.local/state/"},
    }};
    std::vector<std::string> paths = {path};
    for (const auto& [moved, usual] : defaults) {
        if (path.substr(0, moved.size()) == moved) {
            paths.push_back(std::string(usual) + path.substr(moved.size()));
        }
    }
    // With $HOME set to another folder the login's own home holds no fewer secrets.
    constexpr std::string_view home = "${home}/";
    for (size_t i = 0, count = paths.size(); i < count; ++i) {
        if (paths[i].starts_with(home)) {
            paths.push_back("${login_home}/" + paths[i].substr(home.size()));
        }
    }
    return paths;
}

} // namespace

Guards::Guards(const Variables& variables) {
    for (const CatalogueEntry& entry : credentials_catalogue()) {
        add(entry, GuardKind::Credential, variables);
    }
    for (const CatalogueEntry& entry : protected_catalogue()) {
        add(entry, GuardKind::Protected, variables);
    }
}

void Guards::add(const CatalogueEntry& entry, GuardKind kind, const Variables& variables) {
    std::vector<std::string> expanded;
    for (const std::string& path : entry.paths) {
        expanded.clear();
        for (const std::string& place : with_default_places(path)) {
            // A variable this user does not have: then the file has no place either.
            const auto pattern = variables.expand_pattern(place);
            if (pattern && std::find(expanded.begin(), expanded.end(), *pattern) == expanded.end()) {
                expanded.push_back(*pattern);
            }
        }
        if (expanded.empty()) {
            continue;
        }
        const size_t guard = guards_.size();
        guards_.push_back({kind, path, entry.what, entry.source, entry.closed});
        for (const std::string& pattern : expanded) {
            Compiled compiled;
            compiled.guard = guard;
            compiled.parts = components_of(pattern);
            compiled.floating = compiled.parts.front() == "**";
            if (compiled.floating) {
                compiled.parts.erase(compiled.parts.begin());
            }
            if (compiled.parts.back() == "**") {
                compiled.subtree = true;
                compiled.parts.pop_back();
            }
            compiled.fixed_length =
                std::find(compiled.parts.begin(), compiled.parts.end(), "**") == compiled.parts.end();
            Place place{guard, "", "", compiled.subtree, false, {}};
            const std::string joined = join(compiled.parts, "/");
            if (compiled.floating) {
                place.floating = joined;
                for (const std::string& directory : entry.within) {
                    const auto where = variables.expand(directory);
                    if (where && !where->empty()) {
                        place.within.push_back(*where);
                        std::vector<std::string> names;
                        for (const std::string_view name : path_components(*where)) {
                            names.emplace_back(name);
                        }
                        compiled.within.push_back(std::move(names));
                    }
                }
            } else {
                place.glob = has_wildcard(joined);
                place.path = "/" + (place.glob ? joined : unescape_path(joined).value_or(joined));
            }
            std::vector<std::string> except = entry.except;
            if (compiled.floating) {
                except.insert(except.end(), entry.floating_except.begin(), entry.floating_except.end());
            }
            for (const std::string& exception : except) {
                const auto where = variables.expand_pattern(exception);
                if (where) {
                    compiled.except.push_back(components_of(*where));
                }
            }
            const auto literal =
                std::find_if(compiled.parts.rbegin(), compiled.parts.rend(), [](const std::string& part) {
                    return part.find_first_of("*\\") == std::string::npos;
                });
            if (literal == compiled.parts.rend()) {
                const std::string& last = compiled.parts.back();
                if (last.size() > 1 && last[0] == '*' && last.find_first_of("*\\", 1) == std::string::npos) {
                    endings_.push_back(last.substr(1));
                } else {
                    wildcard_names_.push_back(last);
                }
            }
            by_name_[literal == compiled.parts.rend() ? std::string() : *literal].push_back(compiled_.size());
            compiled_.push_back(std::move(compiled));
            places_.push_back(std::move(place));
        }
    }
}

size_t Guards::match(const Compiled& compiled, const Components& path) {
    size_t end = std::string_view::npos;
    const auto found = [&] {
        return end != std::string_view::npos && (compiled.subtree || end == path.size());
    };
    if (compiled.floating) {
        for (const auto& directory : compiled.within) {
            if (!starts_with(path, directory)) {
                continue;
            }
            // Where nothing below the guard counts and its length is known, it can only be the path's end.
            size_t at = directory.size();
            if (compiled.fixed_length && !compiled.subtree) {
                if (path.size() < at + compiled.parts.size()) {
                    continue;
                }
                at = path.size() - compiled.parts.size();
            }
            for (; at < path.size() && !found(); ++at) {
                end = match_from(compiled.parts, 0, path, at);
            }
        }
    } else {
        end = match_from(compiled.parts, 0, path, 0);
    }
    if (!found()) {
        return 0;
    }
    for (const auto& exception : compiled.except) {
        if (match_from(exception, 0, path, 0) != std::string_view::npos) {
            return 0;
        }
    }
    return end;
}

bool Guards::may_name_by_wildcard(std::string_view name) const {
    return std::any_of(endings_.begin(), endings_.end(),
                       [&](const std::string& ending) { return name.ends_with(ending); }) ||
           std::any_of(wildcard_names_.begin(), wildcard_names_.end(),
                       [&](const std::string& glob) { return matches_glob(glob, name); });
}

bool Guards::may_name(std::string_view name) const {
    return may_name_by_wildcard(name) || by_name_.find(name) != by_name_.end();
}

bool Guards::may_reach(std::string_view absolute_path) const {
    const Components path = path_components(absolute_path);
    if (path.empty()) {
        return false;
    }
    if (may_name_by_wildcard(path.back())) {
        return true;
    }
    const auto named = by_name_.find(path.back());
    if (named == by_name_.end()) {
        return false;
    }
    // A pattern with a fixed place has to be on its way there.
    return std::any_of(named->second.begin(), named->second.end(), [&](size_t index) {
        const Compiled& compiled = compiled_[index];
        if (compiled.floating || !compiled.fixed_length) {
            return true;
        }
        return path.size() <= compiled.parts.size() &&
               std::equal(
                   path.begin(), path.end(), compiled.parts.begin(),
                   [](std::string_view name, const std::string& part) { return matches_glob(part, name); });
    });
}

const Guard* Guards::find(std::string_view absolute_path, bool writing) const {
    const Components path = path_components(absolute_path);
    size_t best = guards_.size();
    const auto consider = [&](std::string_view name) {
        const auto named = by_name_.find(name);
        if (named == by_name_.end()) {
            return;
        }
        for (const size_t index : named->second) {
            const Compiled& compiled = compiled_[index];
            const Guard& guard = guards_[compiled.guard];
            if ((guard.kind == GuardKind::Protected && !writing) || match(compiled, path) == 0) {
                continue;
            }
            const bool better = best == guards_.size() || (guard.closed && !guards_[best].closed) ||
                                (guard.closed == guards_[best].closed && compiled.guard < best);
            if (better) {
                best = compiled.guard;
            }
        }
    };
    consider("");
    for (const std::string_view name : path) {
        consider(name);
    }
    return best == guards_.size() ? nullptr : &guards_[best];
}

std::string Guards::root(const Guard& guard, std::string_view absolute_path) const {
    const Components path = path_components(absolute_path);
    for (const Compiled& compiled : compiled_) {
        const Guard& candidate = guards_[compiled.guard];
        if (candidate.kind != guard.kind || candidate.pattern != guard.pattern) {
            continue;
        }
        if (const size_t end = match(compiled, path); end != 0) {
            std::string root;
            for (size_t i = 0; i < end; ++i) {
                root += '/';
                root += path[i];
            }
            return root;
        }
    }
    return std::string(absolute_path);
}

} // namespace treadline
