#include "enforcer/egress/exchange_rules.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "enforcer/egress/http_request.h"

namespace treadline::egress {
namespace {

// By which an answer is asked for in parts, or in a form that cannot be searched. gRPC and Connect compress their messages by themselves.
constexpr std::array asking_for_other_forms = {"Accept-Encoding", "Range", "If-Range", "A-IM", "grpc-accept-encoding", "connect-accept-encoding"};
constexpr std::array naming_forms = {"Content-Encoding", "grpc-encoding", "connect-content-encoding"};

template <size_t Size>
bool is_one_of(const std::array<const char*, Size>& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(), [&](const char* known) { return is_name(name, known); });
}

std::string written(std::string first_line, const HttpFields& fields) {
    for (const auto& [name, value] : fields) {
        first_line += "\r\n" + name + ": " + value;
    }
    return first_line;
}

} // namespace

std::optional<Violation> ExchangeRules::judge(HttpRequest facts, RequestHead& head) {
    facts.secure = wrapping_ == Wrapping::Tls;
    const Verdict verdict = decision_.http(contact_, facts);
    if (!verdict.allowed) {
        return verdict.violation;
    }
    head.method = facts.method;
    head.target = origin_form(facts.target, facts.secure ? "https://" : "http://");
    if (const std::string what = redirection_in(head.fields, overrides(), facts.upgrade ? std::initializer_list<std::string_view>{"upgrade"} : std::initializer_list<std::string_view>{}); !what.empty()) {
        return refused("the request has " + what);
    }
    if (bound_ && facts.upgrade) {
        return refused("the request asks for another protocol (Upgrade) on a connection that a credential is put in on, where what is said has to "
                       "be read");
    }
    if (bound_ && head.method == "TRACE") {
        return refused("the request asks the server to send back what it gets (TRACE), and it would get a credential");
    }
    std::erase_if(head.fields, [&](const auto& field) {
        return is_name(field.first, "Expect") || (bound_ && is_one_of(asking_for_other_forms, field.first));
    });
    if (bound_) {
        head.fields.emplace_back("Accept-Encoding", "identity");
    }
    if (const auto misplaced = substitution_.put_in(contact_, wrapping_, head)) {
        return refused(*misplaced);
    }
    return account_.request();
}

std::optional<Violation> ExchangeRules::judge_trailers(const HttpFields& fields) const {
    if (const std::string what = redirection_in(fields, overrides()); !what.empty()) {
        return refused("the request has, behind its body, " + what);
    }
    if (const int number = placeholders().find(written("", fields)); number >= 0) {
        return refused(substitution_.misplaced(number, "in a field behind the request's body for '" + to_string(contact_) + "'"));
    }
    return std::nullopt;
}

std::optional<Violation> ExchangeRules::judge_answer(unsigned status, std::string_view reason, const HttpFields& fields) const {
    const std::string head = written(std::to_string(status) + " " + std::string(reason), fields);
    if (const int number = values().find(head); number >= 0) {
        return refused(substitution_.echoed(number, "in a header"));
    }
    constexpr unsigned partial = 206;
    constexpr unsigned manipulated = 226; // RFC 3229
    const bool other_form = std::any_of(fields.begin(), fields.end(), [](const auto& field) {
        return is_one_of(naming_forms, field.first) && !field.second.empty() && !is_name(field.second, "identity");
    });
    if (bound_ && (other_form || status == partial || status == manipulated)) {
        return refused("the answer is compressed or a part, though it was asked for whole and as it is, so it cannot be searched for what must not "
                       "come in");
    }
    return std::nullopt;
}

std::optional<Violation> ExchangeRules::judge_answer_trailers(const HttpFields& fields) const {
    if (const int number = values().find(written("", fields)); number >= 0) {
        return refused(substitution_.echoed(number, "in a field behind its body"));
    }
    return std::nullopt;
}

Violation ExchangeRules::misplaced_in_body(int number) const {
    return refused(substitution_.misplaced(number, "in the request's body for '" + to_string(contact_) + "'"));
}

Violation ExchangeRules::echoed_in_body(int number) const {
    return refused(substitution_.echoed(number, "in its body"));
}

} // namespace treadline::egress
