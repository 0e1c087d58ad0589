// Starting the collector and talking to it: the unprivileged end of its protocol. Used by `learn`.
//
// The collector's descriptor 0 is an AF_UNIX SOCK_SEQPACKET socket, so that it also works under sudo, which
// closes every other descriptor. Messages are JSON. treadline -> collector: {"start": {...RunInfo fields...}} with
// two descriptors, a pidfd of the held root task and the open store. collector -> treadline: {"ready": true},
// {"error": "sentence"}, and at the end {"done": {"run": N, "complete": bool, "lost": {...}, ...}}.
// The peer credentials of that socket are the caller's identity: the collector refuses a task of another user.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "collector/trace.h"

namespace treadline {

struct CollectorSummary {
    int64_t run = 0;
    bool complete = false;
    std::vector<std::string> incomplete_because;
    std::map<std::string, uint64_t> lost;
    uint64_t accesses = 0;
    uint64_t processes = 0;
};

struct CommandEnd {
    int exit_status = 0;
    std::vector<std::string> incomplete_because = {}; // what else was not seen, as sentences
};

// How the collector gets its privilege here; `doctor` shows it.
struct CollectorAccess {
    enum class Privilege : uint8_t {
        None,         // no way: `problem` says what to do
        Root,         // this process is root
        Capabilities, // the file has cap_bpf and cap_perfmon
        Sudo,         // sudo works without a password
        SudoPrompt,   // sudo may ask on the terminal
    };
    Privilege privilege = Privilege::None;
    std::string program; // path of treadline-collector; beside this program, else ../libexec/treadline/
    std::string problem; // one sentence that says what to do: no privilege, no BTF, a kernel too old; "" if none
};
CollectorAccess find_collector();

// What the collector says this kernel lets it use ("tracepoint" or "lsm"), and why nothing better; both empty where
// that cannot be asked without a password or privilege.
struct ProbesHere {
    std::string set;
    std::string because;
};
ProbesHere probes_here(const CollectorAccess& access);

class CollectorSession {
public:
    // Starts the collector as find_collector() says; it waits for its start message. Apart from begin() because under
    // `sudo treadline learn` only this step may be root's: then `for_uid` is the invoking user, the socket is made with
    // that effective user id (its peer credentials are what the collector trusts), and the caller gives up root for
    // good before the command is started. Otherwise `for_uid` is this process's own user.
    static result<CollectorSession> spawn(unsigned for_uid);

    // Hands over the held task and the store (made if missing, mode 0600); returns once the probes are attached.
    result<ok> begin(int root_pidfd, const std::string& store, const RunInfo& run);

    CollectorSession(CollectorSession&&) noexcept = default;
    CollectorSession& operator=(CollectorSession&&) noexcept = default;
    ~CollectorSession(); // the collector notices the closed socket, finishes what it has as partial and exits

    // After the command has ended: tell the collector how, wait for the drain. A collector that died
    // gives a summary that is not complete and says so; the store is then marked partial from this side.
    result<CollectorSummary> finish(const CommandEnd& end);

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] int64_t run() const { return run_; } // its number in the store, once it has begun

private:
    CollectorSession() = default;
    result<CollectorSummary> last_words(const CommandEnd& end);

    unique_fd socket_;
    pid_t pid_ = -1;
    std::string store_;
    int64_t run_ = 0;
    std::chrono::steady_clock::time_point started_;
};

} // namespace treadline
