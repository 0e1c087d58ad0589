// What tools/bench/quality computes from stored runs: profiles, and what other tools would have made of the
// same accesses, judged by exposure, planted secrets, and what they would have denied runs that nobody
// learned from.
//
//   quality_bench FILE    reads a question (JSON, see `measure` in tools/bench/quality), prints the answer as
//   JSON
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/path.h"
#include "base/syscalls.h"
#include "collector/trace_reader.h"
#include "profiler/proposal_text.h"
#include "profiler/replay.h"
#include "profiles/shipped.h"
#include "tools/bench/quality_baselines.h"
#include "tools/treadline/write_profile.h"

using namespace treadline;
using nlohmann::json;

namespace {

template <class T>
T checked(result<T> done) {
    if (!done) {
        throw std::runtime_error(done.error().message());
    }
    return std::move(*done);
}

// Whose machine a run was made on: {uid, environment}.
struct Machine {
    UserIdentity user;
    std::map<std::string, std::string> environment;

    [[nodiscard]] Variables variables(const std::string& project) const {
        return variables_for(user, project, environment);
    }
};

Machine machine_of(const json& words) {
    return {checked(identity_of(words.at("uid"))), words.at("environment")};
}

struct Run {
    std::string name;
    Machine machine;
    std::vector<Trace> traces; // one

    [[nodiscard]] std::function<Variables(const RunInfo&)> variables() const {
        return [this](const RunInfo& info) { return machine.variables(info.project); };
    }
    // Credentials, portable: masked while it was recorded, so the command did without them.
    [[nodiscard]] std::set<std::string> masked() const {
        std::set<std::string> paths;
        for (const GuardedAccess& access : collect_accesses(traces, variables()).guarded) {
            if (access.kind == GuardKind::Credential) {
                paths.insert(access.path);
            }
        }
        return paths;
    }
};

std::vector<Trace> read_runs(const std::string& store, size_t most) {
    const TraceReader reader = checked(TraceReader::open(store));
    std::vector<Trace> traces;
    for (const RunInfo& run : checked(reader.runs())) {
        if (traces.size() < most) {
            traces.push_back(checked(reader.read(run.id)));
        }
    }
    return traces;
}

struct DiskFile { // outside the project and packages
    std::string path;
    Modes may;             // what the learner's user may do with it
    bool personal = false; // in a home or a temporary directory, not the machine's
};

struct Reach {
    size_t reachable = 0, touched = 0;

    void count(bool reached, bool used) {
        reachable += reached ? 1 : 0;
        touched += used ? 1 : 0;
    }
    [[nodiscard]] json words() const { return {{"reachable", reachable}, {"touched", touched}}; }
};

constexpr std::array<std::pair<Operation, Mode>, 3> operations{
    {{Operation::Read, Mode::Read}, {Operation::Write, Mode::Write}, {Operation::Execute, Mode::Execute}}};

constexpr size_t examples = 5;

class Judge {
public:
    Judge(const json& question, const std::vector<Trace>& learned, const Machine& machine,
          std::vector<Run> held_out)
        : secrets_(question.at("secrets")), held_out_(std::move(held_out)) {
        const std::vector<std::string> places = question.at("personal");
        std::ifstream lines(question.at("files").get<std::string>());
        for (std::string line; std::getline(lines, line);) { // "rwx<TAB>path"
            const size_t tab = line.find('\t');
            const std::string path = line.substr(tab + 1);
            const bool personal = std::any_of(places.begin(), places.end(), [&](const std::string& place) {
                return is_within(path, place);
            });
            files_.push_back({path, checked_modes(line.substr(0, tab)), personal});
        }
        const Variables variables = machine.variables(learned.front().run.project);
        const AccessSet set =
            collect_accesses(learned, [&](const RunInfo& run) { return machine.variables(run.project); });
        for (const AccessRecord& record : set.records) {
            if (const auto path = variables.expand(set.trie.path(record.node))) {
                touched_[*path] |= record.modes;
            }
        }
    }

    [[nodiscard]] json judge(const Policy& policy) const {
        const RuleIndex index(policy);
        json exposure;
        for (const auto& [operation, mode] : operations) {
            exposure[std::string(to_string(operation))] = exposure_of(index, operation, mode);
        }
        json secrets = json::array();
        for (const std::string& path : secrets_) {
            if (reaches(index, Operation::Read, path)) {
                secrets.push_back(path);
            }
        }
        json denied;
        for (const Run& run : held_out_) {
            const Replay played = replay(run.traces, run.variables(), index);
            const std::set<std::string> masked = run.masked();
            json of_files = json::array(), others = json::array();
            for (const DeniedAccess& access : played.denied) {
                if (masked.count(access.object) > 0) {
                    continue;
                }
                const bool file = access.operation <= Operation::Execute;
                (file ? of_files : others)
                    .push_back(std::string(to_string(access.operation)) + " " + access.object);
            }
            denied[run.name] = {{"files", of_files.size()}, {"others", others.size()}};
            of_files.insert(of_files.end(), others.begin(), others.end());
            of_files.erase(of_files.begin() + static_cast<long>(std::min(of_files.size(), examples)),
                           of_files.end());
            denied[run.name]["examples"] = of_files;
        }
        return {{"exposure", exposure}, {"secrets", secrets}, {"denied", denied}};
    }

private:
    [[nodiscard]] json exposure_of(const RuleIndex& index, Operation operation, Mode mode) const {
        Reach all, personal;
        json untouched = json::array();
        for (const DiskFile& file : files_) {
            if (!file.may.has(mode)) {
                continue;
            }
            const auto at = touched_.find(file.path);
            // What another file was put in the place of by renaming was written, too.
            const bool touched = at != touched_.end() && (at->second.has(mode) || (mode == Mode::Write && at->second.has(Mode::Create)));
            const bool reached = reaches(index, operation, file.path);
            all.count(reached, touched);
            if (file.personal) {
                personal.count(reached, touched);
            }
            if (reached && !touched && untouched.size() < examples) {
                untouched.push_back(file.path);
            }
        }
        json exposure = all.words();
        exposure["personal"] = personal.words();
        exposure["untouched"] = untouched;
        return exposure;
    }
    static Modes checked_modes(const std::string& text) {
        const auto modes = parse_modes(text);
        return modes ? *modes : Modes::none();
    }
    // The host's file: what a private directory holds is not.
    [[nodiscard]] static bool reaches(const RuleIndex& index, Operation operation, const std::string& path) {
        for (const RuleId rule : index.holders(operation, path)) {
            if (index.rules()[rule].section != Section::Private) {
                return true;
            }
        }
        return false;
    }

    std::vector<DiskFile> files_;
    std::vector<std::string> secrets_;
    std::vector<Run> held_out_;
    std::map<std::string, Modes> touched_;
};

// Lines that a person has to read; an include is one.
size_t lines_of(const ProfileRules& rules) {
    return rules.include.size() + rules.files.size() + rules.private_directories.size() + rules.deny.size() +
           rules.network.connect.size() + rules.network.listen.size() + rules.unix_sockets.size() +
           rules.syscalls.size() + rules.environment.pass.size();
}

json judge_profile(const Judge& judge, const Profile& profile, const Variables& variables) {
    const Policy policy = checked(Policy::build(profile, "profile", variables, abstraction_loader("")));
    json judged = judge.judge(policy);
    judged["rules"] = lines_of(profile) + lines_of(profile.review);
    judged["file_rules"] = profile.include.size() + profile.files.size() + profile.private_directories.size();
    return judged;
}

json judge_baseline(const Judge& judge, std::vector<FileRule> rules, const Variables& variables) {
    Profile profile;
    profile.files = std::move(rules);
    const Policy policy =
        checked(Policy::build(profile, "baseline", variables, nullptr)).grants_alone(Policy::GuardsCount::No);
    json judged = judge.judge(policy);
    judged["file_rules"] = profile.files.size();
    return judged;
}

// One generaliser after another taken away, by its price: a fold, a private directory or an abstraction that
// costs too much is never taken, a volatile name that costs nothing is as good as any other.
std::map<std::string, std::function<void(ReduceInput&)>> ablations() {
    return {{"all of it", [](ReduceInput&) {}},
            {"without abstractions", [](ReduceInput& input) { input.shipped_abstractions.resize(1); }},
            {"without private directories",
             [](ReduceInput& input) { input.costs.private_directory = 100'000 * one_line; }},
            {"without volatile names",
             [](ReduceInput& input) {
                 Costs& costs = input.costs;
                 costs.volatile_name = costs.version_name = costs.replaced_program = costs.transient_name =
                     costs.varying_name = 0;
             }},
            {"without the cost of exposure", [](ReduceInput& input) { input.costs.tightness = 0; }},
            {"without folding", [](ReduceInput& input) {
                 constexpr Weight far_too_much = 100'000 * one_entry;
                 input.costs.weights.fill({far_too_much, far_too_much, far_too_much, far_too_much, false});
             }}};
}

json answer(const json& question) {
    const Machine machine = machine_of(question.at("machine"));
    const std::string store = question.at("store");
    std::vector<Run> held_out;
    for (const json& run : question.at("held_out")) {
        held_out.push_back({run.at("name"), machine_of(run.at("machine")), read_runs(run.at("store"), 1)});
    }
    const Judge judge(question, read_runs(store, SIZE_MAX), machine, std::move(held_out));
    json by_runs;
    for (const auto& [text, profile] : question.at("profiles").items()) {
        const std::vector<Trace> traces = read_runs(store, std::stoul(text));
        const Variables variables = machine.variables(traces.front().run.project);
        const AccessSet set =
            collect_accesses(traces, [&](const RunInfo& run) { return machine.variables(run.project); });
        json& its = by_runs[text];
        its["treadline"] = judge_profile(judge, checked(load_profile(profile)), variables);
        its["exact"] = judge_baseline(judge, exact_rules(set), variables);
        its["fold4"] = judge_baseline(judge, rules_folded_at(set, 4), variables);
        its["fold50"] = judge_baseline(judge, rules_folded_at(set, 50), variables);
        its["gradm"] = judge_baseline(judge, gradm_rules(set), variables);
    }
    json ablation;
    Context context;
    context.user = machine.user;
    context.environment = machine.environment;
    for (const auto& [name, change] : ablations()) {
        Reduction reduction(context, read_runs(store, 1));
        change(reduction.input);
        const std::string project = reduction.input.traces.front().run.project;
        const Proposal proposal = checked(reduce(reduction.input));
        ablation[name] = judge_profile(judge, profile_from(proposal, "ablation"), machine.variables(project));
    }
    return {{"by_runs", by_runs}, {"ablation", ablation}};
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: quality_bench FILE\n", stderr);
        return 2;
    }
    try {
        const json question = json::parse(checked(sys::read_file(argv[1])));
        std::puts(answer(question).dump().c_str());
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "quality_bench: %s\n", error.what());
        return 1;
    }
}
