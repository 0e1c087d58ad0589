#include "profiler/include_exposure.h"

#include <algorithm>
#include <array>

#include "base/path.h"
#include "profiler/cost_model.h"
#include "profiles/pattern.h"

namespace treadline {

const std::vector<DiskView::Entry>& IncludeExposure::list(const std::string& directory) const {
    const auto [at, first] = listed_.try_emplace(directory);
    if (first && disk_ != nullptr) {
        bool truncated = false;
        at->second = disk_->list(directory, truncated);
    }
    return at->second;
}

// Links count as nothing: rules speak of what they lead to. A directory below is a typical one.
int64_t IncludeExposure::entries(const Pattern& pattern) const {
    if (pattern.extent == Extent::Names || pattern.extent == Extent::Subtree) {
        int64_t count = 0;
        for (const DiskView::Entry& entry : list(pattern.path)) {
            const bool deeper = entry.directory && pattern.extent == Extent::Subtree;
            count += entry.symlink ? 0 : deeper ? costs_.entries_of_unseen_directory : 1;
        }
        return count;
    }
    // Name by name: of a glob, each that fits.
    std::vector<std::string> directories{""};
    const std::vector<std::string_view> names = path_components(pattern.path);
    for (size_t i = 0; i < names.size(); ++i) {
        const bool last = i + 1 == names.size();
        if (!last && !has_wildcard(names[i])) {
            for (std::string& directory : directories) {
                directory += '/';
                directory += names[i];
            }
            continue;
        }
        std::vector<std::string> found;
        for (const std::string& directory : directories) {
            for (const DiskView::Entry& entry : list(directory.empty() ? "/" : directory)) {
                const bool fits = pattern.extent == Extent::Glob ? matches_glob(names[i], entry.name)
                                                                 : entry.name == names[i];
                if (fits && !entry.symlink && (last || entry.directory)) {
                    found.push_back(directory + "/" + entry.name);
                }
            }
        }
        directories = std::move(found);
    }
    return static_cast<int64_t>(directories.size());
}

void IncludeExposure::add(const PolicyRule& rule, Sum& sum) const {
    const auto [at, first] = counted_.try_emplace(rule.text);
    if (first) {
        at->second = entries(rule.pattern);
    }
    const Weights& weights = costs_.of(class_of_path(here_.shorten(rule.pattern.path)));
    for (const Mode mode : {Mode::Read, Mode::Write, Mode::Create, Mode::Execute}) {
        if (rule.modes.has(mode)) {
            (weights.logarithmic ? sum.logarithmic : sum.counted) += weights.of(mode) * at->second;
        }
    }
}

MilliLines IncludeExposure::lines(const Sum& sum) const {
    const MilliLines lines = sum.counted * one_line / one_entry + log2_of_one_more(sum.logarithmic);
    return plus(0, lines * costs_.tightness / 1000);
}

} // namespace treadline
