#include "collector/varlink_message.h"

#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "collector/dns_message.h"

namespace treadline {
namespace {

using nlohmann::json;

constexpr size_t max_addresses = 256;
// The library parses without recursion, but destroys with it.
constexpr int max_depth = 16;

// An object, or none: for broken JSON, another type, or one that is nested too deep.
std::optional<json> parse_object(std::string_view text) {
    bool too_deep = false;
    const auto shallow = [&](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
    };
    json whole = json::parse(text, shallow, false);
    if (too_deep || !whole.is_object()) {
        return std::nullopt;
    }
    return whole;
}

bool flag(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

// {"family": AF_INET or AF_INET6, "address": [bytes]}
std::string address_of(const json& entry) {
    const auto family = entry.find("family");
    const auto bytes = entry.find("address");
    if (family == entry.end() || bytes == entry.end() || !family->is_number_integer() || !bytes->is_array()) {
        return {};
    }
    const size_t size = *family == AF_INET ? 4 : *family == AF_INET6 ? 16 : 0;
    if (size == 0 || bytes->size() != size) {
        return {};
    }
    std::string raw;
    for (const json& byte : *bytes) {
        if (!byte.is_number_unsigned() || byte.get<uint64_t>() > 255) {
            return {};
        }
        raw += static_cast<char>(byte.get<uint64_t>());
    }
    return address_text(raw);
}

} // namespace

std::optional<VarlinkCall> parse_varlink_call(std::string_view text) {
    const auto whole = parse_object(text);
    if (!whole) {
        return std::nullopt;
    }
    const auto method = whole->find("method");
    if (method == whole->end() || !method->is_string()) {
        return std::nullopt;
    }
    VarlinkCall call;
    call.answered = !flag(*whole, "oneway");
    const auto parameters = whole->find("parameters");
    if (*method == "io.systemd.Resolve.ResolveHostname" && parameters != whole->end() &&
        parameters->is_object()) {
        const auto name = parameters->find("name");
        if (name != parameters->end() && name->is_string()) {
            call.name = canonical_host(name->get_ref<const std::string&>());
        }
    }
    return call;
}

std::optional<VarlinkReply> parse_varlink_reply(std::string_view text) {
    const auto whole = parse_object(text);
    if (!whole) {
        return std::nullopt;
    }
    VarlinkReply reply;
    reply.continues = flag(*whole, "continues");
    reply.failed = whole->contains("error");
    const auto parameters = whole->find("parameters");
    if (reply.failed || parameters == whole->end() || !parameters->is_object()) {
        return reply;
    }
    const auto addresses = parameters->find("addresses");
    if (addresses == parameters->end() || !addresses->is_array()) {
        return reply;
    }
    for (const json& entry : *addresses) {
        std::string address = entry.is_object() ? address_of(entry) : std::string();
        if (!address.empty() && reply.addresses.size() < max_addresses) {
            reply.addresses.push_back(std::move(address));
        }
    }
    return reply;
}

} // namespace treadline
