// What `strace -f -yy` reports as succeeded: accesses that must be in a trace of the same run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace treadline::test {

struct Seen {
    std::vector<std::string> kinds; // one of these, as in to_string(AccessKind)
    std::string path;               // as it was named, or as strace found the descriptor to be
    std::string address;            // "127.0.0.1:80" or "@abstract" of a socket; then there is no path
    std::string line;
};

// Accesses that failed, or that have no name, are left out. A relative path whose directory the log does not
// tell stays relative.
std::vector<Seen> read_strace(std::string_view log);

} // namespace treadline::test
