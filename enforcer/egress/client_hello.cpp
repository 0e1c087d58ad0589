#include "enforcer/egress/client_hello.h"

#include <cstdint>
#include <optional>
#include <set>
#include <utility>

namespace treadline::egress {
namespace {

constexpr uint8_t handshake = 22;
constexpr uint8_t client_hello = 1;

// Each read is nothing where the bytes end; then the reader stays empty.
class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    std::optional<uint32_t> number(size_t width) {
        const auto part = take(width);
        if (!part) {
            return std::nullopt;
        }
        uint32_t value = 0;
        for (const char byte : *part) {
            value = value << 8 | static_cast<uint8_t>(byte);
        }
        return value;
    }
    std::optional<std::string_view> take(size_t size) {
        if (bytes_.size() < size) {
            bytes_ = {};
            return std::nullopt;
        }
        const std::string_view part = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return part;
    }
    // A vector with its length in front.
    std::optional<std::string_view> vector(size_t width) {
        const auto size = number(width);
        return size ? take(*size) : std::nullopt;
    }

private:
    std::string_view bytes_;
};

HelloReading invalid(std::string problem) {
    HelloReading reading;
    reading.state = HelloReading::State::Invalid;
    reading.problem = std::move(problem);
    return reading;
}

// One name of the one kind there is (RFC 6066, 3).
bool read_server_name(std::string_view body, TlsHello& hello) {
    Reader outer(body);
    const auto list = outer.vector(2);
    if (!list || !outer.empty()) {
        return false;
    }
    Reader names(*list);
    const auto kind = names.number(1);
    const auto name = names.vector(2);
    if (kind != 0U || !name || name->empty() || !names.empty()) {
        return false;
    }
    hello.server_name = std::string(*name);
    return true;
}

bool read_protocols(std::string_view body, TlsHello& hello) {
    Reader outer(body);
    const auto list = outer.vector(2);
    if (!list || list->empty() || !outer.empty()) {
        return false;
    }
    for (Reader names(*list); !names.empty();) {
        const auto name = names.vector(1);
        if (!name || name->empty()) {
            return false;
        }
        hello.protocols.emplace_back(*name);
    }
    return true;
}

HelloReading read_extensions(std::string_view body) {
    HelloReading reading;
    reading.state = HelloReading::State::Complete;
    std::set<uint32_t> seen;
    for (Reader extensions(body); !extensions.empty();) {
        const auto kind = extensions.number(2);
        const auto content = extensions.vector(2);
        if (!kind || !content) {
            return invalid("an extension that is cut off");
        }
        if (!seen.insert(*kind).second) {
            return invalid("an extension that stands twice");
        }
        constexpr uint32_t server_name = 0;
        constexpr uint32_t application_protocols = 16;
        constexpr uint32_t encrypted_client_hello = 0xFE0D;
        constexpr uint32_t encrypted_server_name = 0xFFCE; // its draft predecessor
        if (*kind == server_name && !read_server_name(*content, reading.hello)) {
            return invalid("a server name list that is not one host name");
        }
        if (*kind == application_protocols && !read_protocols(*content, reading.hello)) {
            return invalid("a list of protocols that cannot be read");
        }
        reading.hello.encrypted = reading.hello.encrypted || *kind == encrypted_client_hello || *kind == encrypted_server_name;
    }
    return reading;
}

HelloReading read_body(std::string_view body) {
    Reader reader(body);
    const auto version = reader.number(2);
    const auto random = reader.take(32);
    const auto session = reader.vector(1);
    const auto ciphers = reader.vector(2);
    const auto compression = reader.vector(1);
    if (!version || !random || !session || !ciphers || !compression) {
        return invalid("a ClientHello that is cut off");
    }
    if (*version >> 8 != 3 || session->size() > 32 || ciphers->empty() || ciphers->size() % 2 != 0 || compression->empty()) {
        return invalid("a ClientHello that is none");
    }
    if (reader.empty()) { // TLS 1.0 without extensions
        HelloReading reading;
        reading.state = HelloReading::State::Complete;
        return reading;
    }
    const auto extensions = reader.vector(2);
    if (!extensions || !reader.empty()) {
        return invalid("extensions of another length than they say");
    }
    return read_extensions(*extensions);
}

} // namespace

HelloReading read_client_hello(std::string_view bytes) {
    std::string message;
    Reader reader(bytes);
    for (size_t records = 0; records < max_hello_records; ++records) {
        if (reader.empty()) {
            return {};
        }
        const auto type = reader.number(1);
        if (*type != handshake) {
            return invalid("a record that is no handshake");
        }
        const auto major = reader.number(1);
        if (major && *major != 3) {
            return invalid("a record of another version");
        }
        const auto minor = reader.number(1);
        const auto size = minor ? reader.number(2) : std::nullopt;
        if (size && (*size == 0 || *size > max_hello)) {
            return invalid("a record of " + std::to_string(*size) + " bytes");
        }
        const auto fragment = size ? reader.take(*size) : std::nullopt;
        if (!fragment) {
            return {}; // of its size too much is refused above, so that what is waited for is bounded
        }
        message.append(*fragment);
        Reader head(message);
        const auto kind = head.number(1);
        const auto length = head.number(3);
        if (kind && *kind != client_hello) {
            return invalid("a handshake that does not begin with a ClientHello");
        }
        if (length && *length > max_hello) {
            return invalid("a ClientHello of more than 16 KiB");
        }
        if (!length || message.size() < 4 + *length) {
            continue;
        }
        if (message.size() > 4 + *length) {
            return invalid("more than a ClientHello in one record");
        }
        return read_body(std::string_view(message).substr(4));
    }
    return invalid("a ClientHello in too many records");
}

} // namespace treadline::egress
