// Two programs at the ends of real TCP connections, and the relay between them.
#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "base/unique_fd.h"
#include "enforcer/egress/byte_relay.h"

namespace treadline::egress {
namespace {

struct Pair {
    unique_fd near;
    unique_fd far;
};

Pair connected() {
    const unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    Pair pair;
    pair.near = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(pair.near.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    pair.far = unique_fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(pair.far);
    return pair;
}

// Programs hold `inside` and `outside`; the relay, on a thread of its own, what is between them.
class Relayed {
public:
    explicit Relayed(size_t connections) {
        ::signal(SIGPIPE, SIG_IGN);
        for (size_t i = 0; i < connections; ++i) {
            Pair left = connected();
            Pair right = connected();
            inside.push_back(std::move(left.near));
            outside.push_back(std::move(right.near));
            relay(left.far.release(), right.far.release());
        }
        thread_ = std::thread([this] { io_.run(); });
    }
    ~Relayed() {
        inside.clear();
        outside.clear();
        thread_.join(); // every connection has ended, or this test does not
    }

    std::vector<unique_fd> inside;
    std::vector<unique_fd> outside;

private:
    void relay(int left, int right) {
        tcp::socket from(io_, tcp::v4(), left);
        tcp::socket to(io_, tcp::v4(), right);
        boost::asio::co_spawn(io_, relay_bytes(std::move(from), std::move(to)), boost::asio::detached);
    }

    boost::asio::io_context io_{1};
    std::thread thread_;
};

// Bytes that differ from place to place and from connection to connection.
std::string drawn(size_t size, uint64_t seed) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        byte = static_cast<char>(seed >> 56);
    }
    return bytes;
}

// Whether all was taken.
bool send_all(int fd, const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
        const ssize_t size = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (size <= 0) {
            return false;
        }
        sent += static_cast<size_t>(size);
    }
    return ::shutdown(fd, SHUT_WR) == 0;
}

std::string receive_all(int fd) {
    std::string bytes;
    std::vector<char> part(1 << 20);
    for (;;) {
        const ssize_t size = ::recv(fd, part.data(), part.size(), 0);
        if (size <= 0) {
            return bytes;
        }
        bytes.append(part.data(), static_cast<size_t>(size));
    }
}

// CHECK would print megabytes.
bool same(const std::string& left, const std::string& right) {
    return left == right;
}

} // namespace

TEST_CASE("bulk arrives whole and in order, in both directions at once", "[egress][relay]") {
    Relayed relayed(1);
    const std::string up = drawn(24 << 20, 1);
    const std::string down = drawn(24 << 20, 2);
    auto sent_up = std::async(std::launch::async, [&] { send_all(relayed.inside[0].get(), up); });
    auto sent_down = std::async(std::launch::async, [&] { send_all(relayed.outside[0].get(), down); });
    auto got_up = std::async(std::launch::async, [&] { return receive_all(relayed.outside[0].get()); });
    CHECK(same(receive_all(relayed.inside[0].get()), down));
    CHECK(same(got_up.get(), up));
}

TEST_CASE("more connections in bulk than there are pipes are relayed whole", "[egress][relay]") {
    Relayed relayed(40);
    std::vector<std::future<bool>> ends;
    for (size_t i = 0; i < relayed.inside.size(); ++i) {
        ends.push_back(std::async(std::launch::async, [&, i] {
            const std::string bytes = drawn(2 << 20, 100 + i);
            auto got = std::async(std::launch::async, [&] { return receive_all(relayed.outside[i].get()); });
            send_all(relayed.inside[i].get(), bytes);
            return same(got.get(), bytes);
        }));
    }
    CHECK(std::all_of(ends.begin(), ends.end(), [](auto& end) { return end.get(); }));
}

TEST_CASE("the end of one direction is passed on while the other goes on", "[egress][relay]") {
    Relayed relayed(1);
    send_all(relayed.inside[0].get(), "asked");
    CHECK(receive_all(relayed.outside[0].get()) == "asked");
    const std::string answer = drawn(4 << 20, 3);
    auto sent = std::async(std::launch::async, [&] { send_all(relayed.outside[0].get(), answer); });
    CHECK(same(receive_all(relayed.inside[0].get()), answer));
}

TEST_CASE("a side that does not read holds the other back", "[egress][relay]") {
    Relayed relayed(1);
    const std::string part = drawn(1 << 20, 4);
    size_t sent = 0;
    pollfd writable{relayed.inside[0].get(), POLLOUT, 0};
    while (sent < (256U << 20) && ::poll(&writable, 1, 500) == 1) {
        const ssize_t size = ::send(writable.fd, part.data(), part.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        REQUIRE(size > 0);
        sent += static_cast<size_t>(size);
    }
    CHECK(sent < (64U << 20)); // two sockets' buffers on each side, and a pipe
}

TEST_CASE("what a connection that broke had under way never reaches another", "[egress][relay]") {
    for (int round = 0; round < 8; ++round) {
        {
            Relayed broken(1);
            const std::string secret(64 << 20, 's'); // more than all buffers on the way hold
            auto sent = std::async(std::launch::async, [&] { return send_all(broken.inside[0].get(), secret); });
            std::vector<char> part(1 << 20);
            REQUIRE(::recv(broken.outside[0].get(), part.data(), part.size(), 0) > 0);
            const linger now{1, 0};
            ::setsockopt(broken.outside[0].get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
            broken.outside[0].reset(); // a reset, with bytes in the pipe
            CHECK_FALSE(sent.get()); // reset as well
        }
        Relayed next(1);
        const std::string bytes(4 << 20, 'n');
        auto sent = std::async(std::launch::async, [&] { send_all(next.inside[0].get(), bytes); });
        CHECK(same(receive_all(next.outside[0].get()), bytes));
    }
}

} // namespace treadline::egress
