#include "enforcer/egress/recorder.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "enforcer/egress/decision.h"

namespace treadline::egress {
namespace {

constexpr size_t max_path = 200;
constexpr size_t max_segment = 40;
constexpr size_t max_method = 24;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Whether a name between slashes stays the same from run to run, as far as can be seen: no number, no hash, nothing that
// has to be escaped.
bool is_plain(std::string_view segment) {
    const bool readable = std::all_of(segment.begin(), segment.end(), [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == '@' || c == '~';
    });
    const auto digits = static_cast<size_t>(std::count_if(segment.begin(), segment.end(), is_digit));
    const bool drawn = digits == segment.size() || (segment.size() >= 12 && digits * 5 >= segment.size());
    return segment.size() <= max_segment && readable && (segment.empty() || !drawn);
}

// The types by their names (RFC 1035 and others) that programs need for more than hints; none for the rest.
std::optional<std::string_view> type_that_matters(uint16_t type) {
    switch (type) {
    case 15:
        return "MX";
    case 16:
        return "TXT";
    case 33:
        return "SRV";
    case 35:
        return "NAPTR";
    case 44:
        return "SSHFP";
    case 52:
        return "TLSA";
    default:
        return std::nullopt;
    }
}

} // namespace

std::string path_shape(std::string_view target) {
    constexpr std::string_view scheme = "http://";
    if (target.starts_with(scheme)) {
        target.remove_prefix(std::min(target.find('/', scheme.size()), target.size()));
    }
    target = target.substr(0, target.find_first_of("?#"));
    if (!target.starts_with('/')) {
        return target == "*" ? "*" : "/";
    }
    std::string shape;
    for (const std::string_view segment : split(target.substr(1), '/')) {
        shape += '/';
        shape += is_plain(segment) ? segment : "*";
        if (shape.size() > max_path) {
            return shape + "/**";
        }
    }
    return shape;
}

Recorder::Connection::Connection(Recorder& recorder, RecordedExchange about)
    : recorder_(recorder), about_(recorder.living_.insert(recorder.living_.end(), std::move(about))) {
    about_->count = 1;
}

Recorder::Connection::~Connection() {
    recorder_.full_ = !add(recorder_.rows_, *about_) || recorder_.full_;
    recorder_.living_.erase(about_);
}

void Recorder::Connection::request(std::string_view method, std::string_view target) {
    RecordedExchange request;
    request.host = about_->host;
    request.address = about_->host.empty() ? about_->address : "";
    request.port = about_->port;
    request.protocol = "http";
    const bool word = std::all_of(method.begin(), method.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
    request.method = word && !method.empty() && method.size() <= max_method ? method : "?";
    request.path = path_shape(target);
    request.count = 1;
    recorder_.full_ = !add(recorder_.rows_, request) || recorder_.full_;
}

bool Recorder::add(Rows& rows, const RecordedExchange& one) {
    Key key(one.host, one.address, one.port, one.protocol, one.server_name, one.problem, one.method, one.path, one.result);
    auto row = rows.find(key);
    if (row == rows.end()) {
        if (rows.size() >= max_rows) {
            return false;
        }
        row = rows.emplace(std::move(key), Amount{}).first;
    }
    row->second.count += one.count;
    row->second.bytes_up += one.bytes_up;
    row->second.bytes_down += one.bytes_down;
    return true;
}

void Recorder::other_lookup(const DnsQuestion& question) {
    const auto type = type_that_matters(question.type);
    const auto name = canonical_host(question.name);
    if (type && name && unanswered_.size() < max_unanswered) {
        unanswered_.insert(std::string(*type) + " " + *name);
    }
}

Recording Recorder::recording(const NameTable& names) const {
    Rows rows = rows_;
    bool full = full_;
    for (const RecordedExchange& one : living_) {
        full = !add(rows, one) || full;
    }
    Recording recording;
    recording.names = names.all();
    for (const auto& [key, amount] : rows) {
        const auto& [host, address, port, protocol, server_name, problem, method, path, result] = key;
        recording.exchanges.push_back({host, address, port, protocol, server_name, problem, method, path, result, amount.count,
                                       amount.bytes_up, amount.bytes_down});
    }
    recording.unanswered = unanswered_;
    if (full) {
        recording.incomplete_because.push_back("the egress gateway saw more than " + std::to_string(max_rows) +
                                               " different exchanges and kept no others");
    }
    if (recording.names.size() >= 2 * NameTable::max_names) {
        recording.incomplete_because.push_back("the command looked up " + std::to_string(NameTable::max_names) +
                                               " names, for which a run has room; any others did not exist for it");
    }
    return recording;
}

} // namespace treadline::egress
