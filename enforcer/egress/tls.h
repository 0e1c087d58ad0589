// TLS without a socket: bytes in, bytes out. What the gateway knows of it is this file; the libraries behind it and http2.h are
// loaded only for profiles that look into TLS (tls_loader.h), since they would cost every start as much as half of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "enforcer/egress/http2.h"

namespace treadline::egress {

// One end of one connection.
class TlsSession {
public:
    enum class Step : uint8_t {
        Done,
        Wants, // more from the peer
        Ended, // the peer has said that nothing more comes
        Failed // see problem()
    };
    virtual ~TlsSession() = default;
    virtual void give(std::string_view from_peer) = 0;
    virtual std::string take() = 0; // what the peer is to be sent now; after every other call
    virtual Step handshake() = 0;
    virtual Step read(std::string& into, size_t most) = 0; // appends
    virtual Step write(std::string_view bytes) = 0;        // all of it
    virtual void end() = 0;                                // nothing more will be written
    [[nodiscard]] virtual std::string problem() const = 0; // a phrase: "its certificate has expired"
    [[nodiscard]] virtual std::string protocol() const = 0; // that both chose (ALPN); "" for none
};

// Whoever vouches inside, in this run only, for the hosts that are looked into.
struct Authority {
    std::string certificate; // PEM
    std::string key;         // PEM
};

// `protocols` by their ALPN names, the one to be preferred first.
inline constexpr const char* alpn_http1 = "http/1.1";
inline constexpr const char* alpn_http2 = "h2";

class TlsEngine {
public:
    virtual ~TlsEngine() = default;
    // As the server `host`, by a certificate of the run's authority, in one of these protocols if any is asked for. No name is
    // asked for but judged before.
    virtual result<std::unique_ptr<TlsSession>> towards_program(const std::string& host, const std::vector<std::string>& protocols) = 0;
    // As a client who trusts whom this machine trusts, and that server only.
    virtual result<std::unique_ptr<TlsSession>> towards_server(const std::string& host, const std::vector<std::string>& protocols) = 0;
    // What may be spoken inside; the library for it is in the same module.
    virtual std::unique_ptr<Http2Session> http2(Http2Role role, Http2Events& events, size_t window) = 0;
};

class TlsLibrary {
public:
    virtual ~TlsLibrary() = default;
    // It can vouch for nothing but these hosts and what is below them.
    virtual result<Authority> make_authority(const std::vector<std::string>& hosts) = 0;
    virtual result<std::unique_ptr<TlsEngine>> make_engine(const Authority& authority) = 0;
    // A Java key store (JKS) with the certificate as one more; fails where it is no such store.
    virtual result<std::string> with_certificate(std::string_view java_store, const std::string& certificate) = 0;
};

// What the module defines.
extern "C" TlsLibrary* treadline_tls_library();
inline constexpr const char* tls_module = "treadline-tls.so";

} // namespace treadline::egress
