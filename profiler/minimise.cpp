#include "profiler/minimise.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

namespace treadline {
namespace {

constexpr size_t also_named = 4;

// What is dropped or kept as a whole: a rule of the profile's own, or an include.
using Unit = size_t;

// The size of what a rule can reach, roughly: of rules that stand in for each other the narrow ones go first,
// because the wide one is what somebody, or learning, made of them.
auto width(const IndexedRule& rule) {
    const bool wide = rule.section == Section::Private || rule.extent == Extent::Subtree;
    const int extent = rule.section == Section::Files || wide ? static_cast<int>(rule.extent) : 0;
    return std::tuple(wide                                        ? 2
                      : extent == static_cast<int>(Extent::Exact) ? 0
                                                                  : 1,
                      -static_cast<long>(rule.text.size()), rule.text);
}

class Minimiser {
public:
    Minimiser(const MinimiseInput& input, const RuleIndex& index)
        : input_(input), index_(index), units_of_(index.rules().size()) {}

    result<Minimised> run() {
        TRY(name_units());
        const Replay replay = treadline::replay(input_.traces, input_.variables, index_);
        for (const auto& [rules, held] : replay.held) {
            add_held(rules, held);
        }
        for (RuleId id = 0; id < index_.rules().size(); ++id) {
            add_use(id, replay.rules[id]);
        }
        judge();
        drop_together();
        result_.denied = replay.denied;
        result_.accesses = replay.accesses;
        result_.runs = replay.runs;
        return std::move(result_);
    }

private:
    struct Facts {
        std::vector<bool> runs;
        Modes used;
        std::string alone_example;
        std::set<Unit> also;
        bool is_include = false;
        RuleId rule = 0;
    };
    result<ok> name_units();
    Unit add_unit(RuleVerdict verdict, bool is_include, RuleId rule) {
        result_.rules.push_back(std::move(verdict));
        facts_.push_back({});
        facts_.back().is_include = is_include;
        facts_.back().rule = rule;
        return result_.rules.size() - 1;
    }
    void add_held(const std::vector<RuleId>& rules, const HeldTogether& held);
    void add_use(RuleId id, const RuleUse& use);
    void judge();
    void drop_together();

    const MinimiseInput& input_;
    const RuleIndex& index_;
    std::vector<std::vector<Unit>> units_of_; // by rule
    std::vector<Facts> facts_;                // by unit
    std::map<std::vector<Unit>, uint64_t> held_;
    Minimised result_;
};

result<ok> Minimiser::name_units() {
    for (RuleId id = 0; id < index_.rules().size(); ++id) {
        const IndexedRule& rule = index_.rules()[id];
        if (rule.origin.source.rfind("include ", 0) != 0) {
            RuleVerdict verdict;
            verdict.section = rule.section;
            verdict.rule = rule.text;
            verdict.line = rule.origin.at.line;
            units_of_[id].push_back(add_unit(std::move(verdict), false, id));
        }
    }
    for (const Entry& entry : input_.profile.include) {
        Profile only;
        only.include.push_back(entry);
        const Policy alone = TRY(Policy::build(only, "", input_.policy.variables(), input_.load));
        RuleVerdict verdict;
        verdict.section = Section::Include;
        verdict.rule = entry.text;
        verdict.line = entry.at.line;
        const Unit unit = add_unit(std::move(verdict), true, 0);
        for (RuleId id = 0; id < index_.rules().size(); ++id) {
            const auto& names = alone.includes();
            if (std::any_of(names.begin(), names.end(),
                            [&](const std::string& name) { return index_.rules()[id].includes(name); })) {
                units_of_[id].push_back(unit);
                ++result_.rules[unit].parts;
            }
        }
    }
    return ok{};
}

void Minimiser::add_held(const std::vector<RuleId>& rules, const HeldTogether& held) {
    std::set<Unit> units;
    for (const RuleId id : rules) {
        units.insert(units_of_[id].begin(), units_of_[id].end());
    }
    held_[{units.begin(), units.end()}] += held.accesses;
    for (const Unit unit : units) {
        RuleVerdict& verdict = result_.rules[unit];
        verdict.accesses += held.accesses;
        if (verdict.example.empty()) {
            verdict.example = held.example;
        }
        if (units.size() == 1) {
            verdict.alone += held.accesses;
            facts_[unit].alone_example = held.example;
        }
        facts_[unit].also.insert(units.begin(), units.end());
    }
}

void Minimiser::add_use(RuleId id, const RuleUse& use) {
    const bool used = std::find(use.runs.begin(), use.runs.end(), true) != use.runs.end();
    for (const Unit unit : units_of_[id]) {
        Facts& facts = facts_[unit];
        facts.runs.resize(use.runs.size());
        for (size_t run = 0; run < use.runs.size(); ++run) {
            facts.runs[run] = facts.runs[run] || use.runs[run];
        }
        facts.used |= use.modes;
        result_.rules[unit].parts_used += facts.is_include && used;
    }
}

void Minimiser::judge() {
    for (Unit unit = 0; unit < result_.rules.size(); ++unit) {
        RuleVerdict& verdict = result_.rules[unit];
        Facts& facts = facts_[unit];
        verdict.runs = static_cast<int>(std::count(facts.runs.begin(), facts.runs.end(), true));
        if (verdict.accesses == 0) {
            verdict.verdict = Verdict::NeverUsed;
            verdict.can_be_dropped = true;
            continue;
        }
        if (verdict.section == Section::Files) {
            verdict.unused = index_.rules()[facts.rule].modes.without(facts.used);
        }
        if (verdict.alone > 0) {
            verdict.verdict = Verdict::LoadBearing;
            verdict.example = facts.alone_example;
            continue;
        }
        verdict.verdict = Verdict::Redundant;
        facts.also.erase(unit);
        for (const Unit other : facts.also) {
            if (verdict.also.size() < also_named) {
                verdict.also.push_back((facts_[other].is_include ? "include " : "") +
                                       result_.rules[other].rule);
            }
        }
    }
}

// Narrow ones first; what would then be left with no rule keeps its last one.
void Minimiser::drop_together() {
    std::vector<Unit> redundant;
    for (Unit unit = 0; unit < result_.rules.size(); ++unit) {
        if (result_.rules[unit].verdict == Verdict::Redundant) {
            redundant.push_back(unit);
        }
    }
    std::sort(redundant.begin(), redundant.end(), [&](Unit a, Unit b) {
        if (facts_[a].is_include != facts_[b].is_include) {
            return facts_[b].is_include; // an include is one line for many rules
        }
        return facts_[a].is_include
                   ? a < b
                   : width(index_.rules()[facts_[a].rule]) < width(index_.rules()[facts_[b].rule]);
    });
    std::map<Unit, std::vector<size_t>> sets_of;
    std::vector<size_t> left; // rules that are kept, by set
    for (const auto& [units, accesses] : held_) {
        for (const Unit unit : units) {
            sets_of[unit].push_back(left.size());
        }
        left.push_back(units.size());
    }
    for (const Unit unit : redundant) {
        const std::vector<size_t>& sets = sets_of[unit];
        if (std::all_of(sets.begin(), sets.end(), [&](size_t set) { return left[set] >= 2; })) {
            result_.rules[unit].can_be_dropped = true;
            std::for_each(sets.begin(), sets.end(), [&](size_t set) { --left[set]; });
        }
    }
}

} // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
    case Verdict::LoadBearing:
        return "load-bearing";
    case Verdict::Redundant:
        return "redundant";
    case Verdict::NeverUsed:
        return "never used";
    }
    return "";
}

size_t Minimised::count(Verdict verdict) const {
    return static_cast<size_t>(std::count_if(
        rules.begin(), rules.end(), [&](const RuleVerdict& rule) { return rule.verdict == verdict; }));
}

bool Minimised::can_shrink() const {
    return std::any_of(rules.begin(), rules.end(),
                       [](const RuleVerdict& rule) { return rule.can_be_dropped; });
}

result<Minimised> minimise(const MinimiseInput& input) {
    const RuleIndex index(input.policy);
    return Minimiser(input, index).run();
}

} // namespace treadline
