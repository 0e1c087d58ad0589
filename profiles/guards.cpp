#include "profiles/guards.h"

#include <algorithm>
#include <array>

#include "base/path.h"
#include "profiles/catalogue.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

using Components = std::vector<std::string_view>;

std::vector<std::string> components_of(std::string_view pattern) {
    std::vector<std::string> parts;
    parts.reserve(static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '/')) + 1);
    for (size_t at = 0; at < pattern.size();) {
        const size_t slash = std::min(pattern.find('/', at), pattern.size());
        if (slash > at) {
            parts.emplace_back(pattern.substr(at, slash - at));
        }
        at = slash + 1;
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

// Where a catalogue's paths lie for one user. What they begin with is looked up once, and not for each.
class Places {
public:
    explicit Places(const Variables& variables) : variables_(variables) {
        for (size_t i = 0; i < prefixes.size(); ++i) {
            for (const std::string_view place : prefixes[i]) {
                auto root = place.empty() ? result<std::string>(fail("")) : variables.expand_pattern(place);
                if (root && std::find(roots_[i].begin(), roots_[i].end(), *root) == roots_[i].end()) {
                    roots_[i].push_back(std::move(*root));
                }
            }
        }
    }

    // All the places an entry means; none where it names a variable that this user does not have.
    [[nodiscard]] std::vector<std::string> of(std::string_view path) const {
        std::vector<std::string> places;
        for (size_t i = 0; i < prefixes.size(); ++i) {
            if (!path.starts_with(prefixes[i][0])) {
                continue;
            }
            const std::string_view rest = path.substr(prefixes[i][0].size());
            const auto expanded = rest.find('$') == std::string_view::npos ? result<std::string>(rest) : variables_.expand_pattern(rest);
            for (const std::string& root : roots_[i]) {
                if (expanded) {
                    places.push_back(root + *expanded);
                }
            }
            return places;
        }
        if (auto pattern = variables_.expand_pattern(path)) {
            places.push_back(std::move(*pattern));
        }
        return places;
    }

private:
    // Whoever moved ~/.config by XDG_CONFIG_HOME may still have files in the old one, and with $HOME set to another folder
    // the login's own home holds no fewer secrets.
    static constexpr std::array<std::array<std::string_view, 3>, 5> prefixes = {{
        {"${config}/", "${home}/.config/", "${login_home}/.config/"},
        {"${data}/", "${home}/.local/share/", "${login_home}/.local/share/"},
        {"${cache}/", "${home}/.cache/", "${login_home}/.cache/"},
        {"${state}/", "${home}/.local/state/", "${login_home}/.local/state/"},
        {"${home}/", "${login_home}/", ""},
    }};

    const Variables& variables_;
    std::array<std::vector<std::string>, prefixes.size()> roots_;
};

} // namespace

Guards::Guards(const Variables& variables) {
    constexpr size_t roughly = 1024; // patterns, with all the places that are meant
    guards_.reserve(roughly / 2);
    places_.reserve(roughly);
    compiled_.reserve(roughly);
    by_name_.reserve(roughly);
    add(credentials_catalogue(), GuardKind::Credential, variables);
    add(protected_catalogue(), GuardKind::Protected, variables);
}

void Guards::add(const std::vector<CatalogueEntry>& catalogue, GuardKind kind, const Variables& variables) {
    const auto except = [&](Area& area, const std::vector<std::string>& patterns) {
        for (const std::string& pattern : patterns) {
            if (const auto where = variables.expand_pattern(pattern)) {
                area.except.push_back(components_of(*where));
            }
        }
    };
    const auto everywhere = std::make_shared<const Area>();
    std::shared_ptr<const Area> usual; // of the floating guards; an entry's list is its catalogue's
    const Places places(variables);
    for (const CatalogueEntry& entry : catalogue) {
        if (usual == nullptr) {
            Area area;
            for (const std::string& directory : entry.floating->within) {
                auto where = variables.expand(directory);
                if (!where || where->empty()) {
                    continue;
                }
                auto& names = area.within.emplace_back();
                for (const std::string_view name : path_components(*where)) {
                    names.emplace_back(name);
                }
                area.directories.push_back(std::move(*where));
            }
            except(area, entry.floating->except);
            usual = std::make_shared<const Area>(std::move(area));
        }
        std::shared_ptr<const Area> fixed = everywhere;
        std::shared_ptr<const Area> floating = usual;
        if (!entry.except.empty()) {
            Area own;
            except(own, entry.except);
            Area both = *usual;
            both.except.insert(both.except.begin(), own.except.begin(), own.except.end());
            fixed = std::make_shared<const Area>(std::move(own));
            floating = std::make_shared<const Area>(std::move(both));
        }
        for (const std::string& path : entry.paths) {
            const std::vector<std::string> expanded = places.of(path);
            if (expanded.empty()) {
                continue;
            }
            guards_.push_back({kind, path, entry.what, entry.source, entry.closed});
            for (const std::string& pattern : expanded) {
                add_pattern(guards_.size() - 1, pattern, fixed, floating);
            }
        }
    }
    for (const auto& [name, where] : by_name_) {
        glance_.add_name(name);
    }
    for (const std::string& ending : endings_) {
        glance_.add_ending(ending);
    }
    for (const std::string& pattern : wildcard_names_) {
        glance_.add_pattern(pattern);
    }
}

void Guards::add_pattern(size_t guard, const std::string& pattern, const std::shared_ptr<const Area>& fixed,
                         const std::shared_ptr<const Area>& floating) {
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
    compiled.fixed_length = std::find(compiled.parts.begin(), compiled.parts.end(), "**") == compiled.parts.end();
    compiled.area = compiled.floating ? floating : fixed;
    Place place{guard, "", "", compiled.subtree, false, {}};
    std::string_view written = pattern;
    written.remove_prefix(compiled.floating ? 3 : 0); // "**/"
    written.remove_suffix(compiled.subtree ? 3 : 0);  // "/**"
    if (compiled.floating) {
        place.floating = written;
        place.within = floating->directories;
    } else {
        place.glob = has_wildcard(written);
        place.path = place.glob ? std::string(written) : unescape_path(written).value_or(std::string(written));
    }
    const auto literal = std::find_if(compiled.parts.rbegin(), compiled.parts.rend(), [](const std::string& part) {
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

size_t Guards::match(const Compiled& compiled, const Components& path) {
    size_t end = std::string_view::npos;
    const auto found = [&] {
        return end != std::string_view::npos && (compiled.subtree || end == path.size());
    };
    if (compiled.floating) {
        for (const auto& directory : compiled.area->within) {
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
    for (const auto& exception : compiled.area->except) {
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

namespace {

size_t glance(std::string_view name) {
    const auto first = static_cast<unsigned char>(name.front());
    const auto last = static_cast<unsigned char>(name.back());
    return (first * size_t{67} + last * size_t{5} + name.size()) % 4096;
}

size_t glance_at_end(std::string_view name) {
    return (static_cast<unsigned char>(name[name.size() - 2]) * size_t{37} +
            static_cast<unsigned char>(name.back())) %
           4096;
}

} // namespace

void Guards::Glance::add_name(std::string_view name) {
    if (!name.empty()) {
        names.set(glance(name));
    }
}

void Guards::Glance::add_ending(std::string_view ending) {
    if (ending.size() < 2) {
        anything = true;
    } else {
        endings.set(glance_at_end(ending));
    }
}

void Guards::Glance::add_pattern(std::string_view pattern) {
    if (pattern.front() == '*' || pattern.front() == '\\') {
        anything = true;
    } else {
        begins.set(static_cast<unsigned char>(pattern.front()));
    }
}

bool Guards::Glance::may_name(std::string_view name) const {
    return anything || name.empty() || names[glance(name)] ||
           (name.size() > 1 && endings[glance_at_end(name)]) ||
           begins[static_cast<unsigned char>(name.front())];
}

bool Guards::may_name(std::string_view name) const {
    if (!glance_.may_name(name)) {
        return false;
    }
    return may_name_by_wildcard(name) || by_name_.find(name) != by_name_.end();
}

bool Guards::may_reach(std::string_view absolute_path) const {
    const Components path = path_components(absolute_path);
    if (path.empty() || !glance_.may_name(path.back())) {
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
