#include "enforcer/egress/dns_responder.h"

#include <algorithm>

#include <arpa/inet.h>

#include "enforcer/egress/dns_message.h"

namespace treadline::egress {
namespace {

constexpr uint32_t lifetime_s = 60; // of an answer; the addresses hold for the whole run

bool is_local(const std::string& name) { // RFC 6761, 6.3
    return name == "localhost" || name.ends_with(".localhost");
}

// What holds for one port or service of a name is asked below it (RFC 8552), as by browsers for other ports than 443:
// `_8443._https.example.org`. It is answered as other records of that name are.
std::string_view described_by(std::string_view name, uint16_t type) {
    const bool of_service = type == dns::srv || type == dns::svcb || type == dns::https;
    while (of_service && name.starts_with('_') && name.find('.') != std::string_view::npos) {
        name.remove_prefix(name.find('.') + 1);
    }
    return name;
}

std::string bytes_of(uint16_t type, const std::string& address) {
    std::string bytes(type == dns::a ? 4 : 16, '\0');
    ::inet_pton(type == dns::a ? AF_INET : AF_INET6, address.c_str(), bytes.data()); // of ours
    return bytes;
}

} // namespace

// Resolvers try `example.org` and then `example.org.corp.example`, or the other way round: the second name came of the
// first, which is answered, or reported, by itself.
bool DnsResponder::of_search_list(const std::string& name) const {
    return std::any_of(search_.begin(), search_.end(),
                       [&](const std::string& domain) { return name.ends_with("." + domain); });
}

std::optional<std::string> DnsResponder::answer(std::string_view message) {
    const auto question = read_question(message);
    if (!question || !question->query || question->wire.empty()) {
        on_violation_(refusal("lookup", "(no question)", "what was sent to port 53 is no DNS question; it went nowhere"));
    }
    if (!question) {
        return std::nullopt;
    }
    DnsAnswer answer;
    if (!question->query || question->wire.empty()) {
        answer.rcode = question->query ? dns::Rcode::FormErr : dns::Rcode::NotImp;
        return write_answer(*question, answer);
    }
    const bool of_address = question->type == dns::a || question->type == dns::aaaa;
    const std::string described(described_by(question->name, question->type));
    const auto name = canonical_host(described);
    if (name && is_local(*name)) {
        answer.address = of_address ? bytes_of(question->type, question->type == dns::a ? "127.0.0.1" : "::1") : "";
        answer.lifetime_s = lifetime_s;
        return write_answer(*question, answer);
    }
    const std::string asked = name ? *name : described;
    Verdict verdict = decision_.lookup(asked);
    if (question->klass != dns::internet) {
        verdict = {false, "", refusal("lookup", asked, "it is asked for in another class than the internet's")};
    }
    // Other types of an allowed name (HTTPS and SVCB above all, whose hints would lead past the name) are empty.
    if (verdict.allowed && !of_address) {
        return write_answer(*question, answer);
    }
    const auto addresses = verdict.allowed ? names_.addresses_of(*name) : std::nullopt;
    if (verdict.allowed && !addresses) {
        verdict = {false, "", refusal("lookup", *name, "more than " + std::to_string(NameTable::max_names) +
                                                           " different names were looked up in this run")};
    }
    if (!verdict.allowed) {
        if (!of_search_list(asked)) {
            on_violation_(verdict.violation);
        }
        answer.rcode = dns::Rcode::NxDomain;
        answer.prohibited = "treadline: " + verdict.violation.reason;
        return write_answer(*question, answer);
    }
    answer.address = bytes_of(question->type, question->type == dns::a ? addresses->v4 : addresses->v6);
    answer.lifetime_s = lifetime_s;
    return write_answer(*question, answer);
}

} // namespace treadline::egress
