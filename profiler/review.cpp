#include "profiler/review.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"
#include "profiler/access_set.h"
#include "profiler/host_traffic.h"
#include "profiler/network_rules.h"
#include "profiles/credential_value.h"
#include "profiles/profile_writer.h"
#include "profiles/request_scope.h"
#include "profiler/process_rules.h"
#include "profiles/shipped.h"

namespace treadline {
namespace {

bool own(const Origin& origin) {
    return origin.source.rfind("include ", 0) != 0;
}

std::string in_words(Modes modes, Extent extent) {
    std::vector<std::string> words;
    if (modes.has(Mode::Read)) {
        words.emplace_back(extent == Extent::Exact ? "read" : "read and list");
    }
    if (modes.has(Mode::Write)) {
        words.emplace_back("change");
    }
    if (modes.has(Mode::Create)) {
        words.emplace_back("create, delete and rename");
    }
    if (modes.has(Mode::Execute)) {
        words.emplace_back("execute");
    }
    const std::string what = extent == Extent::Subtree ? "everything below: "
                             : extent == Extent::Names ? "what lies directly in it: "
                             : extent == Extent::Glob  ? "what fits when the run starts: "
                                                       : "";
    return what + join(words, ", ");
}

// Each stored access counts for the profile's own rule that grants it, the narrowest if several do.
std::vector<Evidence> file_evidence(const std::vector<const PolicyRule*>& rules, const AccessSet& set,
                                    const Variables& variables) {
    std::vector<EvidenceCounter> counters(rules.size());
    PathTrie::Node last = PathTrie::none;
    std::string path;
    std::vector<size_t> matching; // rules, narrowest first
    for (const AccessRecord& record : set.records) {
        if (record.node != last) {
            last = record.node;
            matching.clear();
            path = variables.expand(set.trie.path(record.node)).value_or("");
            for (size_t i = 0; i < rules.size() && !path.empty(); ++i) {
                if (rules[i]->pattern.matches(path)) {
                    matching.push_back(i);
                }
            }
            std::stable_sort(matching.begin(), matching.end(), [&](size_t a, size_t b) {
                return rules[a]->pattern.path.size() > rules[b]->pattern.path.size();
            });
        }
        for (const size_t i : matching) {
            if (!rules[i]->modes.covers(record.modes)) {
                continue;
            }
            counters[i].add(set.subjects[record.subject], record.run, record.count);
            counters[i].by(record.run, record.process);
            counters[i].by_made_link(record.through_made_link);
            if (rules[i]->pattern.extent != Extent::Exact && counters[i].wants_examples() &&
                !set.facts[record.node].directory) {
                counters[i].example(set.trie.path(record.node));
            }
            break;
        }
    }
    std::vector<Evidence> evidence;
    for (const EvidenceCounter& counter : counters) {
        evidence.push_back(counter.finish(set.runs));
    }
    return evidence;
}

// Evidence for all that is not a file, by section and text.
using ByText = std::map<std::pair<Section, std::string>, Evidence>;

ByText other_evidence(const ReviewInput& input, const AccessSet& set) {
    ByText by_text;
    // Against a policy that allows nothing, every use is a rule with its evidence.
    const auto nothing = Policy::build(Profile{}, "", input.policy.variables(), nullptr);
    if (!nothing || input.traces.empty()) {
        return by_text;
    }
    std::vector<std::string> ignored;
    for (auto rules : {network_rules(input.traces, input.variables, set.sockets, *nothing,
                                     [](const std::string&) { return false; }),
                       syscall_rules(input.traces, *nothing, ignored),
                       environment_rules(input.traces, *nothing, ignored)}) {
        for (const ProposedRule& rule : rules) {
            by_text[{rule.section, rule.text}] = rule.evidence;
        }
    }
    return by_text;
}

class Reviewer {
public:
    explicit Reviewer(const ReviewInput& input)
        : input_(input), set_(collect_accesses(input.traces, input.variables)),
          by_text_(other_evidence(input, set_)), traffic_(traffic_of(input.traces, input.policy)) {}

    Review run();

private:
    void add_files(Review& review);
    void add_lists(Review& review);
    [[nodiscard]] Evidence evidence(Section section, const std::string& text) const {
        const auto at = by_text_.find({section, text});
        return at == by_text_.end() ? Evidence{} : at->second;
    }
    // What could be asked for alone, if a person narrows the rule to it.
    [[nodiscard]] std::string asked_for(const std::string& endpoint) const {
        const auto at = std::find_if(traffic_.begin(), traffic_.end(), [&](const HostTraffic& one) { return one.endpoint == endpoint; });
        const std::string seen = at != traffic_.end() ? requests_text(*at) : "";
        return seen.empty() ? "" : "; runs asked for " + seen;
    }
    void add_budgets(Review& review) const;
    static void add_group(Review& review, std::string title, std::vector<ReviewLine> lines) {
        if (!lines.empty()) {
            review.groups.push_back({std::move(title), std::move(lines)});
        }
    }

    const ReviewInput& input_;
    AccessSet set_;
    ByText by_text_;
    std::vector<HostTraffic> traffic_;
};

void Reviewer::add_budgets(Review& review) const {
    const auto& standing = input_.profile.network.budgets;
    for (const HostTraffic& traffic : traffic_) {
        if (std::none_of(standing.begin(), standing.end(), [&](const Budget& one) { return one.endpoint == traffic.endpoint; })) {
            review.budgets.push_back(with_headroom(traffic, input_.policy));
        }
    }
}

void Reviewer::add_files(Review& review) {
    std::vector<const PolicyRule*> rules;
    for (const PolicyRule& rule : input_.policy.files()) {
        if (own(rule.origin)) {
            rules.push_back(&rule);
        }
    }
    const std::vector<Evidence> evidence = file_evidence(rules, set_, input_.policy.variables());
    // By the most that a rule allows: what changes something is read with other eyes than what reads.
    std::vector<ReviewLine> reads;
    std::vector<ReviewLine> writes;
    std::vector<ReviewLine> executes;
    for (size_t i = 0; i < rules.size(); ++i) {
        const std::string& text = rules[i]->text;
        ReviewLine line{text.substr(0, text.rfind(": ")), in_words(rules[i]->modes, rules[i]->pattern.extent),
                        evidence[i], rules[i]->origin.at.line};
        (rules[i]->modes.has(Mode::Write) || rules[i]->modes.has(Mode::Create) ? writes
         : rules[i]->modes.has(Mode::Execute)                                  ? executes
                                                                               : reads)
            .push_back(std::move(line));
    }
    add_group(review, "It may change", std::move(writes));
    add_group(review, "It may read", std::move(reads));
    add_group(review, "It may execute", std::move(executes));
}

void Reviewer::add_lists(Review& review) {
    const Profile& profile = input_.profile;
    std::vector<ReviewLine> lines;
    for (const Entry& entry : profile.private_directories) {
        lines.push_back({entry.text, "empty and writable at the start, gone afterwards", {}, entry.at.line});
    }
    add_group(review, "It has for itself", std::exchange(lines, {}));

    for (const ConnectRule& entry : profile.network.connect) {
        lines.push_back({entry.text, entry.scope.any() ? "connect" + asked_for(entry.text) : "connect, for requests of" + to_string(entry.scope), evidence(Section::Connect, entry.text), entry.at.line});
    }
    for (const PortEntry& entry : profile.network.listen) {
        const std::string port = std::to_string(entry.port);
        lines.push_back({entry.port == 0 ? "any port" : port, "listen, inside the sandbox",
                         evidence(Section::Listen, port), entry.at.line});
    }
    for (const PortEntry& entry : profile.network.publish) {
        lines.push_back(
            {std::to_string(entry.port), "reachable from this machine's loopback", {}, entry.at.line});
    }
    for (const Inspection& one : profile.network.inspect) {
        const std::string scope = to_string(one.scope);
        lines.push_back({one.endpoint,
                         (scope.empty() ? "each request is looked at" : "only requests of" + scope) +
                             (one.upgrades.empty() ? "" : ", which may change to " + join(one.upgrades, ", ") + ", unread from then on"),
                         {}, one.at.line});
    }
    for (const Credential& credential : profile.network.credentials) {
        std::vector<std::string> sources;
        if (const auto value = parse_credential_value(credential.value)) { // never its text, which may be a secret
            for (const CredentialSource& source : value->sources()) {
                sources.push_back(to_string(source));
            }
        }
        lines.push_back({credential.host, "with your " + (sources.empty() ? "literal value" : join(sources, " ")) + " in " + credential.header +
                                              to_string(credential.scope) + "; the command sees a placeholder", {}, credential.at.line});
    }
    for (const Budget& budget : profile.network.budgets) {
        std::vector<std::string> most;
        if (budget.sent_bytes) {
            most.push_back(memory_text(*budget.sent_bytes) + " sent");
        }
        if (budget.requests) {
            most.push_back(std::to_string(*budget.requests) + (*budget.requests == 1 ? " request" : " requests"));
        }
        lines.push_back({budget.endpoint, "in one run no more than " + join(most, ", "), {}, budget.at.line});
    }
    for (const Entry& entry : profile.unix_sockets) {
        lines.push_back(
            {entry.text, "connect to a local service", evidence(Section::Unix, entry.text), entry.at.line});
    }
    add_group(review, "It may talk to", std::exchange(lines, {}));

    for (const Entry& entry : profile.syscalls) {
        lines.push_back({entry.text, "system calls", evidence(Section::Syscalls, entry.text), entry.at.line});
    }
    add_group(review, "It may ask the kernel for", std::exchange(lines, {}));

    for (const Entry& entry : profile.environment.pass) {
        lines.push_back(
            {entry.text, "variable passed on", evidence(Section::Environment, entry.text), entry.at.line});
    }
    for (const auto& [name, value] : profile.environment.set) {
        lines.push_back({name, "variable set to '" + value + "'", {}, 0});
    }
    add_group(review, "It may see", std::exchange(lines, {}));

    for (const Entry& entry : profile.deny) {
        lines.push_back({entry.text, "refused, whatever other rules say", {}, entry.at.line});
    }
    add_group(review, "It may not touch", std::exchange(lines, {}));

    for (const Entry& entry : profile.include) {
        const bool shipped = entry.text.rfind("./", 0) != 0;
        lines.push_back({entry.text,
                         shipped ? shipped_description(entry.text) : "a file of this project",
                         {},
                         entry.at.line});
    }
    add_group(review, "It includes", std::exchange(lines, {}));
}

Review Reviewer::run() {
    Review review;
    review.name = input_.profile.name;
    review.file = input_.file;
    review.learned = input_.profile.learned;
    review.stored_runs = set_.runs;
    review.peaks = peaks_of(input_.traces);
    add_budgets(review);
    for (const Trace& trace : input_.traces) {
        review.started_unix_ms.push_back(trace.run.started_unix_ms);
    }
    add_files(review);
    add_lists(review);
    review.risks = risks_of(input_.policy);
    review.withheld = withheld_in(input_.text);
    const auto waiting = under_review(input_.profile.review, input_.text);
    review.withheld.insert(review.withheld.end(), waiting.begin(), waiting.end());
    if (input_.profile.learned && !input_.profile.learned->complete) {
        review.warnings.emplace_back(
            "the runs it was learned from were not recorded completely: something needed may "
            "be missing, nothing is wider for it");
    }
    for (const Trace& trace : input_.traces) {
        for (const std::string& reason : trace.run.incomplete_because) {
            review.warnings.push_back("run " + std::to_string(trace.run.id) + " is incomplete: " + reason);
        }
    }
    return review;
}

} // namespace

Review review(const ReviewInput& input) {
    return Reviewer(input).run();
}

std::vector<WithheldLine> withheld_in(std::string_view text) {
    std::vector<WithheldLine> withheld;
    int number = 0;
    for (std::string_view line : split(text, '\n')) {
        ++number;
        line = trimmed(line);
        if (line.empty() || line.front() != '#') {
            continue;
        }
        line.remove_prefix(std::min(line.find_first_not_of("# \t"), line.size()));
        // The reason stands behind the rule after "  # "; what has none is a person's own remark.
        const size_t comment = line.rfind(" # ");
        if (comment == std::string_view::npos) {
            continue;
        }
        std::string_view rule = trimmed(line.substr(0, comment));
        if (rule.substr(0, 2) == "- ") {
            rule.remove_prefix(2);
        }
        if (!rule.empty()) {
            withheld.push_back({number, std::string(rule), std::string(trimmed(line.substr(comment + 3)))});
        }
    }
    return withheld;
}

std::vector<WithheldLine> under_review(const ProfileRules& review, std::string_view text) {
    const std::vector<std::string_view> lines = split(text, '\n');
    std::vector<WithheldLine> waiting;
    const auto add = [&](Position at, const std::string& rule) {
        const auto number = static_cast<size_t>(at.line);
        const std::string_view line = number > 0 && number <= lines.size() ? lines[number - 1] : "";
        const size_t comment = line.rfind(" # ");
        waiting.push_back(
            {at.line, rule,
             comment == std::string_view::npos ? "" : std::string(trimmed(line.substr(comment + 3))), true});
    };
    for (const FileRule& rule : review.files) {
        add(rule.at, rule.path + ": " + to_string(rule.modes));
    }
    for (const ConnectRule& rule : review.network.connect) {
        add(rule.at, rule.text + to_string(rule.scope));
    }
    for (const auto* entries : {&review.include, &review.private_directories, &review.unix_sockets, &review.syscalls, &review.environment.pass}) {
        for (const Entry& entry : *entries) {
            add(entry.at, entry.text);
        }
    }
    for (const auto* ports : {&review.network.listen, &review.network.publish}) {
        for (const PortEntry& port : *ports) {
            add(port.at, "port " + std::to_string(port.port));
        }
    }
    if (!(review.resources == Resources{})) {
        add(review.resources.at, "resources");
    }
    std::stable_sort(waiting.begin(), waiting.end(),
                     [](const WithheldLine& a, const WithheldLine& b) { return a.line < b.line; });
    return waiting;
}

} // namespace treadline
