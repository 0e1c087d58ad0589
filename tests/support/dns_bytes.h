// Building DNS messages byte by byte, also such as no server would send.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace treadline::test {

constexpr uint16_t dns_a = 1;
constexpr uint16_t dns_cname = 5;
constexpr uint16_t dns_txt = 16;
constexpr uint16_t dns_aaaa = 28;

inline std::string big_endian(uint16_t number) {
    return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
}

// "a.b" -> "\1a\1b\0"
inline std::string dns_name(std::string_view dotted) {
    std::string wire;
    while (!dotted.empty()) {
        const size_t end = dotted.find('.');
        const std::string_view label = dotted.substr(0, end);
        wire += static_cast<char>(label.size());
        wire += label;
        dotted.remove_prefix(end == std::string_view::npos ? dotted.size() : end + 1);
    }
    return wire + '\0';
}

class DnsBytes {
public:
    // `flags`: 0x0100 a query, 0x8180 a response; its lowest four bits the error code.
    DnsBytes(uint16_t id, uint16_t flags) : id_(id), flags_(flags) {}

    DnsBytes& question(const std::string& wire_name, uint16_t type) {
        ++questions_;
        body_ += wire_name + big_endian(type) + big_endian(1);
        return *this;
    }
    DnsBytes& answer(const std::string& wire_name, uint16_t type, const std::string& data) {
        ++answers_;
        return record(wire_name, type, data);
    }
    DnsBytes& additional(const std::string& wire_name, uint16_t type, const std::string& data) {
        ++additional_;
        return record(wire_name, type, data);
    }
    [[nodiscard]] std::string bytes() const {
        return big_endian(id_) + big_endian(flags_) + big_endian(questions_) + big_endian(answers_) +
               big_endian(0) + big_endian(additional_) + body_;
    }

private:
    DnsBytes& record(const std::string& wire_name, uint16_t type, const std::string& data) {
        body_ += wire_name + big_endian(type) + big_endian(1) + std::string("\0\0\0\x3c", 4) +
                 big_endian(static_cast<uint16_t>(data.size())) + data;
        return *this;
    }
    uint16_t id_;
    uint16_t flags_;
    uint16_t questions_ = 0;
    uint16_t answers_ = 0;
    uint16_t additional_ = 0;
    std::string body_;
};

constexpr std::string_view dns_question_pointer("\xc0\x0c", 2); // to the question's name

} // namespace treadline::test
