// File names as the tasks inside see them: arguments read from their memory, paths resolved in their root.
//
// Everything read here can change while it is read; nothing is granted by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>
#include <time.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline {

enum class LastLink : uint8_t { Follow, Keep };

struct InsidePath {
    std::string path; // resolved, absolute, as inside
    bool exists = false;
    bool hidden = false; // below a directory that cannot be searched: a mask
    bool linked = false; // a symbolic link lay on the way, or may have
    bool directory = false;
    bool executable = true; // by somebody; unknown counts as yes
};

struct InsideTree {
    std::vector<std::string> names;
    std::vector<std::string> unread; // directories whose names cannot be listed; the last one too where they are too many
};

class InsideView {
public:
    // `task`: any task inside; its root directory is everybody's.
    static result<InsideView> open(pid_t task);

    // `directory` is the descriptor number or AT_FDCWD of `task`. Nothing for what is no path (a pipe, say).
    [[nodiscard]] std::optional<InsidePath> resolve(pid_t task, int directory, const std::string& raw,
                                                    LastLink last) const;
    // Each name that the kernel comes to on the way of an absolute path, through links, and its end.
    [[nodiscard]] std::optional<std::vector<std::string>> places_of(pid_t task, const std::string& path, LastLink last) const;
    // Of a normalised absolute path.
    [[nodiscard]] bool exists(const std::string& path) const;
    // Of one in a directory that is no link, either; missing counts.
    [[nodiscard]] bool is_no_link(const std::string& path) const;
    // The names in a directory; nothing where they cannot be listed.
    [[nodiscard]] std::optional<std::vector<std::string>> entries(const std::string& path) const;

    // What lies below a directory, relative to it.
    [[nodiscard]] InsideTree tree(const std::string& path) const;
    // Whether what is there was there before the run.
    [[nodiscard]] bool older_than_run(const std::string& path) const;
    // How many processes there can have been inside, by the numbers given out since the first one.
    [[nodiscard]] int most_processes() const;

private:
    InsideView(unique_fd root, pid_t first, timespec started) : root_(std::move(root)), first_(first), started_(started) {}
    [[nodiscard]] std::optional<std::string> name_of_mask(int at, const std::string& object, const std::string& target) const;
    [[nodiscard]] std::optional<InsidePath> without_links(const std::string& path, LastLink last) const;
    [[nodiscard]] std::optional<InsidePath> missing(pid_t task, const std::string& path, LastLink last) const;
    [[nodiscard]] std::optional<InsidePath> walk(pid_t task, const std::string& path, LastLink last,
                                                 std::vector<std::string>* places = nullptr) const;
    unique_fd root_;
    pid_t first_;
    timespec started_;
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
