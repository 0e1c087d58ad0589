#include "base/path.h"

#include <algorithm>

namespace treadline {

std::string normalise_path(std::string_view path) {
    std::string out;
    out.reserve(path.size() + 1);
    size_t at = 0;
    while (at <= path.size()) {
        const size_t slash = std::min(path.find('/', at), path.size());
        const std::string_view name = path.substr(at, slash - at);
        at = slash + 1;
        if (name.empty() || name == ".") {
            continue;
        }
        if (name == "..") {
            out.resize(out.empty() ? 0 : out.rfind('/'));
            continue;
        }
        out += '/';
        out += name;
    }
    return out.empty() ? "/" : out;
}

std::string join_path(std::string_view base, std::string_view path) {
    if (!path.empty() && path.front() == '/') {
        return normalise_path(path);
    }
    std::string joined(base);
    joined += '/';
    joined += path;
    return normalise_path(joined);
}

bool is_within(std::string_view path, std::string_view directory) {
    if (directory == "/") {
        return !path.empty() && path.front() == '/';
    }
    return path.substr(0, directory.size()) == directory &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string_view parent_path(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash == std::string_view::npos || slash == 0 ? std::string_view("/") : path.substr(0, slash);
}

std::string_view file_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

std::vector<std::string_view> path_components(std::string_view path) {
    std::vector<std::string_view> names;
    size_t at = 1;
    while (at < path.size()) {
        const size_t slash = std::min(path.find('/', at), path.size());
        names.push_back(path.substr(at, slash - at));
        at = slash + 1;
    }
    return names;
}

} // namespace treadline
