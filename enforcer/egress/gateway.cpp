#include "enforcer/egress/gateway.h"

#include <cerrno>

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/syscalls.h"
#include "enforcer/egress/capture.h"
#include "enforcer/egress/gateway_process.h"

namespace treadline::egress {
namespace {

constexpr size_t max_report = 64 * 1024;
constexpr int finish_ms = 2000; // for what is still on its way

} // namespace

result<std::unique_ptr<Gateway>> Gateway::start(const GatewayConfig& config, int pidfd) {
    Captured captured = TRY(capture(pidfd));
    auto sockets = TRY(sys::socketpair(SOCK_SEQPACKET));
    const pid_t process = ::fork();
    if (process < 0) {
        return fail_errno("cannot start the egress gateway");
    }
    if (process == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        sockets.first.reset();
        const bool switch_user = ::geteuid() == 0 && config.uid != 0;
        if (switch_user && (::setgroups(1, &config.gid) != 0 || ::setresgid(config.gid, config.gid, config.gid) != 0 ||
                            ::setresuid(config.uid, config.uid, config.uid) != 0)) {
            ::_exit(1);
        }
        run_gateway(config, std::move(captured), std::move(sockets.second));
    }
    sockets.second.reset();
    return std::unique_ptr<Gateway>(new Gateway(process, std::move(sockets.first)));
}

Gateway::~Gateway() {
    reap(SIGKILL);
}

void Gateway::reap(int signal) {
    if (process_ <= 0) {
        return;
    }
    if (signal != 0) {
        ::kill(process_, signal); // our own child, not yet reaped: the number is its
    }
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
}

// False when there is nothing more for now.
bool Gateway::read_one(std::vector<Report>& reports) {
    pollfd ready{reports_.get(), POLLIN, 0};
    if (!reports_ || ::poll(&ready, 1, 0) <= 0) {
        return false;
    }
    const auto message = sys::receive_fds(reports_.get(), max_report);
    if (!message || message->bytes.empty()) {
        reports_.reset();
        return false;
    }
    const auto json = nlohmann::json::parse(message->bytes, nullptr, false);
    if (!json.is_object()) {
        return true;
    }
    Violation violation;
    violation.layer = "egress";
    violation.operation = json.value("operation", "");
    violation.object = json.value("object", "");
    violation.section = json.value("section", "");
    violation.rule = json.value("rule", "");
    violation.reason = json.value("reason", "");
    violation.risk = json.value("risk", "");
    violation.review = json.value("review", "");
    violation.count = json.value("count", uint64_t{1});
    reports.push_back({std::move(violation), json.value("dialled", "")});
    return true;
}

std::vector<Report> Gateway::take() {
    std::vector<Report> reports;
    while (read_one(reports)) {
    }
    if (!reports_ && process_ > 0) {
        reap(SIGKILL);
        Violation violation;
        violation.layer = "egress";
        violation.operation = "connect";
        violation.object = "(everything)";
        violation.reason = "the egress gateway ended before the command did; nothing outside was reached from then on";
        reports.push_back({std::move(violation), ""});
    }
    return reports;
}

std::vector<Report> Gateway::finish() {
    std::vector<Report> reports;
    if (process_ <= 0 || !reports_) {
        return reports;
    }
    ::shutdown(reports_.get(), SHUT_WR);
    for (;;) {
        pollfd ready{reports_.get(), POLLIN, 0};
        const int count = ::poll(&ready, 1, finish_ms);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || !read_one(reports)) {
            break;
        }
    }
    reap(SIGKILL);
    reports_.reset();
    return reports;
}

} // namespace treadline::egress
