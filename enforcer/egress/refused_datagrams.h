// What the sandbox's own firewall has refused: datagrams that a program sent past the calls that the supervisor looks at
// (sendmsg, sendmmsg). The firewall's sets remember where to; capture.h makes them.
//
// Source: the kernel's net/netfilter/nf_tables_api.c (NFT_MSG_GETSETELEM), linux/netfilter/nf_tables.h. The kernel lets the
// user ask who made the namespace, without privilege outside it.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline::egress {

// Sets of `refused_table` (family inet), keys: address . port.
inline constexpr const char* refused_table = "treadline";
inline constexpr const char* refused_v4 = "refused4";
inline constexpr const char* refused_v6 = "refused6";
inline constexpr unsigned max_refused = 1024; // of each; what is sent elsewhere is refused, too

// An nfnetlink socket; made in the sandbox's network namespace, used anywhere.
result<unique_fd> open_firewall_socket();

class RefusedDatagrams {
public:
    explicit RefusedDatagrams(unique_fd firewall) : firewall_(std::move(firewall)) {}

    // Where to, as "192.0.2.1:443", "[2001:db8::1]:443": what was not yet returned. Nothing where the kernel does not say.
    std::vector<std::string> news();

private:
    void ask(const char* set);

    unique_fd firewall_;
    std::set<std::string> known_;
    std::vector<std::string> news_;
};

// Of one NFT_MSG_NEWSETELEM message's attributes (what follows nfgenmsg): the keys. For tests.
std::vector<std::string> refused_in(std::string_view attributes);

} // namespace treadline::egress
