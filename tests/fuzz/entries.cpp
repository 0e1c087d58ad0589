#include "tests/fuzz/entries.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include <arpa/inet.h>

#include "collector/dns_message.h"
#include "collector/event_view.h"
#include "collector/name_lookups.h"
#include "collector/run_recorder.h"
#include "collector/socket_address.h"
#include "collector/trace_writer.h"
#include "collector/varlink_message.h"

namespace treadline::fuzz {
namespace {

void must(bool holds, const char* what) {
    if (!holds) {
        throw std::logic_error(what);
    }
}

void check_host(const std::string& name) {
    must(name.size() <= 4 * 255 || name.find('\0') == std::string::npos, "a name of reasonable size");
    must(std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; }), "lower case");
    must(name.empty() || name.back() != '.', "no dot at the end");
}

void check_addresses(const std::vector<std::string>& addresses) {
    must(addresses.size() <= 256, "a bounded number of addresses");
    for (const std::string& address : addresses) {
        char binary[16];
        must(::inet_pton(AF_INET, address.c_str(), binary) == 1 ||
                 ::inet_pton(AF_INET6, address.c_str(), binary) == 1,
             "an address");
    }
}

struct CheckEvent {
    std::string_view all;

    void within(std::string_view part) const {
        must(part.empty() ||
                 (part.data() >= all.data() && part.data() + part.size() <= all.data() + all.size()),
             "a part of the record");
    }
    void operator()(const NameEvent& event) const {
        within(event.names);
        must(path_from_names(event.names).front() == '/', "an absolute path");
    }
    void operator()(const ExecEvent& event) const {
        within(event.argv);
        must(texts_from(event.argv).size() <= event.argv.size(), "at most a text a byte");
    }
    void operator()(const PathEvent& event) const {
        within(event.name);
        within(event.text);
    }
    void operator()(const SocketEvent& event) const {
        within(event.address);
        must(read_address(event.address, event.fixed.family).text.size() <= all.size() + INET6_ADDRSTRLEN,
             "an address no longer than its bytes");
    }
    void operator()(const EnvironmentEvent& event) const { within(event.names); }
    void operator()(const RepeatsEvent&) const {}
    void operator()(const GetenvEvent& event) const { within(event.name); }
    void operator()(const AnswerEvent& event) const { within(event.bytes); }
    template <class Other>
    void operator()(const Other& /*fixed size*/) const {}
};

} // namespace

void events(std::string_view bytes) {
    if (const auto event = parse_event(bytes)) {
        std::visit(CheckEvent{bytes}, *event);
        must(!parse_event(bytes.substr(0, bytes.size() - 1)), "a record that is cut off is refused");
    }
}

void recorder(std::string_view bytes) {
    auto writer = TraceWriter::open(":memory:");
    must(writer.has_value() && writer->begin_run({}).has_value(), "a store in memory");
    RunRecorder recorder(*writer, 1);
    for (int records = 0; bytes.size() >= sizeof(tl_header) && records < 100; ++records) {
        tl_header header{};
        std::memcpy(&header, bytes.data(), sizeof header);
        const size_t size = std::clamp<size_t>(header.size, sizeof header, bytes.size());
        must(recorder.on_record(bytes.substr(0, size)).has_value(), "no record is an error of the store");
        bytes.remove_prefix(size);
    }
    must(recorder.store_failed_lookups().has_value() && recorder.tree().store_living().has_value() &&
             writer->finish_run({}).has_value(),
         "the end of the run");
}

void dns(std::string_view bytes) {
    if (const auto message = parse_dns(bytes)) {
        check_host(message->name);
        check_addresses(message->addresses);
        must(message->addresses.empty() || (message->response && !message->failed), "only good answers");
    }
}

void varlink(std::string_view bytes) {
    if (const auto call = parse_varlink_call(bytes)) {
        check_host(call->name);
    }
    if (const auto reply = parse_varlink_reply(bytes)) {
        check_addresses(reply->addresses);
        must(!reply->failed || reply->addresses.empty(), "a failure has no addresses");
    }
}

void traffic(std::string_view bytes) {
    ResolverTraffic resolvers;
    AddressNames names;
    while (bytes.size() >= 3) {
        const auto flags = static_cast<unsigned char>(bytes[0]);
        const size_t size = static_cast<unsigned char>(bytes[1]) |
                            static_cast<size_t>(static_cast<unsigned char>(bytes[2])) << 8;
        bytes.remove_prefix(3);
        const std::string_view piece = bytes.substr(0, size);
        bytes.remove_prefix(piece.size());
        const auto protocol = static_cast<ResolverTraffic::Protocol>((flags >> 1 & 3) % 3);
        const uint64_t socket = flags >> 4;
        const bool whole = (flags & 8) != 0;
        if ((flags & 1) != 0) {
            resolvers.sent(socket, protocol, piece, whole);
            continue;
        }
        for (const NameAnswer& answer : resolvers.received(socket, protocol, piece, whole)) {
            check_host(answer.name);
            check_addresses(answer.addresses);
            for (const std::string& address : answer.addresses) {
                must(names.learn(socket, answer.name, address, 1), "room for a name");
                const uint64_t line[] = {socket};
                const auto found = names.find(line, address, 1);
                must(std::find(found.begin(), found.end(), answer.name) != found.end(), "a name learned");
            }
        }
    }
}

} // namespace treadline::fuzz
