#include "collector/dns_message.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <arpa/inet.h>
#include <ldns/ldns.h>

namespace treadline {
namespace {

// Resolvers follow about as many (bind9: 16); more is somebody's joke.
constexpr int max_aliases = 32;
constexpr size_t max_addresses = 256;

struct FreePacket {
    void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};

std::string text_of(const ldns_rdf* name) {
    char* raw = ldns_rdf2str(name);
    std::string text = canonical_host(raw == nullptr ? "" : raw);
    std::free(raw);
    return text;
}

std::string_view bytes_of(const ldns_rdf* data) {
    return {reinterpret_cast<const char*>(ldns_rdf_data(data)), ldns_rdf_size(data)};
}

// The records of `type` that `owner` has.
template <class Use>
void each_record(const ldns_rr_list* records, const ldns_rdf* owner, ldns_rr_type type, const Use& use) {
    for (size_t i = 0; i < ldns_rr_list_rr_count(records); ++i) {
        const ldns_rr* record = ldns_rr_list_rr(records, i);
        if (ldns_rr_get_type(record) == type && ldns_rr_get_class(record) == LDNS_RR_CLASS_IN &&
            ldns_rr_rd_count(record) > 0 && ldns_dname_compare(ldns_rr_owner(record), owner) == 0) {
            use(ldns_rr_rdf(record, 0));
        }
    }
}

std::vector<std::string> addresses_of(const ldns_rr_list* answer, const ldns_rdf* asked) {
    std::vector<std::string> found;
    const ldns_rdf* owner = asked;
    for (int aliases = 0; owner != nullptr && aliases < max_aliases; ++aliases) {
        for (const ldns_rr_type type : {LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA}) {
            each_record(answer, owner, type, [&](const ldns_rdf* data) {
                std::string text = address_text(bytes_of(data));
                if (!text.empty() && found.size() < max_addresses &&
                    std::find(found.begin(), found.end(), text) == found.end()) {
                    found.push_back(std::move(text));
                }
            });
        }
        const ldns_rdf* next = nullptr;
        each_record(answer, owner, LDNS_RR_TYPE_CNAME, [&](const ldns_rdf* data) { next = data; });
        owner = next;
    }
    return found;
}

} // namespace

bool DnsMessage::asks_for_addresses() const {
    return type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA || type == LDNS_RR_TYPE_ANY;
}

std::string canonical_host(std::string_view name) {
    while (!name.empty() && name.back() == '.') {
        name.remove_suffix(1);
    }
    std::string text(name);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

std::string address_text(std::string_view bytes) {
    constexpr std::string_view mapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12); // RFC 4291, 2.5.5.2
    if (bytes.size() == 16 && bytes.substr(0, mapped.size()) == mapped) {
        bytes.remove_prefix(mapped.size());
    }
    if (bytes.size() != 4 && bytes.size() != 16) {
        return {};
    }
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
    return text;
}

std::optional<DnsMessage> parse_dns(std::string_view bytes) {
    ldns_pkt* raw = nullptr;
    if (bytes.size() > max_dns_message ||
        ldns_wire2pkt(&raw, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) != LDNS_STATUS_OK) {
        return std::nullopt;
    }
    const std::unique_ptr<ldns_pkt, FreePacket> packet(raw);
    const ldns_rr_list* questions = ldns_pkt_question(raw);
    if (ldns_pkt_get_opcode(raw) != LDNS_PACKET_QUERY || ldns_rr_list_rr_count(questions) != 1) {
        return std::nullopt;
    }
    const ldns_rr* question = ldns_rr_list_rr(questions, 0);
    if (ldns_rr_get_class(question) != LDNS_RR_CLASS_IN) {
        return std::nullopt;
    }
    DnsMessage message;
    message.id = ldns_pkt_id(raw);
    message.response = ldns_pkt_qr(raw);
    message.truncated = ldns_pkt_tc(raw);
    message.name = text_of(ldns_rr_owner(question));
    message.type = static_cast<uint16_t>(ldns_rr_get_type(question));
    message.failed = message.response && ldns_pkt_get_rcode(raw) != LDNS_RCODE_NOERROR;
    if (message.response && !message.failed) {
        message.addresses = addresses_of(ldns_pkt_answer(raw), ldns_rr_owner(question));
    }
    return message;
}

} // namespace treadline
