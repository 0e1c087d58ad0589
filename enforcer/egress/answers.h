// Which kept exchange answers a request (`enforce --replay`): no socket in it, and nothing but what was kept.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "enforcer/egress/kept_exchange.h"

namespace treadline::egress {

class Answers {
public:
    explicit Answers(std::vector<KeptExchange> kept) : kept_(std::move(kept)), given_(kept_.size(), false) {
        for (size_t at = 0; at < kept_.size(); ++at) {
            by_request_[request_of(kept_[at])].push_back(at);
        }
    }

    struct Found {
        const KeptExchange* answer = nullptr; // lives as long as this
        std::string why;     // there is none: a phrase
        std::string closest; // "GET http://host/other": what is most like it; "" for nothing
    };
    // `asked` as asked_for() gives it, with the digest of its body. The same host, port, TLS, method, target and body; of these
    // the ones asked for on the same conditions, or else on none; of these the ones with the same Accept, or else any. Several
    // are given in the order in which they came, and the last one again and again.
    Found answer_to(const KeptExchange& asked);

private:
    using Request = std::tuple<std::string, uint16_t, bool, std::string, std::string, std::string>;
    static Request request_of(const KeptExchange& one) { return {one.host, one.port, one.secure, one.method, one.target, one.body_digest}; }
    [[nodiscard]] std::string closest_to(const KeptExchange& asked) const;

    std::vector<KeptExchange> kept_;
    std::vector<bool> given_;
    std::map<Request, std::vector<size_t>> by_request_;
};

// "GET https://host:8443/path", for people.
std::string described(const KeptExchange& exchange);

} // namespace treadline::egress
