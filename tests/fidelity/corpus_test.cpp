#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <set>
#include <unistd.h>

#include "tests/bpf/traced.h"
#include "tests/fidelity/corpus.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::test;

namespace {

std::string lines(const Facts& facts, const std::string& sign) {
    std::string text;
    for (const std::string& fact : facts) {
        text += "\n    " + sign + " " + fact;
    }
    return text;
}

Facts without(const Facts& all, const Facts& those) {
    Facts left;
    std::set_difference(all.begin(), all.end(), those.begin(), those.end(), std::back_inserter(left));
    return left;
}

// The errno that an operation's facts tell; 0: it succeeds in the end.
int promised_status(const Facts& facts) {
    int status = 0;
    for (const std::string& fact : facts) {
        const std::string word = fact.substr(fact.rfind(' ') + 1);
        bool failed = false;
        for (int number = 1; number < 134 && !failed; ++number) {
            failed = word == errno_name(number);
            status = failed ? number : status;
        }
        if (!failed) {
            return 0;
        }
    }
    return status;
}

} // namespace

TEST_CASE("every way to perform an operation leaves the same facts", "[bpf][fidelity]") {
    const Corpus corpus = trace_corpus();
    CHECK(corpus.incomplete_because == std::vector<std::string>());
    CHECK(corpus.complete);

    std::map<std::string, std::vector<std::string>> differing; // a difference, and the variants that show it
    std::set<std::string> performed;
    std::set<std::string> calls;
    std::vector<std::string> impossible;
    std::map<std::string, size_t> known; // why, how many
    for (const Variant& variant : corpus.variants) {
        const auto expected = expected_facts().find(variant.operation);
        CAPTURE(variant.operation);
        REQUIRE(expected != expected_facts().end());
        // A call that this kernel or file system does not have, a naming that this machine forbids.
        const int promised = promised_status(expected->second);
        if (!variant.prepared || variant.status == ENOSYS ||
            (variant.status == EOPNOTSUPP && promised != EOPNOTSUPP)) {
            impossible.push_back(variant.operation + ": " + variant.name);
            continue;
        }
        performed.insert(variant.operation);
        calls.insert(variant.operation + variant.name.substr(0, variant.name.rfind(',')));
        Facts difference;
        if (variant.status != promised) {
            difference.push_back("ended as " + errno_name(variant.status));
        }
        const bool differs = variant.facts != expected->second || !difference.empty();
        if (const std::string reason = known_difference(variant, corpus.probes); !reason.empty()) {
            known[reason] += differs ? 1 : 0;
        } else if (differs) {
            differing[variant.operation + lines(difference, "!") +
                      lines(without(expected->second, variant.facts), "-") +
                      lines(without(variant.facts, expected->second), "+")]
                .push_back(variant.name);
        }
    }
    std::string report;
    size_t wrong = 0;
    for (const auto& [difference, names] : differing) {
        wrong += names.size();
        report += "\n" + difference;
        for (const std::string& name : names) {
            report += "\n        " + name;
        }
    }
    INFO(report);
    CHECK(wrong == 0);
    for (const auto& [operation, facts] : expected_facts()) {
        CAPTURE(operation);
        CHECK((performed.count(operation) == 1 || ::geteuid() == 0));
    }
    CHECK(calls.size() > 200);
    for (const auto& [reason, count] : known) {
        WARN(count << " variants differ: " << reason);
    }
    std::string left_out;
    for (const std::string& name : impossible) {
        left_out += "\n  " + name;
    }
    if (!impossible.empty()) {
        WARN("not possible here:" << left_out);
    }
    // Newer calls may be missing; the rest may not.
    CHECK(impossible.size() * 10 < corpus.variants.size());
}

TEST_CASE("the loader of a program is executed with it, a program without one alone", "[bpf][fidelity]") {
    const auto executed = [](const std::string& path) {
        std::vector<std::string> names;
        const Traced run = traced({path});
        for (const FileAccess& access : run.trace.files) {
            if (access.access == AccessKind::Execute && access.result == 0) {
                names.push_back(access.path);
            }
        }
        return names;
    };
    const std::vector<std::string> dynamic = executed("/bin/true");
    REQUIRE(dynamic.size() == 2);
    CHECK((dynamic[0] + dynamic[1]).find("/ld-") != std::string::npos);
    CHECK(executed(program("fidelity-nothing")) == std::vector<std::string>{program("fidelity-nothing")});
}
