#include "profiles/section_editor.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "profiles/pattern.h"
#include "profiles/profile_writer.h"
#include "profiles/reading_order.h"
#include "profiles/text_layout.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

constexpr size_t line_width = 110;
constexpr size_t wrapped_width = 100;
constexpr size_t longest_simple_key = 1000; // see profile_writer.cpp

bool is_live(const SectionRule& rule) {
    return !rule.withheld;
}

// Inserts one section's rules into a text. Every step parses the text as it then is, so no offset is ever
// stale.
class SectionEditor {
public:
    SectionEditor(std::string text, const std::string& file, std::string_view section)
        : text_(std::move(text)), file_(file), end_(text_.find("\r\n") == std::string::npos ? "\n" : "\r\n") {
        for (const std::string_view key : split(section, '.')) {
            keys_.emplace_back(key);
        }
        files_ = keys_.back() == "files";
        names_ = keys_.back() == "pass";
    }

    result<std::string> insert(const std::vector<SectionRule>& rules) {
        const std::vector<SectionRule> fresh = TRY(without_known(rules));
        if (fresh.empty()) {
            return text_;
        }
        const YamlNode root = TRY(parse_yaml(text_, file_));
        const YamlNode* node = &root;
        size_t depth = 0; // of the keys, those that are there
        for (const YamlNode* next = nullptr; depth < keys_.size(); ++depth, node = next) {
            next = node->find(keys_[depth]);
            if (next == nullptr) {
                break;
            }
        }
        if (depth == 0) {
            append_section(fresh);
        } else if (depth < keys_.size()) {
            insert_key(*node, depth, fresh);
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
    result<std::vector<SectionRule>> without_known(const std::vector<SectionRule>& rules) {
        const YamlNode root = TRY(parse_yaml(text_, file_));
        const YamlNode* node = &root;
        for (size_t depth = 0; depth < keys_.size() && node != nullptr; ++depth) {
            node = node->find(keys_[depth]);
        }
        TextEdits edits;
        std::vector<SectionRule> fresh;
        std::map<std::string, Modes> extended;
        for (const SectionRule& rule : rules) {
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
            const auto same = std::find_if(fresh.begin(), fresh.end(), [&](const SectionRule& other) {
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

    // Of an entry of a list: itself, or the host of one that says more.
    static std::string_view name_of(const YamlNode& item) {
        const YamlNode* host = item.kind == YamlNode::Kind::Map ? item.find("host") : nullptr;
        return host != nullptr ? host->text : item.text;
    }

    // Where the last line of a node begins, or somewhere in it.
    [[nodiscard]] size_t last_offset(const YamlNode& node) const {
        if (node.flow) {
            return flow_layout(text_, node.offset).close;
        }
        return !node.items.empty()     ? last_offset(node.items.back())
               : !node.entries.empty() ? last_offset(node.entries.back().value)
                                       : node.offset;
    }

    static const YamlNode* find_value(const YamlNode& node, std::string_view text) {
        for (const YamlNode& item : node.items) {
            if (item.text == text) {
                return &item;
            }
        }
        return node.find(text);
    }

    [[nodiscard]] std::string words(const SectionRule& rule) const {
        return files_ ? rule_line(rule.text, rule.modes) : yaml_scalar(rule.text, YamlContext::Block);
    }

    [[nodiscard]] bool stands_as_comment(const SectionRule& rule) const {
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
    [[nodiscard]] std::string block_line(const SectionRule& rule, const std::string& indent) const {
        const std::string comment = rule.comment.empty() ? "" : "   # " + printable(rule.comment);
        const std::string hash = rule.withheld ? "#" : "";
        if (files_ && yaml_scalar(rule.text, YamlContext::Block).size() > longest_simple_key) {
            return hash + indent + "? " + yaml_scalar(rule.text, YamlContext::Block) + end_ + hash + indent +
                   ": " + to_string(rule.modes) + comment + end_;
        }
        return hash + indent + (files_ ? "" : "- ") + words(rule) + comment + end_;
    }

    // A rule that stands in the section: live, or commented out to be accepted.
    struct Line {
        std::string text;
        size_t start;
        size_t after;
    };

    // The rule in a comment line such as "#  /a: r   # why" or "#  - name"; "" for any other comment.
    [[nodiscard]] std::string commented_rule(std::string_view line) const {
        line = trimmed(line);
        line.remove_prefix(std::min(line.find_first_not_of("# "), line.size()));
        const auto words = trimmed(line.substr(0, line.find(" #")));
        if (!files_ && words.substr(0, 2) != "- ") {
            return "";
        }
        const auto node = parse_yaml(words, "comment");
        if (!node) {
            return "";
        }
        if (!files_) {
            return node->items.size() == 1 ? std::string(name_of(node->items.front())) : "";
        }
        const bool rule = node->entries.size() == 1 && parse_modes(node->entries.front().value.text) &&
                          path_complaint(node->entries.front().key.text).empty();
        return rule ? node->entries.front().key.text : "";
    }

    [[nodiscard]] std::vector<Line> lines_of(const YamlNode& node) const {
        std::vector<Line> lines;
        for (const auto& [key, value] : node.entries) {
            lines.push_back({key.text, line_start(text_, key.offset), next_line(text_, value.offset)});
        }
        for (const YamlNode& item : node.items) {
            lines.push_back({std::string(name_of(item)), line_start(text_, item.offset), next_line(text_, last_offset(item))});
        }
        // Comments between the first line and the last, and those that follow it at once.
        std::vector<Line> all;
        for (size_t i = 0; i < lines.size(); ++i) {
            all.push_back(lines[i]);
            const size_t until = i + 1 < lines.size() ? lines[i + 1].start : text_.size();
            for (size_t at = lines[i].after; at < until && text_[at] == '#';) {
                const size_t next = next_line(text_, at);
                std::string rule = commented_rule(std::string_view(text_).substr(at, next - at));
                if (rule.empty()) {
                    break;
                }
                all.push_back({std::move(rule), at, next});
                at = next;
            }
        }
        return all;
    }

    // The last line a rule belongs behind: in a sorted section its predecessor; in one that a person has
    // arranged, the nearest rule of the same directory, or the last one. none: before the first.
    [[nodiscard]] static std::optional<size_t> place_of(const std::vector<Line>& lines,
                                                        std::string_view text) {
        if (std::is_sorted(lines.begin(), lines.end(),
                           [](const Line& a, const Line& b) { return reads_before(a.text, b.text); })) {
            const auto next = std::find_if(lines.begin(), lines.end(),
                                           [&](const Line& line) { return reads_before(text, line.text); });
            return next == lines.begin() ? std::nullopt : std::optional<size_t>(next - lines.begin() - 1);
        }
        size_t place = lines.size() - 1;
        const auto directory = [](std::string_view path) { return path.substr(0, path.rfind('/') + 1); };
        std::string_view nearest;
        for (size_t i = 0; i < lines.size(); ++i) {
            const std::string_view line = lines[i].text;
            if (!directory(line).empty() && directory(line) == directory(text) && !reads_before(text, line) &&
                (nearest.empty() || reads_before(nearest, line))) {
                nearest = line;
                place = i;
            }
        }
        return place;
    }

    void insert_block(const YamlNode& node, std::vector<SectionRule> rules) {
        const std::vector<Line> lines = lines_of(node);
        std::stable_sort(rules.begin(), rules.end(), [](const SectionRule& a, const SectionRule& b) {
            return reads_before(a.text, b.text);
        });
        const std::string indent =
            indent_of(text_, lines.front().start + text_.substr(lines.front().start).find_first_not_of(' '));
        bool unfinished = text_.back() != '\n';
        TextEdits edits;
        for (const SectionRule& rule : rules) {
            const auto behind = keys_.back() == "include" ? lines.size() - 1 : place_of(lines, rule.text);
            const size_t at = behind ? lines[*behind].after : lines.front().start;
            edits.insert(at, (unfinished && at == text_.size() ? end_ : "") + block_line(rule, indent));
            unfinished = unfinished && at != text_.size();
        }
        text_ = edits.apply(std::move(text_));
    }

    [[nodiscard]] std::string flow_words(const std::vector<SectionRule>& rules) const {
        return join(flow_texts(rules), ", ");
    }

    [[nodiscard]] std::vector<std::string> flow_texts(const std::vector<SectionRule>& rules) const {
        std::vector<std::string> texts;
        for (const SectionRule& rule : rules) {
            if (!rule.withheld) {
                texts.push_back(yaml_scalar(rule.text, YamlContext::Flow) +
                                (files_ ? ": " + to_string(rule.modes) : ""));
            }
        }
        return texts;
    }

    // Behind the last entry of a list in brackets, on new lines below the first one where it gets too long.
    [[nodiscard]] std::string flow_continued(const FlowLayout& layout, size_t open,
                                             const std::vector<SectionRule>& rules) const {
        const std::string indent(open + 1 - line_start(text_, open), ' ');
        const size_t line_end = std::min(text_.find_first_of("\r\n", layout.close), text_.size());
        const size_t tail = line_end - layout.content_end; // the brackets, and a comment of the person's
        size_t column = layout.content_end - line_start(text_, layout.content_end);
        std::string added;
        bool comma = layout.needs_comma;
        bool space = !layout.empty;
        const std::vector<std::string> texts = flow_texts(rules);
        for (const std::string& text : texts) {
            const size_t behind = &text == &texts.back() ? std::min<size_t>(tail, wrapped_width / 2) : 1;
            added += comma ? "," : "";
            column += comma ? 1 : 0;
            if (!layout.empty && column + 1 + text.size() + behind > wrapped_width &&
                indent.size() + text.size() < wrapped_width) {
                added += end_ + indent;
                column = indent.size();
            } else if (space) {
                added += ' ';
                ++column;
            }
            added += text;
            column += text.size();
            comma = space = true;
        }
        return added;
    }

    // Comments cannot stand inside a line in brackets: withheld rules follow it.
    void withhold_after(TextEdits& edits, size_t offset, const std::vector<SectionRule>& rules) const {
        const size_t after = next_line(text_, offset);
        bool unfinished = after == text_.size() && text_.back() != '\n';
        for (const SectionRule& rule : rules) {
            if (rule.withheld) {
                edits.insert(after, (unfinished ? end_ : "") + block_line(rule, "  "));
                unfinished = false;
            }
        }
    }

    // Where each rule stands in brackets that are sorted; nothing where they are not (as `include`, which has
    // the most useful first), or where comments inside belong to single rules.
    [[nodiscard]] std::vector<std::pair<std::string_view, size_t>> sorted_offsets(const YamlNode& node,
                                                                                  size_t close) const {
        std::vector<std::pair<std::string_view, size_t>> offsets;
        for (const auto& [key, value] : node.entries) {
            offsets.emplace_back(key.text, key.offset);
        }
        for (const YamlNode& item : node.items) {
            offsets.emplace_back(name_of(item), item.offset);
        }
        const bool comments = text_.find(" #", node.offset) < close || text_.find("\n#", node.offset) < close;
        const bool sorted = std::is_sorted(offsets.begin(), offsets.end(), [](const auto& a, const auto& b) {
            return reads_before(a.first, b.first);
        });
        return comments || !sorted || keys_.back() == "include" ? decltype(offsets){} : offsets;
    }

    void insert_flow(const YamlNode& node, const std::vector<SectionRule>& rules) {
        const FlowLayout layout = flow_layout(text_, node.offset);
        const auto offsets = sorted_offsets(node, layout.close);
        TextEdits edits;
        std::vector<SectionRule> last;
        std::vector<SectionRule> live;
        std::copy_if(rules.begin(), rules.end(), std::back_inserter(live), is_live);
        if (!offsets.empty()) {
            std::stable_sort(live.begin(), live.end(), [](const SectionRule& a, const SectionRule& b) {
                return reads_before(a.text, b.text);
            });
        }
        for (const SectionRule& rule : live) {
            const auto next = std::find_if(offsets.begin(), offsets.end(), [&](const auto& standing) {
                return reads_before(rule.text, standing.first);
            });
            if (next == offsets.end()) {
                last.push_back(rule);
                continue;
            }
            const std::string words = flow_words({rule}) + ", ";
            const size_t line = line_start(text_, next->second);
            const size_t line_end = std::min(text_.find_first_of("\r\n", next->second), text_.size());
            const bool full = names_ && line_end - line + words.size() > wrapped_width;
            if (full && text_[next->second - 1] == ' ' && next != offsets.begin()) {
                const std::string indent(node.offset + 1 - line_start(text_, node.offset), ' ');
                edits.replace(next->second - 1, 1, end_ + indent + words);
            } else {
                edits.insert(next->second, words);
            }
        }
        if (!last.empty()) {
            const char* between = layout.needs_comma ? ", " : layout.empty ? "" : " ";
            edits.insert(layout.content_end,
                         names_ ? flow_continued(layout, node.offset, last) : between + flow_words(last));
        }
        withhold_after(edits, layout.close, rules);
        text_ = edits.apply(std::move(text_));
    }

    [[nodiscard]] std::string section_text(const std::string& key, const std::vector<SectionRule>& rules,
                                           const std::string& indent) const {
        const bool bare = std::all_of(rules.begin(), rules.end(), [](const SectionRule& rule) {
            return rule.comment.empty() && !rule.withheld;
        });
        const std::string one_line = indent + key + ": [" + flow_words(rules) + "]";
        if (bare && !files_ && one_line.size() <= line_width) {
            return one_line + end_;
        }
        if (bare && names_ && rules.size() > 3) {
            return wrapped_list(indent + key + ": [", flow_texts(rules), wrapped_width, end_) + end_;
        }
        std::string out = hash_unless_live(rules) + indent + key + ":" + end_;
        for (const SectionRule& rule : rules) {
            out += block_line(rule, indent + "  ");
        }
        return out;
    }

    static std::string hash_unless_live(const std::vector<SectionRule>& rules) {
        return std::any_of(rules.begin(), rules.end(), is_live) ? "" : "#";
    }

    // The keys from `depth` on, each below the one before, and the rules.
    [[nodiscard]] std::string nested_text(size_t depth, const std::vector<SectionRule>& rules,
                                          const std::string& indent) const {
        return depth + 1 == keys_.size() ? section_text(keys_[depth], rules, indent)
                                         : hash_unless_live(rules) + indent + keys_[depth] + ":" + end_ +
                                               nested_text(depth + 1, rules, indent + "  ");
    }

    void append_section(const std::vector<SectionRule>& rules) {
        if (!text_.empty() && text_.back() != '\n') {
            text_ += end_;
        }
        if (keys_[0] == "files" || keys_[0] == "network" || keys_[0] == "review") {
            text_ += end_;
        }
        text_ += nested_text(0, rules, "");
    }

    // A key that is missing in a map that is there: `network:` without `listen`.
    void insert_key(const YamlNode& map, size_t depth, const std::vector<SectionRule>& rules) {
        TextEdits edits;
        if (!map.flow) {
            const size_t first = map.entries.front().key.offset;
            edits.insert(line_start(text_, first), nested_text(depth, rules, indent_of(text_, first)));
        } else {
            const FlowLayout layout = flow_layout(text_, map.offset);
            if (std::any_of(rules.begin(), rules.end(), is_live)) {
                std::string pair = (files_ ? "{" : "[") + flow_words(rules) + (files_ ? "}" : "]");
                for (size_t i = keys_.size(); i-- > depth;) {
                    pair = keys_[i] + ": " + pair;
                    pair = i > depth ? "{" + pair + "}" : pair;
                }
                edits.insert(layout.content_end, (layout.needs_comma ? ", " : "") + pair);
            }
            withhold_after(edits, layout.close, rules);
        }
        text_ = edits.apply(std::move(text_));
    }

    std::string text_;
    const std::string& file_;
    bool files_ = false;            // rules are paths with modes
    bool names_ = false;            // of variables: many, and short
    std::string end_;               // of a line
    std::vector<std::string> keys_; // "network", "connect"
};

} // namespace

result<std::string> insert_into_section(std::string text, const std::string& file, std::string_view section,
                                        const std::vector<SectionRule>& rules) {
    return SectionEditor(std::move(text), file, section).insert(rules);
}

} // namespace treadline
