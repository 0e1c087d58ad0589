#include "enforcer/egress/refused_datagrams.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace treadline::egress {
namespace {

constexpr size_t port_size = 4; // two bytes, and what fills a register
constexpr timeval answer_time{2, 0};

void append_name(std::string& message, uint16_t type, const char* name) {
    const size_t size = std::strlen(name) + 1;
    const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + size), type};
    message.append(reinterpret_cast<const char*>(&header), sizeof header);
    message.append(name, size);
    message.resize(NLMSG_ALIGN(message.size()));
}

std::string request_for(const char* set) {
    std::string message(NLMSG_HDRLEN, '\0');
    const nfgenmsg family{NFPROTO_INET, NFNETLINK_V0, 0};
    message.append(reinterpret_cast<const char*>(&family), sizeof family);
    append_name(message, NFTA_SET_ELEM_LIST_TABLE, refused_table);
    append_name(message, NFTA_SET_ELEM_LIST_SET, set);
    nlmsghdr header{};
    header.nlmsg_len = static_cast<uint32_t>(message.size());
    header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    std::memcpy(message.data(), &header, sizeof header);
    return message;
}

// Takes the first attribute off; false when there is none that is whole.
bool next(std::string_view& attributes, uint16_t& type, std::string_view& value) {
    nlattr header{};
    if (attributes.size() < sizeof header) {
        return false;
    }
    std::memcpy(&header, attributes.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > attributes.size()) {
        return false;
    }
    type = header.nla_type & NLA_TYPE_MASK;
    value = attributes.substr(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    attributes.remove_prefix(std::min<size_t>(NLA_ALIGN(header.nla_len), attributes.size()));
    return true;
}

std::optional<std::string_view> inner(std::string_view attributes, uint16_t wanted) {
    uint16_t type = 0;
    std::string_view value;
    while (next(attributes, type, value)) {
        if (type == wanted) {
            return value;
        }
    }
    return std::nullopt;
}

std::optional<std::string> endpoint_of(std::string_view key) {
    const bool v4 = key.size() == sizeof(in_addr) + port_size;
    if (!v4 && key.size() != sizeof(in6_addr) + port_size) {
        return std::nullopt;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(v4 ? AF_INET : AF_INET6, key.data(), text.data(), text.size());
    uint16_t port = 0;
    std::memcpy(&port, key.data() + key.size() - port_size, sizeof port);
    const std::string address = v4 ? text.data() : "[" + std::string(text.data()) + "]";
    return address + ":" + std::to_string(ntohs(port));
}

} // namespace

std::vector<std::string> refused_in(std::string_view attributes) {
    std::vector<std::string> found;
    const auto elements = inner(attributes, NFTA_SET_ELEM_LIST_ELEMENTS);
    std::string_view rest = elements.value_or("");
    uint16_t type = 0;
    std::string_view element;
    while (next(rest, type, element)) {
        const auto key = inner(element, NFTA_SET_ELEM_KEY);
        const auto value = key ? inner(*key, NFTA_DATA_VALUE) : std::nullopt;
        if (auto endpoint = value ? endpoint_of(*value) : std::nullopt) {
            found.push_back(std::move(*endpoint));
        }
    }
    return found;
}

result<unique_fd> open_firewall_socket() {
    unique_fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &answer_time, sizeof answer_time) != 0) {
        return fail_errno("cannot open a socket to the sandbox's firewall");
    }
    return socket;
}

void RefusedDatagrams::ask(const char* set) {
    const std::string request = request_for(set);
    if (::send(firewall_.get(), request.data(), request.size(), 0) < 0) {
        return;
    }
    alignas(nlmsghdr) static std::array<char, 32 * 1024> bytes; // what the kernel fills at most
    for (;;) {
        const ssize_t size = ::recv(firewall_.get(), bytes.data(), bytes.size(), 0);
        if (size <= 0) {
            return;
        }
        auto left = static_cast<unsigned>(size);
        for (auto* message = reinterpret_cast<nlmsghdr*>(bytes.data()); NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
                return;
            }
            if (message->nlmsg_len < NLMSG_LENGTH(sizeof(nfgenmsg))) {
                continue;
            }
            const std::string_view body(static_cast<const char*>(NLMSG_DATA(message)), message->nlmsg_len - NLMSG_HDRLEN);
            for (std::string& endpoint : refused_in(body.substr(sizeof(nfgenmsg)))) {
                if (known_.insert(endpoint).second) {
                    news_.push_back(std::move(endpoint));
                }
            }
        }
    }
}

std::vector<std::string> RefusedDatagrams::news() {
    if (firewall_) {
        ask(refused_v4);
        ask(refused_v6);
    }
    return std::exchange(news_, {});
}

} // namespace treadline::egress
