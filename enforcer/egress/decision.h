// What the egress gateway decides, without a socket: may this process inside have what it asks for?
//
//   looked-up name -> contact (name or address, port) -> TLS server name | HTTP host -> addresses the name leads to
//
// Each step is judged as soon as it is known, and each must name the same host: the name that was looked up, the one TLS
// asks for and the one HTTP asks for. Which hosts and ports are allowed is the profile's own decision function's to say
// (profiles/policy.h); here is only what it is asked. The last line of each answer is deny.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "enforcer/violation.h"
#include "profiles/policy.h"

namespace treadline::egress {

// The one form in which hosts are compared: lower case, no trailing dot. Nothing where it is no host name of letters,
// digits, '-', '_' and dots: an address in whatever form, a name beyond ASCII (which DNS carries as xn--…), an empty one; nor
// for `host`, which in rules is no name.
std::optional<std::string> canonical_host(std::string_view text);

// Where a connection goes as seen from inside.
struct Contact {
    std::string name;    // canonical, as it was looked up; "" where an address was dialled without a lookup
    std::string address; // canonical text of that address; "" where there is a name
    uint16_t port = 0;
    std::string dialled; // address:port as the program dialled them, a name's own address (name_table.h) included
};
std::string to_string(const Contact& contact); // host:port, as rules write it

// Of a TLS ClientHello.
struct TlsHello {
    std::optional<std::string> server_name; // as sent
    std::vector<std::string> protocols;     // ALPN, as sent
    bool encrypted = false;                 // encrypted_client_hello: the name it carries may be another one
};

// Of one HTTP request, as sent; of HTTP/2 `hosts` are :authority and a Host that says something else.
struct HttpRequest {
    std::string method;
    std::string target;
    std::vector<std::string> hosts; // every Host field
    bool upgrade = false; // to something else than HTTP/2, an offer of which is withdrawn on the way
    bool secure = false; // inside TLS
    std::string upgrade_to = {}; // what, in lower case, if it is one thing
    std::string redirected = {}; // what would have a server, or one before it, take it for another request: a clause; "" for nothing
};

// How what is said differs from what was looked up, where a rule for host and port alone does not let it pass.
enum class Differs : uint8_t { No, NoServerName, OtherServerName, HiddenServerName, OtherHost, Upgrade };

// Allowed, with the rule; or refused, with everything a report says about it but the process.
struct Verdict {
    bool allowed = false;
    std::string rule;
    Violation violation; // meaningful where not allowed
    Differs differs = Differs::No;
};

class Decision {
public:
    // `own_addresses`: this machine's, as text; reaching the machine itself takes a rule that says so.
    explicit Decision(std::shared_ptr<const Policy> policy, std::vector<std::string> own_addresses = {});

    // Learning: every host, port and address is allowed, and only what differs is told.
    static Decision recording() { return Decision(); }

    // Whether the name may be looked up: some rule allows some port of it.
    [[nodiscard]] Verdict lookup(std::string_view name) const;

    // Whether host and port are allowed at all.
    [[nodiscard]] Verdict contact(const Contact& contact) const;

    // Whether the rule allows any protocol ("/tcp", or the rule names an address), so that no byte need be looked at.
    [[nodiscard]] bool any_protocol(const Contact& contact) const;

    [[nodiscard]] Verdict tls(const Contact& contact, const TlsHello& hello) const;
    [[nodiscard]] Verdict http(const Contact& contact, const HttpRequest& request) const;

    // Neither TLS nor HTTP, on a rule that does not say "/tcp"; `what` says what was seen instead.
    [[nodiscard]] Verdict other_protocol(const Contact& contact, const std::string& what) const;

    // Every address the name leads to, as text. One that is not public refuses all of them, unless a rule names it:
    // whoever answers lookups would else choose which of this network's machines is reached.
    [[nodiscard]] Verdict addresses(const Contact& contact, const std::vector<std::string>& addresses) const;

private:
    Decision() = default;

    std::shared_ptr<const Policy> policy_; // for its rules under `review:`; none while learning
    std::shared_ptr<const Policy> alone_;  // `connect` without what `listen` allows on the loopback inside
    std::vector<std::string> own_addresses_;
};

// Why no rule would let it pass.
inline constexpr const char* no_way_out = "only TCP leaves the sandbox, and DNS to the gateway; nothing else has a way out";

// A contact or lookup that nothing allows.
Violation refusal(std::string operation, std::string object, std::string reason);

} // namespace treadline::egress
