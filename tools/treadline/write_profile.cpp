#include "tools/treadline/write_profile.h"

#include <algorithm>
#include <array>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "collector/captured_rows.h"
#include "profiler/confidence.h"
#include "profiler/proposal_limit.h"
#include "profiler/proposal_text.h"
#include "profiler/review.h"
#include "profiler/rule_text.h"
#include "profiler/superseded.h"
#include "profiles/profile_editor.h"
#include "profiles/profile_reader.h"
#include "profiles/shipped.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

class RealDisk : public DiskView {
public:
    [[nodiscard]] std::vector<Entry> list(const std::string& directory, bool& truncated) const override {
        constexpr size_t most =
            10'000; // names; beyond that a directory is "full of things" whatever their number
        std::vector<Entry> entries;
        truncated = false;
        const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
        if (!stream) {
            return entries;
        }
        while (const dirent* entry = ::readdir(stream.get())) {
            const std::string_view name(entry->d_name);
            if (name == "." || name == "..") {
                continue;
            }
            if (entries.size() == most) {
                truncated = true;
                break;
            }
            entries.push_back({std::string(name), entry->d_type == DT_DIR, entry->d_type == DT_LNK});
        }
        // The order of readdir(3) is the file system's own; the same disk has to give the same profile.
        std::sort(entries.begin(), entries.end(),
                  [](const Entry& a, const Entry& b) { return a.name < b.name; });
        return entries;
    }

    [[nodiscard]] bool begins_private_key(const std::string& path) const override {
        const unique_fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        std::array<char, 64> start{};
        const ssize_t size = file.valid() ? ::read(file.get(), start.data(), start.size()) : -1;
        const std::string_view text(start.data(), size > 0 ? static_cast<size_t>(size) : 0);
        return text.starts_with("-----BEGIN ") && text.find("PRIVATE KEY-----") != std::string_view::npos;
    }
};

std::string count_of(size_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

result<ok> create(const Context& context, const Proposal& proposal) {
    const std::string text = TRY(proposal_text(proposal, std::string(file_name(context.project))));
    TRY(sys::make_directories(std::string(parent_path(context.profile)), 0755));
    return sys::replace_file(context.profile, text);
}

// Returns whether anything but `learned` changed.
result<bool> extend(const Context& context, const std::string& before, const Proposal& missing) {
    std::vector<Insertion> insertions;
    for (const ProposedRule& rule : missing.rules) {
        insertions.push_back(insertion_of(rule));
    }
    const std::string extended = TRY(insert_rules(before, insertions, context.profile));
    const std::string text = TRY(update_learned(extended, missing.learned, context.profile));
    if (text != before) {
        struct stat status {};
        const mode_t mode = ::stat(context.profile.c_str(), &status) == 0 ? status.st_mode & 07777 : 0644;
        // A profile that is a link is written where it leads.
        const std::string target = TRY(sys::realpath(context.profile));
        TRY(sys::replace_file(target, text, mode));
    }
    return extended != before;
}

// What the written profile is worth: a line or two on stderr. Of runs of other commands the next one is no sample.
// `allows_all`: the profile is new and all of it stands, so it denies nothing of these runs, and of a single one there is
// nothing to find out by replaying it.
result<ok> say_confidence(const Context& context, const ReduceInput& input, bool allows_all) {
    const auto& traces = input.traces;
    if (traces.size() == 1 && allows_all) {
        Confidence confidence;
        confidence.runs = 1;
        say(unseen_sentence(confidence));
        return ok{};
    }
    if (std::any_of(traces.begin(), traces.end(),
                    [&](const Trace& trace) { return trace.run.command != traces.back().run.command; })) {
        return ok{};
    }
    const Policy policy = TRY(load_policy(context.profile, context.variables));
    const Confidence confidence = confidence_in(policy, traces, input.variables);
    for (const std::string& sentence : {unseen_sentence(confidence), denied_sentence(confidence)}) {
        if (!sentence.empty()) {
            say(sentence);
        }
    }
    return ok{};
}

} // namespace

result<std::vector<Trace>> read_traces(const Context& context,
                                       const std::function<bool(const RunInfo&)>& wanted,
                                       TraceReader::Files form) {
    if (::access(context.store.c_str(), F_OK) != 0) {
        return std::vector<Trace>();
    }
    const TraceReader reader = TRY(TraceReader::open(context.store));
    std::vector<Trace> traces;
    const std::vector<RunInfo> runs = TRY(reader.runs());
    for (const RunInfo& run : runs) {
        if (run.probes != nothing_traced && wanted(run)) {
            Trace trace = TRY(reader.read(run.id, form));
            traces.push_back(std::move(trace));
        }
    }
    return traces;
}

std::vector<Trace> whole_runs(std::vector<Trace> traces, int64_t always) {
    const auto whole = [&](const Trace& trace) { return trace.run.complete || trace.run.id == always; };
    if (std::any_of(traces.begin(), traces.end(), whole)) {
        traces.erase(
            std::remove_if(traces.begin(), traces.end(), [&](const Trace& trace) { return !whole(trace); }),
            traces.end());
    }
    return traces;
}

Reduction::Reduction(const Context& context, std::vector<Trace> traces, const Costs& costs)
    : disk_(std::make_unique<RealDisk>()) {
    input.costs = costs;
    input.traces = std::move(traces);
    // Stored runs are this user's and, for a store of the project's own, this project's.
    input.variables = [user = context.user, environment = context.environment](const RunInfo& run) {
        std::map<std::string, std::string> then = environment;
        then["HOME"] = run.home;
        return variables_for(user, run.project, then);
    };
    input.disk = disk_.get();
    input.abstractions = abstraction_loader("");
    input.shipped_abstractions = learned_abstractions();
}

void add_tightness_option(CLI::App* command, Costs& costs) {
    command
        ->add_option_function<std::string>(
            "--tightness",
            [&costs](const std::string& text) {
                const auto tightness = parse_tightness(text);
                if (!tightness) {
                    throw CLI::ValidationError("--tightness", tightness.error().message());
                }
                costs.tightness = *tightness;
            },
            "what a rule may show that was not used: 2 half as much for each line it saves, 0.5 twice as "
            "much (default 1)")
        ->type_name("N");
}

result<ok> write_profile_from(const Context& context, std::vector<Trace> traces, const Costs& costs) {
    if (traces.empty()) {
        return fail(
            "there are no stored runs to make a profile from; run 'treadline learn -- COMMAND' first");
    }
    const size_t runs = traces.size();
    Reduction reduction(context, std::move(traces), costs);
    std::optional<Policy> policy;
    if (context.profile_exists) {
        policy = TRY(load_context_policy(context));
        reduction.input.existing = &*policy;
    }
    Proposal proposal = TRY(reduce(reduction.input));
    const size_t needed = proposal.rules.size();
    std::string before;
    if (policy) {
        before = TRY(sys::read_file(context.profile));
        proposal = missing_from(proposal, *policy, before);
        const Profile there = TRY(load_profile(context.profile));
        // What is inserted has a blank more before its comment than what is written anew.
        const size_t taken = std::min(before.size() + proposal.rules.size(), max_yaml_bytes);
        limit_proposal(proposal, max_yaml_bytes - taken,
                       withheld_in(before).size() + under_review(there.review, before).size());
    } else {
        limit_proposal(proposal, max_yaml_bytes);
    }
    for (const std::string& warning : proposal.warnings) {
        say(printable(warning));
    }
    const auto number_of = [&](auto which) {
        return static_cast<size_t>(std::count_if(proposal.rules.begin(), proposal.rules.end(), which));
    };
    const size_t withheld = number_of([](const ProposedRule& rule) { return !rule.withheld.empty(); });
    const size_t waiting = number_of([](const ProposedRule& rule) { return !rule.review.empty(); });
    if (policy) {
        const bool changed = TRY(extend(context, before, proposal));
        say(changed
                ? fmt::format("added what was missing to {} ({})", described(context), count_of(runs, "run"))
                : fmt::format("{} allows everything that was seen ({})", described(context),
                              count_of(runs, "run")));
        for (const Superseded& rule : superseded(*policy, proposal.rules)) {
            say(printable(fmt::format(
                "'{}' is now held by '{}', which was added; delete it if you like (it was in line {})",
                rule.rule, rule.by, rule.line)));
        }
    } else {
        TRY(create(context, proposal));
        say(fmt::format("wrote {}: {} from {}", described(context),
                        count_of(number_of([](const ProposedRule& rule) { return rule.stands(); }), "rule"),
                        count_of(runs, "run")));
    }
    if (withheld > 0) {
        say(fmt::format("{} withheld as a comment for you to accept; 'treadline review' says why",
                        withheld == 1 ? "1 rule is" : fmt::format("{} rules are", withheld)));
    }
    if (waiting > 0) {
        say(fmt::format("{} under 'review:' until you move {} up; {} nothing there",
                        waiting == 1 ? "1 rule waits" : fmt::format("{} rules wait", waiting),
                        waiting == 1 ? "it" : "them", waiting == 1 ? "it allows" : "they allow"));
    }
    return say_confidence(context, reduction.input, !policy && proposal.rules.size() == needed && withheld + waiting == 0);
}

} // namespace treadline
