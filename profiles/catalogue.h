// The catalogues as data, compiled in (profiles/catalogue/*.yaml). Internal to profiles/.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace treadline {

// One entry of credentials.yaml or protected.yaml, variables not expanded.
struct CatalogueEntry {
    std::vector<std::string> paths;
    std::string what;
    std::string source;
    bool closed = false;
    std::vector<std::string> except;
    // Only for paths that start with **/:
    std::vector<std::string> within;
    std::vector<std::string> floating_except;
};
const std::vector<CatalogueEntry>& credentials_catalogue();
const std::vector<CatalogueEntry>& protected_catalogue();

// The texts CMake embeds: {file name without .yaml, text}, in the order of CMakeLists.txt.
extern const std::vector<std::pair<std::string_view, std::string_view>> embedded_catalogues;
extern const std::vector<std::pair<std::string_view, std::string_view>> embedded_abstractions;
std::string_view embedded_catalogue(std::string_view name);

} // namespace treadline
