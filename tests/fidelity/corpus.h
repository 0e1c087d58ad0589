// The fidelity corpus traced: what each variant of each operation left in the store, in a form in which all
// variants of one operation must be equal.
//
// A fact is one line:
//   ACCESS NAME [dir] [made] [ERRNO]          a file access; the name is relative to the directory worked in
//   OPERATION PROTOCOL NAME[:PORT] [ERRNO]    a socket; a port that the kernel picked is PORT
#pragma once

#include <map>
#include <string>
#include <vector>

namespace treadline::test {

using Facts = std::vector<std::string>; // sorted

struct Variant {
    std::string operation;
    std::string name; // the call, and how its object was named
    int status = 0;   // 0 or an errno
    bool prepared = true;
    Facts facts;
};

struct Corpus {
    bool complete = false;
    std::vector<std::string> incomplete_because;
    std::string probes;
    std::vector<Variant> variants;
};

// `probes` is as in TREADLINE_PROBES; "": what this kernel allows. Skips the test where nothing can be
// traced.
Corpus trace_corpus(const std::string& probes);

// What each operation must leave, by its name.
const std::map<std::string, Facts>& expected_facts();

std::string errno_name(int number);

} // namespace treadline::test
