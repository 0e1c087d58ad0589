#include "enforcer/egress/substitution.h"

#include <algorithm>

#include "base/text.h"
#include "profiles/request_scope.h"

namespace treadline::egress {
namespace {

std::vector<TextSearch::Text> texts_of(const Secrets& secrets, std::string Secret::*of) {
    std::vector<TextSearch::Text> texts;
    for (size_t number = 0; number < secrets.all.size(); ++number) {
        for (std::string& form : forms_of(secrets.all[number].*of)) {
            texts.push_back({std::move(form), number});
        }
    }
    return texts;
}

// The name of a scheme ("Bearer") is the same in upper and lower case; what stands behind it is not.
bool is_value(std::string_view sent, std::string_view wanted) {
    const size_t space = wanted.find(' ');
    return sent.size() == wanted.size() && (space == std::string_view::npos || is_name(sent.substr(0, space), wanted.substr(0, space))) &&
           sent.substr(space == std::string_view::npos ? 0 : space) == wanted.substr(space == std::string_view::npos ? 0 : space);
}

bool is_bound_to(const HeldCredential& credential, const Contact& contact) {
    return !contact.name.empty() && credential.host == contact.name && credential.port == contact.port;
}

} // namespace

Substitution::Substitution(std::shared_ptr<const Secrets> secrets)
    : secrets_(std::move(secrets)), placeholders_(texts_of(*secrets_, &Secret::placeholder)), values_(texts_of(*secrets_, &Secret::real)) {}

bool Substitution::is_for(const Contact& contact) const {
    return std::any_of(secrets_->credentials.begin(), secrets_->credentials.end(),
                       [&](const HeldCredential& credential) { return is_bound_to(credential, contact); });
}

std::optional<std::string> Substitution::put_in(const Contact& contact, Wrapping wrapping, RequestHead& head) const {
    if (const int number = placeholders_.find(head.target); number >= 0) {
        return misplaced(number, "in the request's address");
    }
    if (const int number = placeholders_.find(head.method); number >= 0) {
        return misplaced(number, "in the request's method");
    }
    std::vector<std::pair<std::string*, const std::string*>> changes;
    for (auto& field : head.fields) {
        const std::string& name = field.first; // clang 14 lets lambdas capture no structured bindings
        std::string& value = field.second;
        const auto held = std::find_if(secrets_->credentials.begin(), secrets_->credentials.end(), [&](const HeldCredential& credential) {
            return wrapping == Wrapping::Tls && is_bound_to(credential, contact) && is_name(name, credential.header) && is_value(value, credential.inside);
        });
        if (held != secrets_->credentials.end()) {
            if (!is_in(held->scope, head.method, head.target)) {
                return "the placeholder for " + held->shown + " is sent with '" + printable(head.method) + " " +
                       printable(head.target.substr(0, head.target.find('?')).substr(0, 200)) + "', which is none of the requests it is for (" +
                       std::string(trimmed(to_string(held->scope))) + ")";
            }
            changes.emplace_back(&value, &held->outside);
        } else if (const int number = placeholders_.find(name + ": " + value); number >= 0) {
            return misplaced(number, "in the header '" + printable(name.substr(0, 100)) + "'" +
                                         (wrapping == Wrapping::Plain ? ", without TLS," : "") + " for '" + to_string(contact) + "'");
        }
    }
    for (const auto& [value, real] : changes) {
        *value = *real;
    }
    return std::nullopt;
}

std::string Substitution::misplaced(int number, const std::string& where) const {
    const std::string& source = secrets_->all[static_cast<size_t>(number)].source;
    std::vector<std::string> allowed;
    for (const HeldCredential& credential : secrets_->credentials) {
        if (credential.inside.find(secrets_->all[static_cast<size_t>(number)].placeholder) != std::string::npos || secrets_->all.size() == 1) {
            allowed.push_back(credential.shown);
        }
    }
    return "the placeholder for " + printable(source) + " stands " + where + ", where no credential puts it" +
           (allowed.empty() ? "" : "; it is for the header " + join(allowed, ", "));
}

std::string Substitution::echoed(int number, const std::string& where) const {
    return "the answer holds the real value of " + printable(secrets_->all[static_cast<size_t>(number)].source) + " " + where +
           ", which nothing inside may see; whoever answers sends back what it was sent";
}

} // namespace treadline::egress
