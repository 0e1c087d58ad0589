// The search against the definition: on small tries every set of rules is tried, and none may be cheaper than
// the one that fold() gives. What a set costs is computed here once more, from the rules down, with no table
// of states.
#include "profiler/fold.h"

#include <algorithm>
#include <optional>
#include <random>

#include "profiler/lines.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Node = PathTrie::Node;

constexpr Modes private_grant = Mode::Read | Mode::Write | Mode::Create;

// What may stand at a directory beside its own exact rule.
struct Wide {
    Modes subtree;
    Modes names;
    bool is_private = false;
};

struct Puzzle {
    AccessSet set;
    std::vector<Modes> needs;
    Variables variables;
    test::ScriptedDisk disk;
};

class Judge {
public:
    Judge(const Puzzle& puzzle, const Guards& guards)
        : puzzle_(puzzle), limits_(puzzle.set, puzzle.variables, guards),
          survey_(puzzle.set, puzzle.needs, puzzle.variables, guards, puzzle.disk, limits_),
          costs_(puzzle.set, Costs{}, limits_, survey_), exposure_(puzzle.set, costs_, survey_) {}

    // Nothing if the set of rules grants too little, or what may not be granted.
    [[nodiscard]] std::optional<MilliLines> cost_of(const std::vector<Wide>& wide) const {
        const PathTrie& trie = puzzle_.set.trie;
        std::vector<Modes> throughout(trie.size()); // granted to the node and all below it
        std::vector<Modes> to_children(trie.size());
        std::vector<bool> in_private(trie.size(), false); // something above is
        MilliLines sum = 0;
        for (Node node = 1; node < trie.size(); ++node) {
            const Node parent = trie.parent(node);
            const Wide& here = wide[node];
            in_private[node] = in_private[parent] || wide[parent].is_private;
            const bool own_world = in_private[node] && costs_.made_in_private(node);
            const Modes above = throughout[parent];
            throughout[node] = above | here.subtree;
            to_children[node] = throughout[node] | here.names;

            const Modes added = here.subtree.without(above);
            const Modes more = here.names.without(throughout[node]);
            const bool any = !here.subtree.empty() || !here.names.empty() || here.is_private;
            if (any && own_world) {
                return std::nullopt;
            }
            if (!here.is_private &&
                (!costs_.foldable_subtree(node).covers(added) || !costs_.foldable_names(node).covers(more))) {
                return std::nullopt;
            }
            const Modes whole = needed_as_a_whole(node, above, own_world);
            Modes granted = (whole.empty() ? to_children[parent] : above) | here.subtree | here.names;
            const MilliLines a_line = costs_.costs().rule + costs_.name_penalty(node);
            if (here.is_private) {
                if (in_private[node] || !costs_.may_be_private(node) || !here.names.empty() ||
                    !(here.subtree.empty() || here.subtree == Modes(Mode::Execute))) {
                    return std::nullopt;
                }
                granted |= private_grant;
                sum += costs_.costs().private_directory + costs_.name_penalty(node);
                sum += here.subtree.empty() ? 0 : a_line; // programs made there expose nothing
            } else {
                if (!here.subtree.empty()) {
                    sum += a_line + costs_.subtree_surcharge(node, added) + exposure_.subtree(node, added);
                }
                if (!here.names.empty()) {
                    sum += a_line + costs_.costs().names_surcharge + exposure_.names(node, more);
                }
            }
            if (!whole.empty() && trie.child_count(node) > 0 &&
                (!here.subtree.covers(whole) || !here.names.empty() || here.is_private)) {
                return std::nullopt;
            }
            const std::optional<MilliLines> own = own_rule(node, granted, own_world, in_private[node]);
            if (!own) {
                return std::nullopt;
            }
            sum += *own;
        }
        return sum;
    }

    [[nodiscard]] const CostModel& costs() const { return costs_; }
    [[nodiscard]] const Exposure& exposure() const { return exposure_; }

private:
    // A directory the run makes again: one subtree rule grants all that is needed in it and may be folded.
    [[nodiscard]] Modes needed_as_a_whole(Node node, Modes above, bool own_world) const {
        if (!costs_.must_be_whole(node)) {
            return Modes::none();
        }
        const Modes needed = below(node).without(above).without(own_world ? private_grant : Modes::none());
        return puzzle_.set.trie.child_count(node) == 0
                   ? needed
                   : needed.without(needed.without(costs_.foldable_subtree(node)));
    }
    [[nodiscard]] Modes below(Node node) const {
        Modes all = puzzle_.needs[node];
        const PathTrie& trie = puzzle_.set.trie;
        for (Node child = trie.first_child(node); child < trie.first_child(node) + trie.child_count(node);
             ++child) {
            all |= below(child);
        }
        return all;
    }
    [[nodiscard]] std::optional<MilliLines> own_rule(Node node, Modes granted, bool own_world,
                                                     bool in_private) const {
        const Modes left =
            puzzle_.needs[node].without(granted).without(own_world ? private_grant : Modes::none());
        MilliLines sum = in_private && costs_.is_result(node) && !puzzle_.needs[node].empty()
                             ? costs_.costs().lost_result
                             : 0;
        if (left.empty()) {
            return sum;
        }
        if (own_world) {
            return std::nullopt; // a rule would bring in the host's file
        }
        const NodeFacts& facts = puzzle_.set.facts[node];
        const bool made = facts.seen.has(Mode::Write) || facts.seen.has(Mode::Create);
        if (left.has(Mode::Execute) && made && !facts.directory) {
            sum += costs_.costs().replaced_program;
        }
        return sum + costs_.costs().rule + costs_.name_penalty(node);
    }

    const Puzzle& puzzle_;
    HardLimits limits_;
    DiskSurvey survey_;
    CostModel costs_;
    Exposure exposure_;
};

std::vector<Wide> as_assignment(const Puzzle& puzzle, const std::vector<FoldedRule>& rules) {
    std::vector<Wide> wide(puzzle.set.trie.size());
    for (const FoldedRule& rule : rules) {
        if (rule.private_directory) {
            wide[rule.node].is_private = true;
        } else if (rule.extent == Extent::Names) {
            wide[rule.node].names = rule.modes;
        } else if (rule.extent == Extent::Subtree && puzzle.set.trie.child_count(rule.node) > 0) {
            wide[rule.node].subtree = rule.modes;
        }
    }
    return wide;
}

std::vector<Wide> choices_at(const Puzzle& puzzle, const Judge& judge, Node node, Modes universe) {
    std::vector<Modes> subsets;
    for (unsigned bits = 0; bits < 16; ++bits) {
        Modes modes;
        for (const Mode mode : {Mode::Read, Mode::Write, Mode::Create, Mode::Execute}) {
            if ((bits & static_cast<unsigned>(mode)) != 0) {
                modes |= mode;
            }
        }
        if (universe.covers(modes) && judge.costs().foldable_names(node).covers(modes)) {
            subsets.push_back(modes);
        }
    }
    std::vector<Wide> choices;
    for (const Modes subtree : subsets) {
        for (const Modes names : subsets) {
            choices.push_back({subtree, names, false});
        }
    }
    if (judge.costs().may_be_private(node) && puzzle.set.trie.child_count(node) > 0) {
        choices.push_back({{}, {}, true});
        choices.push_back({Mode::Execute, {}, true});
    }
    return choices;
}

// Of all sets of rules there are, or nothing if they are too many to try.
std::optional<MilliLines> cheapest(const Puzzle& puzzle, const Judge& judge, Modes universe) {
    constexpr size_t most = 6000;
    const PathTrie& trie = puzzle.set.trie;
    std::vector<std::pair<Node, std::vector<Wide>>> places;
    size_t sets = 1;
    for (Node node = 1; node < trie.size(); ++node) {
        if (trie.child_count(node) > 0) {
            auto choices = choices_at(puzzle, judge, node, universe);
            if (choices.size() > 1) {
                sets *= choices.size();
                places.emplace_back(node, std::move(choices));
            }
        }
        if (sets > most) {
            return std::nullopt;
        }
    }
    std::optional<MilliLines> best;
    std::vector<Wide> wide(trie.size());
    for (size_t number = 0; number < sets; ++number) {
        size_t rest = number;
        for (const auto& [node, choices] : places) {
            wide[node] = choices[rest % choices.size()];
            rest /= choices.size();
        }
        if (const auto cost = judge.cost_of(wide); cost && (!best || *cost < *best)) {
            best = cost;
        }
    }
    return best;
}

Variables ann() {
    return Variables({{"project", "/home/ann/p"},
                      {"home", "/home/ann"},
                      {"tmp", "/tmp"},
                      {"cache", "/home/ann/.cache"},
                      {"config", "/home/ann/.config"},
                      {"data", "/home/ann/.local/share"},
                      {"state", "/home/ann/.local/state"},
                      {"runtime", "/run/user/1000"},
                      {"user", "ann"},
                      {"uid", "1000"}});
}

// At most seven nodes below a root, two or three modes; dear and cheap places, names that change, disks that
// hold more.
Puzzle random_puzzle(std::mt19937& random, Modes& universe) {
    const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
    static const std::string roots[] = {"${project}", "${project}/node_modules", "${home}/.tool", "/srv/data",
                                        "${tmp}",     "/usr/lib/tool",           "${cache}/x"};
    static const Modes universes[] = {Mode::Read | Mode::Write, Mode::Read | Mode::Execute,
                                      Mode::Read | Mode::Create, Mode::Read | Mode::Write | Mode::Create,
                                      Mode::Read | Mode::Write | Mode::Execute};
    static const char* const names[] = {"a", "b", "k9Xq2Lm7", "1.2.3", "c"};
    const std::string root = roots[below(7)];
    universe = universes[below(5)];
    Puzzle puzzle;
    std::vector<std::string> paths{root};
    for (unsigned i = 1; i < 7; ++i) {
        paths.push_back(paths[below(2) == 0 ? 0 : below(static_cast<unsigned>(paths.size()))] + "/" +
                        names[below(5)] + std::to_string(i));
    }
    for (const std::string& path : paths) {
        puzzle.set.trie.insert(path);
    }
    puzzle.set.trie.finish();
    PathTrie& trie = puzzle.set.trie;
    puzzle.set.facts.resize(trie.size());
    puzzle.set.runs = 2;
    puzzle.needs.resize(trie.size());
    puzzle.variables = ann();
    for (Node node = static_cast<Node>(trie.size()); node-- > 1;) {
        NodeFacts& facts = puzzle.set.facts[node];
        facts.directory = trie.child_count(node) > 0;
        facts.runs |= 1U + below(3);
        puzzle.set.facts[trie.parent(node)].runs |= facts.runs;
        for (const Mode mode : {Mode::Read, Mode::Write, Mode::Create, Mode::Execute}) {
            if (universe.has(mode) && below(3) == 0) {
                facts.seen |= mode;
            }
        }
        facts.touched = !facts.seen.empty();
        facts.created = facts.touched && below(3) == 0;
        facts.gone = facts.created && below(2) == 0;
        puzzle.needs[node] = facts.seen;
        for (unsigned i = 0; i < below(4) * below(4); ++i) {
            puzzle.disk.add(puzzle.variables.expand(trie.path(node)).value(),
                            "other" + std::to_string(i) + (i == 3 ? "/" : ""));
        }
    }
    return puzzle;
}

} // namespace

TEST_CASE("no set of rules is cheaper than the one that folding gives", "[profiler][fold]") {
    std::mt19937 random(5);
    const Guards guards(ann());
    int tried = 0;
    int pairs = 0; // both `dir/` and `dir/**` at one node
    int privates = 0;
    for (int round = 0; round < 20'000 && tried < 1500; ++round) {
        Modes universe;
        const Puzzle puzzle = random_puzzle(random, universe);
        const Judge judge(puzzle, guards);
        const auto best = cheapest(puzzle, judge, universe);
        if (!best) {
            continue;
        }
        ++tried;
        const auto rules = fold(puzzle.set, puzzle.needs, judge.costs(), judge.exposure());
        const auto wide = as_assignment(puzzle, rules);
        std::string text;
        for (const FoldedRule& rule : rules) {
            text += puzzle.set.trie.path(rule.node) + " " + std::to_string(static_cast<int>(rule.extent)) +
                    " " + to_string(rule.modes) + (rule.private_directory ? " private\n" : "\n");
        }
        INFO("round " << round << "\n" << text);
        const auto cost = judge.cost_of(wide);
        REQUIRE(cost.has_value());
        REQUIRE(*cost == *best);
        for (const Wide& here : wide) {
            pairs += !here.subtree.empty() && !here.names.empty();
            privates += here.is_private;
        }
    }
    // Small enough to try all, and yet not all alike.
    CHECK(tried >= 500);
    CHECK(pairs > 0);
    CHECK(privates > 0);
}

TEST_CASE("the logarithm of costs is exact where it is a whole number, and grows with its argument",
          "[profiler][fold]") {
    for (int power = 0; power < 30; ++power) {
        CHECK(log2_of_one_more(((int64_t{1} << power) - 1) * one_entry) == power * one_line);
    }
    CHECK(log2_of_one_more(one_entry / 2) == 584);    // log2(1.5)
    CHECK(log2_of_one_more(9 * one_entry) == 3321);   // log2(10)
    CHECK(log2_of_one_more(999 * one_entry) == 9965); // log2(1000)
    MilliLines before = -1;
    for (Weight weight = 0; weight < 3 * one_entry; weight += 7) {
        CHECK(log2_of_one_more(weight) >= before);
        before = log2_of_one_more(weight);
    }
    CHECK(log2_of_one_more(INT64_MAX / 2) < 64 * one_line);
}
