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

// What a variant left beside what it should have, in lines; "" where there is no difference.
std::string difference(const Variant& variant, int status, const Facts& facts) {
    const std::string ended =
        variant.status == status ? "" : "\n    ! ended as " + errno_name(variant.status);
    return ended + lines(without(facts, variant.facts), "-") + lines(without(variant.facts, facts), "+");
}

// A call that this kernel or file system does not have, a naming that this machine forbids.
bool is_possible(const Variant& variant, int promised) {
    return variant.prepared && variant.status != ENOSYS &&
           (variant.status != EOPNOTSUPP || promised == EOPNOTSUPP);
}

using Differing =
    std::map<std::string, std::vector<std::string>>; // a difference, and the variants that show it

void check_none(const Differing& differing) {
    std::string report;
    for (const auto& [difference, names] : differing) {
        report += "\n" + difference;
        for (const std::string& name : names) {
            report += "\n        " + name;
        }
    }
    INFO(report);
    CHECK(differing.empty());
}

void check_facts(const Corpus& corpus) {
    CAPTURE(corpus.probes);
    CHECK(corpus.incomplete_because == std::vector<std::string>());
    CHECK(corpus.complete);

    Differing differing;
    std::set<std::string> performed;
    std::set<std::string> calls;
    std::string left_out;
    size_t impossible = 0;
    for (const Variant& variant : corpus.variants) {
        const auto expected = expected_facts().find(variant.operation);
        CAPTURE(variant.operation);
        REQUIRE(expected != expected_facts().end());
        const int promised = promised_status(expected->second);
        if (!is_possible(variant, promised)) {
            left_out += "\n  " + variant.operation + ": " + variant.name;
            ++impossible;
            continue;
        }
        performed.insert(variant.operation);
        calls.insert(variant.operation + variant.name.substr(0, variant.name.rfind(',')));
        const std::string differs = difference(variant, promised, expected->second);
        if (!differs.empty()) {
            differing[variant.operation + differs].push_back(variant.name);
        }
    }
    check_none(differing);
    for (const auto& [operation, facts] : expected_facts()) {
        CAPTURE(operation);
        CHECK((performed.count(operation) == 1 || ::geteuid() == 0));
    }
    CHECK(calls.size() > 200);
    if (impossible != 0) {
        WARN("not possible here:" << left_out);
    }
    // Newer calls may be missing; the rest may not.
    CHECK(impossible * 10 < corpus.variants.size());
}

} // namespace

TEST_CASE("every way to perform an operation leaves the same facts, with each probe set", "[bpf][fidelity]") {
    const Corpus best = trace_corpus("");
    check_facts(best);
    if (best.probes == "tracepoint") { // all that this kernel allows
        return;
    }
    const Corpus other = trace_corpus("tracepoint");
    CHECK(other.probes == "tracepoint");
    check_facts(other);
    Differing differing;
    for (size_t i = 0; i < best.variants.size(); ++i) {
        const Variant& variant = best.variants[i];
        const std::string differs = difference(variant, other.variants[i].status, other.variants[i].facts);
        if (!differs.empty()) {
            differing[variant.operation + differs].push_back(variant.name);
        }
    }
    check_none(differing);
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
