// Which objects the run made itself, and which were there before: provenance as far as paths tell it.
//
// An object below a directory the run made counts as made by the run. A rename over an existing file that the
// run never touched before cannot be told from a rename to a new name.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace treadline {

class Origins {
public:
    void created(const std::string& path);                        // it did not exist a moment ago
    void found(const std::string& path);                          // used without being made
    void renamed(const std::string& from, const std::string& to); // takes its origin with it
    [[nodiscard]] bool is_created(std::string_view path) const;

private:
    std::unordered_map<std::string, bool> made_; // nearest entry upwards decides; false: there before the run
};

} // namespace treadline
