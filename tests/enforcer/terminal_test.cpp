// On a terminal the command behaves as without Treadline: Ctrl-C, stopping, the window.
#include <csignal>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

// A process on a terminal of its own that runs a command held to a profile, and says its status.
class OnTerminal {
public:
    OnTerminal(const Arena& arena, const std::string& script) {
        pid_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
        if (pid_ == 0) {
            const auto plan =
                compile(arena.policy(""), inspect_machine(), arena.command({"sh", "-c", script}), {});
            auto sandbox = Sandbox::start(*plan);
            if (!sandbox || !sandbox->release()) {
                ::_exit(99);
            }
            const auto outcome = sandbox->wait({});
            ::_exit(outcome ? outcome->exit_status : 98);
        }
    }
    ~OnTerminal() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ::close(terminal_);
    }
    OnTerminal(const OnTerminal&) = delete;
    OnTerminal& operator=(const OnTerminal&) = delete;

    bool says(const std::string& text) {
        for (int i = 0; i < 200 && output_.find(text) == std::string::npos; ++i) {
            pollfd ready{terminal_, POLLIN, 0};
            char buffer[512];
            if (::poll(&ready, 1, 50) > 0) {
                const ssize_t got = ::read(terminal_, buffer, sizeof buffer);
                if (got <= 0) {
                    break;
                }
                output_.append(buffer, static_cast<size_t>(got));
            }
        }
        return output_.find(text) != std::string::npos;
    }
    void type(char key) const { REQUIRE(::write(terminal_, &key, 1) == 1); }
    // The next change of state, as a shell would see it.
    [[nodiscard]] int state() const {
        int status = -1;
        for (int i = 0; i < 500; ++i) {
            if (::waitpid(pid_, &status, WUNTRACED | WNOHANG) == pid_) {
                return status;
            }
            ::usleep(20'000);
        }
        return -1;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
    int terminal_ = -1;
    std::string output_;
};

constexpr char ctrl_c = 3;

} // namespace

TEST_CASE("Ctrl-C reaches the command and ends the run with its status", "[enforcer][sandbox][terminal]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    // `exec`: dash loses a Ctrl-C that arrives while it forks, with and without Treadline.
    OnTerminal plain(arena, "echo ready; exec sleep 30");
    REQUIRE(plain.says("ready"));
    plain.type(ctrl_c);
    const int ended = plain.state();
    REQUIRE(WIFEXITED(ended));
    CHECK(WEXITSTATUS(ended) == 128 + SIGINT);
}

TEST_CASE("a command that handles Ctrl-C goes on", "[enforcer][sandbox][terminal]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    OnTerminal handling(arena, "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done");
    REQUIRE(handling.says("ready"));
    handling.type(ctrl_c);
    CHECK(handling.says("caught"));
    const int ended = handling.state();
    REQUIRE(WIFEXITED(ended));
    CHECK(WEXITSTATUS(ended) == 7);
}

TEST_CASE("a command that stops stops the run where the shell sees it, and SIGCONT goes on",
          "[enforcer][sandbox][terminal]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    OnTerminal stopping(arena, "echo ready; kill -STOP $$; echo resumed; exit 4");
    REQUIRE(stopping.says("ready"));
    const int stopped = stopping.state();
    REQUIRE(WIFSTOPPED(stopped));
    ::kill(stopping.pid(), SIGCONT);
    CHECK(stopping.says("resumed"));
    const int ended = stopping.state();
    REQUIRE(WIFEXITED(ended));
    CHECK(WEXITSTATUS(ended) == 4);
}

TEST_CASE("the command sees the terminal and its size", "[enforcer][sandbox][terminal]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    OnTerminal looking(arena, "test -t 0 && test -t 1 && echo terminal; stty size; echo x > /dev/tty");
    CHECK(looking.says("terminal"));
    CHECK(looking.says("0 0"));
    const int ended = looking.state();
    REQUIRE(WIFEXITED(ended));
    CHECK(WEXITSTATUS(ended) == 0);
}
