#include "profiler/reduce.h"

#include <algorithm>
#include <map>

#include "base/path.h"
#include "profiler/access_set.h"
#include "profiler/certificate.h"
#include "profiler/cost_model.h"
#include "profiler/coverage.h"
#include "profiler/fold.h"
#include "profiler/include_choice.h"
#include "profiler/network_rules.h"
#include "profiler/poison_guard.h"
#include "profiler/process_rules.h"
#include "profiler/rule_text.h"
#include "profiles/reading_order.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;

constexpr Modes all_of_a_file_made = Mode::Read | Mode::Write | Mode::Create;

std::vector<Modes> needs_of(const AccessSet& set) {
    std::vector<Modes> needs(set.trie.size());
    for (Node node = 1; node < set.trie.size(); ++node) {
        const NodeFacts& facts = set.facts[node];
        needs[node] = facts.seen;
        // Who made a file wrote it and may read it back: nothing of anyone's is exposed.
        if (facts.created && facts.seen.has(Mode::Create)) {
            needs[node] |= all_of_a_file_made;
        }
    }
    return needs;
}

void subtract(std::vector<Modes>& needs, const std::vector<Modes>& granted) {
    for (size_t node = 0; node < needs.size(); ++node) {
        needs[node] = needs[node].without(granted[node]);
        if (needs[node].has(Mode::Execute)) {
            needs[node] |= Mode::Read; // one rule that says it all, though another grants the reading
        }
    }
}

// Each access counts for the rule that grants it: the one of its own, else the nearest wide one above.
std::vector<Evidence> evidence_for(const std::vector<FoldedRule>& rules, const AccessSet& set,
                                   const std::vector<Modes>& needs) {
    constexpr uint32_t nobody = UINT32_MAX;
    const PathTrie& trie = set.trie;
    struct Holders {
        uint32_t exact = nobody;
        uint32_t names = nobody;
        uint32_t subtree = nobody;
    };
    std::vector<Holders> at(trie.size());
    for (uint32_t i = 0; i < rules.size(); ++i) {
        Holders& holders = at[rules[i].node];
        (rules[i].extent == Extent::Exact   ? holders.exact
         : rules[i].extent == Extent::Names ? holders.names
                                            : holders.subtree) = i;
    }
    for (Node node = 1; node < trie.size(); ++node) { // parents come first
        if (at[node].subtree == nobody) {
            at[node].subtree = at[trie.parent(node)].subtree;
        }
    }
    std::vector<EvidenceCounter> counters(rules.size());
    // Neighbours are mostly one rule's, of one subject in one run: added up first, a name is looked up for
    // each stretch.
    struct Stretch {
        uint32_t holder = nobody;
        uint16_t subject = 0;
        uint16_t run = 0;
        uint64_t count = 0;
    } stretch;
    const auto count_stretch = [&] {
        if (stretch.holder != nobody) {
            counters[stretch.holder].add(set.subjects[stretch.subject], stretch.run, stretch.count);
        }
    };
    for (const AccessRecord& record : set.records) {
        if (needs[record.node].empty()) {
            continue; // an abstraction's
        }
        const Holders& here = at[record.node];
        uint32_t holder = here.subtree;
        const Node parent = trie.parent(record.node);
        const bool own_tree = holder != nobody && rules[holder].node == record.node;
        for (const uint32_t nearer :
             {parent == PathTrie::none || own_tree ? nobody : at[parent].names, here.names, here.exact}) {
            holder = nearer != nobody && !(rules[nearer].modes.without(record.modes) == rules[nearer].modes)
                         ? nearer
                         : holder;
        }
        if (holder != nobody) {
            if (holder != stretch.holder || record.subject != stretch.subject || record.run != stretch.run) {
                count_stretch();
                stretch = {holder, record.subject, record.run, 0};
            }
            stretch.count += record.count;
            counters[holder].by(record.run, record.process);
            counters[holder].by_made_link(record.through_made_link);
            if (rules[holder].extent != Extent::Exact && counters[holder].wants_examples() &&
                !set.facts[record.node].directory) {
                counters[holder].example(trie.path(record.node));
            }
        }
    }
    count_stretch();
    std::vector<Evidence> evidence;
    for (const EvidenceCounter& counter : counters) {
        evidence.push_back(counter.finish(set.runs));
    }
    return evidence;
}

// The sentence for a rule that stays a comment though nothing guards it; "" for an ordinary one.
std::string why_withheld(const FoldedRule& rule, const std::string& path, const CostModel& costs) {
    if (rule.modes.has(Mode::Write) || rule.modes.has(Mode::Create)) {
        if (path.rfind("/proc/", 0) == 0 || path.rfind("/sys/", 0) == 0) {
            return "changes the kernel's settings or a process's";
        }
        if (costs.class_of(rule.node) == PathClass::System ||
            costs.class_of(rule.node) == PathClass::Config) {
            return "changes an installed system";
        }
        if (path.rfind("/dev/", 0) == 0 && costs.class_of(rule.node) == PathClass::Device) {
            return "writes to a device";
        }
    }
    if (rule.extent == Extent::Exact && costs.is_volatile(rule.node) &&
        costs.class_of(rule.node) == PathClass::Temporary) {
        return "has another name in every run";
    }
    return "";
}

// Repositories that the command made for itself (git init, git clone). Their hooks and settings are its own,
// unlike those of a repository that was there before, or of the project, in which a person works afterwards.
std::vector<std::string> made_repositories(const AccessSet& set) {
    std::vector<std::string> roots;
    for (const GuardedAccess& guarded : set.guarded) {
        if (guarded.created && file_name(guarded.path) == ".git" &&
            guarded.path.rfind("${project}/", 0) == 0 && guarded.path != "${project}/.git") {
            roots.push_back(guarded.path);
        }
    }
    return roots;
}

// The folder of hooks that a path lies in, or is: ".git/hooks", ".git/modules/x/hooks"; "" for another path.
std::string hooks_folder(const std::string& path) {
    for (std::string_view at = path; !at.empty() && at != "/"; at = parent_path(at)) {
        if (file_name(at) == "hooks" && at.find("/.git/") != std::string_view::npos) {
            return std::string(at);
        }
        if (at.find('/') == std::string_view::npos) {
            break;
        }
    }
    return "";
}

// Sample hooks are many, and one rule for their folder says as much. A single hook is named.
std::vector<GuardedAccess> with_hooks_folded(const std::vector<GuardedAccess>& guarded) {
    std::map<std::string, size_t> hooks;
    for (const GuardedAccess& access : guarded) {
        ++hooks[hooks_folder(access.path)];
    }
    std::vector<GuardedAccess> folded;
    std::map<std::string, size_t> line_of;
    for (const GuardedAccess& access : guarded) {
        const std::string folder = hooks_folder(access.path);
        if (access.kind != GuardKind::Protected || folder.empty() || hooks[folder] < 2) {
            folded.push_back(access);
            continue;
        }
        const auto [line, first] = line_of.try_emplace(folder, folded.size());
        if (first) {
            folded.push_back(access);
            folded.back().path = folder + "/";
            continue;
        }
        GuardedAccess& whole = folded[line->second];
        whole.modes |= access.modes;
        whole.created = whole.created && access.created;
        whole.refused = whole.refused && access.refused;
        whole.evidence = sum_of(whole.evidence, access.evidence);
    }
    return folded;
}

std::vector<ProposedRule> file_rules(const AccessSet& set, const std::vector<Modes>& needs,
                                     const CostModel& costs, const std::vector<FoldedRule>& folded) {
    const std::vector<Evidence> evidence = evidence_for(folded, set, needs);
    struct Line {
        std::string path;
        ProposedRule rule;
    };
    std::vector<Line> lines;
    for (size_t i = 0; i < folded.size(); ++i) {
        std::string path = set.trie.path(folded[i].node);
        if (folded[i].private_directory) {
            lines.push_back({path, {Section::Private, path, evidence[i], ""}});
            continue;
        }
        const std::string why = why_withheld(folded[i], path, costs);
        if (folded[i].extent == Extent::Names) {
            path += '/';
        } else if (folded[i].extent == Extent::Subtree) {
            path += "/**";
        }
        std::string review =
            why.empty() ? why_review_file(costs.class_of(folded[i].node), folded[i].modes, evidence[i]) : "";
        lines.push_back({path,
                         {Section::Files, path + ": " + to_string(folded[i].modes), evidence[i], why,
                          std::move(review)}});
    }
    const std::vector<std::string> repositories = made_repositories(set);
    for (const GuardedAccess& guarded : with_hooks_folded(set.guarded)) {
        const bool made = std::any_of(repositories.begin(), repositories.end(),
                                      [&](const std::string& root) { return is_within(guarded.path, root); });
        if (guarded.kind == GuardKind::Protected && made) {
            const Modes modes = guarded.modes | Mode::Read | Mode::Write | Mode::Create;
            lines.push_back({guarded.path,
                             {Section::Files, guarded.path + ": " + to_string(modes), guarded.evidence, ""}});
            continue;
        }
        std::string risk = guarded.kind == GuardKind::Credential ? "credential: " + guarded.what
                                                                 : "protected: " + guarded.what;
        risk += guarded.refused ? refused_while_learning : "";
        lines.push_back(
            {guarded.path,
             {Section::Files, guarded.path + ": " + to_string(guarded.modes), guarded.evidence, risk}});
    }
    std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
        if (a.rule.section != b.rule.section) {
            return a.rule.section < b.rule.section;
        }
        return reads_before(a.path, b.path);
    });
    std::vector<ProposedRule> rules;
    for (Line& line : lines) {
        rules.push_back(std::move(line.rule));
    }
    return rules;
}

// Portable.
std::vector<std::string> private_directories(const Proposal& proposal, const Policy* existing) {
    std::vector<std::string> directories;
    for (const ProposedRule& rule : proposal.rules) {
        if (rule.section == Section::Private) {
            directories.push_back(rule.text);
        }
    }
    if (existing != nullptr) {
        for (const PolicyEntry& entry : existing->private_directories()) {
            directories.push_back(existing->variables().shorten(entry.pattern.path));
        }
    }
    return directories;
}

bool spans_project(const std::vector<ProposedRule>& rules) {
    return std::any_of(rules.begin(), rules.end(), [](const ProposedRule& rule) {
        return rule.section == Section::Files && rule.stands() && rule.text.starts_with("${project}/") &&
               file_rule_parts(rule.text).first.ends_with("/**");
    });
}

// The run made the path, or a directory on the way to it; one that was there before is the host's.
bool made_below(const AccessSet& set, const std::string& directory, const std::string& path) {
    for (std::string_view at = path; at.size() > directory.size() && is_within(at, directory);
         at = parent_path(at)) {
        const Node node = set.trie.find(at);
        if (node != PathTrie::none && set.facts[node].created && set.facts[node].touched) {
            return true;
        }
    }
    return false;
}

Learned learned_from(const std::vector<Trace>& traces, std::vector<std::string>& warnings) {
    Learned learned;
    learned.command = traces.back().run.command;
    learned.runs = static_cast<int>(traces.size());
    learned.complete = true;
    learned.certificate = certificate_digest(traces.back().run.certificate);
    for (const Trace& trace : traces) {
        const RunInfo& run = trace.run;
        uint64_t lost = 0;
        std::string causes;
        for (const auto& [cause, count] : run.lost) {
            lost += count;
            causes += (causes.empty() ? "" : ", ") + cause;
        }
        learned.complete = learned.complete && run.complete && lost == 0;
        const std::string name = "run " + std::to_string(run.id);
        if (lost > 0) {
            warnings.push_back(name + ": " + std::to_string(lost) +
                               (lost == 1 ? " access was" : " accesses were") + " lost (" + causes +
                               "): learn again, or later runs may be denied something");
        }
        for (const std::string& reason : run.incomplete_because) {
            warnings.push_back(name + " is incomplete: " + reason);
        }
        if (!run.complete && lost == 0 && run.incomplete_because.empty()) {
            warnings.push_back(name + " is incomplete");
        }
    }
    return learned;
}

// What a profile would have to pass to the command if no abstraction did.
result<std::vector<std::string>> ordinary_variables(const ReduceInput& input, const Variables& here) {
    const Policy nothing = TRY(Policy::build(Profile{}, "nothing", here, input.abstractions));
    const Policy& there = input.existing != nullptr ? *input.existing : nothing;
    std::vector<std::string> names;
    std::vector<std::string> told_later;
    for (const ProposedRule& rule : environment_rules(input.traces, there, told_later)) {
        if (rule.withheld.empty()) {
            names.push_back(rule.text);
        }
    }
    return names;
}

} // namespace

result<Proposal> reduce(const ReduceInput& input) {
    if (input.traces.empty()) {
        return fail("there is no run to learn from");
    }
    Proposal proposal;
    proposal.learned = learned_from(input.traces, proposal.warnings);

    const AccessSet set = collect_accesses(input.traces, input.variables);
    proposal.warnings.insert(proposal.warnings.end(), set.warnings.begin(), set.warnings.end());
    // Portable paths mean the same in every run; where the disk or a policy is asked, it is as of the last
    // one.
    const Variables here = input.variables(input.traces.back().run);

    std::vector<Modes> needs = needs_of(set);
    // What the profile says already is a line that no abstraction saves.
    if (input.existing != nullptr) {
        const Coverage there = coverage(set, *input.existing);
        subtract(needs, there.granted);
        for (Node node = 0; node < needs.size(); ++node) {
            if (there.denied[node]) {
                needs[node] = Modes::none(); // a person said no; nothing wider may come of it
            }
        }
    }
    const std::vector<std::string> variables = TRY(ordinary_variables(input, here));
    const Abstractions abstractions{input.shipped_abstractions, input.abstractions, here};
    const Includes always = TRY(always_included(set, abstractions));
    std::vector<Modes> left = needs;
    subtract(left, always.covered);
    const Guards guards(here);
    HardLimits limits(set, here, guards);
    const DiskSurvey survey =
        input.disk != nullptr ? DiskSurvey(set, left, here, guards, *input.disk, limits) : DiskSurvey();
    const CostModel costs(set, input.costs, limits, survey);
    const IncludeChoice choice = TRY(choose_includes(
        {set, left, variables, abstractions, costs, Exposure(set, costs, survey), input.disk}, always));
    const Includes& includes = choice.includes;
    subtract(needs, includes.covered);

    for (const std::string& name : includes.names) {
        proposal.rules.push_back({Section::Include, name, {}, ""});
    }
    const auto append = [&](std::vector<ProposedRule> rules) {
        std::move(rules.begin(), rules.end(), std::back_inserter(proposal.rules));
    };
    append(file_rules(set, needs, costs, choice.rules));
    append(deny_look_alikes(survey.look_alikes(), proposal.rules, input.existing, here));
    if (!survey.searched_project() && spans_project(proposal.rules)) {
        proposal.warnings.emplace_back("the project is too large to be searched for secrets to its end: a "
                                       "rule that ends in /** may bring along "
                                       "a private key or a copy of a credential; narrow it, or add deny "
                                       "lines for what it must not reach");
    }
    const MadeInPrivate made_in_private = [&set, directories = private_directories(proposal, input.existing)](
                                              const std::string& path) {
        return std::any_of(directories.begin(), directories.end(),
                           [&](const std::string& directory) { return made_below(set, directory, path); });
    };
    auto contacts =
        network_rules(input.traces, input.variables, set.sockets, includes.policy, made_in_private);
    for (ProposedRule& rule : contacts) {
        rule.review = rule.withheld.empty() ? why_review_contact(rule.evidence) : "";
    }
    append(std::move(contacts));
    append(syscall_rules(input.traces, includes.policy, proposal.warnings));
    append(environment_rules(input.traces, includes.policy, proposal.warnings));
    return proposal;
}

} // namespace treadline
