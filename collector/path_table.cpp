#include "collector/path_table.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace treadline {
namespace {

constexpr size_t chunk_size = 256 * 1024;

uint32_t hash_of(uint32_t parent, std::string_view name) {
    return mixed(std::hash<std::string_view>{}(name) + parent * 0x9e3779b97f4a7c15ULL);
}

bool is_normal(std::string_view path) {
    return path.size() > 1 && path.front() == '/' && path.back() != '/' &&
           path.find("//") == std::string_view::npos;
}

} // namespace

std::string path_below(std::string_view directory, std::string_view name) {
    std::string path(directory);
    if (directory != "/") {
        path += '/';
    }
    path += name;
    return path;
}

std::string_view PathTable::keep(std::string_view name) {
    if (name.size() > free_.size()) {
        const size_t size = std::max(chunk_size, name.size());
        chunks_.push_back(std::make_unique<char[]>(size));
        free_ = {chunks_.back().get(), size};
    }
    const std::string_view kept = free_.substr(0, name.size());
    if (!name.empty()) {
        std::memcpy(const_cast<char*>(kept.data()), name.data(), name.size());
    }
    free_.remove_prefix(name.size());
    return kept;
}

uint32_t PathTable::find_below(uint32_t directory, std::string_view name) const {
    return index_.find(hash_of(directory, name), [&](uint32_t id) {
        const Entry& entry = entries_[id - 1];
        return entry.parent == directory && entry.name == name;
    });
}

uint32_t PathTable::id_below(uint32_t parent, std::string_view name) {
    if (const uint32_t known = find_below(parent, name); known != 0) {
        return known;
    }
    entries_.push_back({parent, keep(name)});
    index_.insert(hash_of(parent, name), size());
    return size();
}

uint32_t PathTable::id_of(std::string_view path) {
    if (!is_normal(path)) {
        return id_below(0, path);
    }
    if (steps_.empty()) {
        steps_.push_back({0, id_below(0, "/")});
    }
    const auto shared = static_cast<size_t>(
        std::mismatch(path.begin(), path.end(), last_.begin(), last_.end()).first - path.begin());
    const auto is_shared = [&](const Step& step) {
        return step.end <= shared && (step.end == path.size() || path[step.end] == '/');
    };
    while (!is_shared(steps_.back())) { // the root always is
        steps_.pop_back();
    }
    while (steps_.back().end < path.size()) {
        const size_t start = steps_.back().end + 1;
        const size_t end = std::min(path.find('/', start), path.size());
        steps_.push_back({end, id_below(steps_.back().id, path.substr(start, end - start))});
    }
    last_.assign(path);
    return steps_.back().id;
}

std::string PathTable::text(uint32_t id) const {
    std::string path;
    read_text(id, path);
    return path;
}

void PathTable::read_text(uint32_t id, std::string& text) const {
    const Entry& last = entries_[id - 1];
    if (last.parent == 0) {
        text.assign(last.name);
        return;
    }
    size_t size = 0;
    for (const Entry* at = &last; at->parent != 0; at = &entries_[at->parent - 1]) {
        size += 1 + at->name.size();
    }
    text.assign(size, '/');
    for (const Entry* at = &last; at->parent != 0; at = &entries_[at->parent - 1]) {
        size -= at->name.size();
        text.replace(size--, at->name.size(), at->name);
    }
}

} // namespace treadline
