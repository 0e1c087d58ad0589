// Learning again: what of a proposal an existing profile does not have yet.
#include <algorithm>

#include "base/text.h"
#include "profiler/containment.h"
#include "profiler/reduce.h"
#include "profiler/rule_text.h"
#include "profiles/profile_reader.h"
#include "profiles/syscall_groups.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

// The lines a person left commented out, without their `#`, `- ` and the comment behind them.
std::vector<std::string> commented_out(std::string_view text) {
    std::vector<std::string> lines;
    for (std::string_view line : split(text, '\n')) {
        line = trimmed(line);
        if (line.empty() || line.front() != '#') {
            continue;
        }
        line.remove_prefix(std::min(line.find_first_not_of("# \t"), line.size()));
        if (line.substr(0, 2) == "- ") {
            line.remove_prefix(2);
        }
        lines.emplace_back(line);
    }
    return lines;
}

// Of a file, also with more modes: what some other rule grants by now need not be asked for again.
bool stands_in(const std::vector<std::string>& comments, const ProposedRule& rule) {
    const bool is_file = rule.section == Section::Files;
    const Modes modes = is_file ? file_rule_parts(rule.text).second : Modes();
    std::string line = yaml_line(rule);
    line.resize(line.size() - (is_file ? to_string(modes).size() : 0));
    return std::any_of(comments.begin(), comments.end(), [&](const std::string& comment) {
        if (comment.rfind(line, 0) != 0) {
            return false;
        }
        std::string_view rest = std::string_view(comment).substr(line.size());
        if (is_file) {
            const size_t end = std::min(rest.find_first_of(" \t#"), rest.size());
            if (!parse_modes(rest.substr(0, end)).value_or(Modes()).covers(modes)) {
                return false;
            }
            rest.remove_prefix(end);
        }
        rest = trimmed(rest);
        return rest.empty() || rest.front() == '#';
    });
}

class Comparison {
public:
    Comparison(const Policy& policy, ProfileRules existing, std::vector<std::string> comments)
        : policy_(policy), contained_(policy), comments_(std::move(comments)),
          existing_(std::move(existing)) {}

    [[nodiscard]] bool stands_as_comment(const ProposedRule& rule) const {
        return stands_in(comments_, rule);
    }
    // The rule as it has to be added; none if there is nothing to add.
    [[nodiscard]] std::optional<ProposedRule> missing(const ProposedRule& rule) const {
        switch (rule.section) {
        case Section::Deny:
            return unless(std::any_of(existing_.deny.begin(), existing_.deny.end(),
                                      [&](const Entry& entry) { return entry.text == rule.text; }),
                          rule);
        case Section::Include:
            return unless(comes_along(rule.text), rule);
        case Section::Files:
            return missing_file_rule(rule);
        case Section::Private:
            return missing_private(rule);
        case Section::Connect:
            return unless(allowed(Operation::Connect, rule.text), rule);
        case Section::Listen:
            return unless(allowed(Operation::Listen, rule.text), rule);
        case Section::Unix:
            return unless(has_socket(rule.text), rule);
        case Section::Syscalls:
            return unless(has_syscalls(rule.text), rule);
        case Section::Environment: {
            ProposedRule bare = rule;
            bare.evidence = {}; // every variable was there for the command itself: nothing to say
            return unless(allowed(Operation::Environment, rule.text), bare);
        }
        }
        return rule;
    }

private:
    [[nodiscard]] bool comes_along(const std::string& include) const { // by itself or with another
        const auto& all = policy_.includes();
        return std::find(all.begin(), all.end(), include) != all.end();
    }
    static std::optional<ProposedRule> unless(bool there, const ProposedRule& rule) {
        return there ? std::nullopt : std::optional(rule);
    }
    [[nodiscard]] bool allowed(Operation operation, const std::string& object) const {
        return policy_.decide(operation, object).allowed;
    }
    [[nodiscard]] std::optional<Pattern> pattern_of(const std::string& path) const {
        const auto expanded = policy_.variables().expand_pattern(path);
        if (!expanded) {
            return std::nullopt;
        }
        auto pattern = parse_pattern(*expanded);
        return pattern ? std::optional(*pattern) : std::nullopt;
    }
    [[nodiscard]] std::optional<ProposedRule> missing_file_rule(const ProposedRule& rule) const {
        const auto [path, modes] = file_rule_parts(rule.text);
        const auto pattern = pattern_of(path);
        if (!pattern) {
            return rule; // the editor will say what is wrong with it
        }
        if (contained_.denied_throughout(*pattern) || contained_.granted_throughout(*pattern).covers(modes)) {
            return std::nullopt;
        }
        ProposedRule added = rule;
        for (const FileRule& written : existing_.files) {
            if (written.path == path) { // one rule a path
                added.text = path + ": " + to_string(written.modes | modes);
            }
        }
        return added;
    }
    [[nodiscard]] std::optional<ProposedRule> missing_private(const ProposedRule& rule) const {
        const auto pattern = pattern_of(rule.text);
        if (!pattern || pattern->extent != Extent::Exact) {
            return rule;
        }
        const Pattern inside{pattern->path, Extent::Subtree};
        const Modes needed = Mode::Read | Mode::Write | Mode::Create;
        return unless(contained_.denied_throughout(inside) ||
                          contained_.usable_throughout(inside).covers(needed),
                      rule);
    }
    [[nodiscard]] bool has_socket(const std::string& text) const {
        for (const Entry& entry : existing_.unix_sockets) {
            if (entry.text == text) {
                return true;
            }
        }
        const auto path = policy_.variables().expand(text);
        return path && !has_wildcard(text) && allowed(Operation::UnixConnect, *path);
    }
    [[nodiscard]] bool has_syscalls(const std::string& text) const {
        const auto names = syscalls::expand(text);
        const auto& there = policy_.syscalls();
        return names && std::all_of(names->begin(), names->end(), [&](const std::string& name) {
                   return std::binary_search(there.begin(), there.end(), name);
               });
    }

    const Policy& policy_;
    Containment contained_;
    std::vector<std::string> comments_;
    ProfileRules existing_;
};

} // namespace

Proposal missing_from(const Proposal& proposal, const Policy& policy, std::string_view existing_text) {
    const Profile existing = read_profile(existing_text, "profile").value_or(Profile{});
    const Comparison comparison(policy, existing, commented_out(existing_text));
    std::optional<Comparison> waiting; // under `review:`, where a person has not yet decided
    if (policy.review() != nullptr) {
        waiting.emplace(*policy.review(), existing.review, std::vector<std::string>());
    }
    Proposal missing;
    missing.learned = proposal.learned;
    missing.warnings = proposal.warnings;
    for (const ProposedRule& rule : proposal.rules) {
        auto added = comparison.missing(rule);
        if (added && !comparison.stands_as_comment(*added) && (!waiting || waiting->missing(rule))) {
            missing.rules.push_back(std::move(*added));
        }
    }
    return missing;
}

} // namespace treadline
