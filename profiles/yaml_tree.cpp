#include "profiles/yaml_tree.h"

#include <algorithm>
#include <istream>
#include <optional>
#include <set>
#include <streambuf>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/text.h"
#include "base/invisible.h"

namespace treadline {
namespace {

// A profile nests four deep (network, credentials, entry, field); twice that is room for later versions.
constexpr size_t max_depth = 8;

// YAML ends a plain word at a brace inside [] and {}, which would forbid `private: [/tmp, ${home}]`. Until
// the text is parsed, the braces of `${name}` are written as two control characters, which the text itself
// may not hold. A double-quoted "$\x0Ehome\x0F" thereby is another spelling of ${home}, and of nothing else.
constexpr char open_brace = '\x0E';
constexpr char close_brace = '\x0F';

bool is_variable_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void replace_variable_braces(std::string& text, char from_open, char from_close, char to_open,
                             char to_close) {
    for (size_t i = 0; i + 2 < text.size(); ++i) {
        if (text[i] != '$' || text[i + 1] != from_open) {
            continue;
        }
        size_t end = i + 2;
        while (end < text.size() && is_variable_letter(text[end])) {
            ++end;
        }
        if (end > i + 2 && end < text.size() && text[end] == from_close) {
            text[i + 1] = to_open;
            text[end] = to_close;
        }
    }
}

class Lines {
public:
    explicit Lines(std::string_view text) : text_(text) {
        starts_.push_back(0);
        for (size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\n') {
                starts_.push_back(i + 1);
            }
        }
    }
    // Columns count characters for people; yaml-cpp's and `offset` count bytes.
    [[nodiscard]] Position position(size_t offset) const {
        offset = std::min(offset, text_.size());
        const auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
        // Nodes come in the order of the text: counting goes on from the one before, or a long line with many
        // nodes would take quadratic time.
        const size_t start = *(next - 1);
        if (counted_to_ < start || counted_to_ > offset) {
            counted_to_ = start;
            column_ = 1;
        }
        for (; counted_to_ < offset; ++counted_to_) {
            column_ += (static_cast<unsigned char>(text_[counted_to_]) & 0xC0) != 0x80 ? 1 : 0;
        }
        return {static_cast<int>(next - starts_.begin()), column_};
    }
    [[nodiscard]] size_t offset(const YAML::Mark& mark) const {
        if (mark.line < 0 || static_cast<size_t>(mark.line) >= starts_.size()) {
            return text_.size();
        }
        return std::min(text_.size(),
                        starts_[static_cast<size_t>(mark.line)] + static_cast<size_t>(mark.column));
    }

private:
    std::string_view text_;
    std::vector<size_t> starts_;
    mutable size_t counted_to_ = 0; // in the line last asked about
    mutable int column_ = 1;
};

// Whether a scalar that starts with a quote has its closing one.
bool is_closed(std::string_view text) {
    if (text.empty() || (text[0] != '"' && text[0] != '\'')) {
        return true;
    }
    for (size_t at = 1; at < text.size(); ++at) {
        const char next = at + 1 < text.size() ? text[at + 1] : '\0';
        const bool escaped = text[0] == '"' ? text[at] == '\\' : text[at] == '\'' && next == '\'';
        if (text[at] == text[0] && !escaped) {
            return true;
        }
        at += escaped ? 1 : 0;
    }
    return false;
}

struct Refused {
    size_t offset;
    std::string sentence;
};

class Builder : public YAML::EventHandler {
public:
    Builder(std::string_view text, const Lines& lines) : text_(text), lines_(lines) {}

    [[nodiscard]] YamlNode take() { return std::move(root_); }
    [[nodiscard]] bool any() const { return any_; }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (any_) {
            throw Refused{lines_.offset(mark), "a second document; keep one document in a file"};
        }
        any_ = true;
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        add(start(YamlNode::Kind::Null, mark, "?", anchor));
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_reference(lines_.offset(mark)); }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        YamlNode node = start(YamlNode::Kind::Scalar, mark, tag, anchor);
        node.quoted = tag == "!";
        if (!is_closed(text_.substr(node.offset))) {
            throw Refused{node.offset,
                          "a quote that is never closed"}; // yaml-cpp takes the end of the text for it
        }
        node.text = value;
        replace_variable_braces(node.text, open_brace, close_brace, '{', '}');
        add(std::move(node));
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override {
        open(YamlNode::Kind::Sequence, mark, tag, anchor, style);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override {
        open(YamlNode::Kind::Map, mark, tag, anchor, style);
    }
    void OnMapEnd() override { close(); }

private:
    [[noreturn]] static void refuse_reference(size_t offset) {
        throw Refused{offset, "an anchor or alias; write the value out"};
    }

    YamlNode start(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                   YAML::anchor_t anchor) const {
        YamlNode node;
        node.kind = kind;
        node.offset = lines_.offset(mark);
        node.at = lines_.position(node.offset);
        if (anchor != 0) {
            refuse_reference(node.offset);
        }
        // yaml-cpp gives "?" for plain and "!" for quoted scalars that carry no tag.
        const bool written = node.offset < text_.size() && text_[node.offset] == '!';
        if (written || (!tag.empty() && tag != "?" && tag != "!")) {
            throw Refused{node.offset, "a tag; every value's type follows from its key"};
        }
        return node;
    }
    void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
              YAML::EmitterStyle::value style) {
        YamlNode node = start(kind, mark, tag, anchor);
        if (stack_.size() >= max_depth) {
            throw Refused{node.offset, "nested too deeply"};
        }
        node.flow = style == YAML::EmitterStyle::Flow;
        stack_.push_back(Open{std::move(node), {}, {}, false});
    }
    void close() {
        YamlNode node = std::move(stack_.back().node);
        stack_.pop_back();
        add(std::move(node));
    }
    void add(YamlNode node) {
        if (stack_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = stack_.back();
        if (parent.node.kind == YamlNode::Kind::Sequence) {
            parent.node.items.push_back(std::move(node));
            return;
        }
        if (parent.have_key) {
            parent.node.entries.push_back({std::move(parent.key), std::move(node)});
            parent.have_key = false;
            return;
        }
        if (node.kind != YamlNode::Kind::Scalar) {
            throw Refused{node.offset, "a key has to be text"};
        }
        if (!parent.keys.insert(node.text).second) {
            throw Refused{node.offset, "'" + printable(node.text) + "' stands here twice; keep one"};
        }
        parent.key = std::move(node);
        parent.have_key = true;
    }

    struct Open {
        YamlNode node;
        YamlNode key;
        std::set<std::string, std::less<>> keys;
        bool have_key;
    };
    std::string_view text_;
    const Lines& lines_;
    std::vector<Open> stack_;
    YamlNode root_;
    bool any_ = false;
};

class TextBuffer : public std::streambuf {
public:
    explicit TextBuffer(std::string& text) { setg(text.data(), text.data(), text.data() + text.size()); }
};

// What no text may hold, found before yaml-cpp sees it (it would take UTF-16, for one).
std::optional<Refused> find_unreadable(std::string_view text) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") {
        return Refused{0, "a byte order mark; save the file without one"};
    }
    size_t at = 0;
    while (at < text.size()) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if ((byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r') || byte == 0x7F) {
            return Refused{at, "a control character; write it as an escape"};
        }
        const size_t length = byte < 0x80 ? 1 : utf8_sequence_length(text.substr(at));
        if (length == 0) {
            return Refused{at, "bytes that are not UTF-8; in a path write such a byte as \\xNN"};
        }
        at += length;
    }
    for (size_t line = 0; line != std::string_view::npos && line < text.size();) {
        if (text[line] == '%') {
            return Refused{line, "a YAML directive; remove it"};
        }
        line = text.find('\n', line);
        line = line == std::string_view::npos ? line : line + 1;
    }
    return std::nullopt;
}

std::string first_lower(std::string sentence) {
    if (!sentence.empty() && sentence[0] >= 'A' && sentence[0] <= 'Z') {
        sentence[0] = static_cast<char>(sentence[0] - 'A' + 'a');
    }
    return sentence;
}

} // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
    for (const auto& [name, value] : entries) {
        if (name.text == key) {
            return &value;
        }
    }
    return nullptr;
}

failure fail_at(const std::string& file, Position at, std::string_view sentence) {
    std::string what = file;
    if (at.line > 0) {
        what += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    }
    return fail(what + ": " + std::string(sentence));
}

result<YamlNode> parse_yaml(std::string_view text, const std::string& file) {
    if (text.size() > max_yaml_bytes) {
        return fail_at(file, {1, 1}, "larger than 1 MiB, which no profile a person can review is");
    }
    const Lines lines(text);
    if (const auto refused = find_unreadable(text)) {
        return fail_at(file, lines.position(refused->offset), refused->sentence);
    }
    std::string safe(text);
    replace_variable_braces(safe, '{', '}', open_brace, close_brace);
    try {
        TextBuffer buffer(safe);
        std::istream stream(&buffer);
        YAML::Parser parser(stream);
        Builder builder(text, lines);
        while (parser.HandleNextDocument(builder)) {
        }
        return builder.take();
    } catch (const Refused& refused) {
        return fail_at(file, lines.position(refused.offset), refused.sentence);
    } catch (const YAML::Exception& exception) {
        return fail_at(file, lines.position(lines.offset(exception.mark)),
                       "not YAML: " + printable(first_lower(exception.msg)));
    } catch (const std::exception& exception) {
        return fail_at(file, {1, 1}, std::string("not YAML: ") + printable(exception.what()));
    }
}

} // namespace treadline
