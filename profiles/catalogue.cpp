#include "profiles/catalogue.h"

#include <cstdio>
#include <cstdlib>

#include "profiles/yaml_pack.h"

namespace treadline {
namespace {

// The data is part of the program and tests read it: a mistake in it is ours, and going on without a guard
// would be worse than stopping.
[[noreturn]] void broken(std::string_view name, const std::string& why) {
    std::fprintf(stderr, "treadline: the compiled-in catalogue '%.*s' is broken: %s\n",
                 static_cast<int>(name.size()), name.data(), why.c_str());
    std::abort();
}

std::vector<std::string> take_texts(std::string_view& rest) { // of one text or a list
    std::vector<std::string> out;
    const PackedNode node = take_node(rest);
    if (node.kind == YamlNode::Kind::Scalar) {
        out.emplace_back(node.text);
        return out;
    }
    out.reserve(node.count);
    for (size_t i = 0; i < node.count; ++i) {
        out.emplace_back(take_node(rest).text);
    }
    return out;
}

CatalogueEntry take_entry(std::string_view name, std::string_view& rest) {
    CatalogueEntry entry;
    const PackedNode node = take_node(rest);
    for (size_t i = 0; i < node.count; ++i) {
        const PackedNode key = take_node(rest);
        if (key.text == "path") {
            entry.paths = take_texts(rest);
        } else if (key.text == "what") {
            entry.what = take_node(rest).text;
        } else if (key.text == "source") {
            entry.source = take_node(rest).text;
        } else if (key.text == "closed") {
            entry.closed = take_node(rest).text == "true";
        } else if (key.text == "except") {
            entry.except = take_texts(rest);
        } else {
            broken(name, "line " + std::to_string(key.at.line) + ": unknown key");
        }
    }
    if (entry.paths.empty() || entry.what.empty() || entry.source.empty()) {
        broken(name, "line " + std::to_string(node.at.line) + ": path, what and source are needed");
    }
    return entry;
}

CatalogueEntry::Floating take_floating(std::string_view& rest) {
    CatalogueEntry::Floating floating;
    for (size_t left = take_node(rest).count; left > 0; --left) {
        const std::string_view key = take_node(rest).text;
        if (key == "within") {
            floating.within = take_texts(rest);
        } else if (key == "except") {
            floating.except = take_texts(rest);
        } else {
            skip_node(rest);
        }
    }
    return floating;
}

std::vector<CatalogueEntry> read_catalogue(std::string_view name) {
    std::vector<CatalogueEntry> out;
    std::shared_ptr<const CatalogueEntry::Floating> floating;
    std::string_view rest = embedded_catalogue(name).packed;
    for (size_t left = take_node(rest).count; left > 0; --left) {
        const std::string_view key = take_node(rest).text;
        if (key == "floating") {
            floating = std::make_shared<const CatalogueEntry::Floating>(take_floating(rest));
        } else if (key == "entries") {
            const size_t entries = take_node(rest).count;
            out.reserve(entries);
            for (size_t i = 0; i < entries; ++i) {
                out.push_back(take_entry(name, rest));
            }
        } else {
            skip_node(rest);
        }
    }
    if (floating == nullptr || out.empty()) {
        broken(name, "'floating' and 'entries' have to be there");
    }
    for (CatalogueEntry& entry : out) {
        entry.floating = floating;
    }
    return out;
}

} // namespace

const std::vector<CatalogueEntry>& credentials_catalogue() {
    static const auto entries = read_catalogue("credentials");
    return entries;
}

const std::vector<CatalogueEntry>& protected_catalogue() {
    static const auto entries = read_catalogue("protected");
    return entries;
}

const EmbeddedFile& embedded_catalogue(std::string_view name) {
    for (const EmbeddedFile& file : embedded_catalogues) {
        if (file.name == name) {
            return file;
        }
    }
    broken(name, "it is missing");
}

} // namespace treadline
