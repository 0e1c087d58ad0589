// HTTP/2 between a program and a server, stream by stream, without a socket: each request is judged as one of HTTP/1.1 is, by
// the same rules, and what is refused is answered on its stream while the others go on. What one side does not take the other
// may not send: no more is held than the sessions' windows, each way.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "enforcer/egress/exchange_rules.h"
#include "enforcer/egress/http2.h"

namespace treadline::egress {

using MakeHttp2 = std::function<std::unique_ptr<Http2Session>(Http2Role, Http2Events&)>;

class Http2Relay {
public:
    using Report = std::function<void(Violation)>;
    Http2Relay(const MakeHttp2& make, ExchangeRules& rules, Report report);
    ~Http2Relay();
    Http2Relay(const Http2Relay&) = delete;
    Http2Relay& operator=(const Http2Relay&) = delete;

    // Towards whom is written what comes of what the other has said.
    [[nodiscard]] Http2Session& program() { return *program_; }
    [[nodiscard]] Http2Session& server() { return *server_; }

    [[nodiscard]] size_t open() const { return exchanges_.size(); } // streams of the program
    void server_gone(); // what is open is broken off, and nothing more is taken

private:
    struct Exchange;
    class ProgramSide;
    class ServerSide;
    using Exchanges = std::map<int32_t, std::unique_ptr<Exchange>>; // by the program's stream

    void request(int32_t stream, Http2Fields fields, const std::string& objection, bool ends);
    void request_body(Exchange& exchange, std::string_view bytes);
    void request_ended(Exchange& exchange, const Http2Fields& trailers);
    void answer(Exchange& exchange, Http2Fields fields, const std::string& objection, bool ends);
    void answer_body(Exchange& exchange, std::string_view bytes);
    void answer_ended(Exchange& exchange, const Http2Fields& trailers);
    void refuse(Exchange& exchange, Violation violation);
    void forget_server(Exchange& exchange, uint32_t code);
    void credit(Exchange& exchange);
    Exchange* of_program(int32_t stream);
    Exchange* of_server(int32_t stream);

    ExchangeRules& rules_;
    Report report_;
    std::unique_ptr<ProgramSide> program_events_;
    std::unique_ptr<ServerSide> server_events_;
    std::unique_ptr<Http2Session> program_;
    std::unique_ptr<Http2Session> server_;
    Exchanges exchanges_;
    std::map<int32_t, Exchange*> by_server_;
    bool server_gone_ = false;
};

} // namespace treadline::egress
