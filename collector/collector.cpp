#include "collector/collector.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>
#include <numeric>
#include <optional>

#include <linux/landlock.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "collector/canary.h"
#include "collector/privileges.h"
#include "collector/probes.h"
#include "collector/protocol.h"
#include "collector/run_recorder.h"
#include "collector/trace_writer.h"

namespace treadline {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Records do not wake this program one by one; they wait this long at most.
constexpr int poll_ms = 5;
constexpr milliseconds commit_every(50);      // half of the promised 100 ms
constexpr uint64_t look_at_clock_every = 256; // records
constexpr milliseconds canary_patience(1000);
constexpr milliseconds tree_patience(300); // for the last exits after the command's own
constexpr size_t gone_limit = 200'000;     // lstat calls at the end
constexpr int priority = -5; // with two processors and many threads, the reader must get its share
constexpr uint64_t canary_image = TL_IMAGE_CANARY | (1ULL << 40);

volatile std::sig_atomic_t asked_to_end = 0;

uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

int landlock_abi() {
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? static_cast<int>(abi) : 0;
}

std::string kernel_release() {
    utsname names{};
    ::uname(&names);
    return names.release;
}

struct Start {
    RunInfo run;
    unique_fd root;
    unique_fd store;
};

result<Start> receive_start(int socket) {
    sys::Message message = TRY(sys::receive_fds(socket, 1024 * 1024));
    Start start;
    start.run = TRY(protocol::parse_start(message.bytes));
    if (message.fds.size() != 2) {
        return fail("the start message must carry the task and the store");
    }
    start.root = std::move(message.fds[0]);
    start.store = std::move(message.fds[1]);
    return start;
}

// One run, from attached probes to the finished row.
class Run {
public:
    Run(int socket, Probes probes, unique_fd store, TraceWriter writer, RunInfo info)
        : socket_(socket), probes_(std::move(probes)), store_(std::move(store)), writer_(std::move(writer)),
          info_(std::move(info)), start_ns_(monotonic_ns()), recorder_(writer_, start_ns_) {}

    result<ok> begin(int root) {
        info_.id = TRY(writer_.begin_run(info_));
        TRY(check_canaries(before_));
        tl_task waiting{};
        waiting.flags = TL_TASK_WAITING;
        return probes_.follow(root, waiting);
    }

    [[nodiscard]] int64_t id() const { return info_.id; }

    // Until the other side says that the command has ended, goes away, or the store fails.
    result<ok> follow() {
        for (;;) {
            pollfd fds[] = {{probes_.poll_fd(), POLLIN, 0}, {socket_, POLLIN, 0}};
            ::poll(fds, 2, poll_ms);
            TRY(drain());
            if (asked_to_end != 0) {
                because_.emplace_back("the collector was told to end before the command had ended");
                return ok{};
            }
            if (fds[1].revents != 0) {
                const auto message = sys::receive_fds(socket_);
                if (!message || message->bytes.empty()) {
                    because_.emplace_back("treadline went away before the command had ended");
                } else if (const auto end = protocol::parse_finish(message->bytes); end) {
                    info_.exit_status = end->exit_status;
                    because_ = end->incomplete_because;
                } else {
                    because_.push_back(end.error().message());
                }
                return ok{};
            }
        }
    }

    result<CollectorSummary> finish() {
        const auto ended = steady_clock::now();
        info_.duration_ms = static_cast<int64_t>((monotonic_ns() - start_ns_) / 1'000'000);
        while (!recorder_.tree().still_running().empty() && steady_clock::now() - ended < tree_patience) {
            ::poll(nullptr, 0, 2);
            TRY(drain());
        }
        TRY(check_canaries(after_));
        TRY(recorder_.tree().store_living());
        TRY(probes_.report_living());
        TRY(drain());
        TRY(probes_.read_repeats([this](uint64_t access, const tl_repeat_count& count) {
            return recorder_.add_repeats(access, count);
        }));
        TRY(recorder_.store_failed_lookups());
        TRY(recorder_.mark_gone(gone_limit));
        if (const uint64_t peak = recorder_.tree().memory_peak(); peak != 0) {
            TRY(writer_.add_fact(0, "peak memory", 0, std::to_string(peak)));
        }
        if (const uint64_t peak = recorder_.tree().processor_peak(); peak != 0) {
            TRY(writer_.add_fact(0, "peak processors", 0, std::to_string(peak)));
        }
        TRY(judge());
        TRY(writer_.finish_run(info_));
        const auto [accesses, processes] = TRY(writer_.count_rows());
        return CollectorSummary{info_.id,   info_.complete, info_.incomplete_because,
                                info_.lost, accesses,       processes};
    }

private:
    result<ok> drain() {
        const auto record = [this](std::string_view bytes) -> result<ok> {
            TRY(recorder_.on_record(bytes));
            return ++records_ % look_at_clock_every == 0 ? commit_if_due() : result<ok>(ok{});
        };
        TRY(probes_.consume(record));
        return commit_if_due();
    }

    result<ok> commit_if_due() {
        const auto now = steady_clock::now();
        if (writer_.uncommitted() && now - uncommitted_since_ < commit_every) {
            return ok{};
        }
        TRY(writer_.commit());
        uncommitted_since_ = now;
        return ok{};
    }

    result<ok> check_canaries(std::vector<std::string>& arrived) {
        recorder_.forget_canaries();
        expected_ = expected_canaries(probes_.choice().set, probes_.sees_requests());
        tl_task canary{};
        canary.image = canary_image + (&arrived == &after_ ? 1 : 0);
        canary.flags = TL_TASK_CANARY;
        TRY(send_canary([&](int pidfd) { return probes_.follow(pidfd, canary); }));
        const auto deadline = steady_clock::now() + canary_patience;
        do {
            TRY(drain());
            arrived.assign(recorder_.canaries().begin(), recorder_.canaries().end());
        } while (arrived != expected_ && steady_clock::now() < deadline && ::poll(nullptr, 0, 2) == 0);
        return ok{};
    }

    // Fills in the certificate and whether the run is complete.
    result<ok> judge() {
        info_.lost = TRY(probes_.losses());
        for (const auto& [cause, count] : recorder_.lost()) {
            info_.lost[cause] += count;
        }
        const std::vector<uint64_t> sent = TRY(probes_.sent());
        const uint64_t begun = std::accumulate(sent.begin(), sent.end(), uint64_t{0});
        const std::vector<uint64_t>& got = recorder_.arrived();
        const uint64_t received = std::accumulate(got.begin(), got.end(), uint64_t{0});
        const auto full = info_.lost.find("ring full");
        const uint64_t refused = full == info_.lost.end() ? 0 : full->second;
        std::vector<std::string>& because = because_;
        if (received + refused != begun) {
            because.push_back("the probes sent " + std::to_string(begun) + " records, and " +
                              std::to_string(received) + " arrived");
        }
        for (const auto& [when, arrived] : {std::pair("before", &before_), std::pair("after", &after_)}) {
            for (const std::string& hook : expected_) {
                if (std::find(arrived->begin(), arrived->end(), hook) == arrived->end()) {
                    because.push_back("a known access was not reported " + std::string(when) +
                                      " the command: " + hook);
                }
            }
        }
        for (const auto& [cause, count] : info_.lost) {
            because.push_back(loss_sentence(cause, count));
        }
        if (const auto running = recorder_.tree().still_running(); !running.empty()) {
            because.push_back("still running when the command had ended: " + join(running, ", "));
        }
        info_.complete = because.empty();
        info_.incomplete_because = because;
        info_.certificate = nlohmann::json{
            {"version", 1},
            {"probes", info_.probes},
            {"probes_because", probes_.choice().because},
            {"attached", probes_.attached()},
            {"kernel_reads", probes_.choice().casts ? "loads" : "helper calls"},
            {"canaries", {{"before", before_}, {"after", after_}}},
            {"environment_reads", probes_.getenv_problem().empty() ? "seen where programs call getenv"
                                                                   : "not seen: " + probes_.getenv_problem()},
            {"records", {{"sent", begun}, {"arrived", received}}},
            {"lost", info_.lost},
            {"kernel", info_.kernel},
            {"landlock_abi", info_.landlock_abi},
            {"collector",
             TREADLINE_VERSION}}.dump();
        return ok{};
    }

    int socket_;
    Probes probes_;
    // Kept as long as the writer: closing any descriptor of a file drops the process's locks on it, and whoever
    // closes the store next would take the writer's log for one that nobody needs.
    unique_fd store_;
    TraceWriter writer_;
    RunInfo info_;
    uint64_t start_ns_;
    RunRecorder recorder_;
    std::vector<std::string> expected_; // canaries
    std::vector<std::string> before_;   // those that arrived
    std::vector<std::string> after_;
    std::vector<std::string> because_;
    steady_clock::time_point uncommitted_since_ = steady_clock::now();
    uint64_t records_ = 0;
};

result<std::unique_ptr<Run>> prepare(int socket) {
    const Caller caller = TRY(caller_of(socket));
    // Takes a tenth of a second, in which the caller prepares its sandbox. A failure is told in answer to its
    // start.
    auto loaded = Probes::load();
    Start start = TRY(receive_start(socket));
    const uid_t watched = TRY(watched_user(start.root.get(), caller));
    const Caller become = TRY(acting_user(caller, watched, start.store.get()));
    Probes probes = TRY(std::move(loaded));
    probes.watch(watched);
    ::setpriority(PRIO_PROCESS, 0, priority); // where it may
    TRY(drop_privileges(become));

    const std::string path = TRY(store_path(start.store.get(), become.uid));
    TraceWriter writer = TRY(TraceWriter::open(path));
    start.run.uid = watched;
    start.run.kernel = kernel_release();
    start.run.landlock_abi = landlock_abi();
    start.run.probes = to_string(probes.choice().set);
    auto run = std::make_unique<Run>(socket, std::move(probes), std::move(start.store), std::move(writer),
                                     std::move(start.run));
    TRY(run->begin(start.root.get()));
    return run;
}

result<CollectorSummary> whole_run(Run& run) {
    TRY(run.follow());
    return run.finish();
}

} // namespace

result<ok> serve(int socket) {
    leave_terminal();
    ::signal(SIGTERM, [](int) { asked_to_end = 1; });
    auto run = prepare(socket);
    if (!run) {
        TRY(sys::send_fds(socket, protocol::refused(run.error()), {}));
        return ok{};
    }
    TRY(sys::send_fds(socket, protocol::ready((*run)->id()), {}));
    const auto summary = whole_run(**run);
    const auto heard =
        sys::send_fds(socket, summary ? protocol::done(*summary) : protocol::refused(summary.error()), {});
    // A peer that has gone cannot hear a summary; the store has it.
    return summary || heard ? result<ok>(ok{}) : failure(summary.error());
}

} // namespace treadline
