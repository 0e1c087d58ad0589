// Without a network there is only the sandbox's own loopback.
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

const std::string with_sockets = "syscalls: [\"@base\", \"@network\"]\n";

struct UnixServer {
    explicit UnixServer(const std::string& at) : path(at), socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(socket.get(), 16) == 0);
    }
    std::string path;
    unique_fd socket;
};

} // namespace

TEST_CASE("the host's loopback is not the sandbox's", "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Listener listener;
    REQUIRE(run({hostile, "connect", "127.0.0.1", listener.port}).out == "ok\n");
    CHECK(arena.run(with_sockets, {hostile, "connect", "127.0.0.1", listener.port}).out == "ECONNREFUSED\n");
}

TEST_CASE("no address outside is reached, and each attempt is one violation",
          "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    for (const char* attempt : {"connect", "connect-udp"}) {
        const Held refused = arena.run(with_sockets, {hostile, attempt, "192.0.2.1", "443"});
        CHECK(refused.out == "ENETUNREACH\n");
        REQUIRE(refused.violations.size() == 1);
        CHECK(refused.violations[0].layer == "egress");
        CHECK(refused.violations[0].object == "192.0.2.1:443");
    }
    const Held six = arena.run(with_sockets, {hostile, "connect", "2001:db8::1", "443"});
    CHECK(six.status == 1);
    CHECK(six.about("[2001:db8::1]:443").size() == 1);
    const Held metadata = arena.run(with_sockets, {hostile, "connect", "169.254.169.254", "80"});
    CHECK(metadata.out == "ENETUNREACH\n");
}

TEST_CASE("sockets that see packets or reach the machine below are refused", "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(arena.run(with_sockets, {hostile, "socket", "17", "3", "0"}).out == "EPERM\n"); // AF_PACKET
    CHECK(arena.run(with_sockets, {hostile, "socket", "40", "1", "0"}).out == "EPERM\n"); // AF_VSOCK
    CHECK(arena.run(with_sockets, {hostile, "socket", "16", "3", "12"}).out ==
          "EPERM\n");                                                               // NETLINK_NETFILTER
    CHECK(arena.run(with_sockets, {hostile, "socket", "2", "3", "1"}).status == 1); // raw ICMP
    CHECK(arena.run(with_sockets, {hostile, "socket", "2", "1", "0"}).out == "ok\n");
}

TEST_CASE("a port that `listen` names is bound, another is not", "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    REQUIRE_CAPABILITY(inspect_machine().landlock_abi >= 4, "Landlock ABI 4");
    const Arena arena;
    const std::string rules = with_sockets + "network: {listen: [3000]}\n";
    CHECK(arena.run(rules, {hostile, "bind", "3000"}).out == "ok\n");
    const Held refused = arena.run(rules, {hostile, "bind", "3001"});
    CHECK(refused.out == "EACCES\n");
    REQUIRE(refused.violations.size() == 1);
    CHECK(refused.violations[0].operation == "listen");
    CHECK(refused.violations[0].rule == "3001");
}

TEST_CASE("abstract sockets of the host are not reached", "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string name = "treadline-test-" + std::to_string(::getpid());
    const unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + 1, sizeof address.sun_path - 2);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket.get(), 4) == 0);
    REQUIRE(run({hostile, "unix-connect", "@" + name}).out == "ok\n");
    CHECK(arena.run(with_sockets, {hostile, "unix-connect", "@" + name}).out == "ECONNREFUSED\n");
}

TEST_CASE("a socket in the home is there only if `unix` names it", "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string path = arena.home("agent");
    const UnixServer server(path);
    REQUIRE(run({hostile, "unix-connect", path}).out == "ok\n");
    const Held refused = arena.run(with_sockets, {hostile, "unix-connect", path});
    CHECK(refused.out == "ENOENT\n");
    CHECK(refused.about(path).size() == 1);
    CHECK(arena.run(with_sockets + "unix: [\"${home}/agent\"]\n", {hostile, "unix-connect", path}).out ==
          "ok\n");
}

// Hidden: tests/vm runs it, on a kernel that has them.
TEST_CASE("a server's socket that can be seen is reached by the kernel's leave only if `unix` names it", "[.unix]") {
    REQUIRE_NAMESPACES();
    REQUIRE_CAPABILITY(inspect_machine().landlock_abi >= 9, "Landlock ABI 9");
    const Arena arena; // nobody answers refusals there
    const UnixServer named(arena.project("named"));
    const UnixServer other(arena.project("other"));
    const std::string rules = with_sockets + "files:\n  ${project}/**: rwc\nunix: [\"${project}/named\"]\n";
    CHECK(run({hostile, "unix-connect", other.path}).out == "ok\n");
    CHECK(arena.run(rules, {hostile, "unix-connect", other.path}).out == "EACCES\n");
    CHECK(arena.run(rules, {hostile, "unix-connect", named.path}).out == "ok\n");
    // What the command binds itself needs no rule.
    CHECK(arena.run(rules, {hostile, "unix-own", arena.project("own")}).out == "ok\n");

    Machine flat = inspect_machine();
    flat.user_namespaces = false;
    const auto without_namespaces = [&](const std::vector<std::string>& argv) {
        auto plan = compile(arena.policy(rules), flat, arena.command(argv), {true, false});
        REQUIRE(plan.has_value());
        plan->answer_refusals = false;
        for (const std::string& gap : plan->degraded) {
            CHECK(gap.find("`unix`") == std::string::npos);
        }
        return arena.run_plan(*plan).out;
    };
    CHECK(without_namespaces({hostile, "unix-connect", other.path}) == "EACCES\n");
    CHECK(without_namespaces({hostile, "unix-connect", named.path}) == "ok\n");
    CHECK(without_namespaces({hostile, "unix-own", arena.project("own2")}) == "ok\n");
}

TEST_CASE("asking for the host network gives the host's network and is named", "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Listener listener;
    const Held held =
        arena.run(with_sockets, {hostile, "connect", "127.0.0.1", listener.port}, {false, true});
    CHECK(held.out == "ok\n");
}
