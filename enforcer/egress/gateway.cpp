#include "enforcer/egress/gateway.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include <grp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/syscalls.h"
#include "enforcer/egress/capture.h"
#include "enforcer/egress/gateway_process.h"
#include "enforcer/egress/loopback_services.h"
#include "profiles/profile_reader.h"

namespace treadline::egress {
namespace {

constexpr size_t max_report = 64 * 1024;
constexpr int finish_ms = 2000; // for what is still on its way
constexpr int finish_capture_ms = 60'000; // for all that was kept to be searched
constexpr size_t max_kept_memory = 2 * max_kept_bytes; // their lengths included

result<CaptureWants> wanted_by(const Policy* policy) {
    CaptureWants wants;
    if (policy == nullptr) {
        LoopbackServices outside = TRY(LoopbackServices::open());
        const std::set<uint16_t> there = TRY(outside.ports());
        wants.host_services.assign(there.begin(), there.end());
        wants.dial_in = true;
        wants.services = true;
        wants.refused_datagrams = false;
        return wants;
    }
    for (const PolicyEndpoint& rule : policy->connect()) {
        const bool known = std::find(wants.host_services.begin(), wants.host_services.end(), rule.port) != wants.host_services.end();
        if (rule.host == host_loopback && !known) {
            wants.host_services.push_back(rule.port);
        }
    }
    wants.dial_in = !policy->publish().empty();
    return wants;
}

result<ok> become(uid_t uid, gid_t gid) {
    const bool switch_user = ::geteuid() == 0 && uid != 0;
    if (switch_user && (::setgroups(1, &gid) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0)) {
        return fail_errno("cannot give the egress gateway the user's rights");
    }
    return ok{};
}

} // namespace

result<std::unique_ptr<Gateway>> Gateway::start(const GatewayConfig& config, int pidfd) {
    unique_fd kept;
    if (config.capture) {
        kept = unique_fd(::memfd_create("treadline-capture", MFD_CLOEXEC));
        if (!kept) {
            return fail_errno("cannot make memory for what is captured");
        }
    }
    Capture capture;
    if (!config.bridged) {
        const CaptureWants wants = TRY(wanted_by(config.policy.get()));
        capture = TRY(egress::capture(pidfd, wants));
    }
    HelperProcess process = TRY(HelperProcess::start("start the egress gateway", [&](HelperStart start) {
        if (const auto became = become(config.uid, config.gid); !became) {
            start.failed(became.error());
            return;
        }
        run_gateway(config, std::move(capture.captured), kept.get(), std::move(start));
    }));
    return std::unique_ptr<Gateway>(new Gateway(std::move(process), std::move(capture.maker), std::move(kept)));
}

bool Gateway::hand_over(int connection, const std::string& destination) {
    const std::array fds = {connection};
    // The word is never empty: that would be the end. Nobody may keep the supervisor waiting.
    return process_.socket() >= 0 && sys::send_fds(process_.socket(), "D" + destination, fds, MSG_DONTWAIT);
}

// False when there is nothing more for now.
bool Gateway::read_one(std::vector<Report>& reports) {
    pollfd ready{process_.socket(), POLLIN, 0};
    if (process_.socket() < 0 || ::poll(&ready, 1, 0) <= 0) {
        return false;
    }
    const auto message = sys::receive_fds(process_.socket(), max_report);
    if (!message || message->bytes.empty()) {
        process_.close_socket();
        return false;
    }
    if (add_message(recording_, message->bytes)) {
        return true;
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
    if (process_.socket() < 0 && process_.running()) {
        Violation violation;
        violation.layer = "egress";
        violation.operation = "connect";
        violation.object = "(everything)";
        violation.reason = "the egress gateway " + process_.end() + " before the command did; nothing outside was reached from then on. Run the "
                           "command again; if it comes again, please report it with the output of 'treadline doctor'";
        reports.push_back({std::move(violation), ""});
    }
    return reports;
}

std::vector<Report> Gateway::finish() {
    std::vector<Report> reports;
    if (!process_.running() || process_.socket() < 0) {
        return reports;
    }
    ::shutdown(process_.socket(), SHUT_WR);
    for (;;) {
        pollfd ready{process_.socket(), POLLIN, 0};
        const int count = ::poll(&ready, 1, kept_ ? finish_capture_ms : finish_ms);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || !read_one(reports)) {
            break;
        }
    }
    process_.end();
    process_.close_socket();
    return reports;
}

result<KeptRun> Gateway::take_kept() {
    const off_t size = ::lseek(kept_.get(), 0, SEEK_END);
    if (size < 0 || static_cast<size_t>(size) > max_kept_memory || ::lseek(kept_.get(), 0, SEEK_SET) != 0) {
        return fail("what the egress gateway kept of the exchanges cannot be read");
    }
    const std::string bytes = TRY(sys::read_all(kept_.get()));
    return kept_run_from(bytes);
}

Recording Gateway::take_recording() {
    if (!recording_.ended) {
        recording_.incomplete_because.emplace_back("the egress gateway ended before the command did, and what it saw is lost");
    }
    return std::move(recording_);
}

} // namespace treadline::egress
