#include "profiler/run_paths.h"

#include <algorithm>
#include <array>

#include "base/path.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A file name as rules write it. Most need no escape; those that may are asked about.
bool needs_no_escape(std::string_view name) {
    static constexpr auto plain = [] {
        std::array<bool, 256> characters{};
        for (int c = 0x21; c < 0x7F; ++c) {
            characters[static_cast<size_t>(c)] = c != '*' && c != '\\' && c != '$';
        }
        return characters;
    }();
    bool all = true;
    for (const char c : name) {
        all &= plain[static_cast<unsigned char>(c)];
    }
    return all;
}

// Absolute, and normal already.
bool is_plain(std::string_view path) {
    if (path.size() < 2 || path.front() != '/' || path.back() == '/') {
        return false;
    }
    for (size_t at = path.find("/."); at != std::string_view::npos; at = path.find("/.", at + 1)) {
        const std::string_view rest = path.substr(at + 2);
        if (rest.empty() || rest[0] == '/' || rest == "." || rest.starts_with("./")) {
            return false;
        }
    }
    return path.find("//") == std::string_view::npos;
}

bool is_name(std::string_view text) {
    return !text.empty() && text != "." && text != ".." && text.find('/') == std::string_view::npos;
}

// By any of its names.
bool may_be_guarded(const Guards& guards, std::string_view path) {
    for (; path.size() > 1; path = parent_path(path)) {
        if (guards.may_reach(path)) {
            return true;
        }
    }
    return false;
}

} // namespace

std::string without_process_ids(std::string_view path, std::string_view instead) {
    std::string text;
    for (const std::string_view name : path_components(path)) {
        text += '/';
        text += is_number(name) ? instead : name;
    }
    return text;
}

RunPaths::RunPaths(PathTrie& trie, const Variables& variables, const Guards& guards, const PathRows& rows, bool new_trie)
    : trie_(trie), variables_(variables), guards_(guards), paths_(rows), new_trie_(new_trie), rows_(size_t{rows.size()} + 1) {
    for (const char* name : {"project", "home", "tmp", "cache", "config", "data", "state", "runtime"}) {
        if (!variables.get(name).empty()) {
            variable_values_.push_back(variables.get(name));
        }
    }
}

bool RunPaths::may_be_missing(std::string_view path) const {
    return is_within(path, variables_.get("project")) || is_within(path, variables_.get("home")) ||
           is_within(path, variables_.get("cache"));
}

PathTrie::Node RunPaths::node_of(std::string_view path) {
    std::string cleaned;
    if (!is_plain(path)) {
        cleaned = normalise_path(path);
        path = cleaned;
    }
    if (path.substr(0, 6) == "/proc/") {
        return trie_.insert(escape_path(without_process_ids(path, "self")));
    }
    const bool is_value = std::find(variable_values_.begin(), variable_values_.end(), path) !=
                          variable_values_.end();
    const std::string_view parent = parent_path(path);
    if (is_value || path == "/") {
        return trie_.insert(variables_.shorten(path));
    }
    auto at = directories_.find(parent);
    if (at == directories_.end()) {
        const PathTrie::Node node = trie_.insert(variables_.shorten(parent));
        at = directories_.emplace(std::string(parent), node).first;
    }
    const std::string_view name = file_name(path);
    if (variables_.names_tell_users(parent)) {
        return trie_.insert_child(at->second, variables_.portable_name(name));
    }
    return needs_no_escape(name) ? trie_.insert_child(at->second, name)
                                 : trie_.insert_child(at->second, escape_path(name));
}

// Almost every row lies in its directory's node, and is the only one there of its name. Where a variable's
// folder begins, and below /proc, the text decides.
RunPaths::Place RunPaths::place_of_row(uint32_t number) {
    Place row;
    row.known = true;
    const uint32_t parent = paths_.parent(number);
    const std::string_view name = paths_.name(number);
    const Place& above = rows_[parent];
    if (parent != 0 && !above.by_text && is_name(name)) {
        const auto child = [&](std::string_view written) {
            return new_trie_ ? trie_.append_child(above.node, written)
                             : trie_.insert_child(above.node, written);
        };
        row.tells_users = above.tells_users;
        row.node = row.tells_users         ? child(variables_.portable_name(name))
                   : needs_no_escape(name) ? child(name)
                                           : child(escape_path(name));
        row.may_guard = above.may_guard ||
                        (guards_.may_name(name) && guards_.may_reach(paths_.text(number)));
        row.may_be_missing = above.may_be_missing;
        return row;
    }
    const std::string text = paths_.text(number);
    row.may_guard = (parent != 0 && above.may_guard) || may_be_guarded(guards_, text);
    row.may_be_missing = may_be_missing(text);
    row.by_text =
        !is_plain(text) || is_within(text, "/proc") ||
        std::any_of(variable_values_.begin(), variable_values_.end(),
                    [&](const std::string& value) { return value != text && is_within(value, text); });
    if (!text.empty() && text.front() == '/') {
        row.node = node_of(text);
        row.tells_users = variables_.names_tell_users(text);
    }
    return row;
}

const RunPaths::Place& RunPaths::row(uint32_t number) {
    way_.clear();
    for (uint32_t at = number; at != 0 && !rows_[at].known; at = paths_.parent(at)) {
        way_.push_back(at);
    }
    for (auto at = way_.rbegin(); at != way_.rend(); ++at) {
        rows_[*at] = place_of_row(*at);
    }
    return rows_[number];
}

RunPaths::Place RunPaths::place(const std::string& path) {
    Place place;
    if (!path.empty() && path.front() == '/') {
        place.node = node_of(path);
    }
    place.may_guard = true;
    place.may_be_missing = may_be_missing(path);
    return place;
}

} // namespace treadline
