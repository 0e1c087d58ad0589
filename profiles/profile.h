// The profile as a person wrote it: what `.treadline/profile.yaml` says, parsed and checked, nothing merged
// or expanded. Plain data; reading is profile_reader.h, writing profile_writer.h, what it means policy.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// What a file rule grants, the letters of its mode in the order they are written.
enum class Mode : uint8_t {
    Read = 1,    // r: read a file, list a directory
    Write = 2,   // w: write, truncate
    Create = 4,  // c: create, delete, rename, link
    Execute = 8, // x: execve
};

class Modes {
public:
    constexpr Modes() = default;
    constexpr Modes(Mode mode) : bits_(static_cast<uint8_t>(mode)) {}
    static constexpr Modes none() { return {}; }

    [[nodiscard]] constexpr bool has(Mode mode) const { return (bits_ & static_cast<uint8_t>(mode)) != 0; }
    [[nodiscard]] constexpr bool covers(Modes other) const { return (bits_ & other.bits_) == other.bits_; }
    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
    constexpr Modes operator|(Modes other) const { return from_bits(bits_ | other.bits_); }
    constexpr Modes& operator|=(Modes other) { return *this = *this | other; }
    constexpr Modes without(Modes other) const { return from_bits(bits_ & ~other.bits_); }
    constexpr bool operator==(const Modes&) const = default;
    [[nodiscard]] constexpr uint8_t bits() const { return bits_; }

private:
    static constexpr Modes from_bits(int bits) {
        Modes modes;
        modes.bits_ = static_cast<uint8_t>(bits);
        return modes;
    }
    uint8_t bits_ = 0;
};
constexpr Modes operator|(Mode a, Mode b) {
    return Modes(a) | Modes(b);
}

std::string to_string(Modes modes);                      // "rwcx", always in that order
std::optional<Modes> parse_modes(std::string_view text); // any order, no repeats; empty is no mode at all

// Where in a profile something stands. Lines and columns count from 1; line 0: not from a file.
struct Position {
    int line = 0;
    int column = 0;
    bool operator==(const Position&) const { return true; } // where a rule stands is no part of its meaning
};

// `path` as written: absolute or starting with a variable.
//   /a/b     that file or directory itself
//   /a/      /a and the names directly in it
//   /a/**    /a and everything below it
//   /a/*.c   a `*` in a component stands for any text without '/'; expanded when a run starts
struct FileRule {
    std::string path;
    Modes modes;
    Position at;
    bool operator==(const FileRule&) const = default;
};

// A list entry that is plain text: a path, a host, a name, a group.
struct Entry {
    std::string text;
    Position at;
    bool operator==(const Entry&) const = default;
};

struct PortEntry {
    uint16_t port = 0; // in `listen`, 0 is any port the kernel picks
    Position at;
    bool operator==(const PortEntry&) const = default;
};

// Some of the requests to a host; an empty list means any.
struct RequestScope {
    std::vector<std::string> methods; // "GET"
    std::vector<std::string> paths;   // "/v1/models", "/v1/**"
    [[nodiscard]] bool any() const { return methods.empty() && paths.empty(); }
    bool operator==(const RequestScope&) const = default;
};

// A host and port, and of plain HTTP, or where `inspect` looks into TLS, the requests that may be sent there.
struct ConnectRule {
    std::string text; // name:port, *.name:port, address:port, [v6]:port; "/tcp" behind it; host:port
    Position at;
    RequestScope scope = {}; // names methods or paths only behind a name without "/tcp"
    bool operator==(const ConnectRule&) const = default;
};

// The sandbox sees a placeholder; the gateway puts `value` into `header` for `host`.
struct Credential {
    std::string host; // name, or name:port
    std::string header;
    std::string value; // "Bearer ${env:NAME}", see credential_value.h
    Position at;
    std::string variable = {}; // that holds the placeholder inside; "": the one the value refers to
    RequestScope scope = {};
    bool operator==(const Credential&) const = default;
};

// What is said inside TLS to these hosts is judged, request by request.
struct Inspection {
    std::string endpoint; // host:port or *.host:port
    RequestScope scope;   // nothing else may be asked for
    Position at;
    std::vector<std::string> upgrades = {}; // protocols that such a request may change to, as "websocket"
    bool operator==(const Inspection&) const = default;
};

// How much may go to a host in one run. Absent: not limited.
struct Budget {
    std::string endpoint;               // as in `connect`, without "/tcp"
    std::optional<uint64_t> sent_bytes; // written 64K, 2M
    std::optional<uint64_t> requests;   // of HTTP where they can be read, else connections
    Position at;
    bool operator==(const Budget&) const = default;
};

struct Network {
    std::vector<ConnectRule> connect;
    std::vector<PortEntry> listen;
    std::vector<PortEntry> publish;
    std::vector<Inspection> inspect;
    std::vector<Credential> credentials;
    std::vector<Budget> budgets;
    bool operator==(const Network&) const = default;
};

struct Environment {
    std::vector<Entry> pass; // names; a trailing `*` stands for any rest
    std::map<std::string, std::string> set;
    bool operator==(const Environment&) const = default;
};

// Absent: not limited.
struct Resources {
    std::optional<uint64_t> memory_bytes; // written 512M, 2G
    std::optional<uint64_t> processes;
    std::optional<uint32_t> cpu_percent;  // of one processor; written 200%
    std::optional<uint64_t> time_seconds; // wall clock; written 90s, 10m, 2h
    std::optional<uint64_t> file_size_bytes; // of each file that is written; written 1G
    Position at;
    bool operator==(const Resources&) const = default;
};

// How the profile was learned; written by `learn`, shown by `review`, never part of a decision.
struct Learned {
    std::vector<std::string> command;
    int runs = 0;
    bool complete = false;
    std::string certificate; // digest of the coverage certificate, "" if none
    bool operator==(const Learned&) const = default;
};

// What may stand at the top of a profile, and again under `review:`.
struct ProfileRules {
    std::vector<Entry> include; // an abstraction's name, or a path starting with ./ from the profile's folder
    std::vector<FileRule> files;
    std::vector<Entry> private_directories; // `private:`
    std::vector<Entry> deny;                // patterns as in FileRule::path; not under `review:`
    Network network;
    std::vector<Entry>
        unix_sockets; // `unix:`; paths (a `*` as in file rules) or @abstract, with the same escapes
    std::vector<Entry> syscalls; // names or @groups
    Environment environment;
    Resources resources;
    bool operator==(const ProfileRules&) const = default;
};

struct Profile : ProfileRules {
    std::string name;
    std::optional<Learned> learned;
    ProfileRules review; // proposed, for a person to move up; allows nothing where it stands
    bool operator==(const Profile&) const = default;
};

} // namespace treadline
