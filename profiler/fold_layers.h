// What rules would cost if something else granted a part: the fold with any of some layers laid over the
// paths, such as the abstractions that a profile may include.
//
// The paths are solved once. With another set of layers only nodes are solved again that more than one layer
// reaches, itself or below; where a single one does, both answers are kept. Most paths are reached by none.
#pragma once

#include <cstdint>
#include <vector>

#include "profiler/folding.h"

namespace treadline {

class FoldLayers {
public:
    static constexpr size_t most_layers = 64;
    using Mask = uint64_t; // bit i: layer i lies over the paths

    struct Grant { // of one node, each at most once in a layer
        PathTrie::Node node = 0;
        Modes modes;
    };
    using Layer = std::vector<Grant>;

    // `needs` as in fold(). Keeps `set`, `costs` and `exposure`.
    FoldLayers(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
               const Exposure& exposure, const std::vector<Layer>& layers);

    // What fold() would say of the needs that the layers leave.
    [[nodiscard]] MilliLines cost(Mask mask);
    [[nodiscard]] std::vector<FoldedRule> rules(Mask mask);

private:
    struct GrantOfLayer {
        PathTrie::Node node;
        size_t layer;
        Modes modes;
    };
    struct Root { // of a tree that one layer alone reaches
        PathTrie::Node node;
        Folding::Solution without;
        Folding::Solution with;
    };
    struct Alone {                         // what one layer alone reaches
        std::vector<PathTrie::Node> nodes; // children before parents
        std::vector<Root> roots;
    };
    void need_what_is_left(PathTrie::Node node, Mask mask);
    void solve_alone(size_t layer, bool with);
    void lay(Mask mask);

    const PathTrie& trie_;
    const std::vector<Modes>& needs_;
    Folding folding_;
    std::vector<GrantOfLayer> grants_;   // by node
    std::vector<Mask> reached_by_;       // by node: layers that reach it or something below
    std::vector<PathTrie::Node> shared_; // more than one does; children before parents
    std::vector<Alone> alone_;           // by layer
    Mask laid_ = 0;
};

} // namespace treadline
