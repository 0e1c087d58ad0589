#include "profiles/profile_editor.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "profiles/invisible.h"
#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"
#include "profiles/text_layout.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

// The sections rules can be inserted into, in the order new ones are appended.
constexpr std::array<std::string_view, 10> sections = {
    "include",        "files",           "private", "deny",     "network.connect",
    "network.listen", "network.publish", "unix",    "syscalls", "environment.pass"};
constexpr size_t line_width = 110;
constexpr size_t longest_simple_key = 1000; // see profile_writer.cpp

struct Rule {
    std::string text; // the path, or the whole entry
    Modes modes;      // files only
    std::string comment;
    bool withheld = false;
};

bool is_live(const Rule& rule) {
    return !rule.withheld;
}

// Inserts one section's rules into a text. Every step parses the text as it then is, so no offset is ever
// stale.
class SectionEditor {
public:
    SectionEditor(std::string text, const std::string& file, std::string_view section)
        : text_(std::move(text)), file_(file), files_(section == "files"),
          end_(text_.find("\r\n") == std::string::npos ? "\n" : "\r\n") {
        const size_t dot = section.find('.');
        outer_ = section.substr(0, dot);
        inner_ = dot == std::string_view::npos ? "" : section.substr(dot + 1);
    }

    result<std::string> insert(const std::vector<Rule>& rules) {
        const std::vector<Rule> fresh = TRY(without_known(rules));
        if (fresh.empty()) {
            return text_;
        }
        const YamlNode root = TRY(parse_yaml(text_, file_));
        const YamlNode* outer = root.find(outer_);
        const YamlNode* node = outer != nullptr && !inner_.empty() ? outer->find(inner_) : outer;
        if (outer == nullptr) {
            append_section(fresh);
        } else if (node == nullptr) {
            insert_key(*outer, fresh);
        } else if (node->flow) {
            insert_flow(*node, fresh);
        } else {
            insert_block(*node, fresh);
        }
        return text_;
    }

private:
    // Drops what stands there already; where a path has a rule with fewer modes, its modes are extended in
    // place.
    result<std::vector<Rule>> without_known(const std::vector<Rule>& rules) {
        const YamlNode root = TRY(parse_yaml(text_, file_));
        const YamlNode* node = root.find(outer_);
        if (node != nullptr && !inner_.empty()) {
            node = node->find(inner_);
        }
        TextEdits edits;
        std::vector<Rule> fresh;
        std::map<std::string, Modes> extended;
        for (const Rule& rule : rules) {
            const YamlNode* value = node != nullptr ? find_value(*node, rule.text) : nullptr;
            const Modes standing =
                files_ && value != nullptr ? parse_modes(value->text).value_or(Modes()) : Modes();
            if (value != nullptr && standing.covers(rule.modes)) {
                continue;
            }
            if (rule.withheld && stands_as_comment(rule)) {
                continue;
            }
            if (value != nullptr && !rule.withheld) {
                Modes& modes = extended.emplace(rule.text, standing).first->second;
                modes |= rule.modes;
                continue;
            }
            const auto same = std::find_if(fresh.begin(), fresh.end(), [&](const Rule& other) {
                return other.text == rule.text && other.withheld == rule.withheld;
            });
            if (same == fresh.end()) {
                fresh.push_back(rule);
            } else {
                same->modes |= rule.modes;
            }
        }
        for (const auto& [path, modes] : extended) {
            const YamlNode* value = find_value(*node, path);
            edits.replace(value->offset, value->text.size() + (value->quoted ? 2 : 0), to_string(modes));
        }
        text_ = edits.apply(std::move(text_));
        return fresh;
    }

    static const YamlNode* find_value(const YamlNode& node, std::string_view text) {
        for (const YamlNode& item : node.items) {
            if (item.text == text) {
                return &item;
            }
        }
        return node.find(text);
    }

    [[nodiscard]] std::string words(const Rule& rule) const {
        return files_ ? rule_line(rule.text, rule.modes) : yaml_scalar(rule.text, YamlContext::Block);
    }

    [[nodiscard]] bool stands_as_comment(const Rule& rule) const {
        const std::string wanted = words(rule);
        for (std::string_view line : split(text_, '\n')) {
            line = trimmed(line);
            if (line.substr(0, 1) != "#") {
                continue;
            }
            line.remove_prefix(std::min(line.find_first_not_of("# "), line.size()));
            if (!files_ && line.substr(0, 2) == "- ") {
                line.remove_prefix(2);
            }
            const std::string_view rest = line.substr(std::min(wanted.size(), line.size()));
            if (line.substr(0, wanted.size()) == wanted &&
                (rest.empty() || trimmed(rest).substr(0, 1) == "#")) {
                return true;
            }
        }
        return false;
    }

    // A withheld rule keeps its indentation behind the `#`: removing that one character accepts it.
    [[nodiscard]] std::string block_line(const Rule& rule, const std::string& indent) const {
        const std::string comment = rule.comment.empty() ? "" : "   # " + printable(rule.comment);
        const std::string hash = rule.withheld ? "#" : "";
        if (files_ && yaml_scalar(rule.text, YamlContext::Block).size() > longest_simple_key) {
            return hash + indent + "? " + yaml_scalar(rule.text, YamlContext::Block) + end_ + hash + indent +
                   ": " + to_string(rule.modes) + comment + end_;
        }
        return hash + indent + (files_ ? "" : "- ") + words(rule) + comment + end_;
    }

    void insert_block(const YamlNode& node, std::vector<Rule> rules) {
        struct Line {
            std::string_view text;
            size_t start;
            size_t after;
        };
        std::vector<Line> lines;
        for (const auto& [key, value] : node.entries) {
            lines.push_back({key.text, line_start(text_, key.offset), next_line(text_, value.offset)});
        }
        for (const YamlNode& item : node.items) {
            lines.push_back({item.text, line_start(text_, item.offset), next_line(text_, item.offset)});
        }
        const bool sorted =
            lines.size() > 1 && std::is_sorted(lines.begin(), lines.end(),
                                               [](const Line& a, const Line& b) { return a.text < b.text; });
        if (sorted) {
            std::stable_sort(rules.begin(), rules.end(),
                             [](const Rule& a, const Rule& b) { return a.text < b.text; });
        }
        const std::string indent =
            indent_of(text_, lines.front().start + text_.substr(lines.front().start).find_first_not_of(' '));
        bool unfinished = text_.back() != '\n';
        TextEdits edits;
        for (const Rule& rule : rules) {
            size_t at = lines.back().after;
            if (sorted && !rule.withheld) {
                const auto next = std::find_if(lines.begin(), lines.end(),
                                               [&](const Line& line) { return rule.text < line.text; });
                at = next == lines.begin() ? lines.front().start : (next - 1)->after;
            }
            edits.insert(at, (unfinished && at == text_.size() ? end_ : "") + block_line(rule, indent));
            unfinished = unfinished && at != text_.size();
        }
        text_ = edits.apply(std::move(text_));
    }

    [[nodiscard]] std::string flow_words(const std::vector<Rule>& rules) const {
        std::vector<std::string> texts;
        for (const Rule& rule : rules) {
            if (!rule.withheld) {
                texts.push_back(yaml_scalar(rule.text, YamlContext::Flow) +
                                (files_ ? ": " + to_string(rule.modes) : ""));
            }
        }
        return join(texts, ", ");
    }

    // Comments cannot stand inside a line in brackets: withheld rules follow it.
    void withhold_after(TextEdits& edits, size_t offset, const std::vector<Rule>& rules) const {
        const size_t after = next_line(text_, offset);
        bool unfinished = after == text_.size() && text_.back() != '\n';
        for (const Rule& rule : rules) {
            if (rule.withheld) {
                edits.insert(after, (unfinished ? end_ : "") + block_line(rule, "  "));
                unfinished = false;
            }
        }
    }

    void insert_flow(const YamlNode& node, const std::vector<Rule>& rules) {
        const FlowLayout layout = flow_layout(text_, node.offset);
        TextEdits edits;
        if (std::any_of(rules.begin(), rules.end(), is_live)) {
            const char* between = layout.needs_comma ? ", " : layout.empty ? "" : " ";
            edits.insert(layout.content_end, between + flow_words(rules));
        }
        withhold_after(edits, layout.close, rules);
        text_ = edits.apply(std::move(text_));
    }

    [[nodiscard]] std::string section_text(const std::string& key, const std::vector<Rule>& rules,
                                           const std::string& indent) const {
        const bool bare = std::all_of(rules.begin(), rules.end(), [](const Rule& rule) {
            return rule.comment.empty() && !rule.withheld;
        });
        const std::string one_line = indent + key + ": [" + flow_words(rules) + "]";
        if (bare && !files_ && one_line.size() <= line_width) {
            return one_line + end_;
        }
        std::string out = hash_unless_live(rules) + indent + key + ":" + end_;
        for (const Rule& rule : rules) {
            out += block_line(rule, indent + "  ");
        }
        return out;
    }

    static std::string hash_unless_live(const std::vector<Rule>& rules) {
        return std::any_of(rules.begin(), rules.end(), is_live) ? "" : "#";
    }

    void append_section(const std::vector<Rule>& rules) {
        if (!text_.empty() && text_.back() != '\n') {
            text_ += end_;
        }
        if (files_ || outer_ == "network") {
            text_ += end_;
        }
        if (inner_.empty()) {
            text_ += section_text(outer_, rules, "");
        } else {
            text_ += hash_unless_live(rules) + outer_ + ":" + end_ + section_text(inner_, rules, "  ");
        }
    }

    // A key that is missing in a map that is there: `network:` without `listen`.
    void insert_key(const YamlNode& map, const std::vector<Rule>& rules) {
        TextEdits edits;
        if (!map.flow) {
            const size_t first = map.entries.front().key.offset;
            edits.insert(line_start(text_, first), section_text(inner_, rules, indent_of(text_, first)));
        } else {
            const FlowLayout layout = flow_layout(text_, map.offset);
            if (std::any_of(rules.begin(), rules.end(), is_live)) {
                edits.insert(layout.content_end,
                             (layout.needs_comma ? ", " : "") + inner_ + ": [" + flow_words(rules) + "]");
            }
            withhold_after(edits, layout.close, rules);
        }
        text_ = edits.apply(std::move(text_));
    }

    std::string text_;
    const std::string& file_;
    bool files_;
    std::string end_; // of a line
    std::string outer_;
    std::string inner_; // "connect" of "network.connect"
};

result<Rule> parse_rule(const Insertion& insertion) {
    const bool files = insertion.section == "files";
    Rule rule{"", {}, insertion.comment, insertion.withheld};
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

// In an order that does not depend on where a rule was put.
Profile in_order(Profile profile) {
    const auto by_text = [](auto& entries) {
        std::sort(entries.begin(), entries.end(),
                  [](const Entry& a, const Entry& b) { return a.text < b.text; });
    };
    const auto by_port = [](auto& entries) {
        std::sort(entries.begin(), entries.end(),
                  [](const PortEntry& a, const PortEntry& b) { return a.port < b.port; });
    };
    std::sort(profile.files.begin(), profile.files.end(),
              [](const FileRule& a, const FileRule& b) { return a.path < b.path; });
    for (auto* entries :
         {&profile.include, &profile.private_directories, &profile.deny, &profile.network.connect,
          &profile.unix_sockets, &profile.syscalls, &profile.environment.pass}) {
        by_text(*entries);
    }
    by_port(profile.network.listen);
    by_port(profile.network.publish);
    return profile;
}

void add_entry(std::vector<Entry>& entries, const std::string& text) {
    if (std::find(entries.begin(), entries.end(), Entry{text, {}}) == entries.end()) {
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
result<ok> add_to(Profile& profile, const std::string& section, const Rule& rule) {
    if (section == "files") {
        const auto same = std::find_if(profile.files.begin(), profile.files.end(),
                                       [&](const FileRule& other) { return other.path == rule.text; });
        if (same == profile.files.end()) {
            profile.files.push_back({rule.text, rule.modes, {}});
        } else {
            same->modes |= rule.modes;
        }
        return ok{};
    }
    if (section == "network.listen" || section == "network.publish") {
        return add_port(section == "network.listen" ? profile.network.listen : profile.network.publish,
                        rule.text);
    }
    add_entry(section == "include"           ? profile.include
              : section == "private"         ? profile.private_directories
              : section == "deny"            ? profile.deny
              : section == "network.connect" ? profile.network.connect
              : section == "unix"            ? profile.unix_sockets
              : section == "syscalls"        ? profile.syscalls
                                             : profile.environment.pass,
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
    std::map<std::string, std::vector<Rule>> by_section;
    for (const Insertion& insertion : insertions) {
        if (std::find(sections.begin(), sections.end(), insertion.section) == sections.end()) {
            return fail("'" + printable(insertion.section) + "' is no section rules can be inserted into");
        }
        Rule rule = TRY(parse_rule(insertion));
        if (!rule.withheld) {
            TRY(add_to(expected, insertion.section, rule));
        }
        by_section[insertion.section].push_back(std::move(rule));
    }
    std::string changed(text);
    for (const std::string_view section : sections) {
        const auto rules = by_section.find(std::string(section));
        if (rules != by_section.end()) {
            changed = TRY(SectionEditor(std::move(changed), file, section).insert(rules->second));
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
