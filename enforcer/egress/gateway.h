// The egress gateway of one run, as the supervisor holds it: a process of its own, outside the sandbox's namespaces, that
// gets what programs inside send (capture.h) and lets through what the profile allows (decision.h).
//
// Fail closed: no other way out exists, so when the gateway's process ends, for whatever reason, there is no network. It
// ends with the supervisor.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/violation.h"
#include "profiles/policy.h"

namespace treadline::egress {

struct GatewayConfig {
    std::shared_ptr<const Policy> policy;
    std::map<std::string, std::vector<std::string>> resolve; // name -> addresses, instead of a lookup
    std::vector<std::string> search;                         // domains that resolvers inside append
    uid_t uid = 0; // whose rights it has
    gid_t gid = 0;
};

struct Report {
    Violation violation; // without the process, which the gateway does not know
    std::string dialled; // by which the one that asked is found: "198.18.1.0:443"; ":53" for a lookup
};

class Gateway {
public:
    // `pidfd`: of a task in the sandbox's namespaces that is held before its first instruction.
    static result<std::unique_ptr<Gateway>> start(const GatewayConfig& config, int pidfd);
    ~Gateway(); // ends it
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    // Readable when there are violations to take, or the gateway has ended; -1 after that.
    [[nodiscard]] int reports() const { return reports_.get(); }

    // What it has refused since the last call. That it has ended is one, too.
    std::vector<Report> take();

    // After the last process inside: what it has still to say.
    std::vector<Report> finish();

private:
    Gateway(pid_t process, unique_fd reports) : process_(process), reports_(std::move(reports)) {}
    bool read_one(std::vector<Report>& reports);
    void reap(int signal);

    pid_t process_;
    unique_fd reports_;
};

} // namespace treadline::egress
