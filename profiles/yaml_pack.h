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

} // namespace treadline
