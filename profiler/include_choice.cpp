#include "profiler/include_choice.h"

#include <algorithm>
#include <bit>
#include <map>

#include "profiler/coverage.h"
#include "profiler/include_candidates.h"

namespace treadline {
namespace {

using Mask = FoldLayers::Mask;

constexpr Mask bit(size_t i) {
    return Mask{1} << i;
}

result<Includes> includes_named(std::vector<std::string> names, const AccessSet& set,
                                const Abstractions& abstractions) {
    Policy policy = TRY(policy_of_includes(names, abstractions));
    std::vector<Modes> covered = coverage(set, policy).granted;
    return Includes{std::move(names), std::move(policy), std::move(covered)};
}

// Sets of includes are masks of the candidates that are named; none of a set brings another one along.
class Search {
public:
    Search(const IncludeInput& input, const std::vector<IncludeCandidate>& candidates);

    void find_best();
    [[nodiscard]] Mask best() const { return best_; }
    [[nodiscard]] MilliLines cost() const { return best_cost_; }
    [[nodiscard]] bool proved() const { return weighed_ <= in_.most_weighed; }
    // Those that save most come first.
    [[nodiscard]] std::vector<std::string> names();
    [[nodiscard]] std::vector<FoldedRule> rules() { return layers_.rules(in_force(best_)); }

private:
    [[nodiscard]] Mask in_force(Mask named) const; // with all that they bring along
    [[nodiscard]] Mask without_brought(Mask named) const;
    [[nodiscard]] MilliLines to_write(Mask in_force); // lines beside what is in force
    [[nodiscard]] MilliLines opened(Mask in_force) const;
    [[nodiscard]] MilliLines cost_of(Mask named);
    [[nodiscard]] bool each_saves_enough(Mask named);
    void weigh(Mask named);
    void improve();
    void branch(Mask named, size_t next);

    const IncludeInput& in_;
    const std::vector<IncludeCandidate>& candidates_;
    FoldLayers layers_;
    IncludeExposure exposure_;
    std::vector<size_t> order_; // of the possible ones: who brings others along before these
    std::map<Mask, MilliLines> written_;
    size_t weighed_ = 0;
    Mask best_ = 0;
    MilliLines best_cost_ = never;
};

std::vector<FoldLayers::Layer> layers_of(const std::vector<IncludeCandidate>& candidates) {
    std::vector<FoldLayers::Layer> layers;
    // Only what a set that is possible brings about.
    Mask wanted = 0;
    for (const IncludeCandidate& candidate : candidates) {
        wanted |= candidate.possible ? candidate.brings : 0;
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
        layers.push_back((wanted & bit(i)) != 0 ? candidates[i].grants : FoldLayers::Layer{});
    }
    return layers;
}

Search::Search(const IncludeInput& input, const std::vector<IncludeCandidate>& candidates)
    : in_(input), candidates_(candidates),
      layers_(input.set, input.needs, input.costs, input.exposure, layers_of(candidates)),
      exposure_(input.costs.costs(), input.abstractions.here, input.disk) {
    for (size_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i].possible) {
            order_.push_back(i);
        }
    }
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
        return std::popcount(candidates[a].brings) > std::popcount(candidates[b].brings);
    });
}

Mask Search::in_force(Mask named) const {
    Mask all = 0;
    for (size_t i = 0; i < candidates_.size(); ++i) {
        all |= (named & bit(i)) != 0 ? candidates_[i].brings : 0;
    }
    return all;
}

Mask Search::without_brought(Mask named) const {
    Mask left = named;
    for (size_t i = 0; i < candidates_.size(); ++i) {
        left &= (named & bit(i)) != 0 ? ~(candidates_[i].brings & ~bit(i)) : ~Mask{0};
    }
    return left;
}

MilliLines Search::to_write(Mask in_force) {
    const auto [at, first] = written_.try_emplace(in_force, 0);
    if (first) {
        ++weighed_;
        std::vector<bool> passed(in_.variables.size(), false);
        for (size_t i = 0; i < candidates_.size(); ++i) {
            for (const size_t variable : candidates_[i].variables) {
                passed[variable] = passed[variable] || (in_force & bit(i)) != 0;
            }
        }
        at->second = layers_.cost(in_force);
        at->second += in_.costs.costs().rule * std::count(passed.begin(), passed.end(), false);
    }
    return at->second;
}

MilliLines Search::opened(Mask in_force) const {
    IncludeExposure::Sum sum;
    for (size_t i = 0; i < candidates_.size(); ++i) {
        if ((in_force & bit(i)) != 0) {
            sum.counted += candidates_[i].opened.counted;
            sum.logarithmic += candidates_[i].opened.logarithmic;
        }
    }
    return exposure_.lines(sum);
}

MilliLines Search::cost_of(Mask named) {
    const Mask all = in_force(named);
    return to_write(all) + opened(all) + in_.costs.costs().rule * std::popcount(named);
}

bool Search::each_saves_enough(Mask named) {
    const Mask all = in_force(named);
    for (size_t i = 0; i < candidates_.size(); ++i) {
        if ((named & bit(i)) != 0 && to_write(all & ~bit(i)) - to_write(all) < least_saved_by_include) {
            return false;
        }
    }
    return true;
}

void Search::weigh(Mask named) {
    const MilliLines cost = cost_of(named);
    if (cost < best_cost_ && each_saves_enough(named)) {
        best_ = named;
        best_cost_ = cost;
    }
}

// One step: the best addition, removal (what it brought may stay) or exchange, if any is better.
void Search::improve() {
    const Mask from = best_;
    for (const size_t i : order_) {
        if ((in_force(from) & bit(i)) == 0) {
            weigh(without_brought(from | bit(i)));
        }
        if ((from & bit(i)) == 0) {
            continue;
        }
        const Mask rest = from & ~bit(i);
        weigh(rest);
        for (const size_t j : order_) {
            if (j != i && (in_force(rest) & bit(j)) == 0) {
                weigh(without_brought(rest | bit(j)));
            }
        }
    }
}

// Everything named so far, with any of the candidates from `next` on. With more in force less is to be
// written and more is opened; so no set costs less than all of them would have to write, with what is named
// already to be read.
void Search::branch(Mask named, size_t next) {
    if (!proved()) {
        return;
    }
    if (next == order_.size()) {
        weigh(named);
        return;
    }
    Mask open = 0;
    for (size_t i = next; i < order_.size(); ++i) {
        open |= bit(order_[i]);
    }
    const Mask all = in_force(named);
    // Who brings others along was decided first: nothing that is open takes the place of what is named.
    const MilliLines least =
        to_write(all | in_force(open)) + opened(all) + in_.costs.costs().rule * std::popcount(named);
    if (least >= best_cost_) {
        return;
    }
    const size_t candidate = order_[next];
    if ((all & bit(candidate)) == 0) {
        branch(named | bit(candidate), next + 1);
    }
    branch(named, next + 1);
}

void Search::find_best() {
    weigh(0);
    for (Mask before = ~best_; before != best_;) {
        before = best_;
        improve();
    }
    branch(0, 0);
}

std::vector<std::string> Search::names() {
    struct Named {
        MilliLines saved;
        const std::string* name;
    };
    std::vector<Named> named;
    const Mask all = in_force(best_);
    for (size_t i = 0; i < candidates_.size(); ++i) {
        if ((best_ & bit(i)) != 0) {
            const Mask rest = in_force(best_ & ~bit(i));
            named.push_back({to_write(rest) - to_write(all), &candidates_[i].name});
        }
    }
    std::stable_sort(named.begin(), named.end(),
                     [](const Named& a, const Named& b) { return a.saved > b.saved; });
    std::vector<std::string> names;
    for (const Named& one : named) {
        names.push_back(*one.name);
    }
    return names;
}

} // namespace

result<Policy> policy_of_includes(const std::vector<std::string>& names, const Abstractions& abstractions) {
    Profile profile;
    profile.name = "includes";
    for (const std::string& name : names) {
        profile.include.push_back({name, {}});
    }
    return Policy::build(profile, "includes", abstractions.here, abstractions.load);
}

result<Includes> always_included(const AccessSet& set, const Abstractions& abstractions) {
    const auto& shipped = abstractions.shipped;
    return includes_named({shipped.begin(), shipped.begin() + (shipped.empty() ? 0 : 1)}, set, abstractions);
}

result<IncludeChoice> choose_includes(const IncludeInput& input, const Includes& always) {
    const std::vector<IncludeCandidate> candidates = TRY(include_candidates(input, always));
    Search search(input, candidates);
    search.find_best();
    std::vector<std::string> names = always.names;
    for (std::string& name : search.names()) {
        names.push_back(std::move(name));
    }
    Includes includes = TRY(includes_named(std::move(names), input.set, input.abstractions));
    return IncludeChoice{std::move(includes), search.rules(), search.cost(), search.proved()};
}

} // namespace treadline
