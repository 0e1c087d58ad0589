#include "tools/treadline/learn_network.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <vector>

#include "base/addresses.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/egress/capture.h"

namespace treadline {
namespace {

constexpr size_t most_examples = 4;

// Names of abstract sockets that somebody outside listens at, "@name".
std::set<std::string> abstract_sockets_here() {
    std::set<std::string> names;
    const std::string table = sys::read_file("/proc/net/unix").value_or("");
    for (const std::string_view line : split(table, '\n')) {
        const size_t at = line.find(" @");
        if (at != std::string_view::npos) {
            names.emplace(line.substr(at + 1));
        }
    }
    return names;
}

std::string datagrams_of(const SocketAccess& socket) {
    const Address address = parse_address(socket.address);
    const bool sorting = socket.port == 0 && socket.operation == "connect"; // getaddrinfo(3)
    if (!address.valid || is_loopback(address) || stands_for_name(socket.address) || sorting) {
        return "";
    }
    const std::string text = address.v4 ? to_text(address) : "[" + to_text(address) + "]";
    return socket.protocol + " to " + text + (socket.port == 0 ? "" : ":" + std::to_string(socket.port));
}

} // namespace

result<ok> check_recording(const Machine& machine) {
    if (!machine.user_namespaces) {
        return fail(machine.user_namespaces_why);
    }
    if (machine.landlock_abi <= 0) {
        return fail("it could not give up the files, which takes Landlock (Linux 5.13)");
    }
    return egress::check_capture();
}

GatewayRecord record_of(const egress::Recording& recording) {
    GatewayRecord record;
    record.names = recording.names;
    for (const egress::RecordedExchange& one : recording.exchanges) {
        Exchange exchange;
        exchange.host = one.host;
        exchange.address = one.address;
        exchange.port = one.port;
        exchange.protocol = one.protocol;
        exchange.server_name = one.server_name;
        exchange.problem = one.problem;
        exchange.method = one.method;
        exchange.path = one.path;
        exchange.result = one.result;
        exchange.count = one.count;
        exchange.bytes_up = one.bytes_up;
        exchange.bytes_down = one.bytes_down;
        record.exchanges.push_back(std::move(exchange));
    }
    return record;
}

std::string not_carried(const Trace& trace, const egress::Recording& recording) {
    std::set<std::string> tried;
    const std::set<std::string> abstract = abstract_sockets_here();
    for (const SocketAccess& socket : trace.sockets) {
        if (socket.operation != "connect" && socket.operation != "send") {
            continue;
        }
        if (socket.protocol == "unix" && socket.result == ECONNREFUSED && abstract.contains(socket.address)) {
            tried.insert("the abstract socket " + socket.address);
        } else if (socket.result == ENETUNREACH) {
            tried.insert(datagrams_of(socket));
        }
    }
    for (const std::string& lookup : recording.unanswered) {
        tried.insert("the lookup " + lookup);
    }
    tried.erase("");
    if (tried.empty()) {
        return "";
    }
    std::vector<std::string> examples;
    for (const std::string& one : tried) {
        if (examples.size() < most_examples) {
            examples.push_back(printable(one));
        }
    }
    const size_t more = tried.size() - examples.size();
    return "only TCP passes the egress gateway, and this was tried besides: " + join(examples, ", ") +
           (more == 0 ? "" : " and " + std::to_string(more) + " more") +
           "; if the command needs it, learn with '--network host' (no rule can allow it, though)";
}

} // namespace treadline
