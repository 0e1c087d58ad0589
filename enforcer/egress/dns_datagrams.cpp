#include "enforcer/egress/dns_datagrams.h"

#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <string>

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "enforcer/egress/recording_relay.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr size_t dns_in_turn = 64;    // answers, before connections get their turn
constexpr size_t max_questions = 256; // whose real lookup is waited for

// One question: who asked, and the address it was asked at, which the answer has to come from.
struct Datagram {
    sockaddr_storage peer{};
    iovec part{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    msghdr header{};

    Datagram(char* bytes, size_t size) {
        part = {bytes, size};
        header.msg_name = &peer;
        header.msg_namelen = sizeof peer;
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
    }
    void answer_from_where_it_was_asked() {
        cmsghdr* told = CMSG_FIRSTHDR(&header);
        if (told != nullptr && told->cmsg_level == IPPROTO_IP && told->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(told), sizeof info);
            info.ipi_spec_dst = info.ipi_addr;
            info.ipi_ifindex = 0;
            std::memcpy(CMSG_DATA(told), &info, sizeof info);
        }
    }
};

// While learning a question waits for a real lookup, and others do not wait for it.
struct WaitingDatagram {
    std::array<char, 4096> bytes{};
    Datagram datagram{bytes.data(), bytes.size()};
};

awaitable<void> answer_later(asio::ip::udp::socket& socket, std::unique_ptr<WaitingDatagram> waiting, size_t size, RecordingContext& context) {
    std::string question(waiting->bytes.data(), size);
    const auto answer = co_await answer_recorded(std::move(question), context);
    if (answer) {
        waiting->datagram.part = {const_cast<char*>(answer->data()), answer->size()};
        waiting->datagram.answer_from_where_it_was_asked();
        ::sendmsg(socket.native_handle(), &waiting->datagram.header, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

} // namespace

awaitable<void> serve_datagrams(asio::ip::udp::socket& socket, DnsResponder& dns) {
    std::array<char, 4096> bytes{};
    for (;;) {
        const auto [problem] = co_await socket.async_wait(asio::ip::udp::socket::wait_read, token);
        if (problem) {
            co_return;
        }
        for (size_t turn = 0; turn < dns_in_turn; ++turn) {
            Datagram datagram(bytes.data(), bytes.size());
            const ssize_t size = ::recvmsg(socket.native_handle(), &datagram.header, MSG_DONTWAIT);
            if (size < 0) {
                break;
            }
            const auto answer = dns.answer({bytes.data(), static_cast<size_t>(size)});
            if (answer) {
                datagram.part = {const_cast<char*>(answer->data()), answer->size()};
                datagram.answer_from_where_it_was_asked();
                ::sendmsg(socket.native_handle(), &datagram.header, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
        }
    }
}

awaitable<void> serve_datagrams_recorded(asio::ip::udp::socket& socket, RecordingContext& context) {
    size_t open = 0;
    for (;;) {
        const auto [problem] = co_await socket.async_wait(asio::ip::udp::socket::wait_read, token);
        if (problem) {
            co_return;
        }
        auto waiting = std::make_unique<WaitingDatagram>();
        const ssize_t size = ::recvmsg(socket.native_handle(), &waiting->datagram.header, MSG_DONTWAIT);
        if (size < 0 || open >= max_questions) {
            continue; // resolvers ask again
        }
        ++open;
        asio::co_spawn(socket.get_executor(), answer_later(socket, std::move(waiting), static_cast<size_t>(size), context),
                       [&open](std::exception_ptr) { --open; });
    }
}

} // namespace treadline::egress
