#include "profiler/network_rules.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include <arpa/inet.h>

#include "base/path.h"
#include "base/text.h"
#include "profiler/volatile_names.h"
#include "profiles/guards.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

constexpr uint16_t dns_port = 53;
constexpr uint16_t first_ephemeral_port = 32768; // net.ipv4.ip_local_port_range, by default

struct Address {
    std::array<uint8_t, 16> bytes{}; // IPv4 as its mapped form, ::ffff:a.b.c.d (RFC 4291)
    bool v4 = false;
    bool valid = false;
};

Address parse_address(std::string_view text) {
    Address address;
    const std::string copy(text.substr(0, text.find('%'))); // without a scope such as %eth0
    if (inet_pton(AF_INET, copy.c_str(), address.bytes.data() + 12) == 1) {
        address.bytes[10] = address.bytes[11] = 0xFF;
        address.v4 = address.valid = true;
    } else if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
        constexpr std::array<uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
        address.v4 = std::equal(mapped.begin(), mapped.end(), address.bytes.begin());
        address.valid = true;
    }
    return address;
}

bool is_loopback(const Address& address) {
    if (address.v4) {
        // 0.0.0.0 as a destination is this machine, as is :: below.
        return address.bytes[12] == 127 || std::all_of(address.bytes.begin() + 12, address.bytes.end(),
                                                       [](uint8_t byte) { return byte == 0; });
    }
    return std::all_of(address.bytes.begin(), address.bytes.end() - 1,
                       [](uint8_t byte) { return byte == 0; }) &&
           address.bytes[15] <= 1;
}

std::string to_text(const Address& address) {
    char buffer[INET6_ADDRSTRLEN];
    return address.v4 ? inet_ntop(AF_INET, address.bytes.data() + 12, buffer, sizeof buffer)
                      : inet_ntop(AF_INET6, address.bytes.data(), buffer, sizeof buffer);
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
    EvidenceCounter counter;
};
// Section and text; the order in which they are written.
using Rules = std::map<std::pair<Section, std::string>, Wanted>;

class OneRun {
public:
    OneRun(const Trace& trace, const Variables& variables, size_t run, Rules& rules,
           const MadeInPrivate& made_in_private)
        : trace_(trace), variables_(variables), guards_(variables), run_(run), rules_(rules),
          made_in_private_(made_in_private) {
        for (const ProcessImage& image : trace.processes) {
            programs_[image.id] = program_name(image);
        }
    }

    void add();
    // Fixed ports listened on; 0 for one the kernel picked.
    std::map<uint16_t, std::vector<const SocketAccess*>> listens;

private:
    void note(Section section, const std::string& text, const std::string& withheld,
              const SocketAccess& socket);
    void find_listens();
    void add_connect(const SocketAccess& socket, bool names_known);
    void add_unix(const SocketAccess& socket);
    [[nodiscard]] std::string name_of(const SocketAccess& socket) const;

    const Trace& trace_;
    const Variables& variables_;
    Guards guards_;
    size_t run_;
    Rules& rules_;
    const MadeInPrivate& made_in_private_;
    std::map<int64_t, std::string> programs_;
    std::set<uint16_t> own_ports_;
    std::set<std::string> own_sockets_;
};

void OneRun::note(Section section, const std::string& text, const std::string& withheld,
                  const SocketAccess& socket) {
    Wanted& wanted = rules_[{section, text}];
    if (!withheld.empty()) {
        wanted.withheld = withheld;
    }
    const auto program = programs_.find(socket.process);
    wanted.counter.add(program == programs_.end() ? "" : program->second, run_,
                       std::max<uint64_t>(socket.count, 1));
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
    for (const SocketAccess& socket : trace_.sockets) {
        const bool tcp =
            socket.protocol == "tcp" && (socket.operation == "bind" || socket.operation == "listen");
        // A datagram socket bound to "any port" is a client; only a fixed port is a service.
        const bool udp = socket.protocol == "udp" && socket.operation == "bind" && socket.port != 0;
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
    if (socket.port == dns_port && names_known) {
        return; // lookups are the gateway's
    }
    const std::string name = name_of(socket);
    const std::string port = ":" + std::to_string(socket.port);
    const std::string why = why_not_public(socket.address);
    if (is_host_name(name) && name != "localhost") {
        note(Section::Connect, name + port, why.empty() ? "" : "resolves to " + to_text(address) + ": " + why,
             socket);
    } else {
        const std::string text = to_text(address);
        note(Section::Connect, (address.v4 ? text : "[" + text + "]") + port, why, socket);
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
    bool names_known = !trace_.names.empty();
    for (const SocketAccess& socket : trace_.sockets) {
        names_known = names_known || !socket.host.empty();
    }
    for (const SocketAccess& socket : trace_.sockets) {
        if (socket.result != 0 || (socket.operation != "connect" && socket.operation != "send")) {
            continue;
        }
        if (socket.protocol == "tcp" || socket.protocol == "udp") {
            add_connect(socket, names_known);
        } else if (socket.protocol == "unix") {
            add_unix(socket);
        }
    }
}

} // namespace

std::string why_not_public(std::string_view text) {
    const Address address = parse_address(text);
    if (!address.valid) {
        return "";
    }
    const auto& b = address.bytes;
    if (is_loopback(address)) {
        return "a service on this machine's loopback, which the sandbox does not share";
    }
    if (address.v4) {
        const uint8_t first = b[12];
        const uint8_t second = b[13];
        if (first == 169 &&
            second == 254) { // RFC 3927; 169.254.169.254 is where clouds keep their credentials
            return b[14] == 169 && b[15] == 254 ? "the cloud's metadata service, which hands out credentials"
                                                : "a link-local address";
        }
        if (first == 10 || (first == 172 && second >= 16 && second < 32) || (first == 192 && second == 168)) {
            return "an address of the private network"; // RFC 1918
        }
        if (first == 100 && second >= 64 && second < 128) { // RFC 6598
            return "an address of the provider's network";
        }
        if (first == 0 || first >= 224) { // RFC 1122, RFC 1112
            return "not an ordinary address";
        }
        return "";
    }
    if ((b[0] & 0xFE) == 0xFC) { // RFC 4193; fd00:ec2::254 is a metadata service, too
        return "an address of the private network";
    }
    if (b[0] == 0xFE && (b[1] & 0xC0) == 0x80) { // RFC 4291
        return "a link-local address";
    }
    return b[0] == 0xFF ? "not an ordinary address" : "";
}

std::vector<ProposedRule> network_rules(const std::vector<Trace>& traces,
                                        const std::function<Variables(const RunInfo&)>& variables,
                                        const std::vector<SocketPath>& sockets, const Policy& allowed,
                                        const MadeInPrivate& made_in_private) {
    Rules wanted;
    std::map<uint16_t, EvidenceCounter> ports;
    std::map<uint16_t, size_t> runs_with_port;
    for (size_t run = 0; run < traces.size(); ++run) {
        const Variables here = variables(traces[run].run);
        OneRun one(traces[run], here, run, wanted, made_in_private);
        one.add();
        std::map<int64_t, std::string> programs;
        for (const ProcessImage& image : traces[run].processes) {
            programs[image.id] = program_name(image);
        }
        for (const auto& [port, uses] : one.listens) {
            ++runs_with_port[port];
            for (const SocketAccess* socket : uses) {
                ports[port].add(programs[socket->process], run, std::max<uint64_t>(socket->count, 1));
            }
        }
    }
    // Two ports that come and go from run to run were drawn by the program itself: any port.
    size_t varying = 0;
    for (const auto& [port, runs] : runs_with_port) {
        varying += port != 0 && runs < traces.size();
    }
    const int of_runs = static_cast<int>(traces.size());
    std::vector<ProposedRule> rules;
    for (const auto& [key, entry] : wanted) {
        if (key.first == Section::Connect) {
            rules.push_back({key.first, key.second, entry.counter.finish(of_runs), entry.withheld});
        }
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
    std::map<std::string, ProposedRule> unix_rules;
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
