#include "enforcer/opened_besides.h"

#include <algorithm>
#include <memory>

#include <dirent.h>
#include <sys/stat.h>

#include "base/path.h"
#include "enforcer/held_rules.h"
#include "profiles/syscall_groups.h"

namespace treadline {
namespace {

constexpr size_t counted = 1000; // existing files looked at; beyond, "at least"
constexpr size_t named = 5;      // system calls listed by name

std::string number_of(size_t count, const std::string& one, const std::string& many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

// At most `counted`: the command may have filled the directory.
size_t count_entries(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    size_t count = 0;
    while (directory != nullptr && count < counted) {
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr) {
            break;
        }
        const std::string_view name(static_cast<const char*>(entry->d_name));
        count += name != "." && name != ".." ? 1 : 0;
    }
    return count;
}

std::string entries_of(const std::string& path, const std::string& one, const std::string& many) {
    const size_t count = count_entries(path);
    return (count == counted ? "at least " : "") + number_of(count, one, many);
}

// Existing files and directories that a pattern reaches.
size_t count_reached(const Pattern& pattern, const std::string& directory) {
    size_t count = 0;
    for (const DirectoryEntry& entry : list_directory(directory)) {
        const std::string path = join_path(directory, entry.name);
        count += pattern.matches(path) ? 1 : 0;
        if (entry.directory && !entry.symlink && pattern.extent == Extent::Subtree && count < counted) {
            count += count_reached(pattern, path);
        }
        if (count >= counted) {
            break;
        }
    }
    return count;
}

std::string by_reviewed_rule(const Policy& policy, const Violation& violation) {
    if (policy.review() == nullptr) {
        return "";
    }
    for (const PolicyRule& rule : policy.review()->files()) {
        if (rule.text != violation.review) {
            continue;
        }
        if (rule.pattern.extent == Extent::Exact) {
            return "no other file";
        }
        if (rule.pattern.extent == Extent::Glob) {
            return "every file that its `*` matches when a run starts";
        }
        const size_t count = count_reached(rule.pattern, rule.pattern.path);
        const size_t others = count > 0 ? count - 1 : 0;
        return (count >= counted ? "at least " : "") + number_of(others, "more existing file", "more existing files") +
               ", and what comes to lie there";
    }
    return "";
}

std::string by_file_rule(const Violation& violation) {
    if (violation.rule.ends_with("/**: x")) {
        return "every program the command makes there";
    }
    struct stat status {};
    const bool there = ::lstat(violation.object.c_str(), &status) == 0;
    if (violation.operation == "create" || violation.operation == "delete") {
        return "new names in its directory, which has " +
               entries_of(std::string(parent_path(violation.object)), "entry", "entries") + "; no other existing file";
    }
    if (there && S_ISDIR(status.st_mode)) {
        return "the names of its " + entries_of(violation.object, "entry", "entries") + ", nothing in them";
    }
    if (there && status.st_nlink > 1) {
        return "its content, which has " + number_of(status.st_nlink - 1, "other name", "other names") + " (hard links)";
    }
    return "no other file";
}

std::string by_syscall_rule(const Policy& policy, const Violation& violation) {
    const auto names = syscalls::expand(violation.rule.starts_with('"') ? violation.rule.substr(1, violation.rule.size() - 2)
                                                                        : violation.rule);
    if (!names) {
        return "";
    }
    std::vector<std::string> more;
    const auto& allowed = policy.syscalls();
    for (const std::string& name : *names) {
        if (name != violation.object && !std::binary_search(allowed.begin(), allowed.end(), name)) {
            more.push_back(name);
        }
    }
    if (more.empty()) {
        return "no other system call";
    }
    std::string text = number_of(more.size(), "more system call: ", "more system calls: ");
    for (size_t i = 0; i < std::min(named, more.size()); ++i) {
        text += (i > 0 ? ", " : "") + more[i];
    }
    return text + (more.size() > named ? "…" : "");
}

} // namespace

std::string opened_besides(const Policy& policy, const Violation& violation) {
    if (!violation.review.empty()) {
        return by_reviewed_rule(policy, violation);
    }
    if (violation.rule.empty()) {
        return "";
    }
    if (violation.section == "files") {
        return by_file_rule(violation);
    }
    if (violation.section == "private") {
        return "no existing file: the directory starts empty and is gone afterwards";
    }
    if (violation.section == "syscalls") {
        return by_syscall_rule(policy, violation);
    }
    if (violation.section == "network.connect") {
        return violation.rule.starts_with('{') ? "no other request; this one could carry everything the command can read"
                                               : "1 host, which could be sent everything the command can read";
    }
    if (violation.section == "network.budgets") {
        return "1 host, to which as much again could go";
    }
    if (violation.section == "network.listen") {
        return "no other port";
    }
    if (violation.section == "unix") {
        return "all that the 1 service behind it does for whoever connects";
    }
    return "";
}

} // namespace treadline
