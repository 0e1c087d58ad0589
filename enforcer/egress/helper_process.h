// A process of ours beside the supervisor, and how its start went: forked, it does its set-up and says "ready", with
// descriptors, or what failed. Nothing goes on before it has said one of them. It ends with the supervisor.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline::egress {

// The child's end.
class HelperStart {
public:
    explicit HelperStart(unique_fd socket) : socket_(std::move(socket)) {}

    // Any number; in the order in which start() returns them.
    result<ok> pass(const std::vector<unique_fd>& fds);
    void ready();
    void failed(const error& why);
    unique_fd take_socket() { return std::move(socket_); } // for what it says later
    [[nodiscard]] int socket() const { return socket_.get(); }

private:
    unique_fd socket_;
};

class HelperProcess {
public:
    // `work` runs in the child, which ends when it returns. `doing` completes "cannot …".
    static result<HelperProcess> start(std::string_view doing, const std::function<void(HelperStart start)>& work);
    ~HelperProcess() { end(); }
    HelperProcess(HelperProcess&& other) noexcept;
    HelperProcess& operator=(HelperProcess&& other) noexcept;

    [[nodiscard]] bool running() const { return process_ > 0; } // as far as has been heard of it
    [[nodiscard]] int socket() const { return socket_.get(); }  // SOCK_SEQPACKET
    void close_socket() { socket_.reset(); }
    std::vector<unique_fd> take_fds() { return std::move(fds_); } // those it passed

    // Kills it, unless it has ended already, and says how it ended: "was killed by signal 9", "ended with status 1".
    std::string end();

private:
    HelperProcess(pid_t process, unique_fd socket) : process_(process), socket_(std::move(socket)) {}
    result<ok> await_ready(std::string_view doing);

    pid_t process_ = -1;
    unique_fd socket_;
    std::vector<unique_fd> fds_;
};

// In a child: closes everything but these (-1 is none) and the standard streams, which become /dev/null. Nothing of the supervisor's is
// needed: its streams would be held open, its files readable.
bool let_go_of_all_but(std::vector<int> kept);

} // namespace treadline::egress
