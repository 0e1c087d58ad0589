#include "enforcer/call_program.h"

#include <cassert>
#include <cstddef>
#include <utility>

#include <linux/seccomp.h>

namespace treadline {
namespace {

#if defined(__x86_64__)
constexpr uint32_t first_foreign_number = 0x40000000; // x32: the same architecture, other calls
#endif

constexpr size_t longest_jump = UINT8_MAX; // of a comparison

sock_filter statement(unsigned code, uint32_t operand) {
    return BPF_STMT(static_cast<uint16_t>(code), operand);
}

sock_filter jump(unsigned code, uint32_t operand, size_t if_true, size_t if_false) {
    assert(if_true <= longest_jump && if_false <= longest_jump);
    return BPF_JUMP(static_cast<uint16_t>(code), operand, static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false));
}

void append(std::vector<sock_filter>& program, const std::vector<sock_filter>& more) {
    program.insert(program.end(), more.begin(), more.end());
}

// One half of an argument; the jump's length is not known yet. Little-endian on every architecture here: the low half comes
// first.
void test_half(std::vector<sock_filter>& program, const ArgumentTest& test, bool high) {
    const auto mask = static_cast<uint32_t>(high ? test.mask >> 32 : test.mask);
    const auto value = static_cast<uint32_t>(high ? test.value >> 32 : test.value);
    if (mask == 0 && value == 0) {
        return;
    }
    const size_t at = offsetof(seccomp_data, args) + test.argument * sizeof(uint64_t) + (high ? sizeof(uint32_t) : 0);
    program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(at)));
    if (mask != UINT32_MAX) {
        program.push_back(statement(BPF_ALU | BPF_AND | BPF_K, mask));
    }
    program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
}

} // namespace

void CallProgram::answer(int number, uint32_t action, ArgumentShape shape) {
    assert(number >= 0);
    calls_[static_cast<uint32_t>(number)].push_back({action, std::move(shape)});
}

// Neighbours with the same answer whatever their arguments are one range.
std::vector<CallProgram::Range> CallProgram::ranges() const {
    const auto plain = [](const Answers* answers) { return answers == nullptr || answers->front().shape.empty(); };
    const auto action = [&](const Answers* answers) { return answers == nullptr ? otherwise_ : answers->front().action; };
    std::vector<Range> ranges = {{0, nullptr}};
    const auto add = [&](uint32_t first, const Answers* answers) {
        const Answers* before = ranges.back().answers;
        if (ranges.back().first == first) {
            ranges.back().answers = answers;
        } else if (!plain(before) || !plain(answers) || action(before) != action(answers)) {
            ranges.push_back({first, answers});
        }
    };
    for (const auto& [number, answers] : calls_) {
        add(number, &answers);
        if (!calls_.contains(number + 1)) {
            add(number + 1, nullptr);
        }
    }
    return ranges;
}

std::vector<sock_filter> CallProgram::look_at_arguments(const Answers* answers) const {
    std::vector<sock_filter> program;
    for (size_t i = 0; answers != nullptr && i < answers->size(); ++i) {
        const Answer& answer = (*answers)[i];
        const size_t begin = program.size();
        for (const ArgumentTest& test : answer.shape) {
            test_half(program, test, false);
            test_half(program, test, true);
        }
        program.push_back(statement(BPF_RET | BPF_K, answer.action));
        for (size_t at = begin; at < program.size(); ++at) {
            if (BPF_CLASS(program[at].code) == BPF_JMP) {
                program[at].jf = static_cast<uint8_t>(program.size() - at - 1);
            }
        }
        if (answer.shape.empty()) {
            return program;
        }
    }
    program.push_back(statement(BPF_RET | BPF_K, otherwise_));
    return program;
}

std::vector<sock_filter> CallProgram::search(const Range* from, const Range* to) const {
    if (to - from == 1) {
        return look_at_arguments(from->answers);
    }
    const Range* middle = from + (to - from) / 2;
    const std::vector<sock_filter> below = search(from, middle);
    std::vector<sock_filter> program;
    if (below.size() <= longest_jump) {
        program.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, middle->first, below.size(), 0));
    } else {
        program.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, middle->first, 0, 1));
        program.push_back(statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(below.size())));
    }
    append(program, below);
    append(program, search(middle, to));
    return program;
}

std::vector<sock_filter> CallProgram::compile() const {
    std::vector<sock_filter> program = {
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        jump(BPF_JMP | BPF_JEQ | BPF_K, native_, 1, 0),
        statement(BPF_RET | BPF_K, foreign_),
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    };
#if defined(__x86_64__)
    program.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, first_foreign_number, 0, 1));
    program.push_back(statement(BPF_RET | BPF_K, foreign_));
#endif
    const std::vector<Range> all = ranges();
    append(program, search(all.data(), all.data() + all.size()));
    return program;
}

} // namespace treadline
