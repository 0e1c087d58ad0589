// The text of one record of the kernel's audit log: `audit(TIME:SERIAL): key=value key=value…`. Pure.
//
// What a program chose (names of files, of programs) stands in quotes, or in hexadecimal digits where it has
// a quote, a space, a control character or a byte beyond ASCII in it: so no value holds a space, and none can
// look like another key.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace treadline {

class AuditRecord {
public:
    // Nothing for what is no such text, or was cut off.
    static std::optional<AuditRecord> parse(std::string_view text);

    // "TIME:SERIAL": records of one event, which one system call causes, share it.
    [[nodiscard]] std::string_view event() const { return event_; }

    // As it stands there, of the first that has the key; "" if none does.
    [[nodiscard]] std::string_view value(std::string_view key) const;
    // Decoded: what a program chose.
    [[nodiscard]] std::string text(std::string_view key) const;
    [[nodiscard]] std::optional<int> number(std::string_view key) const;

private:
    AuditRecord(std::string_view event, std::string_view fields) : event_(event), fields_(fields) {}

    std::string event_;
    std::string fields_;
};

} // namespace treadline
