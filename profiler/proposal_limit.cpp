#include "profiler/proposal_limit.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "base/path.h"
#include "profiler/rule_text.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

constexpr size_t around_all = 4096; // keys, the certificate

// Of a file rule to the byte, so that a profile is filled; of others no less than that.
size_t size_of(const ProposedRule& rule) {
    const bool plain = rule.section == Section::Files && rule.stands();
    return with_comment((plain ? "  " : "#     - ") + yaml_line(rule), rule_comment(rule)).size();
}

size_t size_of(const std::vector<std::string>& command) {
    size_t size = 0;
    for (const std::string& word : command) {
        size += yaml_scalar(word, YamlContext::Flow).size() + 2;
    }
    return size;
}

bool always_stays(const ProposedRule& rule) {
    return rule.section == Section::Deny || rule.section == Section::Include ||
           rule.section == Section::Syscalls;
}

// The directory a rule's path lies in, or the section of what is no path.
std::string place_of(const ProposedRule& rule) {
    return rule.section != Section::Files ? "'" + std::string(section_key(rule.section)) + "'"
                                          : std::string(parent_path(file_rule_parts(rule.text).first));
}

// How many were left out of which place.
class LeftOut {
public:
    void add(const ProposedRule& rule) {
        ++count_;
        ++places_[place_of(rule)];
    }
    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::string count() const {
        return std::to_string(count_) + (count_ == 1 ? " rule" : " rules");
    }
    [[nodiscard]] std::string most() const {
        const auto most = std::max_element(places_.begin(), places_.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        return "most are in " + most->first +
               ", where one rule may not stand for all: let the command work in a " +
               "directory of its own, and learn into a new profile (-p)";
    }

private:
    size_t count_ = 0;
    std::map<std::string, size_t> places_;
};

} // namespace

void limit_proposal(Proposal& proposal, size_t room, size_t waiting) {
    const std::vector<ProposedRule>& rules = proposal.rules;
    size_t size = around_all + size_of(proposal.learned.command);
    std::vector<size_t> ranked;
    for (size_t i = 0; i < rules.size(); ++i) {
        if (always_stays(rules[i])) {
            size += size_of(rules[i]);
        } else {
            ranked.push_back(i);
        }
    }
    std::stable_sort(ranked.begin(), ranked.end(), [&](size_t a, size_t b) {
        const auto rank = [&](size_t i) {
            return std::tuple(rules[i].stands(), rules[i].evidence.runs, rules[i].evidence.accesses);
        };
        return rank(a) > rank(b);
    });
    std::vector<bool> left_out(rules.size(), false);
    LeftOut missing;
    LeftOut undecided;
    size_t to_decide = waiting;
    for (const size_t i : ranked) {
        to_decide += rules[i].stands() ? 0 : 1;
        size += size_of(rules[i]);
        left_out[i] = size > room || to_decide > most_to_decide;
        if (left_out[i]) {
            (rules[i].stands() ? missing : undecided).add(rules[i]);
        }
    }
    size_t at = 0;
    std::erase_if(proposal.rules, [&](const ProposedRule&) { return left_out[at++]; });
    if (!missing.empty()) {
        proposal.learned.complete = false;
        proposal.warnings.push_back("without " + missing.count() +
                                    ", for no profile may be larger than 1 MiB: what they allow is denied; " +
                                    missing.most());
    }
    if (!undecided.empty()) {
        proposal.warnings.push_back("without " + undecided.count() +
                                    " that would wait for you, for nobody decides on so many; " +
                                    undecided.most());
    }
}

} // namespace treadline
