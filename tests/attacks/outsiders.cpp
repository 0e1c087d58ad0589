#include "tests/attacks/outsiders.h"

#include <cstddef>
#include <cstring>
#include <filesystem>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace treadline::test {
namespace {

char secret[32] = "SECRET memory"; // at the same address in every process forked from this one

pid_t start_victim(World& world) {
    return world.bystander({"~/.ssh/id_ed25519"}, "./");
}

} // namespace

std::function<std::vector<std::string>(World&)> Victim::number() const {
    return [pid = pid_](World& world) -> std::vector<std::string> {
        *pid = start_victim(world);
        return {std::to_string(*pid)};
    };
}

std::function<std::vector<std::string>(World&)> Victim::number_and_address() const {
    return [pid = pid_](World& world) -> std::vector<std::string> {
        *pid = start_victim(world);
        return {std::to_string(*pid), std::to_string(reinterpret_cast<uintptr_t>(secret))};
    };
}

std::function<std::vector<std::string>(World&)> Victim::file_and_address(const std::string& name) const {
    return [pid = pid_, name](World& world) -> std::vector<std::string> {
        *pid = start_victim(world);
        return {"/proc/" + std::to_string(*pid) + "/" + name, std::to_string(reinterpret_cast<uintptr_t>(secret))};
    };
}

std::function<std::vector<std::string>(World&)> Victim::number_and_descriptor() const {
    return [pid = pid_](World& world) -> std::vector<std::string> {
        *pid = start_victim(world);
        return {std::to_string(*pid), "20"};
    };
}

Success Victim::stopped_or_killed() const {
    return [pid = pid_](const World&, const Finished&) {
        siginfo_t info{};
        for (int i = 0; i < 50 && info.si_pid == 0; ++i) { // a signal takes effect when its process gets a processor
            ::waitid(P_PID, static_cast<id_t>(*pid), &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT);
            ::usleep(info.si_pid == 0 ? 10'000 : 0);
        }
        return info.si_pid == *pid;
    };
}

Success Victim::overwritten() const {
    return [pid = pid_](const World&, const Finished&) {
        char bytes[sizeof secret] = {};
        iovec here{bytes, sizeof bytes};
        iovec there{secret, sizeof secret};
        REQUIRE(::process_vm_readv(*pid, &here, 1, &there, 1, 0) == sizeof bytes);
        return std::memcmp(bytes, secret, sizeof secret) != 0;
    };
}

Success Victim::limited() const {
    return [pid = pid_](const World&, const Finished&) {
        rlimit limit{};
        REQUIRE(::prlimit(*pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
        return limit.rlim_cur == 3;
    };
}

std::function<std::vector<std::string>(World&)> Service::listens() const {
    return [socket = socket_, name = name_](World& world) -> std::vector<std::string> {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socklen_t size = sizeof address;
        const std::string path = name[0] == '@' ? name : world.place(name);
        REQUIRE(path.size() < sizeof address.sun_path);
        std::memcpy(address.sun_path, path.data(), path.size());
        if (name[0] == '@') {
            address.sun_path[0] = '\0';
            size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
        } else {
            std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        }
        if (*socket >= 0) {
            ::close(*socket);
        }
        *socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        REQUIRE(::bind(*socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(*socket, 4) == 0);
        return {path};
    };
}

Success Service::reached() const {
    return [socket = socket_](const World&, const Finished&) {
        const int peer = ::accept(*socket, nullptr, nullptr);
        if (peer >= 0) {
            ::close(peer);
        }
        return peer >= 0;
    };
}

Success says(const std::string& text) {
    return [text](const World&, const Finished& run) { return run.out.find(text) != std::string::npos; };
}

Success says_ok() {
    return [](const World&, const Finished& run) { return run.status == 0 && run.out.ends_with("ok\n"); };
}

} // namespace treadline::test
