// A program and a server, each an end of HTTP/2, with the gateway's relay between them, all in memory; and frames made by hand.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "enforcer/egress/http2_relay.h"
#include "enforcer/egress/secrets.h"
#include "profiles/profile_reader.h"

namespace treadline::test {

using egress::Http2Fields;

// Writes down what an end is told, and takes bodies as they come unless it is told not to.
struct Told : egress::Http2Events {
    struct Stream {
        std::vector<Http2Fields> heads;
        std::string body;
        Http2Fields trailers;
        bool ended = false;
        bool closed = false;
        uint32_t code = 0;
        [[nodiscard]] std::string field(std::string_view name) const { // of the last head
            for (const auto& [key, value] : heads.empty() ? Http2Fields{} : heads.back()) {
                if (key == name) {
                    return value;
                }
            }
            return "";
        }
    };
    egress::Http2Session* session = nullptr;
    std::map<int32_t, Stream> streams;
    bool takes = true;
    bool going_away = false;
    std::string broken;

    void on_head(int32_t stream, Http2Fields fields, const std::string& /*objection*/, bool /*ends*/) override {
        streams[stream].heads.push_back(std::move(fields));
    }
    void on_data(int32_t stream, std::string_view bytes) override {
        streams[stream].body += bytes;
        if (takes) {
            session->consumed(stream, bytes.size());
        }
    }
    void on_trailers(int32_t stream, Http2Fields fields, const std::string& /*objection*/) override { streams[stream].trailers = std::move(fields); }
    void on_end(int32_t stream) override { streams[stream].ended = true; }
    void on_malformed(int32_t /*stream*/, std::string /*why*/) override {}
    void on_taken(int32_t /*stream*/) override {}
    void on_closed(int32_t stream, uint32_t code) override {
        streams[stream].closed = true;
        streams[stream].code = code;
    }
    void on_going_away() override { going_away = true; }
    void on_broken(std::string why) override { broken = std::move(why); }
};

struct Judged { // by a profile whose `network` these lines are, for api.test:443; ${env:KEY} is `real`
    static inline const std::string real = "sk-Abc9-REALrealREAL12345";
    std::shared_ptr<const Policy> policy;
    egress::Decision decision;
    std::shared_ptr<const egress::Secrets> secrets;
    egress::Substitution substitution;
    egress::ExchangeRules rules;

    explicit Judged(const std::string& network)
        : policy(policy_of(network)),
          decision(policy),
          secrets(egress::look_up_secrets(*policy, {{"KEY", real}}, {}).value()),
          substitution(secrets),
          rules(decision, substitution, policy->limits_requests("api.test", 443), {"api.test", "", 443, ""}, egress::Wrapping::Tls) {}
    [[nodiscard]] std::string placeholder() const { return secrets->all.at(0).placeholder; }

    static std::shared_ptr<const Policy> policy_of(const std::string& network) {
        const auto profile = read_profile("treadline: 1\nname: t\nnetwork:\n  connect: [\"api.test:443\"]\n" + network, "p.yaml").value();
        return std::make_shared<const Policy>(
            Policy::build(profile, "p.yaml", Variables(), [](const std::string&) -> result<Profile> { return Profile{}; }).value());
    }
};

struct Wire {
    Judged judged;
    std::vector<Violation> violations;
    egress::Http2Relay relay;
    Told program_told;
    Told server_told;
    std::unique_ptr<egress::Http2Session> program;
    std::unique_ptr<egress::Http2Session> server;

    explicit Wire(const std::string& network)
        : judged(network),
          relay([](egress::Http2Role role, egress::Http2Events& events) { return egress::make_http2_session(role, events, egress::least_http2_window); },
                judged.rules, [this](Violation violation) { violations.push_back(std::move(violation)); }),
          program(egress::make_http2_session(egress::Http2Role::Client, program_told, egress::least_http2_window)),
          server(egress::make_http2_session(egress::Http2Role::Server, server_told, egress::least_http2_window)) {
        program_told.session = program.get();
        server_told.session = server.get();
        run();
    }

    // Until nobody has anything to say.
    void run() {
        for (bool said = true; said;) {
            said = false;
            said |= move(*program, relay.program());
            said |= move(relay.program(), *program);
            said |= move(relay.server(), *server);
            said |= move(*server, relay.server());
        }
    }
    static bool move(egress::Http2Session& from, egress::Http2Session& to) {
        const std::string bytes = from.take();
        to.give(bytes);
        return !bytes.empty();
    }

    static Http2Fields request(const std::string& path, const Http2Fields& more = {}, const std::string& method = "GET",
                               const std::string& authority = "api.test") {
        Http2Fields head = {{":method", method}, {":scheme", "https"}, {":authority", authority}, {":path", path}};
        head.insert(head.end(), more.begin(), more.end());
        return head;
    }
    // The program asks; what has come of it, once all is said.
    int32_t ask(const Http2Fields& head, bool ends = true) {
        const int32_t stream = program->begin(head, ends);
        run();
        return stream;
    }
    [[nodiscard]] size_t forwarded() const { return server_told.streams.size(); }
};

// RFC 9113, 4.1; RFC 7541, 6.2.2, without compression.
inline std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
    std::string bytes;
    for (const int shift : {16, 8, 0}) {
        bytes += static_cast<char>(payload.size() >> static_cast<unsigned>(shift) & 0xFF);
    }
    bytes += static_cast<char>(type);
    bytes += static_cast<char>(flags);
    for (const int shift : {24, 16, 8, 0}) {
        bytes += static_cast<char>(stream >> static_cast<unsigned>(shift) & 0xFF);
    }
    return bytes + payload;
}
inline std::string packed(const Http2Fields& fields) {
    std::string bytes;
    for (const auto& [name, value] : fields) {
        bytes += std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value; // each below 127
    }
    return bytes;
}
inline const std::string http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "");
namespace http2_frame {
inline constexpr uint8_t data = 0, headers = 1, priority = 2, rst_stream = 3, settings = 4, push_promise = 5, ping = 6, continuation = 9;
inline constexpr uint8_t end_stream = 1, end_headers = 4;
} // namespace http2_frame

} // namespace treadline::test
