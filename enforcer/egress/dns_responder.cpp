#include "enforcer/egress/dns_responder.h"

#include <algorithm>
#include <memory>

#include <ldns/ldns.h>

#include "base/text.h"

namespace treadline::egress {
namespace {

constexpr uint32_t lifetime_s = 60; // of an answer; the addresses hold for the whole run
constexpr uint16_t udp_size = 1232; // no answer of ours is longer

struct PacketDeleter {
    void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, PacketDeleter>;

Packet parse(std::string_view message) {
    ldns_pkt* packet = nullptr;
    if (ldns_wire2pkt(&packet, reinterpret_cast<const uint8_t*>(message.data()), message.size()) != LDNS_STATUS_OK) {
        return nullptr;
    }
    return Packet(packet);
}

// As in a host name: nothing where a label holds a dot or something else that no host name has.
std::optional<std::string> host_of(const ldns_rdf* owner) {
    std::string text;
    const uint8_t* at = ldns_rdf_data(owner);
    const uint8_t* const end = at + ldns_rdf_size(owner);
    while (at < end && *at != 0) {
        const size_t size = *at++;
        if (size > 63 || static_cast<size_t>(end - at) < size) {
            return std::nullopt;
        }
        for (size_t i = 0; i < size; ++i) {
            if (at[i] == '.') {
                return std::nullopt;
            }
        }
        text.append(text.empty() ? "" : ".").append(reinterpret_cast<const char*>(at), size);
        at += size;
    }
    return text;
}

std::string shown(const ldns_rdf* owner) {
    char* text = ldns_rdf2str(owner);
    std::string out = text != nullptr ? text : "";
    LDNS_FREE(text);
    if (out.size() > 1 && out.back() == '.') {
        out.pop_back();
    }
    return out;
}

std::optional<std::string> wire(const ldns_pkt* packet) {
    uint8_t* bytes = nullptr;
    size_t size = 0;
    if (ldns_pkt2wire(&bytes, packet, &size) != LDNS_STATUS_OK) {
        return std::nullopt;
    }
    std::string out(reinterpret_cast<const char*>(bytes), size);
    LDNS_FREE(bytes);
    return out;
}

// Why, to who asked for it by EDNS (RFC 8914: info code, and text for a person).
void explain(ldns_pkt* reply, uint16_t code, const std::string& why) {
    const std::string text = why.substr(0, 200);
    std::string option;
    const auto add = [&](size_t number) {
        option.push_back(static_cast<char>(number >> 8));
        option.push_back(static_cast<char>(number & 0xFF));
    };
    add(15);
    add(2 + text.size());
    add(code);
    option += text;
    ldns_pkt_set_edns_data(reply, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, option.size(), option.data()));
}

void add_address(ldns_pkt* reply, const ldns_rr* question, const std::string& address) {
    const bool v4 = ldns_rr_get_type(question) == LDNS_RR_TYPE_A;
    ldns_rdf* data = ldns_rdf_new_frm_str(v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA, address.c_str());
    if (data == nullptr) {
        return;
    }
    ldns_rr* record = ldns_rr_new();
    ldns_rr_set_owner(record, ldns_rdf_clone(ldns_rr_owner(question)));
    ldns_rr_set_type(record, ldns_rr_get_type(question));
    ldns_rr_set_class(record, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(record, lifetime_s);
    ldns_rr_push_rdf(record, data);
    ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, record);
}

bool is_local(const std::string& name) { // RFC 6761, 6.3
    return name == "localhost" || name.ends_with(".localhost");
}

} // namespace

// Resolvers try `example.org` and then `example.org.corp.example`, or the other way round: the second name came of the
// first, which is answered, or reported, by itself.
bool DnsResponder::of_search_list(const std::string& name) const {
    return std::any_of(search_.begin(), search_.end(),
                       [&](const std::string& domain) { return name.ends_with("." + domain); });
}

std::optional<std::string> DnsResponder::answer(std::string_view message) {
    const Packet query = parse(message);
    if (query == nullptr || ldns_pkt_qr(query.get())) {
        return std::nullopt;
    }
    const Packet reply(ldns_pkt_new());
    ldns_pkt_set_id(reply.get(), ldns_pkt_id(query.get()));
    ldns_pkt_set_qr(reply.get(), true);
    ldns_pkt_set_opcode(reply.get(), ldns_pkt_get_opcode(query.get()));
    ldns_pkt_set_rd(reply.get(), ldns_pkt_rd(query.get()));
    ldns_pkt_set_ra(reply.get(), true);
    const bool extended = ldns_pkt_edns(query.get());
    if (extended) {
        ldns_pkt_set_edns_udp_size(reply.get(), udp_size);
    }
    const ldns_rr_list* questions = ldns_pkt_question(query.get());
    if (ldns_pkt_get_opcode(query.get()) != LDNS_PACKET_QUERY) {
        ldns_pkt_set_rcode(reply.get(), LDNS_RCODE_NOTIMPL);
        return wire(reply.get());
    }
    if (ldns_rr_list_rr_count(questions) != 1) {
        ldns_pkt_set_rcode(reply.get(), LDNS_RCODE_FORMERR);
        return wire(reply.get());
    }
    const ldns_rr* question = ldns_rr_list_rr(questions, 0);
    ldns_pkt_push_rr(reply.get(), LDNS_SECTION_QUESTION, ldns_rr_clone(question));
    const ldns_rr_type type = ldns_rr_get_type(question);
    const auto host = host_of(ldns_rr_owner(question));
    const auto name = host ? canonical_host(*host) : std::nullopt;
    if (name && is_local(*name)) {
        if (type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA) {
            add_address(reply.get(), question, type == LDNS_RR_TYPE_A ? "127.0.0.1" : "::1");
        }
        return wire(reply.get());
    }
    const std::string asked = name ? *name : shown(ldns_rr_owner(question));
    const Verdict verdict = ldns_rr_get_class(question) == LDNS_RR_CLASS_IN
                                ? decision_.lookup(name ? *name : asked)
                                : Verdict{false, "", refusal("lookup", asked, "it is asked for in another class than the internet's")};
    if (!verdict.allowed) {
        if (!of_search_list(asked)) {
            on_violation_(verdict.violation);
        }
        ldns_pkt_set_rcode(reply.get(), LDNS_RCODE_NXDOMAIN);
        if (extended) {
            explain(reply.get(), LDNS_EDE_PROHIBITED, "treadline: " + verdict.violation.reason);
        }
        return wire(reply.get());
    }
    // Other types of an allowed name (HTTPS and SVCB above all, whose hints would lead past the name) are empty.
    if (type != LDNS_RR_TYPE_A && type != LDNS_RR_TYPE_AAAA && type != LDNS_RR_TYPE_ANY) {
        return wire(reply.get());
    }
    const auto addresses = names_.addresses_of(*name);
    if (!addresses) {
        on_violation_(refusal("lookup", *name, "more than " + std::to_string(NameTable::max_names) +
                                                   " different names were looked up in this run"));
        ldns_pkt_set_rcode(reply.get(), LDNS_RCODE_NXDOMAIN);
        return wire(reply.get());
    }
    if (type != LDNS_RR_TYPE_ANY) {
        add_address(reply.get(), question, type == LDNS_RR_TYPE_A ? addresses->v4 : addresses->v6);
    }
    return wire(reply.get());
}

} // namespace treadline::egress
