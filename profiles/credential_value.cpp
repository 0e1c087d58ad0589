#include "profiles/credential_value.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"

namespace treadline {
namespace {

using Kind = CredentialSource::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 4> kinds = {
    {{Kind::Environment, "env"}, {Kind::File, "file"}, {Kind::Command, "command"}, {Kind::Systemd, "credential"}}};

// Where the `${` at `at` is closed; those within count.
size_t closing(std::string_view text, size_t at) {
    int depth = 0;
    for (; at < text.size(); ++at) {
        if (text.substr(at, 2) == "${") {
            ++depth;
        } else if (text[at] == '}' && --depth == 0) {
            return at;
        }
    }
    return std::string_view::npos;
}

result<CredentialSource> parse_source(std::string_view inner) {
    const size_t colon = inner.find(':');
    const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                   [&](const auto& known) { return colon != std::string_view::npos && known.second == inner.substr(0, colon); });
    if (kind == kinds.end()) {
        return fail("refers to '${" + printable(inner.substr(0, colon)) +
                    "…}'; there are ${env:NAME}, ${file:PATH}, ${command:WORDS} and ${credential:NAME}");
    }
    CredentialSource source{kind->first, std::string(inner.substr(colon + 1))};
    if (source.text.empty()) {
        return fail("has a reference '${" + std::string(kind->second) + ":}' that names nothing");
    }
    if (kind->first == Kind::Environment && source.text.find_first_of("=*") != std::string::npos) {
        return fail("refers to '" + printable(source.text) + "', which is no name of an environment variable");
    }
    if (kind->first == Kind::Systemd && (source.text.find('/') != std::string::npos || source.text == "." || source.text == "..")) {
        return fail("refers to the credential '" + printable(source.text) + "', which is no name of one");
    }
    return source;
}

} // namespace

std::string to_string(const CredentialSource& source) {
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const auto& known) { return known.first == source.kind; });
    return "${" + std::string(kind->second) + ":" + source.text + "}";
}

std::vector<CredentialSource> CredentialValue::sources() const {
    std::vector<CredentialSource> all;
    for (const Part& part : parts) {
        all.insert(all.end(), part.source.begin(), part.source.end());
    }
    return all;
}

result<CredentialValue> parse_credential_value(std::string_view text) {
    CredentialValue value;
    constexpr std::string_view basic = "Basic ";
    // What is in base64 already has no colon.
    if (const size_t reference = text.find("${"); text.starts_with(basic) && text.substr(0, reference).find(':') != std::string_view::npos) {
        value.basic = true;
        text.remove_prefix(basic.size());
    }
    while (!text.empty()) {
        const size_t at = text.find("${");
        CredentialValue::Part part{std::string(text.substr(0, at)), {}};
        if (at == std::string_view::npos) {
            value.parts.push_back(std::move(part));
            break;
        }
        const size_t end = closing(text, at);
        if (end == std::string_view::npos) {
            return fail("has a '${' that is never closed");
        }
        part.source.push_back(TRY(parse_source(text.substr(at + 2, end - at - 2))));
        value.parts.push_back(std::move(part));
        text.remove_prefix(end + 1);
    }
    return value;
}

result<HostPort> credential_endpoint(std::string_view host) {
    const auto given = parse_host_port(host);
    auto endpoint = given ? given : parse_host_port(std::string(host) + ":443");
    if (!endpoint || endpoint->address || endpoint->any_protocol || endpoint->host[0] == '*') {
        return fail("'" + printable(host.substr(0, 300)) + "' has to be one host name without a wildcard, and a port where that is not 443");
    }
    return endpoint;
}

std::string placeholder_variable(const Credential& credential) {
    if (!credential.variable.empty()) {
        return credential.variable;
    }
    const auto value = parse_credential_value(credential.value);
    const auto sources = value ? value->sources() : std::vector<CredentialSource>{};
    return sources.size() == 1 && sources[0].kind == Kind::Environment ? sources[0].text : "";
}

} // namespace treadline
