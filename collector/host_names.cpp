#include "collector/host_names.h"

#include <algorithm>
#include <vector>

namespace treadline {
namespace {

constexpr size_t lookup_limit = 100'000;

} // namespace

result<ok> HostNames::learn(const AnswerEvent& event, ProcessTree& tree) {
    const tl_answer& fixed = event.fixed;
    const bool whole = (fixed.flags & TL_ANSWER_CUT) == 0;
    const auto protocol = fixed.protocol == TL_PROTOCOL_VARLINK      ? ResolverTraffic::Protocol::Varlink
                          : fixed.protocol == TL_PROTOCOL_DNS_STREAM ? ResolverTraffic::Protocol::Stream
                                                                     : ResolverTraffic::Protocol::Datagram;
    if ((fixed.flags & TL_ANSWER_SENT) != 0) {
        resolvers_.sent(fixed.socket, protocol, event.bytes, whole);
        return ok{};
    }
    for (const NameAnswer& answer : resolvers_.received(fixed.socket, protocol, event.bytes, whole)) {
        const int64_t process = TRY(tree.row_of(fixed.header.image));
        if (answer.addresses.empty() && !answer.truncated && lookups_.size() < lookup_limit) {
            lookups_.try_emplace({process, answer.name}, false);
        }
        for (const std::string& address : answer.addresses) {
            if (!names_.learn(fixed.header.image, answer.name, address, fixed.header.time_ns)) {
                return ok{};
            }
            lookups_.insert_or_assign({process, answer.name}, true);
            TRY(writer_.add_name_lookup(process, answer.name, address));
        }
    }
    return ok{};
}

void HostNames::name(SocketAccess& access, const ProcessTree& tree, uint64_t image, uint64_t until_ns) const {
    if (names_.empty() || (access.operation != "connect" && access.operation != "send")) {
        return;
    }
    std::vector<std::string> names = names_.find(tree.line_of(image), access.address, until_ns);
    // Repeats are counted, not told apart: each may have followed any lookup up to the last one.
    const bool repeats = access.first_ns != access.last_ns;
    if (repeats) {
        names.insert(names.end(), access.candidates.begin(), access.candidates.end());
        if (!access.host.empty()) {
            names.push_back(access.host);
        } else if (access.candidates.empty()) {
            return; // some came before any lookup
        }
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
    }
    access.host = names.size() == 1 ? names.front() : "";
    access.candidates = names.size() > 1 ? std::move(names) : std::vector<std::string>();
}

result<ok> HostNames::store_failed() {
    for (const auto& [lookup, gave_address] : lookups_) {
        if (!gave_address) {
            TRY(writer_.add_name_lookup(lookup.first, lookup.second, ""));
        }
    }
    return ok{};
}

} // namespace treadline
