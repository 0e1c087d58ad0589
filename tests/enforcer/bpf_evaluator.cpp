#include "tests/enforcer/bpf_evaluator.h"

#include <cstring>
#include <stdexcept>

namespace treadline::test {

uint32_t evaluate(const std::vector<sock_filter>& program, const seccomp_data& call) {
    uint32_t accumulator = 0;
    uint32_t memory[BPF_MEMWORDS] = {};
    for (size_t at = 0; at < program.size(); ++at) {
        const sock_filter& step = program[at];
        const auto jump = [&](bool taken) { at += taken ? step.jt : step.jf; };
        switch (step.code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (step.k + sizeof accumulator > sizeof call) {
                throw std::runtime_error("load beyond the call's data");
            }
            std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k, sizeof accumulator);
            break;
        case BPF_LD | BPF_MEM:
            accumulator = memory[step.k];
            break;
        case BPF_ST:
            memory[step.k] = accumulator;
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            accumulator &= step.k;
            break;
        case BPF_JMP | BPF_JA:
            at += step.k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            jump(accumulator == step.k);
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            jump(accumulator > step.k);
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            jump(accumulator >= step.k);
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            jump((accumulator & step.k) != 0);
            break;
        case BPF_RET | BPF_K:
            return step.k;
        default:
            throw std::runtime_error("instruction the evaluator does not know");
        }
    }
    throw std::runtime_error("the filter ends without an answer");
}

} // namespace treadline::test
