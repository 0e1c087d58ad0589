#include "enforcer/landlock_events.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace treadline {
namespace {

// Everybody's records come by, and a hostile command causes as many as it likes.
constexpr size_t max_unknown = 64;
constexpr size_t max_waiting = 64;

constexpr std::string_view canary = "fs.change_topology";

LandlockRefusal read_refusal(const AuditRecord& record) {
    LandlockRefusal refusal;
    for (const std::string_view blocker : split(record.value("blockers"), ',')) {
        refusal.blockers.emplace_back(blocker);
    }
    refusal.path = record.text("path");
    refusal.host = std::string(record.value("saddr")) +
                   std::string(record.value("daddr")); // one of them: bind or connect
    refusal.port = static_cast<uint16_t>(record.number("src").value_or(record.number("dest").value_or(0)));
    refusal.process = record.number("opid").value_or(0);
    refusal.program = record.text("ocomm");
    return refusal;
}

} // namespace

void LandlockEvents::take(unsigned type, std::string_view text) {
    const bool wanted = type == audit_landlock_access || type == audit_landlock_domain ||
                        (type == audit_syscall && !waiting_.empty());
    const auto record = wanted ? AuditRecord::parse(text) : std::nullopt;
    if (!record) {
        return;
    }
    if (type == audit_landlock_domain) {
        take_domain(*record);
    } else if (type == audit_landlock_access) {
        take_access(*record);
    } else {
        take_syscall(*record);
    }
}

void LandlockEvents::take_domain(const AuditRecord& record) {
    const std::string_view domain = record.value("domain");
    if (domain_.empty()) {
        // The first that the process made: later ones are those in which the command itself holds what it
        // starts.
        if (record.value("status") == "allocated" && record.number("pid") == command_) {
            const auto known = std::find_if(unknown_.begin(), unknown_.end(),
                                            [&](const Unknown& one) { return one.domain == domain; });
            if (known != unknown_.end()) {
                records_ = known->records;
                started_ = known->started;
            }
            domain_ = domain;
            unknown_.clear();
        }
        return;
    }
    if (domain == domain_ && record.value("status") == "deallocated") {
        const std::string_view count = record.value("denials");
        uint64_t denials = records_;
        std::from_chars(count.data(), count.data() + count.size(), denials);
        denials_ = denials;
    }
}

void LandlockEvents::take_access(const AuditRecord& record) {
    const std::string_view domain = record.value("domain");
    const bool is_canary = record.value("blockers") == canary;
    if (domain_.empty()) {
        auto known = std::find_if(unknown_.begin(), unknown_.end(),
                                  [&](const Unknown& one) { return one.domain == domain; });
        if (known == unknown_.end()) {
            if (unknown_.size() == max_unknown) {
                unknown_.pop_front();
            }
            known = unknown_.insert(unknown_.end(), Unknown{std::string(domain)});
        }
        ++known->records;
        known->started = known->started || is_canary;
        return;
    }
    if (domain != domain_) {
        return;
    }
    ++records_;
    if (!started_) {
        started_ = is_canary;
        return;
    }
    if (waiting_.size() == max_waiting) { // rules of the system's may leave the calls out of the log
        told_.push_back(std::move(waiting_.front().refusal));
        waiting_.pop_front();
    }
    waiting_.push_back({std::string(record.event()), read_refusal(record)});
}

void LandlockEvents::take_syscall(const AuditRecord& record) {
    for (auto at = waiting_.begin(); at != waiting_.end();) {
        if (at->event != record.event()) {
            ++at;
            continue;
        }
        at->refusal.exe = record.text("exe");
        told_.push_back(std::move(at->refusal));
        at = waiting_.erase(at);
    }
}

std::vector<LandlockRefusal> LandlockEvents::told() {
    return std::exchange(told_, {});
}

std::vector<LandlockRefusal> LandlockEvents::rest() {
    for (Waiting& one : waiting_) {
        told_.push_back(std::move(one.refusal));
    }
    waiting_.clear();
    return told();
}

std::optional<uint64_t> LandlockEvents::lost() const {
    return denials_ ? std::optional(*denials_ - std::min(*denials_, records_)) : std::nullopt;
}

} // namespace treadline
