#include "profiles/node_reader.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"

namespace treadline {

std::optional<uint64_t> parse_number(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        (text.size() > 1 && text[0] == '0')) {
        return std::nullopt;
    }
    return value;
}

std::string excerpt(std::string_view text) {
    constexpr size_t longest = 300;
    return text.size() <= longest ? printable(text) : printable(text.substr(0, longest)) + "…";
}

failure NodeReader::complain(Position at, const std::string& sentence) const {
    return fail_at(file_, at, sentence);
}

result<ok> NodeReader::want_map(const YamlNode& node, const std::string& what) const {
    if (node.kind != YamlNode::Kind::Map) {
        return complain(node.at, what + " has to be a map of 'key: value'");
    }
    return ok{};
}

result<ok> NodeReader::want_list(const YamlNode& node, const std::string& what) const {
    if (node.kind != YamlNode::Kind::Sequence) {
        return complain(node.at, what + " has to be a list; write [] for none");
    }
    return ok{};
}

result<std::string> NodeReader::text(const YamlNode& node, const std::string& what) const {
    if (node.kind != YamlNode::Kind::Scalar) {
        return complain(node.at, what + " has to be text" +
                                     (node.kind == YamlNode::Kind::Null
                                          ? "; it is missing (an empty one is written \"\")"
                                          : ""));
    }
    if (node.text.find('\0') != std::string::npos) {
        return complain(node.at, what + " holds a NUL, which no name can");
    }
    return node.text;
}

result<ok> NodeReader::keys(const YamlNode& map, const Handlers& handlers) const {
    for (const auto& [key, value] : map.entries) {
        const auto found = std::find_if(
            handlers.begin(), handlers.end(),
            [name = std::string_view(key.text)](const auto& handler) { return handler.first == name; });
        if (found == handlers.end()) {
            std::vector<std::string> known;
            for (const auto& handler : handlers) {
                known.emplace_back(handler.first);
            }
            return complain(key.at,
                            "unknown key '" + excerpt(key.text) + "'; known here: " + join(known, ", "));
        }
        TRY(found->second(value));
    }
    return ok{};
}

result<ok> NodeReader::entries(const YamlNode& node, std::vector<Entry>& out, const Complaint& complaint) const {
    TRY(want_list(node, "this section"));
    std::set<std::string, std::less<>> seen;
    for (const YamlNode& item : node.items) {
        std::string entry = TRY(text(item, "an entry"));
        if (const std::string sentence = complaint(entry); !sentence.empty()) {
            return complain(item.at, "'" + excerpt(entry) + "' " + sentence);
        }
        if (!seen.insert(entry).second) {
            return complain(item.at, "'" + excerpt(entry) + "' stands here twice; keep one");
        }
        out.push_back({std::move(entry), item.at});
    }
    return ok{};
}

NodeReader::Handler NodeReader::line(const char* key, std::string& out) const {
    return {key, [this, key, &out](const YamlNode& child) -> result<ok> {
                out = TRY(text(child, "'" + std::string(key) + "'"));
                if (out.empty() || out.find_first_of("\r\n") != std::string::npos) {
                    return complain(child.at, "'" + std::string(key) + "' has to be one line of text");
                }
                return ok{};
            }};
}

NodeReader::Handler NodeReader::texts(const char* key, std::vector<std::string>& out, const Complaint& complaint) const {
    return {key, [this, &out, complaint](const YamlNode& list) -> result<ok> {
                std::vector<Entry> read;
                TRY(entries(list, read, complaint));
                if (read.empty()) {
                    return complain(list.at, "an empty list here would leave nothing; leave it out for any");
                }
                for (Entry& entry : read) {
                    out.push_back(std::move(entry.text));
                }
                return ok{};
            }};
}

} // namespace treadline
