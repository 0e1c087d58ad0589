// The egress gateway of one run, as the supervisor holds it: a process of its own, outside the sandbox's namespaces, that
// gets what programs inside send (capture.h) and lets through what the profile allows (decision.h). It also accepts what comes
// for published ports, and dials into the sandbox for those.
//
// Fail closed: no other way out exists, so when the gateway's process ends, for whatever reason, there is no network. It
// ends with the supervisor.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "enforcer/egress/helper_process.h"
#include "enforcer/egress/kept_exchange.h"
#include "enforcer/egress/recording.h"
#include "enforcer/egress/secrets.h"
#include "enforcer/egress/tls_loader.h"
#include "enforcer/violation.h"
#include "profiles/policy.h"

namespace treadline::egress {

struct GatewayConfig {
    std::shared_ptr<const Policy> policy; // none: everything passes, and is recorded
    std::map<std::string, std::vector<std::string>> resolve; // name -> addresses, instead of a lookup
    std::vector<std::string> search;                         // domains that resolvers inside append
    bool bridged = false;                                    // there are none: connections come by hand_over() only
    std::shared_ptr<const Secrets> secrets;                  // for `credentials`
    const RunAuthority* authority = nullptr;                 // where anything is looked into
    bool capture = false;                                    // keep the exchanges that are looked into, but
    std::vector<std::string> known_secrets;                  // what holds one of these
    std::shared_ptr<const Replay> replay;                    // answer with these; nothing outside is reached
    uid_t uid = 0; // whose rights it has
    gid_t gid = 0;
};

struct Report {
    Violation violation; // without the process, which the gateway does not know
    std::string dialled; // by which the one that asked is found: "198.18.1.0:443"; ":53" for a lookup
};

class Gateway {
public:
    // `pidfd`: of a task in the sandbox's namespaces that is held before its first instruction; not looked at if `bridged`. Returns when the gateway has
    // said that it is confined and listens.
    static result<std::unique_ptr<Gateway>> start(const GatewayConfig& config, int pidfd);
    // Readable when there are violations to take, or the gateway has ended; -1 after that.
    [[nodiscard]] int reports() const { return process_.socket(); }

    // A connection from inside, to be served (bridge.h); false if the gateway has ended or does not keep up.
    bool hand_over(int connection, const std::string& destination);

    // What it has refused since the last call. That it has ended is one, too.
    std::vector<Report> take();

    // After the last process inside: what it has still to say.
    std::vector<Report> finish();

    // After that: what passed, where there is no policy. Says so itself where the gateway could not tell all of it.
    Recording take_recording();

    // After that: the exchanges that were kept, redacted (GatewayConfig::capture).
    result<KeptRun> take_kept();

private:
    Gateway(HelperProcess process, std::optional<HelperProcess> maker, unique_fd kept)
        : maker_(std::move(maker)), process_(std::move(process)), kept_(std::move(kept)) {}
    bool read_one(std::vector<Report>& reports);

    std::optional<HelperProcess> maker_; // of sockets inside, for published ports; ends when the gateway does
    HelperProcess process_;
    Recording recording_;
    unique_fd kept_; // memory that the gateway writes them to when it ends; none where nothing is kept
};

} // namespace treadline::egress
