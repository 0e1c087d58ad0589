// The catalogues as data, compiled in (profiles/catalogue/*.yaml). Internal to profiles/.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// One entry of credentials.yaml or protected.yaml, variables not expanded.
struct CatalogueEntry {
    std::vector<std::string> paths;
    std::string what;
    std::string source;
    bool closed = false;
    std::vector<std::string> except;
    // Only for paths that start with **/, the same for all of a catalogue:
    struct Floating {
        std::vector<std::string> within;
        std::vector<std::string> except;
    };
    std::shared_ptr<const Floating> floating;
};
const std::vector<CatalogueEntry>& credentials_catalogue();
const std::vector<CatalogueEntry>& protected_catalogue();

// A file of profiles/ as it is compiled in (embed.cpp), in the order of CMakeLists.txt.
struct EmbeddedFile {
    std::string_view name; // without .yaml
    std::string_view text;
    std::string_view packed; // the same as a tree: yaml_pack.h
};
extern const std::span<const EmbeddedFile> embedded_catalogues;
extern const std::span<const EmbeddedFile> embedded_abstractions;
const EmbeddedFile& embedded_catalogue(std::string_view name);

} // namespace treadline
