#include "enforcer/egress/answers.h"

#include <algorithm>

namespace treadline::egress {
namespace {

constexpr size_t max_described = 500;

// Those with this property, or all where none has it.
template <class Has>
std::vector<size_t> preferred(const std::vector<size_t>& of, const Has& has) {
    std::vector<size_t> chosen;
    std::copy_if(of.begin(), of.end(), std::back_inserter(chosen), has);
    return chosen.empty() ? of : chosen;
}

size_t common_beginning(const std::string& a, const std::string& b) {
    return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

} // namespace

std::string described(const KeptExchange& one) {
    const bool usual = one.port == (one.secure ? 443 : 80);
    const std::string host = one.host.find(':') == std::string::npos ? one.host : "[" + one.host + "]";
    return (one.method + " " + (one.secure ? "https://" : "http://") + host + (usual ? "" : ":" + std::to_string(one.port)) + one.target)
        .substr(0, max_described);
}

Answers::Found Answers::answer_to(const KeptExchange& asked) {
    const auto known = by_request_.find(request_of(asked));
    if (known == by_request_.end()) {
        return {nullptr, "nothing like it was captured", closest_to(asked)};
    }
    std::vector<size_t> fit;
    for (const bool same : {true, false}) {
        if (fit.empty()) {
            std::copy_if(known->second.begin(), known->second.end(), std::back_inserter(fit), [&](size_t at) {
                return same ? kept_[at].conditions == asked.conditions : kept_[at].conditions.empty();
            });
        }
    }
    if (fit.empty()) {
        return {nullptr, "it was captured with other conditions only (a range, or what had changed since)", described(kept_[known->second.front()])};
    }
    fit = preferred(fit, [&](size_t at) { return kept_[at].accept == asked.accept; });
    const auto next = std::find_if(fit.begin(), fit.end(), [&](size_t at) { return !given_[at]; });
    const size_t chosen = next == fit.end() ? fit.back() : *next;
    given_[chosen] = true;
    const KeptExchange& one = kept_[chosen];
    if (!one.unusable.empty()) {
        return {nullptr, "it was captured, but " + one.unusable, ""};
    }
    return {&one, "", ""};
}

std::string Answers::closest_to(const KeptExchange& asked) const {
    const KeptExchange* best = nullptr;
    std::tuple<bool, bool, bool, size_t, bool, bool> most;
    for (const KeptExchange& one : kept_) {
        const bool host = one.host == asked.host;
        const std::tuple like(host, host && one.port == asked.port, one.target == asked.target, common_beginning(one.target, asked.target),
                              one.method == asked.method, one.body_digest == asked.body_digest);
        if (host && (best == nullptr || like > most)) {
            best = &one;
            most = like;
        }
    }
    if (best == nullptr) {
        return "";
    }
    const bool same = best->target == asked.target && best->method == asked.method && best->port == asked.port && best->secure == asked.secure;
    return described(*best) + (same ? " with another body" : "");
}

} // namespace treadline::egress
