#include "enforcer/egress/dns_message.h"

namespace treadline::egress {
namespace {

constexpr size_t header_size = 12;
constexpr size_t max_name = 255;
constexpr uint16_t option_type = 41;
constexpr uint16_t udp_size = 1232; // no answer of ours is longer

uint16_t number_at(std::string_view bytes, size_t at) {
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

std::string number(uint32_t value, size_t width) {
    std::string bytes;
    for (size_t i = width; i > 0; --i) {
        bytes.push_back(static_cast<char>(value >> (8 * (i - 1)) & 0xFF));
    }
    return bytes;
}

// The size of the name there; 0 where it is none, or a pointer.
size_t read_name(std::string_view bytes, std::string& name) {
    size_t at = 0;
    for (;;) {
        if (at >= bytes.size()) {
            return 0;
        }
        const auto size = static_cast<uint8_t>(bytes[at++]);
        if (size == 0) {
            return at;
        }
        if (size > 63 || at + size > bytes.size() || at + size >= max_name) {
            return 0;
        }
        if (!name.empty()) {
            name.push_back('.');
        }
        for (const char byte : bytes.substr(at, size)) {
            name.append(byte == '.' ? "\\." : std::string(1, byte));
        }
        at += size;
    }
}

} // namespace

std::optional<DnsQuestion> read_question(std::string_view message) {
    if (message.size() < header_size || (message[2] & 0x80) != 0) {
        return std::nullopt;
    }
    DnsQuestion question;
    question.header = std::string(message.substr(0, header_size));
    question.query = (message[2] & 0x78) == 0;
    const bool one = number_at(message, 4) == 1 && number_at(message, 6) == 0 && number_at(message, 8) == 0;
    if (!question.query || !one) {
        return question;
    }
    const std::string_view rest = message.substr(header_size);
    std::string name;
    const size_t size = read_name(rest, name);
    if (size == 0 || rest.size() < size + 4) {
        return question;
    }
    question.name = std::move(name);
    question.type = number_at(rest, size);
    question.klass = number_at(rest, size + 2);
    question.wire = std::string(rest.substr(0, size + 4));
    const std::string_view additional = rest.substr(size + 4);
    question.extended = number_at(message, 10) > 0 && additional.size() >= 11 && additional[0] == 0 && number_at(additional, 1) == option_type;
    return question;
}

std::string write_answer(const DnsQuestion& question, const DnsAnswer& answer) {
    std::string out = question.header.substr(0, 2);
    const auto flags = static_cast<uint8_t>(question.header[2]);
    out.push_back(static_cast<char>(0x80 | (flags & 0x79))); // an answer; opcode and recursion desired as asked
    out.push_back(static_cast<char>(0x80 | static_cast<uint8_t>(answer.rcode))); // recursion available
    out += number(question.wire.empty() ? 0 : 1, 2) + number(answer.address.empty() ? 0 : 1, 2) + number(0, 2) + number(question.extended ? 1 : 0, 2);
    out += question.wire;
    if (!answer.address.empty()) {
        out += number(0xC000 | header_size, 2); // the question's name
        out += number(question.type, 2) + number(question.klass, 2) + number(answer.lifetime_s, 4);
        out += number(static_cast<uint32_t>(answer.address.size()), 2) + answer.address;
    }
    if (question.extended) {
        std::string options;
        if (!answer.prohibited.empty()) {
            constexpr uint32_t extended_error = 15;
            constexpr uint32_t prohibited = 18;
            const std::string text = answer.prohibited.substr(0, 200);
            options = number(extended_error, 2) + number(static_cast<uint32_t>(2 + text.size()), 2) + number(prohibited, 2) + text;
        }
        out += std::string(1, '\0') + number(option_type, 2) + number(udp_size, 2) + number(0, 4) + number(static_cast<uint32_t>(options.size()), 2) + options;
    }
    return out;
}

} // namespace treadline::egress
