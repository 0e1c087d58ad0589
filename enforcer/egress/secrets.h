// What the profile's `credentials` refer to, looked up once before the run: the real values, and placeholders of like shape that
// stand for them inside. The real ones go to the gateway and nowhere else.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "profiles/policy.h"

namespace treadline::egress {

// One thing that credentials refer to, as "${env:NAME}".
struct Secret {
    std::string source;
    std::string real;
    std::string placeholder;
};

// One credential, ready to be put in: where a header is exactly `inside`, it becomes `outside`.
struct HeldCredential {
    std::string host;
    uint16_t port = 0;
    std::string header; // lower case
    RequestScope scope;
    std::string inside;
    std::string outside;
    std::string shown; // "Authorization of api.example.org", for sentences
};

struct Secrets {
    std::vector<Secret> all;
    std::vector<HeldCredential> credentials;
    std::map<std::string, std::string> variables; // inside: name -> placeholder
    std::map<std::string, std::string> files;     // path of a file that holds a real value -> what it holds inside
};

// Whether sources are asked. Where nothing outside is reached (--replay), nobody is: what stands for a value then stands for nothing.
enum class Sources : uint8_t { Asked, LeftAlone };

// Fails with a sentence where a source is missing, cannot be used, or would still be seen inside (in another variable, in the
// command's words). May run commands that the profile names.
result<std::shared_ptr<const Secrets>> look_up_secrets(const Policy& policy, const std::map<std::string, std::string>& environment,
                                                       const std::vector<std::string>& command, Sources sources = Sources::Asked);

// Random, of the same length or longer, letters for letters and digits for digits, with a prefix that is known to be public
// ("sk-", "ghp_"); nothing else of it tells anything but its shape.
std::string placeholder_for(std::string_view real);

} // namespace treadline::egress
