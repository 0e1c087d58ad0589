#include "enforcer/egress/socks_request.h"

#include <arpa/inet.h>

namespace treadline::egress {
namespace {

constexpr unsigned version = 5;
constexpr unsigned no_authentication = 0;
constexpr size_t head = 4; // version, command, reserved, address type

unsigned at(std::string_view bytes, size_t place) {
    return static_cast<unsigned char>(bytes[place]);
}

SocksRequest invalid(std::string problem, SocksReply reply) {
    SocksRequest request;
    request.state = SocksReading::State::Invalid;
    request.problem = std::move(problem);
    request.reply = reply;
    return request;
}

} // namespace

SocksReading read_socks_greeting(std::string_view bytes) {
    if (!bytes.empty() && at(bytes, 0) != version) {
        return {SocksReading::State::Invalid, 0, "version " + std::to_string(at(bytes, 0)) + " of SOCKS"};
    }
    const size_t methods = bytes.size() < 2 ? 0 : at(bytes, 1);
    if (bytes.size() < 2 || bytes.size() < 2 + methods) {
        return {};
    }
    if (bytes.substr(2, methods).find(static_cast<char>(no_authentication)) == std::string_view::npos) {
        return {SocksReading::State::Invalid, 0, "a SOCKS client that insists on authentication"};
    }
    return {SocksReading::State::Complete, 2 + methods, ""};
}

SocksRequest read_socks_request(std::string_view bytes) {
    if (!bytes.empty() && at(bytes, 0) != version) {
        return invalid("version " + std::to_string(at(bytes, 0)) + " of SOCKS", SocksReply::NotAllowed);
    }
    if (bytes.size() <= head) {
        return {}; // the first byte of the address says how long a name is
    }
    if (at(bytes, 1) != 1) {
        return invalid(at(bytes, 1) == 3 ? "SOCKS is asked for datagrams (UDP ASSOCIATE)" : "SOCKS is asked for another command than CONNECT",
                       SocksReply::CommandNotSupported);
    }
    if (at(bytes, 2) != 0) {
        return invalid("a SOCKS request whose reserved byte is not 0", SocksReply::NotAllowed);
    }
    constexpr unsigned v4 = 1;
    constexpr unsigned name = 3;
    constexpr unsigned v6 = 4;
    const unsigned type = at(bytes, 3);
    if (type != v4 && type != name && type != v6) {
        return invalid("an address type that SOCKS has not", SocksReply::AddressTypeNotSupported);
    }
    const size_t from = head + (type == name ? 1 : 0);
    const size_t length = type == v4 ? 4 : type == v6 ? 16 : at(bytes, head);
    if (length == 0) {
        return invalid("a SOCKS request for a name without a letter", SocksReply::NotAllowed);
    }
    if (bytes.size() < from + length + 2) {
        return {};
    }
    SocksRequest request;
    request.state = SocksReading::State::Complete;
    request.size = from + length + 2;
    request.port = static_cast<uint16_t>(at(bytes, from + length) << 8 | at(bytes, from + length + 1));
    request.address = type != name;
    if (request.address) {
        char text[INET6_ADDRSTRLEN] = {};
        ::inet_ntop(type == v4 ? AF_INET : AF_INET6, bytes.data() + from, text, sizeof text);
        request.host = text;
    } else {
        request.host = bytes.substr(from, length);
    }
    return request;
}

std::string socks_method(bool accepted) {
    return {static_cast<char>(version), accepted ? '\0' : '\xFF'};
}

// Bound address and port are of no use to anybody who connects.
std::string socks_answer(SocksReply reply) {
    return {static_cast<char>(version), static_cast<char>(reply), '\0', '\1', '\0', '\0', '\0', '\0', '\0', '\0'};
}

} // namespace treadline::egress
