// What a profile's text knows of a denial: whether learning saw it refused already, and which line it belongs to.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "enforcer/violation.h"
#include "profiler/review.h"
#include "profiles/policy.h"

namespace treadline {

class KnownDenials {
public:
    // `text` of the profile in `file`; `variables` as the policy was built with.
    static result<KnownDenials> read(std::string_view text, const std::string& file, const Variables& variables);

    // Sets `expected` and, where the policy gave none, `line`.
    void note(Violation& violation) const;

private:
    std::vector<WithheldLine> withheld_;
    std::vector<WithheldLine> under_review_;
    std::map<std::string, int> sections_;    // "files", "network.connect"… -> line of its key
    std::shared_ptr<const Policy> refused_; // what withheld lines would allow that learning saw refused; null for none
};

} // namespace treadline
