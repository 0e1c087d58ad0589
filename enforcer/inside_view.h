// File names as the tasks inside see them: arguments read from their memory, paths resolved in their root.
//
// Everything read here can change while it is read; nothing is granted by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline {

enum class LastLink : uint8_t { Follow, Keep };

struct InsidePath {
    std::string path; // resolved, absolute, as inside
    bool exists = false;
    bool hidden = false; // below a directory that cannot be searched: a mask
    bool linked = false; // a symbolic link lay on the way
    bool directory = false;
    bool executable = true; // by somebody; unknown counts as yes
};

class InsideView {
public:
    // `task`: any task inside; its root directory is everybody's.
    static result<InsideView> open(pid_t task);

    // `directory` is the descriptor number or AT_FDCWD of `task`. Nothing for what is no path (a pipe, say).
    [[nodiscard]] std::optional<InsidePath> resolve(pid_t task, int directory, const std::string& raw,
                                                    LastLink last) const;
    // Of a normalised absolute path.
    [[nodiscard]] bool exists(const std::string& path) const;
    // The names in a directory; nothing where they cannot be listed.
    [[nodiscard]] std::optional<std::vector<std::string>> entries(const std::string& path) const;

private:
    explicit InsideView(unique_fd root) : root_(std::move(root)) {}
    [[nodiscard]] std::optional<InsidePath> missing(pid_t task, const std::string& path, LastLink last) const;
    [[nodiscard]] std::optional<InsidePath> walk(pid_t task, const std::string& path, LastLink last) const;
    unique_fd root_;
};

std::optional<std::string> read_string(pid_t task,
                                       uint64_t address); // at most PATH_MAX; nothing if unreadable
bool read_bytes(pid_t task, uint64_t address, void* into, size_t size);

struct InsideProcess {
    int32_t pid = 0; // inside
    std::string exe;
    std::vector<std::string> argv;
};
InsideProcess describe_process(pid_t task);

} // namespace treadline
