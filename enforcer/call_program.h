// A system call filter's program (seccomp(2)): a binary search for the call's number, then what is asked of its arguments.
// The kernel runs it for each number when it is installed, and then for each call whose answer depends on arguments.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <linux/filter.h>

namespace treadline {

// (argument & mask) == value, of the whole register.
struct ArgumentTest {
    unsigned argument = 0; // counted from 0
    uint64_t mask = UINT64_MAX;
    uint64_t value = 0;
};
using ArgumentShape = std::vector<ArgumentTest>; // all of these

class CallProgram {
public:
    // SECCOMP_RET_*: for calls that get no answer below, and for those of other architectures than `native` (AUDIT_ARCH_*).
    CallProgram(uint32_t native, uint32_t otherwise, uint32_t foreign) : native_(native), otherwise_(otherwise), foreign_(foreign) {}

    // Of several answers for one call the first whose shape fits counts; an empty shape always does.
    void answer(int number, uint32_t action, ArgumentShape shape = {});

    [[nodiscard]] std::vector<sock_filter> compile() const;

private:
    struct Answer {
        uint32_t action;
        ArgumentShape shape;
    };
    using Answers = std::vector<Answer>;
    struct Range { // from this number to the next range's
        uint32_t first;
        const Answers* answers; // null: otherwise
    };
    [[nodiscard]] std::vector<Range> ranges() const;
    [[nodiscard]] std::vector<sock_filter> search(const Range* from, const Range* to) const;
    [[nodiscard]] std::vector<sock_filter> look_at_arguments(const Answers* answers) const;

    uint32_t native_;
    uint32_t otherwise_;
    uint32_t foreign_;
    std::map<uint32_t, Answers> calls_;
};

} // namespace treadline
