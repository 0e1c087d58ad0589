// YAML text as a plain tree with positions, in the small dialect Treadline's files are written in.
//
// Refused before any meaning is given to it: anchors, aliases, tags, directives, several documents, duplicate
// keys, keys that are not text, nesting deeper than 8, texts over 1 MiB, NUL and other control characters,
// bytes that are not UTF-8. yaml-cpp's exceptions end here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "profiles/profile.h"

namespace treadline {

struct YamlEntry;

struct YamlNode {
    enum class Kind : uint8_t { Null, Scalar, Sequence, Map };
    Kind kind = Kind::Null;
    Position at;
    size_t offset = 0;   // of its first byte in the text
    bool quoted = false; // a scalar in quotes, or a block scalar
    bool flow = false;   // a collection in [] or {}
    std::string text;    // of a scalar
    std::vector<YamlNode> items;
    std::vector<YamlEntry> entries; // of a map, in the order written

    [[nodiscard]] const YamlNode* find(std::string_view key) const; // the value in a map
};

struct YamlEntry {
    YamlNode key;
    YamlNode value;
};

// `file` is for messages only. An empty text is a Null node.
result<YamlNode> parse_yaml(std::string_view text, const std::string& file);

// "file:line:column: sentence"
failure fail_at(const std::string& file, Position at, std::string_view sentence);

// A scalar as YAML text that reads back as the same text, in block or flow context: plain where that is safe,
// else in double quotes, or single ones where there are backslashes but no control characters.
enum class YamlContext : uint8_t { Block, Flow };
std::string yaml_scalar(std::string_view text, YamlContext context);

inline constexpr size_t max_yaml_bytes = 1024 * 1024;

} // namespace treadline
