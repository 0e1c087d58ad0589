#include "profiles/yaml_pack.h"

#include <cassert>

namespace treadline {
namespace {

constexpr unsigned quoted = 4; // above the two bits of the kind
constexpr unsigned flow = 8;

void put(std::string& out, size_t number) {
    while (number >= 0x80) {
        out += static_cast<char>(number | 0x80);
        number >>= 7;
    }
    out += static_cast<char>(number);
}

void put(std::string& out, const YamlNode& node) {
    out += static_cast<char>(static_cast<unsigned>(node.kind) | (node.quoted ? quoted : 0) | (node.flow ? flow : 0));
    put(out, static_cast<size_t>(node.at.line));
    put(out, static_cast<size_t>(node.at.column));
    put(out, node.offset);
    switch (node.kind) {
    case YamlNode::Kind::Null:
        break;
    case YamlNode::Kind::Scalar:
        put(out, node.text.size());
        out += node.text;
        break;
    case YamlNode::Kind::Sequence:
        put(out, node.items.size());
        for (const YamlNode& item : node.items) {
            put(out, item);
        }
        break;
    case YamlNode::Kind::Map:
        put(out, node.entries.size());
        for (const auto& [key, value] : node.entries) {
            put(out, key);
            put(out, value);
        }
        break;
    }
}

size_t take_number(std::string_view& rest) {
    size_t number = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert(!rest.empty());
        const auto byte = static_cast<unsigned char>(rest.front());
        rest.remove_prefix(1);
        number |= static_cast<size_t>(byte & 0x7F) << shift;
        if (byte < 0x80) {
            return number;
        }
    }
}

void take(std::string_view& rest, YamlNode& node) {
    const PackedNode packed = take_node(rest);
    node.kind = packed.kind;
    node.quoted = packed.quoted;
    node.flow = packed.flow;
    node.at = packed.at;
    node.offset = packed.offset;
    node.text = packed.text;
    if (packed.kind == YamlNode::Kind::Sequence) {
        node.items.resize(packed.count);
        for (YamlNode& item : node.items) {
            take(rest, item);
        }
    } else if (packed.kind == YamlNode::Kind::Map) {
        node.entries.resize(packed.count);
        for (YamlEntry& entry : node.entries) {
            take(rest, entry.key);
            take(rest, entry.value);
        }
    }
}

} // namespace

PackedNode take_node(std::string_view& rest) {
    assert(!rest.empty());
    PackedNode node;
    const auto flags = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    node.kind = static_cast<YamlNode::Kind>(flags & 3);
    node.quoted = (flags & quoted) != 0;
    node.flow = (flags & flow) != 0;
    node.at.line = static_cast<int>(take_number(rest));
    node.at.column = static_cast<int>(take_number(rest));
    node.offset = take_number(rest);
    if (node.kind == YamlNode::Kind::Null) {
        return node;
    }
    node.count = take_number(rest);
    if (node.kind == YamlNode::Kind::Scalar) {
        node.text = rest.substr(0, node.count);
        rest.remove_prefix(node.count);
    }
    return node;
}

void skip_node(std::string_view& rest) {
    const PackedNode node = take_node(rest);
    const size_t below = node.kind == YamlNode::Kind::Sequence ? node.count : node.kind == YamlNode::Kind::Map ? 2 * node.count : 0;
    for (size_t i = 0; i < below; ++i) {
        skip_node(rest);
    }
}

std::string pack_yaml(const YamlNode& root) {
    std::string out;
    put(out, root);
    return out;
}

YamlNode unpack_yaml(std::string_view packed) {
    YamlNode root;
    take(packed, root);
    return root;
}

} // namespace treadline
