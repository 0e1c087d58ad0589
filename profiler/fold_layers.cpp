#include "profiler/fold_layers.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace treadline {
namespace {

using Node = PathTrie::Node;
using Mask = FoldLayers::Mask;

constexpr Mask bit(size_t layer) {
    return Mask{1} << layer;
}

} // namespace

FoldLayers::FoldLayers(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
                       const Exposure& exposure, const std::vector<Layer>& layers)
    : trie_(set.trie), needs_(needs), folding_(set, needs, costs, exposure), reached_by_(set.trie.size(), 0),
      alone_(layers.size()) {
    assert(layers.size() <= most_layers);
    for (size_t layer = 0; layer < layers.size(); ++layer) {
        for (const Grant& grant : layers[layer]) {
            grants_.push_back({grant.node, layer, grant.modes});
            reached_by_[grant.node] |= bit(layer);
        }
    }
    std::sort(grants_.begin(), grants_.end(), [](const GrantOfLayer& a, const GrantOfLayer& b) {
        return a.node != b.node ? a.node < b.node : a.layer < b.layer;
    });
    for (auto node = static_cast<Node>(trie_.size()); node-- > 1;) {
        reached_by_[trie_.parent(node)] |= reached_by_[node];
    }
    const auto is_shared = [&](Node node) {
        return std::popcount(reached_by_[node]) > 1 || (node == PathTrie::top && reached_by_[node] != 0);
    };
    for (auto node = static_cast<Node>(trie_.size()); node-- > 0;) {
        if (is_shared(node)) {
            shared_.push_back(node);
        } else if (reached_by_[node] != 0) {
            Alone& alone = alone_[static_cast<size_t>(std::countr_zero(reached_by_[node]))];
            alone.nodes.push_back(node);
            if (is_shared(trie_.parent(node))) {
                alone.roots.push_back({node, folding_.solution(node), {}});
            }
        }
    }
    for (size_t layer = 0; layer < layers.size(); ++layer) {
        solve_alone(layer, true);
        for (Root& root : alone_[layer].roots) {
            root.with = folding_.solution(root.node);
            folding_.restore(root.node, root.without);
        }
    }
}

void FoldLayers::need_what_is_left(Node node, Mask mask) {
    Modes left = needs_[node];
    for (auto grant = std::lower_bound(grants_.begin(), grants_.end(), node,
                                       [](const GrantOfLayer&a, Node b) { return a.node < b; });
         grant != grants_.end() && grant->node == node; ++grant) {
        if ((mask & bit(grant->layer)) != 0) {
            left = left.without(grant->modes);
        }
    }
    if (left.has(Mode::Execute)) {
        left |= Mode::Read; // one rule that says it all, though another grants the reading
    }
    folding_.need_only(node, left);
}

void FoldLayers::solve_alone(size_t layer, bool with) {
    for (const Node node : alone_[layer].nodes) {
        need_what_is_left(node, with ? bit(layer) : 0);
        folding_.solve(node);
    }
}

void FoldLayers::lay(Mask mask) {
    const Mask changed = mask ^ laid_;
    for (size_t layer = 0; layer < alone_.size(); ++layer) {
        if ((changed & bit(layer)) != 0) {
            for (const Root& root : alone_[layer].roots) {
                folding_.restore(root.node, (mask & bit(layer)) != 0 ? root.with : root.without);
            }
        }
    }
    for (const Node node : shared_) {
        if ((reached_by_[node] & changed) != 0) {
            need_what_is_left(node, mask);
            folding_.solve(node);
        }
    }
    laid_ = mask;
}

MilliLines FoldLayers::cost(Mask mask) {
    lay(mask);
    return folding_.cost();
}

std::vector<FoldedRule> FoldLayers::rules(Mask mask) {
    lay(mask);
    for (size_t layer = 0; layer < alone_.size(); ++layer) {
        solve_alone(layer, (mask & bit(layer)) != 0);
    }
    return folding_.rules();
}

} // namespace treadline
