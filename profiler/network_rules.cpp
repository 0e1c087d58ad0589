#include "profiler/network_rules.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <tuple>

#include "base/addresses.h"
#include "base/path.h"
#include "base/text.h"
#include "profiler/public_suffix.h"
#include "profiler/volatile_names.h"
#include "profiles/guards.h"
#include "profiles/pattern.h"
#include "profiles/profile_reader.h"
#include "profiles/reading_order.h"

namespace treadline {
namespace {

constexpr uint16_t dns_port = 53;
constexpr uint16_t first_ephemeral_port = 32768; // net.ipv4.ip_local_port_range, by default

// Where no gateway saw what is spoken: without "/tcp" a rule lets only TLS and HTTP pass, and by their registered use (IANA)
// these ports begin with something else: ftp, ssh, smtp, pop3, nntp, imap, ldap, submission, rsync, SQL Server, Oracle, svn, MySQL,
// XMPP, PostgreSQL, AMQP, Redis, git, memcached, MongoDB.
constexpr std::array<uint16_t, 20> other_protocols = {21,   22,   25,   110,  119,  143,  389,  587,  873,   1433,
                                                      1521, 3306, 3690, 5222, 5432, 5672, 6379, 9418, 11211, 27017};

constexpr std::string_view any_protocol = "/tcp";

bool is_of_other_protocol(const std::string& endpoint) {
    const std::string port = endpoint.substr(endpoint.rfind(':') + 1);
    return std::any_of(other_protocols.begin(), other_protocols.end(), [&](uint16_t one) { return port == std::to_string(one); });
}

// A rule for an address, or for a service on the host's loopback, means any protocol.
bool is_of_address(const std::string& endpoint) {
    const std::string host = endpoint.substr(0, endpoint.rfind(':'));
    return endpoint.front() == '[' || host == host_loopback || parse_address(host).valid;
}

std::string host_name(std::string_view name) {
    std::string text(name);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    while (!text.empty() && text.back() == '.') {
        text.pop_back();
    }
    return text;
}

// A name as it may stand in a rule (RFC 1123, and `_` which real names have): the network chose it, not we.
bool is_host_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
}

struct Wanted {
    std::string withheld;
    bool stream = false; // for a contact: by TCP, the only thing a `connect` rule can carry
    bool named = false;  // of a name: a gateway saw TLS or HTTP that asks for it
    bool other = false;  // or something that only a rule with "/tcp" carries
    EvidenceCounter counter;
};

// What a gateway saw of the connections to one endpoint.
struct Spoken {
    bool reached = false;
    bool named = false;
    bool other = false;
    std::set<std::string> problems;  // for which a person has to accept "/tcp"
    std::set<std::string> addresses; // that were reached
};
constexpr size_t most_datagram_services = 4; // of one program
// Section and text; the order in which they are written.
using Rules = std::map<std::pair<Section, std::string>, Wanted>;

class OneRun {
public:
    OneRun(const Trace& trace, const Subjects& subjects, const Variables& variables, size_t run, Rules& rules,
           const MadeInPrivate& made_in_private)
        : trace_(trace), subjects_(subjects), variables_(variables), guards_(variables), run_(run),
          rules_(rules), made_in_private_(made_in_private) {}

    void add();
    // Fixed ports listened on; 0 for one the kernel picked.
    std::map<uint16_t, std::vector<const SocketAccess*>> listens;

private:
    Wanted& note(Section section, const std::string& text, const std::string& withheld,
                 const SocketAccess& socket);
    void find_listens();
    void read_exchanges();
    void add_connect(const SocketAccess& socket, bool names_known);
    void add_through_gateway(const SocketAccess& socket, const Address& address);
    void add_unix(const SocketAccess& socket);
    [[nodiscard]] std::string name_of(const SocketAccess& socket) const;

    const Trace& trace_;
    const Subjects& subjects_;
    const Variables& variables_;
    Guards guards_;
    size_t run_;
    Rules& rules_;
    const MadeInPrivate& made_in_private_;
    std::set<uint16_t> own_ports_;
    std::set<std::string> own_sockets_;
    std::map<std::string, Spoken> spoken_; // by endpoint, as a rule names it
};

Wanted& OneRun::note(Section section, const std::string& text, const std::string& withheld,
                  const SocketAccess& socket) {
    Wanted& wanted = rules_[{section, text}];
    if (!withheld.empty()) {
        wanted.withheld = withheld;
    }
    wanted.stream = wanted.stream || socket.protocol == "tcp";
    wanted.counter.add(subjects_.of(socket.process), run_, std::max<uint64_t>(socket.count, 1));
    wanted.counter.by(run_, socket.process);
    return wanted;
}

std::string endpoint_of(const Address& address, uint16_t port) {
    const std::string text = to_text(address);
    return (address.v4 ? text : "[" + text + "]") + ":" + std::to_string(port);
}

// Of a contact with nothing of the run's own: `host:PORT` opens these addresses of the loopback, and no others of it.
bool is_host_service(const Address& address) {
    const std::string text = to_text(address);
    return is_loopback(address) && (text == "127.0.0.1" || text == "0.0.0.0" || !address.v4);
}

bool is_datagram_without_route(const SocketAccess& socket) {
    return socket.protocol == "udp" && socket.result == ENETUNREACH;
}

void OneRun::read_exchanges() {
    for (const Exchange& exchange : trace_.exchanges) {
        const Address address = parse_address(exchange.address);
        if (!exchange.method.empty() || (exchange.host.empty() && !address.valid)) {
            continue; // of requests the connection's own row says what matters here
        }
        Spoken& spoken = spoken_[exchange.host.empty() ? endpoint_of(address, exchange.port)
                                                       : exchange.host + ":" + std::to_string(exchange.port)];
        if (exchange.result != 0) {
            continue;
        }
        spoken.reached = true;
        if (address.valid) {
            spoken.addresses.insert(to_text(address));
        }
        const std::string& problem = exchange.problem;
        if (exchange.protocol == "other" || problem == exchange_problem::no_server_name || problem == exchange_problem::upgrade) {
            spoken.other = true;
        } else if (!problem.empty()) {
            spoken.problems.insert(problem);
        } else if (!exchange.protocol.empty()) {
            spoken.named = true;
        }
    }
}

void OneRun::find_listens() {
    std::set<uint16_t> bound;
    for (const SocketAccess& socket : trace_.sockets) {
        if (socket.result != 0) {
            continue;
        }
        if (socket.protocol == "unix") {
            if (socket.operation == "bind" || socket.operation == "listen") {
                own_sockets_.insert(socket.address);
            }
        } else if (socket.protocol == "tcp" || socket.protocol == "udp") {
            if (socket.operation == "bind" && socket.port != 0) {
                bound.insert(socket.port);
            }
            if (socket.operation == "bind" || socket.operation == "listen") {
                own_ports_.insert(socket.port);
            }
        }
    }
    // A program that binds one port after the other draws them, as resolvers do for their questions.
    std::map<int64_t, std::set<uint16_t>> datagram_ports;
    for (const SocketAccess& socket : trace_.sockets) {
        if (socket.protocol == "udp" && socket.operation == "bind" && socket.port != 0) {
            datagram_ports[socket.process].insert(socket.port);
        }
    }
    for (const SocketAccess& socket : trace_.sockets) {
        const bool tcp =
            socket.protocol == "tcp" && (socket.operation == "bind" || socket.operation == "listen");
        // A datagram socket bound to "any port" is a client; only a fixed port is a service.
        const bool udp = socket.protocol == "udp" && socket.operation == "bind" && socket.port != 0 &&
                         datagram_ports[socket.process].size() <= most_datagram_services;
        if (socket.result == 0 && (tcp || udp)) {
            // listen(2) reports the port that is bound; nobody asked for one that no bind(2) named.
            listens[bound.contains(socket.port) ? socket.port : 0].push_back(&socket);
        }
    }
}

std::string OneRun::name_of(const SocketAccess& socket) const {
    if (!socket.host.empty()) {
        return host_name(socket.host);
    }
    if (!socket.candidates.empty()) {
        return "";
    }
    // Several names that gave one address: which was meant is not guessed.
    std::set<std::string> own;
    std::set<std::string> any;
    for (const NameLookup& lookup : trace_.names) {
        if (std::find(lookup.addresses.begin(), lookup.addresses.end(), socket.address) !=
            lookup.addresses.end()) {
            (lookup.process == socket.process ? own : any).insert(host_name(lookup.name));
        }
    }
    const std::set<std::string>& names = own.empty() ? any : own;
    return names.size() == 1 ? *names.begin() : "";
}

// The gateway knows the name, what was spoken, and where it led. An address of its own that stood for no name leads nowhere, and
// datagrams only to its resolver and to the command's own loopback: others found no route, as they will.
void OneRun::add_through_gateway(const SocketAccess& socket, const Address& address) {
    const bool of_name = stands_for_name(socket.address);
    if (socket.port == dns_port || (of_name && !is_host_name(socket.host))) {
        return;
    }
    if (socket.protocol != "tcp") {
        if (is_datagram_without_route(socket) && !of_name) {
            note(Section::Connect, endpoint_of(address, socket.port), "", socket);
        }
        return;
    }
    const std::string endpoint = of_name ? socket.host + ":" + std::to_string(socket.port) : endpoint_of(address, socket.port);
    const auto found = spoken_.find(endpoint);
    if (found == spoken_.end() || !found->second.reached) {
        return; // as one that failed; programs that do not wait for a connection are not told that by connect(2)
    }
    Wanted& wanted = note(Section::Connect, is_host_service(address) ? std::string(host_loopback) + ":" + std::to_string(socket.port) : endpoint,
                          of_name ? "" : why_not_public(socket.address), socket);
    if (!of_name) {
        return;
    }
    const Spoken& spoken = found->second;
    wanted.named = wanted.named || spoken.named;
    wanted.other = wanted.other || spoken.other;
    if (!spoken.problems.empty()) {
        const std::vector<std::string> problems(spoken.problems.begin(), spoken.problems.end());
        note(Section::Connect, endpoint + std::string(any_protocol), join(problems, ", ") + "; only a rule for any protocol would let it pass", socket);
    }
    // Enforcing, a name may not lead where no rule names the address.
    for (const std::string& reached : spoken.addresses) {
        if (const std::string why = why_not_led_to(reached); !why.empty()) {
            note(Section::Connect, endpoint_of(parse_address(reached), socket.port), "'" + socket.host + "' leads to it: " + why, socket);
        }
    }
}

void OneRun::add_connect(const SocketAccess& socket, bool names_known) {
    const Address address = parse_address(socket.address);
    // getaddrinfo(3) connects datagram sockets to port 0 to sort addresses; nothing is sent.
    if (!address.valid || socket.port == 0) {
        return;
    }
    // Which port the kernel picked for a bind(2) to port 0 is not recorded; it is one of its own range.
    const bool picked = own_ports_.contains(0) && socket.port >= first_ephemeral_port;
    if (is_loopback(address) && (picked || own_ports_.contains(socket.port))) {
        return; // the sandbox has a loopback of its own
    }
    if (trace_.run.network == "gateway") {
        add_through_gateway(socket, address);
        return;
    }
    if (socket.port == dns_port && names_known) {
        return; // lookups are the gateway's
    }
    const std::string name = name_of(socket);
    const std::string port = ":" + std::to_string(socket.port);
    const bool of_name = stands_for_name(socket.address); // of another run's gateway, around this one
    const std::string why = of_name ? "" : why_not_public(socket.address);
    if (is_host_name(name) && name != "localhost") {
        note(Section::Connect, name + port, why.empty() ? "" : "resolves to " + to_text(address) + ": " + why,
             socket);
    } else if (!of_name) {
        if (is_host_service(address)) {
            note(Section::Connect, std::string(host_loopback) + port, why, socket);
            return;
        }
        note(Section::Connect, endpoint_of(address, socket.port), why, socket);
    }
}

void OneRun::add_unix(const SocketAccess& socket) {
    const std::string& address = socket.address;
    if (address.empty() || own_sockets_.contains(address)) {
        return;
    }
    if (address.front() == '@') {
        note(Section::Unix, escape_path(address), "", socket);
        return;
    }
    if (address.front() != '/') {
        return;
    }
    const std::string path = normalise_path(address);
    if (path == "/run/nscd/socket" || path == "/var/run/nscd/socket") {
        return; // libc asks for it everywhere and does without
    }
    const Guard* guard = guards_.find(path, false);
    if (guard == nullptr) {
        guard = guards_.find(path, true);
    }
    std::vector<std::string> names;
    bool bare =
        false; // a name of which nothing stays the same: a wildcard for it would open its neighbours, too
    const std::string portable = variables_.shorten(path);
    if (made_in_private_(portable)) {
        return;
    }
    for (const std::string_view name : split(portable, '/')) {
        names.push_back(guard == nullptr ? with_wildcards(name) : std::string(name));
        bare = bare || names.back() == "*";
    }
    std::string withheld;
    if (guard != nullptr) {
        withheld = guard->what + "; accept it only if the command needs it";
    } else if (bare) {
        withheld = "has another name in every run";
    }
    note(Section::Unix, join(names, "/"), withheld, socket);
}

void OneRun::add() {
    find_listens();
    read_exchanges();
    bool names_known = !trace_.names.empty();
    for (const SocketAccess& socket : trace_.sockets) {
        names_known = names_known || !socket.host.empty();
    }
    for (const SocketAccess& socket : trace_.sockets) {
        const bool tried = trace_.run.network == "gateway" && is_datagram_without_route(socket);
        if ((socket.result != 0 && !tried) || (socket.operation != "connect" && socket.operation != "send")) {
            continue;
        }
        if (socket.protocol == "tcp" || socket.protocol == "udp") {
            add_connect(socket, names_known);
        } else if (socket.protocol == "unix") {
            add_unix(socket);
        }
    }
}

// Names that come and go between runs below one owner's domain are drawn: one rule for all of that domain.
// What waits for a person never joins.
void join_drawn_names(Rules& rules, size_t runs) {
    struct Below {
        size_t varying = 0;
        bool withheld = false;
        std::vector<std::string> names; // as in the rules
    };
    std::map<std::string, Below> domains; // "example.org:443"
    for (const auto& [key, wanted] : rules) {
        const auto& [section, text] = key;
        const size_t dot = text.find('.');
        const size_t colon = text.rfind(':');
        if (section != Section::Connect || dot == std::string::npos || dot > colon || text.front() == '[' ||
            parse_address(text.substr(0, colon)).valid ||
            !has_one_owner(text.substr(dot + 1, colon - dot - 1))) {
            continue;
        }
        Below& below = domains[text.substr(dot + 1)];
        below.varying += wanted.counter.runs() < runs ? 1 : 0;
        below.withheld = below.withheld || !wanted.withheld.empty();
        below.names.push_back(text);
    }
    for (const auto& [domain, below] : domains) {
        if (below.varying < 2 || below.withheld) {
            continue;
        }
        Wanted joined;
        for (const std::string& name : below.names) {
            const Wanted& one = rules[{Section::Connect, name}];
            joined.counter.add(one.counter);
            joined.named = joined.named || one.named;
            joined.other = joined.other || one.other;
            rules.erase({Section::Connect, name});
        }
        rules[{Section::Connect, "*." + domain}] = std::move(joined);
    }
}

} // namespace

std::vector<ProposedRule> network_rules(const std::vector<Trace>& traces,
                                        const std::function<Variables(const RunInfo&)>& variables,
                                        const std::vector<SocketPath>& sockets, const Policy& allowed,
                                        const MadeInPrivate& made_in_private) {
    Rules wanted;
    std::map<uint16_t, EvidenceCounter> ports;
    std::map<uint16_t, size_t> runs_with_port;
    for (size_t run = 0; run < traces.size(); ++run) {
        const Variables here = variables(traces[run].run);
        const Subjects subjects(traces[run]);
        OneRun one(traces[run], subjects, here, run, wanted, made_in_private);
        one.add();
        for (const auto& [port, uses] : one.listens) {
            ++runs_with_port[port];
            for (const SocketAccess* socket : uses) {
                ports[port].add(subjects.of(socket->process), run, std::max<uint64_t>(socket->count, 1));
                ports[port].by(run, socket->process);
            }
        }
    }
    for (auto& [key, entry] : wanted) {
        if (key.first == Section::Connect && !entry.stream && entry.withheld.empty()) {
            entry.withheld = only_datagrams; // e.g. a browser's check for a route, QUIC
        }
    }
    join_drawn_names(wanted, traces.size());
    // Two ports that come and go from run to run were drawn by the program itself: any port.
    size_t varying = 0;
    for (const auto& [port, runs] : runs_with_port) {
        varying += port != 0 && runs < traces.size();
    }
    const int of_runs = static_cast<int>(traces.size());
    std::vector<ProposedRule> rules;
    for (const auto& [key, entry] : wanted) {
        if (key.first != Section::Connect) {
            continue;
        }
        std::string text = key.second;
        if (text.ends_with(any_protocol)) {
            const auto standing = wanted.find({key.first, text.substr(0, text.size() - any_protocol.size())});
            if (standing != wanted.end() && standing->second.other) {
                continue; // it says so itself
            }
        } else if (!is_of_address(text) && (entry.other || (!entry.named && is_of_other_protocol(text)))) {
            text += any_protocol;
        }
        rules.push_back({key.first, std::move(text), entry.counter.finish(of_runs), entry.withheld});
    }
    EvidenceCounter any_port;
    bool any = false;
    std::vector<ProposedRule> fixed;
    for (const auto& [port, counter] : ports) {
        if (port == 0 || (varying >= 2 && runs_with_port[port] < traces.size())) {
            any_port.add(counter);
            any = true;
        } else {
            fixed.push_back({Section::Listen, std::to_string(port), counter.finish(of_runs), ""});
        }
    }
    if (any) {
        rules.push_back({Section::Listen, "0", any_port.finish(of_runs), ""});
    }
    rules.insert(rules.end(), fixed.begin(), fixed.end());
    const auto order = [](const std::string& a, const std::string& b) { return reads_before(a, b); };
    std::map<std::string, ProposedRule, decltype(order)> unix_rules(order);
    for (const SocketPath& socket : sockets) {
        if (socket.path != "/run/nscd/socket" && !made_in_private(socket.path) &&
            !wanted.contains({Section::Unix, socket.path})) {
            unix_rules[socket.path] = {Section::Unix, socket.path, socket.evidence, ""};
        }
    }
    for (const auto& [key, entry] : wanted) {
        if (key.first == Section::Unix) {
            unix_rules[key.second] = {key.first, key.second, entry.counter.finish(of_runs), entry.withheld};
        }
    }
    for (auto& [path, rule] : unix_rules) {
        const auto absolute = allowed.variables().expand(path);
        if (absolute && allowed.decide(Operation::UnixConnect, *absolute).allowed) {
            continue;
        }
        rules.push_back(std::move(rule));
    }
    return rules;
}

} // namespace treadline
