// Keeps the exchanges that pass the gateway (`enforce --capture`), in this process's memory and redacted, until the run is over:
// only then it is known what the command sent as secrets, and what holds one of those is not kept. Seen from the command's side
// of substitution.h, so no real value of a credential ever comes here. No socket in it; bounded (kept_exchange.h).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "enforcer/egress/decision.h"
#include "enforcer/egress/kept_exchange.h"
#include "enforcer/egress/redaction.h"

namespace treadline::egress {

// What a request is found again by, redacted; without an answer.
KeptExchange asked_for(const Contact& contact, bool secure, std::string_view method, std::string_view target, const HttpFields& fields);

class Keeper {
public:
    // `secrets`: what the command has that must not be kept, whether it sends it or not.
    explicit Keeper(const std::vector<std::string>& secrets = {}) {
        for (const std::string& secret : secrets) {
            secrets_.add_text(secret);
        }
    }

    // One exchange while it goes through. Without a call of done() it has been broken off.
    class One {
    public:
        One(Keeper& keeper, size_t place) : keeper_(keeper), place_(place) {}
        ~One();
        One(const One&) = delete;
        One& operator=(const One&) = delete;
        void request_body(std::string_view bytes); // without framing, as are those below
        void answer(unsigned status, std::string_view reason, const HttpFields& fields);
        void body(std::string_view bytes);
        void done();

    private:
        Keeper& keeper_;
        size_t place_;
        std::optional<Sha256> digest_;
        bool done_ = false;
    };
    // None where there is no room for one more, which is counted.
    std::unique_ptr<One> begin(const Contact& contact, bool secure, std::string_view method, std::string_view target, const HttpFields& fields);

    // All of it, in the order in which it was asked for. Once, at the end.
    KeptRun take();

private:
    void give_up(KeptExchange& one, std::string why);

    uint64_t left_out_ = 0;
    std::vector<KeptExchange> kept_;
    SentSecrets secrets_;
    size_t bytes_ = 0;
};

} // namespace treadline::egress
