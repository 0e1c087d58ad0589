#include "enforcer/egress/loopback_services.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string>

#include <fcntl.h>

#include "base/syscalls.h"
#include "base/text.h"

namespace treadline::egress {
namespace {

constexpr uint16_t dns_port = 53;
constexpr std::string_view listening = "0A"; // TCP_LISTEN

// 0.0.0.0, 127.0.0.1, ::, ::1 and ::ffff:127.0.0.1 as the kernel writes them: each 32 bits as a number of this machine.
constexpr std::array<std::string_view, 5> reached_by_loopback = {"00000000", "0100007F", "00000000000000000000000000000000",
                                                                 "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"};

void add(std::string_view table, std::set<uint16_t>& ports) {
    for (const std::string_view line : split(table, '\n')) {
        std::vector<std::string_view> fields; // number, local, remote, state, …
        for (const std::string_view word : split(line, ' ')) {
            if (!word.empty()) {
                fields.push_back(word);
            }
        }
        const size_t colon = fields.size() > 3 && fields[3] == listening ? fields[1].find(':') : std::string_view::npos;
        if (colon == std::string_view::npos) {
            continue;
        }
        const std::string_view address = fields[1].substr(0, colon);
        const std::string_view digits = fields[1].substr(colon + 1);
        uint16_t port = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), port, 16);
        if (port != 0 && port != dns_port && std::find(reached_by_loopback.begin(), reached_by_loopback.end(), address) != reached_by_loopback.end()) {
            ports.insert(port);
        }
    }
}

} // namespace

std::vector<uint16_t> loopback_services(std::string_view tcp, std::string_view tcp6) {
    std::set<uint16_t> ports;
    add(tcp, ports);
    add(tcp6, ports);
    std::vector<uint16_t> services(ports.begin(), ports.end());
    services.resize(std::min(services.size(), max_loopback_services));
    return services;
}

std::vector<uint16_t> loopback_services() {
    return loopback_services(sys::read_file("/proc/net/tcp").value_or(""), sys::read_file("/proc/net/tcp6").value_or(""));
}

SocketTables socket_tables_of(pid_t process) {
    const std::string directory = "/proc/" + std::to_string(process) + "/net/";
    SocketTables tables;
    tables.tcp = unique_fd(::open((directory + "tcp").c_str(), O_RDONLY | O_CLOEXEC));
    tables.tcp6 = unique_fd(::open((directory + "tcp6").c_str(), O_RDONLY | O_CLOEXEC));
    return tables;
}

} // namespace treadline::egress
