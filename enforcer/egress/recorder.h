// Keeps what passes while learning: connections that went alike are one row. Bounded, because what programs say is hostile;
// what does not fit is said. No socket in it.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "enforcer/egress/dns_message.h"
#include "enforcer/egress/name_table.h"
#include "enforcer/egress/recording.h"

namespace treadline::egress {

// What is told of a request's path: what looks drawn (numbers, hashes, long or odd names) is "*", and there is no query,
// which is where secrets are.
std::string path_shape(std::string_view target);

class Recorder {
public:
    static constexpr size_t max_rows = 8192;
    static constexpr size_t max_unanswered = 64;

    // One connection while it lasts; it counts from the beginning, also if it never ends.
    class Connection {
    public:
        Connection(Recorder& recorder, RecordedExchange about);
        ~Connection();
        Connection(const Connection&) = delete;
        Connection& operator=(const Connection&) = delete;

        RecordedExchange& about() { return *about_; }
        void request(std::string_view method, std::string_view target);

    private:
        Recorder& recorder_;
        std::list<RecordedExchange>::iterator about_;
    };

    // A lookup of another type than an address's.
    void other_lookup(const DnsQuestion& question);

    // All of it so far, those that still last included.
    [[nodiscard]] Recording recording(const NameTable& names) const;

private:
    struct Amount {
        uint64_t count = 0;
        uint64_t bytes_up = 0;
        uint64_t bytes_down = 0;
    };
    using Key = std::tuple<std::string, std::string, uint16_t, std::string, std::string, std::string, std::string, std::string, int>;
    using Rows = std::map<Key, Amount>;
    static bool add(Rows& rows, const RecordedExchange& one);

    std::list<RecordedExchange> living_;
    Rows rows_;
    std::set<std::string> unanswered_;
    bool full_ = false;
};

} // namespace treadline::egress
