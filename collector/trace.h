// A stored run as plain data: what the profiler, `runs` and `show` read. The seam between collector and
// profiler.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/path_rows.h"

namespace treadline {

// Stat: looked at without being opened (existence, metadata, where a link leads); `show --json` lists these
// apart.
enum class AccessKind : uint8_t { Read, Write, Create, Delete, Execute, List, Connect, Stat };
constexpr unsigned access_kinds = 8;
std::string_view to_string(AccessKind kind); // "read" … as in `show --json`
std::optional<AccessKind> parse_access_kind(std::string_view text);

struct ProcessImage { // one row for each (process, program it executed); a fork without exec has its own
    int64_t id = 0;
    int64_t parent = 0; // ProcessImage::id; 0 for the first
    int32_t pid = 0;
    std::string exe; // resolved path of the running file
    std::vector<std::string> argv;
    int64_t started_ns = 0; // since the run's start
    std::optional<int64_t> ended_ns;
    std::optional<int32_t> exit_status; // as a shell says it: 128+N for a signal
    bool operator==(const ProcessImage&) const = default;
};

struct FileAccess {
    int64_t process = 0; // ProcessImage::id
    std::string path;    // resolved, absolute; arbitrary bytes
    AccessKind access = AccessKind::Read;
    int32_t result = 0; // 0, or the errno
    uint64_t count = 1;
    int64_t first_ns = 0;
    int64_t last_ns = 0;
    bool directory = false;
    bool created_by_run = false; // the object did not exist before the command made it
    bool gone_at_end = false;    // the path named nothing when the command ended
    bool would_create = false;   // opened with O_CREAT, though it was there already
    bool exclusive = false; // made by a call that takes no name which is there (O_EXCL, O_TMPFILE, mkdir)
    bool through_made_link = false; // asked for by way of a symbolic link that the run had made
    std::string requested; // as the program asked for it, where that differs (symlink, relative); else ""
    bool operator==(const FileAccess&) const = default;
};

// A FileAccess with its path as a number of Trace::paths, and without what only people read.
struct AccessRow {
    uint64_t count = 1;
    uint32_t process = 0; // ProcessImage::id
    uint32_t path = 0;
    int32_t result = 0;
    AccessKind access = AccessKind::Read;
    bool directory : 1 = false;
    bool created_by_run : 1 = false;
    bool gone_at_end : 1 = false;
    bool would_create : 1 = false;
    bool exclusive : 1 = false;
    bool through_made_link : 1 = false;
    bool operator==(const AccessRow&) const = default;
};

struct SocketAccess {
    int64_t process = 0;
    std::string operation; // "connect", "bind", "listen", "send"
    std::string protocol;  // "tcp", "udp", "unix", "icmp", "netlink", "other"
    std::string address;   // IPv4/IPv6 text, UNIX path, "@abstract"
    uint16_t port = 0;     // 0 where there is none, or where the kernel was asked to pick one
    std::string host;      // looked-up name, "" if unknown; of a run behind the gateway the one its address stands for
    int32_t result = 0;
    uint64_t count = 1;
    int64_t first_ns = 0;
    int64_t last_ns = 0;
    std::vector<std::string>
        candidates; // names that all fit the address, when more than one does: `host` is then ""
    bool operator==(const SocketAccess&) const = default;
};

struct SyscallUse {
    int64_t process = 0;
    int32_t number = 0; // x86-64 or aarch64 number, as the kernel that ran it counts
    std::string name;   // "openat"; "#999" if the collector does not know it
    bool operator==(const SyscallUse&) const = default;
};

struct EnvironmentName {
    int64_t process = 0;
    std::string name;  // never the value
    bool read = false; // seen to be read, not merely present
    bool operator==(const EnvironmentName&) const = default;
};

struct NameLookup {
    int64_t process = 0;
    std::string name;
    std::vector<std::string> addresses;
    bool operator==(const NameLookup&) const = default;
};

// What the egress gateway saw while learning: connections to one endpoint that went alike, or their requests of one shape.
struct Exchange {
    int64_t process = 0;     // the only one that contacted that endpoint; 0: several did, or nobody is known
    std::string host;        // the name that was looked up; "" where an address was dialled
    std::string address;     // what was reached for it, or was not; "" for nothing
    uint16_t port = 0;
    std::string protocol;    // "tls", "http", "other"; "" where nothing was said
    std::string server_name; // that TLS asked for
    std::string problem;     // why a rule for host and port alone would not let it pass (exchange_problem); "" where it would
    std::string method;      // of requests; "" of connections
    std::string path;        // their shape: what looks drawn is '*', and there is no query
    int32_t result = 0;
    uint64_t count = 1; // of connections, or of requests
    uint64_t bytes_up = 0;
    uint64_t bytes_down = 0;
    bool operator==(const Exchange&) const = default;
};

// What `problem` says. A rule with "/tcp" lets all of these pass.
namespace exchange_problem {
inline constexpr std::string_view no_server_name = "TLS names no server";
inline constexpr std::string_view other_server_name = "TLS asks for another name than was looked up";
inline constexpr std::string_view hidden_server_name = "TLS encrypts the name it asks for";
inline constexpr std::string_view other_host = "HTTP asks for another host than was looked up";
inline constexpr std::string_view ambiguous = "the HTTP request cannot be read in one way only";
inline constexpr std::string_view upgrade = "HTTP asks for another protocol (Upgrade)";
} // namespace exchange_problem

struct Fact {            // provenance, and what fits no other table
    int64_t process = 0; // 0: the whole run
    std::string kind;    // "executed without a path"
    std::string path;    // "" if it is about none
    std::string value;
    bool operator==(const Fact&) const = default;
};

struct RunInfo {
    int64_t id = 0;
    int64_t started_unix_ms = 0;
    std::optional<int64_t> duration_ms;
    std::vector<std::string> command;
    std::string cwd;
    std::string project;
    std::string home;
    std::string user;
    uint32_t uid = 0;
    std::string hostname;
    std::string kernel;
    int landlock_abi = 0;
    std::string probes; // "tracepoint", "lsm"
    std::optional<int32_t> exit_status;
    bool complete = false;
    std::vector<std::string> incomplete_because; // sentences; empty when complete
    std::map<std::string, uint64_t> lost;        // by cause
    std::string certificate;                     // JSON; its SHA-256 is the digest a profile carries
    std::string network = "host"; // "gateway": what left went through the egress gateway, which recorded it
    // For `runs`; counted when read.
    uint64_t processes = 0;
    uint64_t accesses = 0;
    bool operator==(const RunInfo&) const = default;
};

struct Trace {
    RunInfo run;
    std::vector<ProcessImage> processes;
    std::vector<FileAccess> files; // or, where they were read as rows:
    std::vector<AccessRow> rows;
    PathRows paths;
    std::vector<SocketAccess> sockets;
    std::vector<SyscallUse> syscalls;
    std::vector<EnvironmentName> environment;
    std::vector<NameLookup> names;
    std::vector<Exchange> exchanges;
    std::vector<Fact> facts;
    bool operator==(const Trace&) const = default;
};

} // namespace treadline
