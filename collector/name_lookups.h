// Which name a process asked for when it contacted an address: from what it sent to and received from
// resolvers.
//
// An answer counts only if the same socket carried its question; of an answer only what the question leads to
// counts. Not seen: encrypted lookups, other ports than 53, caches shared by memory (nscd), multicast.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collector/dns_message.h"
#include "collector/message_frames.h"

namespace treadline {

struct NameAnswer {
    std::string name;
    std::vector<std::string> addresses; // none: the lookup failed, or there are no records of that type
    bool truncated = false;             // and asked again over TCP
};

// What sockets to resolvers carry, back into questions and answers.
class ResolverTraffic {
public:
    enum class Protocol : uint8_t { Datagram, Stream, Varlink };

    // `socket` tells sockets apart; `whole` is false when only the first bytes were recorded.
    void sent(uint64_t socket, Protocol protocol, std::string_view bytes, bool whole);
    // The answers that this piece completes.
    std::vector<NameAnswer> received(uint64_t socket, Protocol protocol, std::string_view bytes, bool whole);

    [[nodiscard]] uint64_t unreadable() const { return unreadable_; } // messages that gave nothing

private:
    struct Question {
        uint16_t id = 0; // of a DNS message
        uint16_t type = 0;
        std::string name;
    };
    struct Socket {
        explicit Socket(Protocol protocol);
        std::deque<Question> asked;
        MessageFrames out;
        MessageFrames in;
    };
    Socket& socket(uint64_t number, Protocol protocol);
    void note_dns(Socket& from, std::string_view message);
    void note_varlink(Socket& from, std::string_view message);
    void answer_dns(Socket& at, std::string_view message, std::vector<NameAnswer>& answers);
    void answer_varlink(Socket& at, std::string_view message, std::vector<NameAnswer>& answers);

    std::unordered_map<uint64_t, Socket> sockets_;
    std::deque<uint64_t> order_; // the oldest first
    uint64_t unreadable_ = 0;
};

// Which names gave which address to whom.
class AddressNames {
public:
    // False when so many are known that this one is left out.
    bool learn(uint64_t image, const std::string& name, const std::string& address, uint64_t time_ns);
    // Names that explain the address, sorted: those the process itself looked up; else those of the processes
    // it descends from; else those of any process of the run. `line`: the process and its ancestors.
    // Only lookups that were answered up to `until_ns` count.
    [[nodiscard]] std::vector<std::string> find(std::span<const uint64_t> line, const std::string& address,
                                                uint64_t until_ns) const;
    [[nodiscard]] bool empty() const { return by_address_.empty(); }

private:
    struct Known {
        uint64_t image = 0;
        uint64_t time_ns = 0;
        std::string name;
    };
    std::unordered_map<std::string, std::vector<Known>> by_address_;
    size_t known_ = 0;
};

} // namespace treadline
