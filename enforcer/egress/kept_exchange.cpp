#include "enforcer/egress/kept_exchange.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/addresses.h"
#include "enforcer/egress/decision.h"
#include "profiles/request_scope.h"

namespace treadline::egress {
namespace {

constexpr std::string_view whole = "treadline: that is all, but for "; // a number follows
constexpr size_t max_method = 24;
constexpr size_t max_target = 32 * 1024; // as much as a request's head
constexpr size_t max_lines = 128 * 1024; // as much as an answer's

bool is_line(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\t'; });
}

bool is_target(std::string_view text) {
    return (text.starts_with('/') || text == "*") && text.size() <= max_target &&
           std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; });
}

void put(std::string& bytes, std::string_view text) {
    const auto size = static_cast<uint32_t>(text.size());
    for (int shift = 0; shift < 32; shift += 8) {
        bytes += static_cast<char>(size >> shift & 0xFF);
    }
    bytes += text;
}

std::optional<std::string_view> take(std::string_view& bytes) {
    if (bytes.size() < 4) {
        return std::nullopt;
    }
    uint32_t size = 0;
    for (size_t at = 0; at < 4; ++at) {
        size |= uint32_t{static_cast<unsigned char>(bytes[at])} << (8 * at);
    }
    if (size > bytes.size() - 4) {
        return std::nullopt;
    }
    const std::string_view text = bytes.substr(4, size);
    bytes.remove_prefix(4 + size_t{size});
    return text;
}

std::optional<unsigned> take_number(std::string_view& bytes, unsigned most) {
    const auto text = take(bytes);
    const bool digits = text && std::all_of(text->begin(), text->end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || text->empty() || text->size() > 5 || (text->size() > 1 && text->front() == '0')) { // as to_bytes() writes it
        return std::nullopt;
    }
    const auto number = static_cast<unsigned>(std::stoul(std::string(*text)));
    return number <= most ? std::optional(number) : std::nullopt;
}

std::optional<KeptExchange> take_exchange(std::string_view& bytes) {
    KeptExchange one;
    const auto host = take(bytes);
    const auto port = take_number(bytes, 65535);
    const auto secure = take_number(bytes, 1);
    const auto status = take_number(bytes, 999);
    if (!host || !port || !secure || !status) {
        return std::nullopt;
    }
    one.host = *host;
    one.port = static_cast<uint16_t>(*port);
    one.secure = *secure != 0;
    one.status = *status;
    std::string lines;
    for (std::string* text : {&one.method, &one.target, &one.conditions, &one.accept, &one.body_digest, &one.reason, &lines, &one.body, &one.unusable}) {
        const auto taken = take(bytes);
        if (!taken) {
            return std::nullopt;
        }
        *text = *taken;
    }
    one.fields = fields_from(lines);
    return to_lines(one.fields) == lines ? std::optional(std::move(one)) : std::nullopt;
}

} // namespace

std::string objection_to(const KeptExchange& one) {
    const bool named = canonical_host(one.host) == one.host;
    if (!named && (!parse_address(one.host).valid || treadline::to_text(parse_address(one.host)) != one.host)) {
        return "a host that is none";
    }
    if (one.port == 0 || !is_http_token(one.method) || one.method.size() > max_method || !is_target(one.target)) {
        return "a request that is none";
    }
    const HttpFields conditions = fields_from(one.conditions);
    if (to_lines(conditions) != one.conditions || !is_line(one.accept) || !is_line(one.reason) || !is_line(one.unusable) ||
        one.conditions.size() + one.accept.size() + one.reason.size() + one.unusable.size() > max_lines) {
        return "a control character where a line is";
    }
    const bool digest = one.body_digest.size() == 64 && one.body_digest.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!digest && !one.body_digest.empty()) {
        return "a digest that is none";
    }
    if (!one.unusable.empty()) {
        return one.status == 0 && one.fields.empty() && one.body.empty() ? "" : "an answer that it says is none";
    }
    if (one.status < 200 || one.status > 599) {
        return "a status that is no answer's";
    }
    size_t size = 0;
    for (const auto& [name, value] : one.fields) {
        size += name.size() + value.size() + 4;
        if (!is_http_token(name) || !is_line(value) || value.starts_with(' ') || value.ends_with(' ')) {
            return "a header that would be read as something else";
        }
        const std::string lower = lower_case(name);
        if (lower == "transfer-encoding" || lower == "connection" || (lower == "content-length" && one.method != "HEAD" && one.status != 304)) {
            return "a header that says where the answer ends";
        }
    }
    return size > max_lines || one.body.size() > max_kept_body ? "more than is kept" : "";
}

std::string to_lines(const HttpFields& fields) {
    std::string lines;
    for (const auto& [name, value] : fields) {
        lines += name + ": " + value + "\n";
    }
    return lines;
}

HttpFields fields_from(std::string_view lines) {
    HttpFields fields;
    while (!lines.empty()) {
        const size_t end = lines.find('\n');
        const std::string_view line = lines.substr(0, end);
        const size_t colon = line.find(": ");
        if (end == std::string_view::npos || colon == std::string_view::npos || !is_http_token(line.substr(0, colon)) || !is_line(line.substr(colon + 2))) {
            break;
        }
        fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
        lines.remove_prefix(end + 1);
    }
    return fields;
}

std::string to_bytes(const std::vector<KeptExchange>& exchanges) {
    std::string bytes;
    for (const KeptExchange& one : exchanges) {
        put(bytes, one.host);
        put(bytes, std::to_string(one.port));
        put(bytes, one.secure ? "1" : "0");
        put(bytes, std::to_string(one.status));
        for (const std::string* text : {&one.method, &one.target, &one.conditions, &one.accept, &one.body_digest, &one.reason}) {
            put(bytes, *text);
        }
        put(bytes, to_lines(one.fields));
        put(bytes, one.body);
        put(bytes, one.unusable);
    }
    return bytes;
}

result<std::vector<KeptExchange>> exchanges_from(std::string_view bytes) {
    std::vector<KeptExchange> exchanges;
    while (!bytes.empty()) {
        auto one = take_exchange(bytes);
        if (!one || exchanges.size() >= max_kept_exchanges) {
            return fail("what the egress gateway kept of the exchanges cannot be read");
        }
        if (const std::string objection = objection_to(*one); !objection.empty()) {
            return fail("what the egress gateway kept of the exchanges holds " + objection);
        }
        exchanges.push_back(std::move(*one));
    }
    return exchanges;
}

std::string to_bytes(const KeptRun& run) {
    return to_bytes(run.exchanges) + std::string(whole) + std::to_string(run.left_out) + "\n";
}

result<KeptRun> kept_run_from(std::string_view bytes) {
    const size_t end = bytes.rfind(whole);
    const std::string_view number = end == std::string_view::npos ? "" : bytes.substr(end + whole.size());
    KeptRun run;
    const auto [rest, problem] = std::from_chars(number.data(), number.data() + number.size(), run.left_out);
    if (problem != std::errc() || rest + 1 != number.data() + number.size() || *rest != '\n') {
        return fail("the egress gateway ended before the command did, and what it captured is lost");
    }
    run.exchanges = TRY(exchanges_from(bytes.substr(0, end)));
    return run;
}

} // namespace treadline::egress
