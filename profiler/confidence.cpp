#include "profiler/confidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/text.h"
#include "profiler/proposal_text.h"

namespace treadline {
namespace {

constexpr double z = 1.959964; // 97.5 % of a normal distribution lie below it
constexpr size_t most_left_out = 8;
constexpr size_t most_examples = 3;
// Reduced in all, over the runs that are left out: a few seconds.
constexpr size_t most_accesses = 2'000'000;
// From here on another run is worth its time.
constexpr double worth_another_run = 0.01;

std::string percent(double share) {
    return share < 0.01 ? "less than 1 %" : "about " + std::to_string(std::lround(share * 100)) + " %";
}

std::string run_count(size_t runs) {
    return std::to_string(runs) + (runs == 1 ? " run" : " runs");
}

// `accepted`: with what waits for review moved up, as if a person had read it.
result<Policy> learned_policy(const ReduceInput& input, bool accepted) {
    Proposal proposal = TRY(reduce(input));
    for (ProposedRule& rule : proposal.rules) {
        rule.review = accepted ? "" : rule.review;
    }
    return Policy::build(profile_from(proposal, "learned"), "learned",
                         input.variables(input.traces.back().run), input.abstractions);
}

bool is_among(const DeniedAccess& access, const std::vector<DeniedAccess>& others) {
    return std::any_of(others.begin(), others.end(), [&](const DeniedAccess& other) {
        return other.operation == access.operation && other.object == access.object;
    });
}

std::vector<DeniedAccess> without(const std::vector<DeniedAccess>& all,
                                  const std::vector<DeniedAccess>& others) {
    std::vector<DeniedAccess> rest;
    std::copy_if(all.begin(), all.end(), std::back_inserter(rest),
                 [&](const DeniedAccess& access) { return !is_among(access, others); });
    return rest;
}

// Masked while learning, so the command did without it.
bool is_credential(const DeniedAccess& access, const Policy& policy) {
    const auto path = policy.variables().expand(access.object);
    if (access.operation > Operation::Execute || !path) {
        return false;
    }
    const bool writing = access.operation == Operation::Write || access.operation == Operation::Create;
    const Guard* guard = policy.guards().find(*path, writing);
    return guard != nullptr && guard->kind == GuardKind::Credential;
}

std::string examples_of(const std::vector<DeniedAccess>& denied) {
    std::vector<std::string> examples;
    for (const DeniedAccess& access : denied) {
        const std::string example = std::string(to_string(access.operation)) + " " + access.object;
        examples.push_back(legible(example));
        if (examples.size() == most_examples) {
            break;
        }
    }
    return join(examples, ", ");
}

} // namespace

double wilson_lower_bound(int needed, int runs) {
    if (runs <= 0 || needed <= 0) {
        return 0;
    }
    const double n = runs;
    const double p = needed / n;
    const double spread = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (p + z * z / (2 * n) - spread) / (1 + z * z / n);
}

std::optional<double> unseen_share(const std::vector<int>& incidences, int runs) {
    double all = 0;
    double once = 0;
    double twice = 0;
    for (const int needed : incidences) {
        all += needed;
        once += needed == 1;
        twice += needed == 2;
    }
    if (runs < 2 || all == 0) {
        return std::nullopt;
    }
    if (once == 0) {
        return 0;
    }
    const double others = runs - 1;
    // Where nothing was seen twice, the bias-corrected form of the same.
    const double again = twice > 0 ? others * once / (others * once + 2 * twice)
                                   : others * (once - 1) / (others * (once - 1) + 2);
    return once / all * again;
}

Confidence confidence_in(const Policy& policy, const std::vector<Trace>& traces,
                         const std::function<Variables(const RunInfo&)>& variables) {
    Confidence confidence;
    confidence.runs = traces.size();
    const RuleIndex index(policy);
    const Replay replayed = replay(traces, variables, index);
    confidence.denied = replayed.denied;
    std::erase_if(confidence.denied,
                  [&](const DeniedAccess& access) { return is_credential(access, policy); });
    if (traces.size() < 2) {
        return confidence;
    }
    std::vector<int> incidences;
    if (policy.review() != nullptr) { // seen as well, whatever a person makes of it
        const RuleIndex waiting(*policy.review());
        for (const RuleUse& use : replay(traces, variables, waiting).rules) {
            incidences.push_back(static_cast<int>(std::count(use.runs.begin(), use.runs.end(), true)));
        }
    }
    std::map<std::string, std::vector<bool>> includes;
    for (RuleId id = 0; id < index.rules().size(); ++id) {
        const std::vector<bool>& runs = replayed.rules[id].runs;
        const std::string& source = index.rules()[id].origin.source;
        if (source.rfind("include ", 0) != 0) {
            incidences.push_back(static_cast<int>(std::count(runs.begin(), runs.end(), true)));
            continue;
        }
        std::vector<bool>& any = includes[source];
        any.resize(runs.size());
        for (size_t run = 0; run < runs.size(); ++run) {
            any[run] = any[run] || runs[run];
        }
    }
    for (const auto& [source, runs] : includes) {
        incidences.push_back(static_cast<int>(std::count(runs.begin(), runs.end(), true)));
    }
    confidence.unseen = unseen_share(incidences, static_cast<int>(traces.size()));
    return confidence;
}

result<std::optional<LeftOut>> leave_one_out(ReduceInput& input, const std::vector<DeniedAccess>& denied) {
    input.existing = nullptr;
    const size_t runs = input.traces.size();
    const size_t rounds = std::min(runs == 0 ? 0 : runs - 1, most_left_out);
    size_t accesses = 0;
    for (const Trace& trace : input.traces) {
        accesses += trace.files.size() + trace.rows.size();
    }
    if (runs < 2 || accesses * rounds > most_accesses) {
        return std::optional<LeftOut>();
    }
    LeftOut left_out;
    left_out.runs = rounds;
    const Policy whole = TRY(learned_policy(input, true));
    const std::vector<DeniedAccess> excused =
        without(replay(input.traces, input.variables, RuleIndex(whole)).denied, denied);
    for (size_t round = 0; round < rounds; ++round) {
        const auto at = static_cast<ptrdiff_t>(1 + round * (runs - 1) / rounds);
        std::vector<Trace> one;
        one.push_back(std::move(input.traces[static_cast<size_t>(at)]));
        input.traces.erase(input.traces.begin() + at);
        const auto policy = learned_policy(input, false);
        if (policy) {
            const Replay replayed = replay(one, input.variables, RuleIndex(*policy));
            const std::vector<DeniedAccess> newly = without(replayed.denied, excused);
            left_out.denied_runs += !newly.empty();
            left_out.denied_share += replayed.accesses == 0 ? 0
                                                            : static_cast<double>(newly.size()) /
                                                                  static_cast<double>(replayed.accesses);
            for (const DeniedAccess& access : newly) {
                if (left_out.examples.size() < most_examples) {
                    left_out.examples.push_back(access);
                }
            }
        }
        input.traces.insert(input.traces.begin() + at, std::move(one[0]));
        if (!policy) {
            return failure(policy.error());
        }
    }
    left_out.denied_share /= static_cast<double>(rounds);
    return std::optional(std::move(left_out));
}

std::string unseen_sentence(const Confidence& confidence) {
    if (confidence.runs < 2) {
        return "one run does not show what differs between runs; learn a second time to see it";
    }
    if (!confidence.unseen) {
        return "";
    }
    if (*confidence.unseen == 0) {
        return "no rule was needed by one run only (" + run_count(confidence.runs) + ")";
    }
    return percent(*confidence.unseen) + " of what this command does has not been seen yet" +
           (*confidence.unseen < worth_another_run ? " (" + run_count(confidence.runs) + ")"
                                                   : "; another run would help");
}

std::string left_out_sentence(const Confidence& confidence) {
    if (!confidence.left_out) {
        return "";
    }
    const LeftOut& left_out = *confidence.left_out;
    const std::string runs = std::to_string(left_out.denied_runs) + " of " + run_count(left_out.runs);
    if (left_out.denied_runs == 0) {
        return "learned without it, each of " + run_count(left_out.runs) + " would have been denied nothing";
    }
    return "learned without it, " + runs + " would have been denied something (" +
           percent(left_out.denied_share) + " of a run's accesses): " + examples_of(left_out.examples);
}

std::string denied_sentence(const Confidence& confidence) {
    const size_t number = confidence.denied.size();
    if (number == 0) {
        return "";
    }
    return "later runs will be denied " + std::to_string(number) + (number == 1 ? " thing" : " things") +
           " that these did, until the profile allows " + (number == 1 ? "it: " : "them: ") +
           examples_of(confidence.denied) + (number > most_examples ? ", …" : "");
}

} // namespace treadline
