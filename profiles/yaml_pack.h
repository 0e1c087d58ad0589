// YAML trees as bytes that are read back in a fraction of the time that parsing takes: how the catalogues and
// abstractions are compiled in. The bytes come from our own build (embed.cpp); a test holds each of them to the text.
#pragma once

#include <string>
#include <string_view>

#include "profiles/yaml_tree.h"

namespace treadline {

// Each node: kind and flags (one byte), line, column, offset, then the text or the number of children and these. Numbers
// are written seven bits at a time, lowest first.
std::string pack_yaml(const YamlNode& root);

// `packed` is from pack_yaml(), complete and unchanged.
YamlNode unpack_yaml(std::string_view packed);

// Read without making a tree: one node at a time, off the front of what is left. A sequence's `count` items follow it, a
// map's `count` times key and value.
struct PackedNode {
    YamlNode::Kind kind = YamlNode::Kind::Null;
    Position at;
    size_t offset = 0;
    bool quoted = false;
    bool flow = false;
    std::string_view text;
    size_t count = 0;
};
PackedNode take_node(std::string_view& rest);
void skip_node(std::string_view& rest); // with all that is in it

} // namespace treadline
