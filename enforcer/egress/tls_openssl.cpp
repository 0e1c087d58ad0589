// The module behind tls.h.
#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <map>
#include <utility>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "enforcer/egress/tls.h"

namespace treadline::egress {
namespace {

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Deleter<SSL_free>>;

constexpr long day = 24 * 60 * 60;
constexpr long lifetime = 30 * day;        // longer than any run
constexpr size_t most_certificates = 4096; // as many names as a run has addresses for

failure failed(const std::string& doing) {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return fail(doing + (reason == nullptr ? "" : std::string(": ") + reason));
}

std::string pem_of(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return size > 0 ? std::string(bytes, static_cast<size_t>(size)) : "";
}

bool extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_nconf_nid(nullptr, &context, kind, value.c_str());
    const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

bool set_name(X509* certificate, const std::string& name) {
    X509_NAME* subject = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()),
                                      -1, 0) == 1;
}

bool set_serial(X509* certificate) {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        return false;
    }
    bytes[0] &= 0x7F;
    BIGNUM* number = BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr);
    const bool set = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
    BN_free(number);
    return set;
}

// Without its extensions and signature.
Certificate begin_certificate(EVP_PKEY* key) {
    Certificate made(X509_new());
    const bool good = made && X509_set_version(made.get(), 2) == 1 && set_serial(made.get()) &&
                      X509_gmtime_adj(X509_getm_notBefore(made.get()), -day) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(made.get()), lifetime) != nullptr && X509_set_pubkey(made.get(), key) == 1;
    return good ? std::move(made) : nullptr;
}

// As ALPN has them (RFC 7301).
std::string listed(const std::vector<std::string>& protocols) {
    std::string list;
    for (const std::string& protocol : protocols) {
        list += static_cast<char>(protocol.size()) + protocol;
    }
    return list;
}

const unsigned char* bytes_of(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

class Session final : public TlsSession {
public:
    Session(Connection connection, std::string protocols) : ssl_(std::move(connection)), protocols_(std::move(protocols)) {
        SSL_set_app_data(ssl_.get(), this);
    }

    // In which of ours the program asked to speak.
    int choose(const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned offered_size) const {
        unsigned char* found = nullptr;
        const int selected = SSL_select_next_proto(&found, size, bytes_of(protocols_), static_cast<unsigned>(protocols_.size()), offered, offered_size);
        *chosen = found;
        return selected == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    void give(std::string_view from_peer) override { BIO_write(SSL_get_rbio(ssl_.get()), from_peer.data(), static_cast<int>(from_peer.size())); }

    std::string take() override {
        BIO* out = SSL_get_wbio(ssl_.get());
        std::string bytes(BIO_ctrl_pending(out), '\0');
        if (!bytes.empty() && BIO_read(out, bytes.data(), static_cast<int>(bytes.size())) != static_cast<int>(bytes.size())) {
            bytes.clear();
        }
        return bytes;
    }

    Step handshake() override { return step(SSL_do_handshake(ssl_.get())); }

    Step read(std::string& into, size_t most) override {
        const size_t before = into.size();
        into.resize(before + most);
        size_t got = 0;
        const Step done = step(SSL_read_ex(ssl_.get(), into.data() + before, most, &got));
        into.resize(before + got);
        return done;
    }

    Step write(std::string_view bytes) override {
        size_t written = 0;
        const Step done = bytes.empty() ? Step::Done : step(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written));
        return done == Step::Wants ? Step::Failed : done; // memory always takes all of it
    }

    void end() override {
        if (SSL_is_init_finished(ssl_.get()) == 1) {
            SSL_shutdown(ssl_.get());
        }
        ERR_clear_error();
    }

    [[nodiscard]] std::string problem() const override { return problem_; }

    [[nodiscard]] std::string protocol() const override {
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl_.get(), &name, &size);
        return {reinterpret_cast<const char*>(name), size};
    }

private:
    Step step(int result) {
        if (result > 0) {
            return Step::Done;
        }
        switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return Step::Wants;
        case SSL_ERROR_ZERO_RETURN:
            return Step::Ended;
        default: {
            const long verified = SSL_get_verify_result(ssl_.get());
            const char* reason = ERR_reason_error_string(ERR_peek_error());
            problem_ = verified != X509_V_OK ? std::string("its certificate is not trusted: ") + X509_verify_cert_error_string(verified)
                       : reason != nullptr   ? reason
                                             : "the connection broke off";
            ERR_clear_error();
            return Step::Failed;
        }
        }
    }

    Connection ssl_;
    std::string protocols_; // what the program may choose from
    std::string problem_;
};

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned offered_size,
                    void* /*argument*/) {
    return static_cast<const Session*>(SSL_get_app_data(ssl))->choose(chosen, size, offered, offered_size);
}

Context make_context(const SSL_METHOD* method) {
    Context context(SSL_CTX_new(method));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
        return nullptr;
    }
    // No resumption (each connection is judged by itself), no renegotiation, no buffers kept for connections at rest.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    return context;
}

class Engine final : public TlsEngine {
public:
    static result<std::unique_ptr<TlsEngine>> make(const Authority& authority) {
        auto engine = std::make_unique<Engine>();
        const Bio certificate(BIO_new_mem_buf(authority.certificate.data(), static_cast<int>(authority.certificate.size())));
        const Bio key(BIO_new_mem_buf(authority.key.data(), static_cast<int>(authority.key.size())));
        engine->issuer_.reset(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
        engine->issuer_key_.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
        engine->own_key_.reset(EVP_EC_gen("P-256"));
        engine->server_ = make_context(TLS_server_method());
        engine->client_ = make_context(TLS_client_method());
        if (!engine->issuer_ || !engine->issuer_key_ || !engine->own_key_ || !engine->server_ || !engine->client_) {
            return failed("cannot prepare the gateway's TLS");
        }
        SSL_CTX_set_alpn_select_cb(engine->server_.get(), choose_protocol, nullptr);
        SSL_CTX_set_verify(engine->client_.get(), SSL_VERIFY_PEER, nullptr);
        // $SSL_CERT_FILE and $SSL_CERT_DIR of whoever started the run count, as for other programs.
        if (SSL_CTX_set_default_verify_paths(engine->client_.get()) != 1) {
            return failed("cannot prepare the gateway's TLS towards servers");
        }
        return std::unique_ptr<TlsEngine>(std::move(engine));
    }

    result<std::unique_ptr<TlsSession>> towards_program(const std::string& host, const std::vector<std::string>& protocols) override {
        X509* certificate = certificate_for(host);
        Connection ssl = connection(server_.get());
        if (certificate == nullptr || !ssl || SSL_use_certificate(ssl.get(), certificate) != 1 || SSL_use_PrivateKey(ssl.get(), own_key_.get()) != 1) {
            return failed("cannot make a certificate for '" + host + "'");
        }
        SSL_set_accept_state(ssl.get());
        return std::unique_ptr<TlsSession>(new Session(std::move(ssl), listed(protocols)));
    }

    result<std::unique_ptr<TlsSession>> towards_server(const std::string& host, const std::vector<std::string>& protocols) override {
        Connection ssl = connection(client_.get());
        const std::string offer = listed(protocols);
        if (!ssl || SSL_set_tlsext_host_name(ssl.get(), host.c_str()) != 1 || SSL_set1_host(ssl.get(), host.c_str()) != 1 ||
            SSL_set_alpn_protos(ssl.get(), bytes_of(offer), static_cast<unsigned>(offer.size())) != 0) {
            return failed("cannot begin TLS towards '" + host + "'");
        }
        SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        SSL_set_connect_state(ssl.get());
        return std::unique_ptr<TlsSession>(new Session(std::move(ssl), {}));
    }

    std::unique_ptr<Http2Session> http2(Http2Role role, Http2Events& events, size_t window) override { return make_http2_session(role, events, window); }

private:
    static Connection connection(SSL_CTX* context) {
        Connection ssl(SSL_new(context));
        BIO* in = BIO_new(BIO_s_mem());
        BIO* out = BIO_new(BIO_s_mem());
        if (!ssl || in == nullptr || out == nullptr) {
            BIO_free(in);
            BIO_free(out);
            return nullptr;
        }
        SSL_set_bio(ssl.get(), in, out);
        return ssl;
    }

    X509* certificate_for(const std::string& host) {
        const auto known = certificates_.find(host);
        if (known != certificates_.end()) {
            return known->second.get();
        }
        if (certificates_.size() >= most_certificates) {
            certificates_.clear();
        }
        Certificate made = begin_certificate(own_key_.get());
        // A common name holds 64 characters at most; the name that counts is the alternative one.
        if (!made || !set_name(made.get(), host.size() <= 64 ? host : "host") ||
            X509_set_issuer_name(made.get(), X509_get_subject_name(issuer_.get())) != 1 ||
            !extend(made.get(), issuer_.get(), NID_basic_constraints, "critical,CA:FALSE") ||
            !extend(made.get(), issuer_.get(), NID_key_usage, "critical,digitalSignature") ||
            !extend(made.get(), issuer_.get(), NID_ext_key_usage, "serverAuth") ||
            !extend(made.get(), issuer_.get(), NID_subject_key_identifier, "hash") ||
            !extend(made.get(), issuer_.get(), NID_authority_key_identifier, "keyid:always") ||
            !extend(made.get(), issuer_.get(), NID_subject_alt_name, "DNS:" + host) || X509_sign(made.get(), issuer_key_.get(), EVP_sha256()) == 0) {
            return nullptr;
        }
        return certificates_.emplace(host, std::move(made)).first->second.get();
    }

    Certificate issuer_;
    Key issuer_key_;
    Key own_key_; // of all leaf certificates of the run
    Context server_;
    Context client_;
    std::map<std::string, Certificate> certificates_;
};

uint32_t big_endian(std::string_view bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) {
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return value;
}

std::string big_endian(uint64_t value, int bytes) {
    std::string out;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFF);
    }
    return out;
}

class Library final : public TlsLibrary {
public:
    result<Authority> make_authority(const std::vector<std::string>& hosts) override {
        const Key key(EVP_EC_gen("P-256"));
        Certificate made = key ? begin_certificate(key.get()) : nullptr;
        std::string names = "critical";
        for (const std::string& host : hosts) {
            names += ",permitted;DNS:" + host;
        }
        if (!made || !set_name(made.get(), "treadline, this run only") || X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())) != 1 ||
            !extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
            !extend(made.get(), made.get(), NID_key_usage, "critical,keyCertSign") ||
            !extend(made.get(), made.get(), NID_subject_key_identifier, "hash") || !extend(made.get(), made.get(), NID_name_constraints, names) ||
            X509_sign(made.get(), key.get(), EVP_sha256()) == 0) {
            return failed("cannot make the run's certificate authority");
        }
        const Bio certificate_text(BIO_new(BIO_s_mem()));
        const Bio key_text(BIO_new(BIO_s_mem()));
        if (PEM_write_bio_X509(certificate_text.get(), made.get()) != 1 ||
            PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
            return failed("cannot write the run's certificate authority");
        }
        return Authority{pem_of(certificate_text.get()), pem_of(key_text.get())};
    }

    result<std::unique_ptr<TlsEngine>> make_engine(const Authority& authority) override { return Engine::make(authority); }

    // Magic, version 2, a count, entries, and the SHA-1 of a password, a fixed phrase and all of that. The password of stores
    // that hold nothing secret is the same everywhere.
    result<std::string> with_certificate(std::string_view java_store, const std::string& certificate) override {
        constexpr size_t head = 12;
        constexpr size_t digest_size = 20;
        constexpr uint32_t trusted_certificate = 2;
        if (java_store.size() < head + digest_size || big_endian(java_store, 0) != 0xFEEDFEED || big_endian(java_store, 4) != 2) {
            return fail("it is no Java key store of the usual form (JKS)");
        }
        const Bio text(BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())));
        const Certificate read(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
        unsigned char* der = nullptr;
        const int size = read ? i2d_X509(read.get(), &der) : 0;
        if (size <= 0) {
            return failed("cannot read the run's certificate");
        }
        const std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
        OPENSSL_free(der);
        const auto counted = [](const std::string& word) { return big_endian(word.size(), 2) + word; };
        std::string store(java_store.substr(0, 8));
        store += big_endian(big_endian(java_store, 8) + 1, 4);
        store += java_store.substr(head, java_store.size() - head - digest_size);
        store += big_endian(trusted_certificate, 4) + counted("treadline") + big_endian(static_cast<uint64_t>(std::time(nullptr)) * 1000, 8) +
                 counted("X.509") + big_endian(bytes.size(), 4) + bytes;
        std::string signed_bytes;
        for (const char c : std::string_view("changeit")) {
            signed_bytes += std::string(1, '\0') + c;
        }
        signed_bytes += "Mighty Aphrodite" + store;
        std::array<unsigned char, digest_size> digest{};
        if (EVP_Digest(signed_bytes.data(), signed_bytes.size(), digest.data(), nullptr, EVP_sha1(), nullptr) != 1) {
            return failed("cannot sign the run's Java key store");
        }
        return store + std::string(reinterpret_cast<char*>(digest.data()), digest.size());
    }
};

} // namespace

extern "C" TlsLibrary* treadline_tls_library() {
    static Library library;
    return &library;
}

} // namespace treadline::egress
