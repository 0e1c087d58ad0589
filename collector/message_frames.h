// Cuts a byte stream that arrives in pieces of any size into messages. Bounded: what is too long ends it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace treadline {

class MessageFrames {
public:
    enum class Kind : unsigned char {
        Length, // two bytes, big-endian, then so many (DNS over TCP, RFC 1035, 4.2.2)
        Nul,    // each message ends with a NUL (varlink)
    };
    // A message longer than `limit` breaks the stream; one of the kind Length is skipped instead.
    MessageFrames(Kind kind, size_t limit) : kind_(kind), limit_(limit) {}

    void add(std::string_view piece);
    // The next whole message; none: more must arrive first. Valid until the next call of any kind.
    std::optional<std::string_view> next();
    // Bytes are missing: where the next message starts cannot be told any more.
    void lose();
    [[nodiscard]] bool broken() const { return broken_; }

private:
    Kind kind_;
    size_t limit_;
    std::string bytes_;
    size_t used_ = 0; // of bytes_, by messages that were handed out
    size_t skip_ = 0; // bytes of a message that is too long, still to come
    bool broken_ = false;
};

} // namespace treadline
