#include "tools/treadline/known_denials.h"

#include <algorithm>
#include <array>
#include <optional>

#include "profiler/reduce.h"
#include "profiles/profile_reader.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

std::optional<Operation> operation_of(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, Operation>, 7> names = {{
        {"read", Operation::Read},
        {"list", Operation::Read},
        {"write", Operation::Write},
        {"link", Operation::Write},
        {"create", Operation::Create},
        {"delete", Operation::Create},
        {"execute", Operation::Execute},
    }};
    const auto* found = std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == name; });
    return found != names.end() ? std::optional(found->second) : std::nullopt;
}

void collect_sections(const YamlNode& node, const std::string& above, std::map<std::string, int>& sections) {
    for (const YamlEntry& entry : node.entries) {
        const std::string name = above + entry.key.text;
        sections[name] = entry.key.at.line;
        if (above.empty() && (name == "network" || name == "environment")) {
            collect_sections(entry.value, name + ".", sections);
        }
    }
}

// The withheld file rules as a policy of their own, line by line: what a person has broken is left out.
std::shared_ptr<const Policy> policy_of(const std::vector<WithheldLine>& lines, const Variables& variables) {
    std::optional<Profile> all;
    for (const WithheldLine& line : lines) {
        if (line.reason.find(refused_while_learning) == std::string::npos) {
            continue;
        }
        auto one = read_profile("treadline: 1\nname: refused\nfiles:\n  " + line.rule + "\n", "a withheld line");
        if (!one) {
            continue;
        }
        if (!all) {
            all = std::move(*one);
        } else {
            all->files.insert(all->files.end(), one->files.begin(), one->files.end());
        }
    }
    if (!all) {
        return nullptr;
    }
    auto policy = Policy::build(*all, "withheld lines", variables,
                                [](const std::string& name) { return result<Profile>(fail("no include '" + name + "'")); });
    return policy ? std::make_shared<const Policy>(std::move(*policy)) : nullptr;
}

} // namespace

result<KnownDenials> KnownDenials::read(std::string_view text, const std::string& file, const Variables& variables) {
    KnownDenials known;
    const Profile profile = TRY(read_profile(text, file));
    collect_sections(TRY(parse_yaml(text, file)), "", known.sections_);
    known.withheld_ = withheld_in(text);
    known.under_review_ = under_review(profile.review, text);
    known.refused_ = policy_of(known.withheld_, variables);
    return known;
}

void KnownDenials::note(Violation& violation) const {
    const auto operation = operation_of(violation.operation);
    if (refused_ != nullptr && operation && violation.section == "files" &&
        refused_->decide(*operation, violation.object).allowed) {
        violation.expected = "learning saw it refused, too, and the profile withholds the rule";
    }
    // Learning withholds such hosts; here, too, no rule would do, and what is not listed there is a finding.
    const bool datagrams = violation.layer == "egress" && violation.rule.empty();
    if (datagrams && std::any_of(withheld_.begin(), withheld_.end(), [&](const WithheldLine& line) {
            return line.reason.find(only_datagrams) != std::string::npos && line.rule == yaml_scalar(violation.object, YamlContext::Block);
        })) {
        violation.expected = "learning saw it, too: datagrams, which no rule carries";
    }
    if (violation.line != 0) {
        return;
    }
    const auto find = [&](const std::vector<WithheldLine>& lines, const std::string& rule) {
        const auto found = std::find_if(lines.begin(), lines.end(), [&](const WithheldLine& line) { return line.rule == rule; });
        return found != lines.end() ? found->line : 0;
    };
    violation.line = violation.review.empty() ? find(withheld_, violation.rule) : find(under_review_, violation.review);
    for (std::string section = violation.section; violation.line == 0 && !section.empty();) {
        const auto found = sections_.find(section);
        violation.line = found != sections_.end() ? found->second : 0;
        const size_t dot = section.rfind('.');
        section = dot == std::string::npos ? "" : section.substr(0, dot);
    }
    violation.line = std::max(violation.line, 1);
}

} // namespace treadline
