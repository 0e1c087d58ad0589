#include "profiles/profile_editor.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "base/invisible.h"
#include "base/text.h"
#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"
#include "profiles/section_editor.h"
#include "profiles/text_layout.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

// The sections rules can be inserted into, in the order new ones are appended.
constexpr std::array<std::string_view, 19> sections = {
    "include",
    "files",
    "private",
    "deny",
    "network.connect",
    "network.listen",
    "network.publish",
    "unix",
    "syscalls",
    "environment.pass",
    "review.include",
    "review.files",
    "review.private",
    "review.network.connect",
    "review.network.listen",
    "review.network.publish",
    "review.unix",
    "review.syscalls",
    "review.environment.pass",
};
constexpr std::string_view review = "review.";

result<SectionRule> parse_rule(const Insertion& insertion) {
    const bool files = insertion.section == "files" || insertion.section == "review.files";
    SectionRule rule{"", {}, insertion.comment, insertion.withheld};
    std::string_view words = insertion.line;
    const std::string shown = "'" + printable(insertion.line) + "'";
    if (words.empty() || has_invisible(words)) {
        return fail(shown + " is empty or holds a character nobody can see");
    }
    if (files) {
        const size_t colon = words.rfind(": ");
        const auto modes =
            colon == std::string_view::npos ? std::nullopt : parse_modes(words.substr(colon + 2));
        if (!modes) {
            return fail(shown + " is no file rule; it reads 'PATH: MODES'");
        }
        rule.modes = *modes;
        words = words.substr(0, colon);
    }
    const bool quoted = !words.empty() && (words[0] == '"' || words[0] == '\'');
    if (!quoted) {
        rule.text = words;
        return rule;
    }
    const auto node = parse_yaml(words, "rule");
    if (!node || node->kind != YamlNode::Kind::Scalar) {
        return fail(shown + " is not one quoted text");
    }
    rule.text = node->text;
    return rule;
}

void sort_rules(ProfileRules& rules) {
    const auto by_text = [](const Entry& a, const Entry& b) { return a.text < b.text; };
    const auto by_port = [](const PortEntry& a, const PortEntry& b) { return a.port < b.port; };
    std::sort(rules.files.begin(), rules.files.end(),
              [](const FileRule& a, const FileRule& b) { return a.path < b.path; });
    std::sort(rules.network.connect.begin(), rules.network.connect.end(), [](const ConnectRule& a, const ConnectRule& b) {
        return std::tie(a.text, a.scope.methods, a.scope.paths) < std::tie(b.text, b.scope.methods, b.scope.paths);
    });
    for (auto* entries : {&rules.include, &rules.private_directories, &rules.deny, &rules.unix_sockets, &rules.syscalls, &rules.environment.pass}) {
        std::sort(entries->begin(), entries->end(), by_text);
    }
    std::sort(rules.network.listen.begin(), rules.network.listen.end(), by_port);
    std::sort(rules.network.publish.begin(), rules.network.publish.end(), by_port);
}

// In an order that does not depend on where a rule was put.
Profile in_order(Profile profile) {
    sort_rules(profile);
    sort_rules(profile.review);
    return profile;
}

template <class Texts>
void add_entry(std::vector<Texts>& entries, const std::string& text) {
    if (std::find(entries.begin(), entries.end(), Texts{text, {}}) == entries.end()) {
        entries.push_back({text, {}});
    }
}

result<ok> add_port(std::vector<PortEntry>& ports, const std::string& text) {
    const auto [digits, bad] =
        std::pair(std::string_view(text), text.find_first_not_of("0123456789") != std::string::npos);
    if (bad || digits.empty() || digits.size() > 5 || std::stoul(text) > 65535) {
        return fail("'" + printable(text) + "' is no port");
    }
    const PortEntry entry{static_cast<uint16_t>(std::stoul(text)), {}};
    if (std::find(ports.begin(), ports.end(), entry) == ports.end()) {
        ports.push_back(entry);
    }
    return ok{};
}

// What the text has to mean afterwards.
result<ok> add_to(ProfileRules& rules, std::string_view section, const SectionRule& rule) {
    if (section == "files") {
        const auto same = std::find_if(rules.files.begin(), rules.files.end(),
                                       [&](const FileRule& other) { return other.path == rule.text; });
        if (same == rules.files.end()) {
            rules.files.push_back({rule.text, rule.modes, {}});
        } else {
            same->modes |= rule.modes;
        }
        return ok{};
    }
    if (section == "network.listen" || section == "network.publish") {
        return add_port(section == "network.listen" ? rules.network.listen : rules.network.publish,
                        rule.text);
    }
    if (section == "network.connect") {
        add_entry(rules.network.connect, rule.text);
        return ok{};
    }
    add_entry(section == "include"    ? rules.include
              : section == "private"  ? rules.private_directories
              : section == "deny"     ? rules.deny
              : section == "unix"     ? rules.unix_sockets
              : section == "syscalls" ? rules.syscalls
                                      : rules.environment.pass,
              rule.text);
    return ok{};
}

failure damaged(const std::string& file, const std::string& why) {
    return fail("cannot change '" + printable(file) + "' without damage (" + why + "); it was left as it is");
}

result<std::string> checked(std::string text, const Profile& expected, const std::string& file) {
    const auto changed = read_profile(text, file);
    if (!changed) {
        return damaged(file, changed.error().what);
    }
    if (in_order(*changed) != in_order(expected)) {
        return damaged(file, "its style is not understood");
    }
    return text;
}

} // namespace

result<std::string> insert_rules(std::string_view text, const std::vector<Insertion>& insertions,
                                 const std::string& file) {
    Profile expected = TRY(read_profile(text, file));
    std::map<std::string, std::vector<SectionRule>> by_section;
    for (const Insertion& insertion : insertions) {
        if (std::find(sections.begin(), sections.end(), insertion.section) == sections.end()) {
            return fail("'" + printable(insertion.section) + "' is no section rules can be inserted into");
        }
        SectionRule rule = TRY(parse_rule(insertion));
        if (!rule.withheld) {
            const bool waits = insertion.section.starts_with(review);
            TRY(add_to(waits ? expected.review : expected,
                       std::string_view(insertion.section).substr(waits ? review.size() : 0), rule));
        }
        by_section[insertion.section].push_back(std::move(rule));
    }
    std::string changed(text);
    for (const std::string_view section : sections) {
        const auto rules = by_section.find(std::string(section));
        if (rules != by_section.end()) {
            changed = TRY(insert_into_section(std::move(changed), file, section, rules->second));
        }
    }
    return checked(std::move(changed), expected, file);
}

result<std::string> update_learned(std::string_view text, const Learned& learned, const std::string& file) {
    Profile expected = TRY(read_profile(text, file));
    const YamlNode root = TRY(parse_yaml(text, file));
    const std::string end = text.find("\r\n") == std::string_view::npos ? "\n" : "\r\n";
    TextEdits edits;
    const YamlNode* node = root.find("learned");
    if (node == nullptr) {
        expected.learned = learned;
        const YamlNode* last = root.find("name") != nullptr ? root.find("name") : root.find("treadline");
        const size_t after = next_line(text, last->offset);
        const bool unfinished = after == text.size() && (text.empty() || text.back() != '\n');
        edits.insert(after, (unfinished ? end : "") + "learned: " + learned_text(learned) + end);
        return checked(edits.apply(std::string(text)), expected, file);
    }
    expected.learned->runs = learned.runs;
    expected.learned->complete = learned.complete;
    expected.learned->certificate = learned.certificate;
    std::string missing; // in front of the first key, which is there: an empty map is written {}
    const auto set = [&](const std::string& key, const std::string& value, bool wanted) {
        if (const YamlNode* old = node->find(key)) {
            if (old->text != value) { // a style with escapes is longer than this: the check then refuses
                const size_t length = old->text.size() + (old->quoted ? 2 : 0);
                edits.replace(old->offset, length,
                              value.empty() ? "\"\"" : yaml_scalar(value, YamlContext::Flow));
            }
        } else if (wanted) {
            const std::string pair = key + ": " + yaml_scalar(value, YamlContext::Flow);
            missing += node->flow ? (missing.empty() ? "" : ", ") + pair
                                  : indent_of(text, node->entries.front().key.offset) + pair + end;
        }
    };
    if (node->find("command") == nullptr && !learned.command.empty()) {
        expected.learned->command = learned.command;
        const std::string whole = learned_text({learned.command, 0, false, ""});
        const std::string pair = whole.substr(1, whole.find(", runs: ") - 1);
        missing += node->flow ? pair : indent_of(text, node->entries.front().key.offset) + pair + end;
    }
    set("runs", std::to_string(learned.runs), true);
    set("complete", learned.complete ? "true" : "false", true);
    set("certificate", learned.certificate, !learned.certificate.empty());
    if (!missing.empty() && node->flow) {
        const FlowLayout layout = flow_layout(text, node->offset);
        edits.insert(layout.content_end, (layout.needs_comma ? ", " : "") + missing);
    } else if (!missing.empty()) {
        edits.insert(line_start(text, node->entries.front().key.offset), missing);
    }
    return checked(edits.apply(std::string(text)), expected, file);
}

} // namespace treadline
