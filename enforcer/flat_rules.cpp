#include "enforcer/flat_rules.h"

#include <algorithm>


#include "base/path.h"
#include "base/text.h"
#include "enforcer/held_rules.h"
#include "enforcer/missing_defs.h"

namespace treadline {
namespace {

constexpr uint64_t making = landlock::make_char | landlock::make_dir | landlock::make_reg | landlock::make_sock |
                            landlock::make_fifo | landlock::make_block | landlock::make_sym | landlock::remove_dir |
                            landlock::remove_file | landlock::refer;
constexpr uint64_t changing = landlock::write_file | landlock::truncate | making;
constexpr uint64_t of_files = landlock::execute | landlock::write_file | landlock::read_file | landlock::truncate | landlock::ioctl_dev |
                              landlock::resolve_unix;
constexpr size_t most_rules = 20'000;


class Flattener {
public:
    Flattener(const std::vector<std::string>& masked, const std::vector<std::string>& sealed)
        : masked_(masked), sealed_(sealed) {}

    enum class From : uint8_t { Profile, Split };

    // What the profile itself names is not sealed, whatever lies sealed around it.
    void add(const LandlockRule& rule, From from = From::Profile) {
        const auto above = [&](const std::string& mask) { return is_within(rule.path, mask); };
        if (std::any_of(masked_.begin(), masked_.end(), above)) {
            return;
        }
        const bool changes = (rule.rights & changing) != 0;
        const bool sealed = from == From::Split && changes && std::any_of(sealed_.begin(), sealed_.end(), above);
        const LandlockRule held{rule.path, sealed ? rule.rights & ~changing : rule.rights, rule.why};
        const std::string* inside = blocker(held);
        if (inside == nullptr) {
            keep(held);
        } else if ((held.rights & making) != 0) {
            keep(held);
            flat_.gaps.push_back("'" + printable(*inside) + "' lies in reach of `" + rule.why +
                                 "`, and without mounts only the supervisor's answers keep it, which a program can race");
        } else {
            split(held);
        }
    }

    FlatRules take() { return std::move(flat_); }

private:
    // What lies below the rule's path and is not to be reached by it.
    [[nodiscard]] const std::string* blocker(const LandlockRule& rule) const {
        const auto below = [&](const std::string& path) { return path != rule.path && is_within(path, rule.path); };
        const auto mask = std::find_if(masked_.begin(), masked_.end(), below);
        if (mask != masked_.end()) {
            return &*mask;
        }
        const auto seal = std::find_if(sealed_.begin(), sealed_.end(), below);
        return (rule.rights & changing) != 0 && seal != sealed_.end() ? &*seal : nullptr;
    }

    void split(const LandlockRule& rule) {
        keep({rule.path, rule.rights & landlock::read_dir, rule.why});
        for (const DirectoryEntry& entry : list_directory(rule.path)) {
            if (!entry.symlink) {
                const uint64_t rights = entry.directory ? rule.rights : rule.rights & of_files;
                add({join_path(rule.path, entry.name), rights, rule.why}, From::Split);
            }
        }
    }

    void keep(const LandlockRule& rule) {
        if (rule.rights == 0) {
            return;
        }
        if (flat_.rules.size() < most_rules) {
            flat_.rules.push_back(rule);
        } else if (flat_.rules.size() == most_rules && !full_) {
            full_ = true;
            flat_.gaps.push_back("more than " + std::to_string(most_rules) +
                                 " files lie beside what is masked; the rest of them cannot be reached");
        }
    }

    const std::vector<std::string>& masked_;
    const std::vector<std::string>& sealed_;
    FlatRules flat_;
    bool full_ = false;
};

} // namespace

FlatRules flatten(const std::vector<LandlockRule>& rules, const std::vector<std::string>& masked,
                  const std::vector<std::string>& sealed) {
    Flattener flattener(masked, sealed);
    for (const LandlockRule& rule : rules) {
        flattener.add(rule);
    }
    return flattener.take();
}

} // namespace treadline
