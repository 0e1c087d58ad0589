#include "profiler/rule_text.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {
constexpr size_t programs_in_a_comment = 2;
constexpr size_t comment_column = 36; // where comments stand, if the rule leaves room

struct SectionNames {
    std::string_view key;
    std::string_view word;
};

// In the order of Section.
constexpr std::array<SectionNames, 9> section_names{{{"files", "files"},
                                                     {"private", "private"},
                                                     {"network.connect", "connect"},
                                                     {"network.listen", "listen"},
                                                     {"unix", "unix"},
                                                     {"syscalls", "syscalls"},
                                                     {"environment.pass", "environment"},
                                                     {"include", "include"},
                                                     {"deny", "deny"}}};
static_assert(section_names.size() == static_cast<size_t>(Section::Deny) + 1);

} // namespace

std::string_view section_key(Section section) {
    return section_names[static_cast<size_t>(section)].key;
}

std::string_view section_word(Section section) {
    return section_names[static_cast<size_t>(section)].word;
}

std::pair<std::string, Modes> file_rule_parts(std::string_view text) {
    const size_t colon = text.rfind(": ");
    if (colon == std::string_view::npos) {
        return {std::string(text), Modes::none()};
    }
    return {std::string(text.substr(0, colon)), parse_modes(text.substr(colon + 2)).value_or(Modes::none())};
}

std::string yaml_line(const ProposedRule& rule) {
    if (rule.section == Section::Listen) {
        return rule.text; // a number
    }
    if (rule.section != Section::Files) {
        return yaml_scalar(rule.text, YamlContext::Block);
    }
    const auto [path, modes] = file_rule_parts(rule.text);
    return yaml_scalar(path, YamlContext::Block) + ": " + to_string(modes);
}

std::string short_evidence(const Evidence& evidence) {
    std::string text;
    for (size_t i = 0; i < evidence.programs.size() && i < programs_in_a_comment; ++i) {
        text += (i == 0 ? "" : ", ") + printable(evidence.programs[i]);
    }
    if (evidence.programs.size() > programs_in_a_comment) {
        text += "…";
    }
    if (evidence.of_runs > 0) {
        const std::string of =
            evidence.runs < evidence.of_runs ? " of " + std::to_string(evidence.of_runs) : "";
        text += (text.empty() ? "(" : " (") + std::to_string(evidence.runs) + of +
                (evidence.of_runs == 1 ? " run)" : " runs)");
    }
    return text;
}

std::string rule_comment(const ProposedRule& rule) {
    if (!rule.remark.empty()) {
        return rule.remark;
    }
    // Every variable was there for the command itself; that is nothing to say.
    const std::string evidence = rule.section == Section::Environment ? "" : short_evidence(rule.evidence);
    const std::string& reason = rule.review.empty() ? rule.withheld : rule.review;
    return printable(reason) + (reason.empty() || evidence.empty() ? "" : "; ") + evidence;
}

std::string with_comment(std::string line, const std::string& comment) {
    if (comment.empty()) {
        return line + "\n";
    }
    // Columns are characters, not bytes: count what is no UTF-8 continuation byte.
    const size_t width = static_cast<size_t>(std::count_if(
        line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    line.append(width + 2 > comment_column ? 2 : comment_column - width, ' ');
    return line + "# " + comment + "\n";
}

Insertion insertion_of(const ProposedRule& rule) {
    Insertion insertion;
    insertion.section = (rule.review.empty() ? "" : "review.") + std::string(section_key(rule.section));
    insertion.line = yaml_line(rule);
    insertion.withheld = !rule.withheld.empty();
    insertion.comment = rule_comment(rule);
    return insertion;
}

std::string shown(const std::string& rule, const Origin& origin) {
    return origin.source.rfind("include ", 0) == 0 ? rule + " (" + origin.source + ")" : rule;
}

} // namespace treadline
