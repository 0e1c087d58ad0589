// The `value` of a credential: text with references to where the secret is kept, outside.
//
//   Bearer ${env:NAME}          a variable of whoever starts the run
//   ${file:${home}/.token}      a file's content without the last line break; variables as in paths
//   token ${command:gh auth token}   what a command prints, run outside before the run; words, no shell
//   ${credential:NAME}          a file in $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)
//
// "Basic USER:${…}" is sent as HTTP's basic authentication is, in base64 (RFC 7617).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "profiles/profile.h"
#include "profiles/profile_reader.h"

namespace treadline {

struct CredentialSource {
    enum class Kind : uint8_t { Environment, File, Command, Systemd };
    Kind kind = Kind::Environment;
    std::string text; // as written between "${env:" and "}"
    auto operator<=>(const CredentialSource&) const = default;
};
std::string to_string(const CredentialSource& source); // "${env:NAME}"

struct CredentialValue {
    bool basic = false; // what the parts make is what stands in base64 behind "Basic "
    struct Part {
        std::string literal;
        std::vector<CredentialSource> source; // at most one, behind the literal
    };
    std::vector<Part> parts;

    [[nodiscard]] std::vector<CredentialSource> sources() const;
};

// Fails with a phrase about what is wrong. Text without any reference is a value without sources.
result<CredentialValue> parse_credential_value(std::string_view text);

// The host and port that a credential is bound to; 443 where it names none.
result<HostPort> credential_endpoint(std::string_view host);

// The variable that holds the placeholder inside: the one the profile names, or the one that is referred to; "" for none.
std::string placeholder_variable(const Credential& credential);

} // namespace treadline
