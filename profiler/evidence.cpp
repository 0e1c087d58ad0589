// EvidenceCounter and sums of evidence (access_set.h).
#include <algorithm>

#include "profiler/access_set.h"

namespace treadline {
namespace {

constexpr size_t max_programs = 4;
constexpr size_t max_examples = 3;

std::vector<uint64_t> each_once(std::vector<uint64_t> numbers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
}

} // namespace

void EvidenceCounter::add(const Subject& subject, size_t run, uint64_t count) {
    accesses_ += count;
    runs_.insert(run);
    if (!subject.program.empty()) {
        programs_[subject.program] += count;
    }
    roles_.insert(subject.role);
    before_untrusted_ = before_untrusted_ || !subject.after_untrusted;
}

void EvidenceCounter::by(size_t run, int64_t process) {
    const uint64_t number = static_cast<uint64_t>(run) << 32 | static_cast<uint32_t>(process);
    if (process == 0 || (!processes_.empty() && processes_.back() == number)) {
        return;
    }
    processes_.push_back(number);
    if (processes_.size() >= sort_at_) { // no more memory than twice as many as there are
        processes_ = each_once(std::move(processes_));
        sort_at_ = std::max(sort_at_, 2 * processes_.size());
    }
}

void EvidenceCounter::add(const EvidenceCounter& other) {
    accesses_ += other.accesses_;
    processes_.insert(processes_.end(), other.processes_.begin(), other.processes_.end());
    runs_.insert(other.runs_.begin(), other.runs_.end());
    for (const auto& [name, count] : other.programs_) {
        programs_[name] += count;
    }
    roles_.insert(other.roles_.begin(), other.roles_.end());
    before_untrusted_ = before_untrusted_ || other.before_untrusted_;
    by_made_link_ = by_made_link_ || other.by_made_link_;
    directly_ = directly_ || other.directly_;
}

void EvidenceCounter::example(const std::string& portable) {
    if (wants_examples() && (examples_.empty() || examples_.back() != portable)) {
        examples_.push_back(portable);
    }
}

bool EvidenceCounter::wants_examples() const {
    return examples_.size() < max_examples;
}

Evidence EvidenceCounter::finish(int of_runs) const {
    Evidence evidence;
    evidence.accesses = accesses_;
    evidence.processes = static_cast<int>(each_once(processes_).size());
    evidence.runs = static_cast<int>(runs_.size());
    evidence.of_runs = of_runs;
    evidence.examples = examples_;
    evidence.first_run = runs_.empty() ? 0 : static_cast<int>(*runs_.begin());
    evidence.last_run = runs_.empty() ? 0 : static_cast<int>(*runs_.rbegin());
    evidence.roles.assign(roles_.begin(), roles_.end());
    evidence.only_after_untrusted = !runs_.empty() && !before_untrusted_;
    evidence.only_through_made_links = by_made_link_ && !directly_;
    std::vector<std::pair<std::string, uint64_t>> ranked(programs_.begin(), programs_.end());
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    for (size_t i = 0; i < ranked.size() && i < max_programs; ++i) {
        evidence.programs.push_back(ranked[i].first);
    }
    return evidence;
}

Evidence sum_of(const Evidence& a, const Evidence& b) {
    Evidence sum = a;
    sum.accesses += b.accesses;
    sum.processes = std::max(a.processes, b.processes);
    sum.runs = std::max(a.runs, b.runs);
    sum.first_run = std::min(a.first_run, b.first_run);
    sum.last_run = std::max(a.last_run, b.last_run);
    sum.only_after_untrusted = a.only_after_untrusted && b.only_after_untrusted;
    sum.only_through_made_links = a.only_through_made_links && b.only_through_made_links;
    std::set<Role> roles(a.roles.begin(), a.roles.end());
    roles.insert(b.roles.begin(), b.roles.end());
    sum.roles.assign(roles.begin(), roles.end());
    const auto add = [](std::vector<std::string>& texts, const std::vector<std::string>& more, size_t most) {
        for (const std::string& text : more) {
            if (texts.size() < most && std::find(texts.begin(), texts.end(), text) == texts.end()) {
                texts.push_back(text);
            }
        }
    };
    add(sum.programs, b.programs, max_programs);
    add(sum.examples, b.examples, max_examples);
    return sum;
}

} // namespace treadline
