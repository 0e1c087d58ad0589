#include "enforcer/audit_record.h"

#include <charconv>

#include "base/text.h"

namespace treadline {
namespace {

constexpr std::string_view start = "audit(";
constexpr std::string_view end_of_event = "): ";

// The kernel writes capitals only.
int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

} // namespace

std::optional<AuditRecord> AuditRecord::parse(std::string_view text) {
    const size_t end = text.find(end_of_event);
    if (!text.starts_with(start) || end == std::string_view::npos ||
        text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const AuditRecord record(text.substr(start.size(), end - start.size()),
                             text.substr(end + end_of_event.size()));
    for (const std::string_view field : split(record.fields_, ' ')) {
        const size_t quote = field.find("=\"");
        if (quote != std::string_view::npos && (field.size() < quote + 3 || field.back() != '"')) {
            return std::nullopt;
        }
    }
    return record;
}

std::string_view AuditRecord::value(std::string_view key) const {
    for (const std::string_view field : split(fields_, ' ')) {
        if (field.size() > key.size() && field.starts_with(key) && field[key.size()] == '=') {
            return field.substr(key.size() + 1);
        }
    }
    return "";
}

std::string AuditRecord::text(std::string_view key) const {
    const std::string_view given = value(key);
    if (given.starts_with('"')) {
        return std::string(given.substr(1, given.size() - 2));
    }
    std::string decoded;
    for (size_t at = 0; at + 1 < given.size(); at += 2) {
        const int high = digit(given[at]);
        const int low = digit(given[at + 1]);
        if (high < 0 || low < 0) {
            break;
        }
        decoded += static_cast<char>(high * 16 + low);
    }
    return decoded.size() * 2 == given.size() ? decoded
                                              : std::string(given); // "(null)" is the kernel's own word
}

std::optional<int> AuditRecord::number(std::string_view key) const {
    const std::string_view given = value(key);
    int number = 0;
    const auto read = std::from_chars(given.data(), given.data() + given.size(), number);
    return read.ec == std::errc() && read.ptr == given.data() + given.size() ? std::optional(number)
                                                                             : std::nullopt;
}

} // namespace treadline
