#include <charconv>
#include <stdexcept>
#include <string>

#include "base/text.h"
#include "enforcer/landlock_events.h"
#include "tests/fuzz/entries.h"

namespace treadline::fuzz {
namespace {

void must(bool holds, const char* what) {
    if (!holds) {
        throw std::logic_error(what);
    }
}

} // namespace

void landlock_records(std::string_view bytes) {
    constexpr pid_t command = 4711;
    LandlockEvents events(command);
    size_t refusals = 0;
    const auto check = [&](const std::vector<LandlockRefusal>& some) {
        must(some.empty() || events.started(), "nothing from before the command");
        refusals += some.size();
        for (const LandlockRefusal& one : some) {
            must(!one.blockers.empty(), "something that refused");
            must(one.path.size() + one.exe.size() <= bytes.size(), "names no longer than the text");
        }
    };
    size_t records = 0;
    for (const std::string_view line : split(bytes, '\n')) {
        const size_t space = line.find(' ');
        unsigned type = 0;
        std::from_chars(line.data(), line.data() + line.size(), type);
        const std::string_view text =
            space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
        records += type == audit_landlock_access ? 1 : 0;
        events.take(type, text);
        check(events.told());
        if (const auto record = AuditRecord::parse(text)) {
            must(record->text("path").size() <= text.size() &&
                     record->value("path").find(' ') == std::string_view::npos,
                 "a value");
        }
    }
    check(events.rest());
    must(refusals < records || records == 0, "at most one a record, and none for the canary");
}

} // namespace treadline::fuzz
