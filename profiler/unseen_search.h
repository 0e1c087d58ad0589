// What lies below directories that no run came to: looked at breadth first, so that what is near is found
// before what is deep, and within bounds, so that a home full of other things takes no longer than a moment.
// The same disk is looked at in the same order.
#pragma once

#include <string>
#include <vector>

#include "profiler/path_trie.h"
#include "profiler/reduce.h"

namespace treadline {

struct UnseenDirectory {
    std::string path;     // absolute
    PathTrie::Node below; // the directory above it that the runs came to
};

constexpr size_t most_unseen_directories = 2000;
constexpr size_t most_unseen_names = 50'000;

// Calls `visit(directory, entry)` for each name; what it returns true for is looked into as well. Those that
// were not looked at, or not wholly, when the bounds were reached.
template <class Visit>
std::vector<UnseenDirectory> look_below(std::vector<UnseenDirectory> waiting, const DiskView& disk,
                                        Visit visit) {
    size_t names = 0;
    for (size_t at = 0; at < waiting.size(); ++at) {
        bool truncated = false;
        if (at == most_unseen_directories || names > most_unseen_names) {
            waiting.erase(waiting.begin(), waiting.begin() + static_cast<long>(at));
            return waiting;
        }
        const UnseenDirectory directory = waiting[at];
        for (const DiskView::Entry& entry : disk.list(directory.path, truncated)) {
            if (visit(directory, entry) && entry.directory && !entry.symlink) {
                waiting.push_back({directory.path + "/" + entry.name, directory.below});
            }
            ++names;
        }
        if (truncated) {
            names = most_unseen_names + 1;
            waiting.insert(waiting.begin() + static_cast<long>(at) + 1, directory);
        }
    }
    return {};
}

} // namespace treadline
