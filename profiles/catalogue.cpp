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

std::vector<std::string> texts(const YamlNode* node) {
    std::vector<std::string> out;
    if (node != nullptr && node->kind == YamlNode::Kind::Scalar) {
        out.push_back(node->text);
    } else if (node != nullptr) {
        out.reserve(node->items.size());
        for (const YamlNode& item : node->items) {
            out.push_back(item.text);
        }
    }
    return out;
}

std::vector<CatalogueEntry> read_catalogue(std::string_view name) {
    const YamlNode root = unpack_yaml(embedded_catalogue(name).packed);
    const YamlNode* floating = root.find("floating");
    const YamlNode* entries = root.find("entries");
    if (floating == nullptr || entries == nullptr) {
        broken(name, "'floating' and 'entries' have to be there");
    }
    const auto of_all = std::make_shared<const CatalogueEntry::Floating>(
        CatalogueEntry::Floating{texts(floating->find("within")), texts(floating->find("except"))});
    std::vector<CatalogueEntry> out;
    out.reserve(entries->items.size());
    for (const YamlNode& node : entries->items) {
        CatalogueEntry entry;
        for (const auto& [key, value] : node.entries) {
            if (key.text == "path") {
                entry.paths = texts(&value);
            } else if (key.text == "what") {
                entry.what = value.text;
            } else if (key.text == "source") {
                entry.source = value.text;
            } else if (key.text == "closed") {
                entry.closed = value.text == "true";
            } else if (key.text == "except") {
                entry.except = texts(&value);
            } else {
                broken(name, "line " + std::to_string(key.at.line) + ": unknown key");
            }
        }
        if (entry.paths.empty() || entry.what.empty() || entry.source.empty()) {
            broken(name, "line " + std::to_string(node.at.line) + ": path, what and source are needed");
        }
        entry.floating = of_all;
        out.push_back(std::move(entry));
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
