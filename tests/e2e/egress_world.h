// A project, servers outside that write down what reaches them, and commands held to a profile with `connect` rules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "tests/e2e/loop.h"

namespace treadline::test {

// Rules for the web servers, by a name and at the loopback that it leads to.
inline const std::vector<std::string> web = {"web.test:%http", "web.test:%https", "127.0.0.1:%http", "127.0.0.1:%https"};

[[nodiscard]] bool contains(const std::string& text, const std::string& part);
[[nodiscard]] bool contains(const std::vector<std::string>& lines, const std::string& part); // one of them does

struct Gated {
    int status = 0;
    std::string out;
    std::string err;
    nlohmann::json violations;

    // Of layer egress, those that are about exactly this.
    [[nodiscard]] std::vector<nlohmann::json> about(const std::string& object) const;
    [[nodiscard]] size_t egress() const; // how many of that layer there are
};

class EgressWorld {
public:
    enum class Servers : uint8_t { Web, More }; // more: git over SSH, WebSockets, gRPC, HTTP/2
    explicit EgressWorld(Servers servers = Servers::Web);
    ~EgressWorld();
    EgressWorld(const EgressWorld&) = delete;
    EgressWorld& operator=(const EgressWorld&) = delete;

    // %http, %https, %tcp and %udp, and of the other servers %ssh, %websocket, %wss, %grpc and %h2 stand for the servers' ports, %ca for the certificate authority's file, %own for
    // this machine's own address; in `connect` as well as in scripts. web.test, other.test and evil.test lead to the host's
    // loopback, private.test to a private address, own.test to this machine's own, mixed.test to a public one and the loopback.
    // `network` are more lines of that section, `files` of that one, all indented by two.
    [[nodiscard]] Gated run(const std::vector<std::string>& connect, const std::string& script, const std::string& network = "",
                            const std::string& files = "") const;
    [[nodiscard]] Finished outside(const std::string& script) const; // the same without Treadline
    [[nodiscard]] std::string filled(std::string text) const;

    // What has reached the servers since the last time it was asked for.
    [[nodiscard]] std::vector<std::string> observed() const;
    void stop_servers(); // for good
    // Of the next run, one of whose words is PROJECT/first: as soon as it has made that file. Then there is one named second.
    void kill_gateway_later() const;
    [[nodiscard]] bool has_own_address() const { return !own_.empty(); }

    Loop loop;
    std::string more_network; // more of the profile's `network`, as lines
    bool degraded = false;    // where no namespaces can be made (refusing.cpp), with --allow-degraded
    std::vector<std::string> more_arguments; // of `enforce`

private:
    TemporaryDirectory directory_;
    pid_t servers_ = -1;
    unique_fd stop_; // closing it ends them
    nlohmann::json ports_;
    std::string own_;
    mutable size_t seen_ = 0;
};

} // namespace treadline::test
