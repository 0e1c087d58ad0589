#include <cstdlib>

#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/tls.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::egress;
using Step = TlsSession::Step;

namespace {

struct Pair {
    std::unique_ptr<TlsSession> program; // the gateway as the server
    std::unique_ptr<TlsSession> server;  // the gateway as a client, here of itself

    // What each says goes to the other, in pieces, until neither has more to say.
    Step shake() const {
        Step one = Step::Wants;
        Step other = Step::Wants;
        for (int turn = 0; turn < 20 && (one == Step::Wants || other == Step::Wants); ++turn) {
            other = other == Step::Wants ? server->handshake() : other;
            move(*server, *program);
            one = one == Step::Wants ? program->handshake() : one;
            move(*program, *server);
            if (one == Step::Failed || other == Step::Failed) {
                return Step::Failed;
            }
        }
        return one == Step::Done && other == Step::Done ? Step::Done : Step::Wants;
    }
    static void move(TlsSession& from, TlsSession& to) {
        const std::string bytes = from.take();
        for (size_t at = 0; at < bytes.size(); at += 100) {
            to.give(std::string_view(bytes).substr(at, 100));
        }
    }
};

Authority authority_for(const std::vector<std::string>& hosts) {
    return treadline_tls_library()->make_authority(hosts).value();
}

Pair pair(TlsEngine& engine, const std::string& served, const std::string& asked) {
    return {engine.towards_program(served, {alpn_http1}).value(), engine.towards_server(asked, {alpn_http1}).value()};
}

} // namespace

TEST_CASE("who trusts the run's authority reads what is said, and who does not hears nothing", "[egress][tls]") {
    const test::TemporaryDirectory directory;
    const Authority authority = authority_for({"api.test"});
    ::setenv("SSL_CERT_FILE", directory.write("ca.pem", authority.certificate).c_str(), 1);
    ::setenv("SSL_CERT_DIR", directory.path().c_str(), 1);
    const auto engine = treadline_tls_library()->make_engine(authority).value();
    const Pair good = pair(*engine, "api.test", "api.test");
    REQUIRE(good.shake() == Step::Done);
    CHECK(good.server->write("hello") == Step::Done);
    Pair::move(*good.server, *good.program);
    std::string read;
    CHECK(good.program->read(read, 100) == Step::Done);
    CHECK(read == "hello");
    CHECK(good.program->read(read, 100) == Step::Wants);
    good.server->end();
    Pair::move(*good.server, *good.program);
    CHECK(good.program->read(read, 100) == Step::Ended);

    const Authority other = authority_for({"api.test"});
    const auto stranger = treadline_tls_library()->make_engine(other).value();
    const Pair untrusted = {stranger->towards_program("api.test", {alpn_http1}).value(), engine->towards_server("api.test", {alpn_http1}).value()};
    CHECK(untrusted.shake() == Step::Failed);
    CHECK(untrusted.server->problem().find("not trusted") != std::string::npos);
}

TEST_CASE("a certificate for another name is refused, and the authority cannot make one for a host no rule names", "[egress][tls]") {
    const test::TemporaryDirectory directory;
    const Authority authority = authority_for({"api.test", "below.test"});
    ::setenv("SSL_CERT_FILE", directory.write("ca.pem", authority.certificate).c_str(), 1);
    ::setenv("SSL_CERT_DIR", directory.path().c_str(), 1);
    const auto engine = treadline_tls_library()->make_engine(authority).value();
    CHECK(pair(*engine, "x.below.test", "x.below.test").shake() == Step::Done);
    const Pair mismatch = pair(*engine, "api.test", "below.test");
    CHECK(mismatch.shake() == Step::Failed);
    CHECK(mismatch.server->problem().find("hostname mismatch") != std::string::npos);
    const Pair beyond = pair(*engine, "bank.test", "bank.test");
    CHECK(beyond.shake() == Step::Failed);
    CHECK(beyond.server->problem().find("permitted subtree") != std::string::npos);
}

TEST_CASE("a Java key store gets one certificate more, and its other entries stay", "[egress][tls]") {
    const Authority authority = authority_for({"api.test"});
    std::string store("\xFE\xED\xFE\xED\0\0\0\x02\0\0\0\x01", 12);
    store += "ENTRY" + std::string(20, 'd');
    const auto more = treadline_tls_library()->with_certificate(store, authority.certificate);
    REQUIRE(more);
    CHECK(more->substr(0, 12) == std::string("\xFE\xED\xFE\xED\0\0\0\x02\0\0\0\x02", 12));
    CHECK(more->substr(12, 5) == "ENTRY");
    CHECK(more->find("treadline") != std::string::npos);
    CHECK(more->size() > store.size() + 200);
    CHECK_FALSE(treadline_tls_library()->with_certificate("", authority.certificate));
    CHECK_FALSE(treadline_tls_library()->with_certificate("0\x82\x01" + std::string(100, 'x'), authority.certificate)); // PKCS #12
}
