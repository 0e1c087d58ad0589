// What the gateway's process cannot do any more, tried in processes of its kind.
#include <cerrno>
#include <functional>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "base/unique_fd.h"
#include "enforcer/egress/confinement.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::egress;

namespace {

// What `work` returns in a process that is confined so; 250 where it could not be.
int confined(MayReach reach, const std::function<int()>& work) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::_exit(confine_gateway(MayListen::No, reach) ? work() : 250);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int errno_of(int result) {
    return result < 0 ? errno : 0;
}

} // namespace

TEST_CASE("a gateway that replays can make no socket and connect none, not even one that it has", "[egress][replay][attack]") {
    const unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(listener.get(), 8) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    const auto fresh = [] { return unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); };
    const unique_fd outside = fresh();
    const unique_fd nothing = fresh();
    const unique_fd inside = fresh();
    const auto make = [] { return errno_of(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); };
    const auto make_other = [] { return errno_of(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); };
    const auto connect = [&](const unique_fd& socket) {
        return [&] { return errno_of(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at)); };
    };
    const auto accept = [&] { return errno_of(::listen(listener.get(), 8)); };
    REQUIRE_CAPABILITY(confined(MayReach::Outside, accept) == 0, "Landlock");
    CHECK(confined(MayReach::Outside, make) == 0); // as without --replay
    CHECK(confined(MayReach::Outside, connect(outside)) == 0);
    CHECK(confined(MayReach::Nothing, make) == EPERM);
    CHECK(confined(MayReach::Nothing, make_other) == EPERM);
    CHECK(confined(MayReach::Nothing, connect(nothing)) == EPERM);
    CHECK(confined(MayReach::Nothing, accept) == 0);
    CHECK(confined(MayReach::Inside, make) == EPERM);
    CHECK(confined(MayReach::Inside, connect(inside)) == 0); // what the sandbox lends
}
