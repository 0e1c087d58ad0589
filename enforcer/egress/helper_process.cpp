#include "enforcer/egress/helper_process.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"

namespace treadline::egress {
namespace {

constexpr size_t fds_in_message = 8; // sys::send_fds
constexpr size_t max_message = 8192;
constexpr std::string_view passed = "passed";
constexpr std::string_view is_ready = "ready";

std::string how_it_ended(int status) {
    return WIFSIGNALED(status) ? "was killed by signal " + std::to_string(WTERMSIG(status))
                               : "ended with status " + std::to_string(WEXITSTATUS(status));
}

} // namespace

result<ok> HelperStart::pass(const std::vector<unique_fd>& fds) {
    for (size_t at = 0; at < fds.size(); at += fds_in_message) {
        std::vector<int> some;
        for (size_t i = at; i < std::min(fds.size(), at + fds_in_message); ++i) {
            some.push_back(fds[i].get());
        }
        TRY(sys::send_fds(socket_.get(), passed, some));
    }
    return ok{};
}

void HelperStart::ready() {
    ::send(socket_.get(), is_ready.data(), is_ready.size(), MSG_NOSIGNAL);
}

void HelperStart::failed(const error& why) {
    const std::string text = "!" + std::to_string(why.code) + " " + why.what.substr(0, max_message - 64);
    ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

result<HelperProcess> HelperProcess::start(std::string_view doing, const std::function<void(HelperStart start)>& work) {
    auto sockets = TRY(sys::socketpair(SOCK_SEQPACKET));
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno("cannot " + std::string(doing));
    }
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        sockets.first.reset();
        try {
            work(HelperStart(std::move(sockets.second)));
        } catch (...) { // the supervisor's own code must not go on in here
            ::_exit(1);
        }
        ::_exit(0);
    }
    sockets.second.reset();
    HelperProcess process(child, std::move(sockets.first));
    TRY(process.await_ready(doing));
    return process;
}

result<ok> HelperProcess::await_ready(std::string_view doing) {
    for (;;) {
        auto message = TRY(sys::receive_fds(socket_.get(), max_message));
        if (message.bytes == is_ready) {
            return ok{};
        }
        if (message.bytes == passed) {
            std::move(message.fds.begin(), message.fds.end(), std::back_inserter(fds_));
            continue;
        }
        if (message.bytes.empty() || message.bytes[0] != '!') {
            return fail("cannot " + std::string(doing) + ": the process for it " + end() + "; run the command again, and should that not help, "
                        "'treadline doctor' says what this machine can do");
        }
        const size_t space = message.bytes.find(' ');
        return fail_code(std::atoi(message.bytes.c_str() + 1), message.bytes.substr(space + 1));
    }
}

HelperProcess::HelperProcess(HelperProcess&& other) noexcept
    : process_(std::exchange(other.process_, -1)), socket_(std::move(other.socket_)), fds_(std::move(other.fds_)) {}

HelperProcess& HelperProcess::operator=(HelperProcess&& other) noexcept {
    end();
    process_ = std::exchange(other.process_, -1);
    socket_ = std::move(other.socket_);
    fds_ = std::move(other.fds_);
    return *this;
}

std::string HelperProcess::end() {
    if (process_ <= 0) {
        return "has ended";
    }
    ::kill(process_, SIGKILL); // our own child, not yet reaped: the number is its; one that has ended keeps its status
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return how_it_ended(status);
}

bool let_go_of_all_but(std::vector<int> kept) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(null, 1) < 0 || ::dup2(null, 2) < 0) {
        return false;
    }
    std::erase(kept, -1);
    std::sort(kept.begin(), kept.end());
    unsigned from = 3;
    for (const int fd : kept) {
        if (static_cast<unsigned>(fd) > from) {
            ::syscall(SYS_close_range, from, static_cast<unsigned>(fd) - 1, 0U);
        }
        from = static_cast<unsigned>(fd) + 1;
    }
    return ::syscall(SYS_close_range, from, ~0U, 0U) == 0 && ::chdir("/") == 0;
}

} // namespace treadline::egress
