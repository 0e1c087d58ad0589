// What the gateway has seen when it lets everything pass (learning): plain data, and the messages that carry it to the
// supervisor when the run is over.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace treadline::egress {

// Connections to one endpoint that went alike, or the requests of one shape in them (then `method` is set, and the bytes are
// the connections' to tell).
struct RecordedExchange {
    std::string host;        // the name that was looked up; "" where an address was dialled
    std::string address;     // what was reached, or dialled; "" for nothing
    uint16_t port = 0;
    std::string protocol;    // "tls", "http", "other"; "" where nothing was said
    std::string server_name; // of TLS, canonical; "" where it is no host name
    std::string problem;     // why a rule for host and port alone would not let it pass
    std::string method;
    std::string path;
    int result = 0;          // errno of what could not be reached
    uint64_t count = 0;
    uint64_t bytes_up = 0;
    uint64_t bytes_down = 0;
    bool operator==(const RecordedExchange&) const = default;
};

struct Recording {
    std::map<std::string, std::string> names;  // by the address that stood for them
    std::vector<RecordedExchange> exchanges;
    std::set<std::string> unanswered;          // lookups that only a real resolver answers: "SRV _ldap._tcp.example.org"
    std::vector<std::string> incomplete_because; // sentences
    bool ended = false; // the gateway has said all it had to say

    bool operator==(const Recording&) const = default;
};

// Each fits into one message of the supervisor's socket.
std::vector<std::string> messages_of(const Recording& recording);

// Adds what one message says; false if it is none of these.
bool add_message(Recording& recording, std::string_view message);

} // namespace treadline::egress
