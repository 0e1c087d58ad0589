// A whole internet in namespaces of the test's own (outside_world.py): every address is there, and everything that is sent to
// any of them is seen. Attacks run in it without Treadline, and held to a profile.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "tests/e2e/loop.h"

namespace treadline::test {

struct Sent {
    int status = 0;
    std::string out;
    std::string err;
    std::vector<std::string> seen;     // outside; outside_world.py says in which words
    nlohmann::json violations = nlohmann::json::array(); // but for variables

    [[nodiscard]] bool saw(const std::string& part) const;
};

class OutsideWorld {
public:
    OutsideWorld();
    ~OutsideWorld();
    OutsideWorld(const OutsideWorld&) = delete;
    OutsideWorld& operator=(const OutsideWorld&) = delete;

    // Python, with the functions of attack_tricks.py. `network` is what stands below `network:`, in one line.
    [[nodiscard]] Sent without(const std::string& attack) const;
    // `beside`: a shell's, outside of the sandbox, at the same time.
    [[nodiscard]] Sent held(const std::string& network, const std::string& attack, const std::string& beside = "") const;

    Loop loop;
    bool degraded = false; // where no namespaces can be made (refusing.cpp), with --allow-degraded
    std::vector<std::string> more_arguments; // of `enforce`

private:
    [[nodiscard]] Sent run(const std::vector<std::string>& argv) const;

    TemporaryDirectory directory_;
    pid_t driver_ = -1;
    unique_fd commands_;
    unique_fd answers_;
};

struct NetworkAttack {
    std::string name;
    std::string script;
    std::string sign;       // what is seen outside when it works; "" where it needs rights that the user has not
    size_t violations = 1;  // 0 where what is asked is answered from within, or refused as to anybody
    std::string allowed = ""; // what may be seen all the same: the beginning, which is what a rule allows
};

// Each works without Treadline, unless that is `shown` elsewhere; held to the rules nothing of it is seen, and its violations tell of it.
void all_fail(const OutsideWorld& world, const std::string& network, const std::vector<NetworkAttack>& attacks, bool shown = false);

} // namespace treadline::test
