// ClientHellos, byte by byte (RFC 8446, 4.1.2).
#pragma once

#include <string>
#include <vector>

namespace treadline::test {

inline std::string number(size_t value, size_t width) {
    std::string bytes;
    for (size_t i = width; i > 0; --i) {
        bytes.push_back(static_cast<char>(value >> (8 * (i - 1)) & 0xFF));
    }
    return bytes;
}
inline std::string vector_of(const std::string& bytes, size_t width) {
    return number(bytes.size(), width) + bytes;
}
inline std::string extension(size_t kind, const std::string& body) {
    return number(kind, 2) + vector_of(body, 2);
}
inline std::string server_names(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) {
        list += number(0, 1) + vector_of(name, 2);
    }
    return extension(0, vector_of(list, 2));
}
inline std::string server_name(const std::string& name) {
    return server_names({name});
}
inline std::string protocols(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) {
        list += vector_of(name, 1);
    }
    return extension(16, vector_of(list, 2));
}
inline std::string hello_without_extensions() {
    const std::string body = number(0x0303, 2) + std::string(32, 'r') + vector_of(std::string(32, 's'), 1) + vector_of("\x13\x01", 2) +
                             vector_of(std::string(1, '\0'), 1);
    return number(1, 1) + vector_of(body, 3);
}
inline std::string hello(const std::vector<std::string>& extensions) {
    std::string all;
    for (const std::string& one : extensions) {
        all += one;
    }
    return number(1, 1) + vector_of(hello_without_extensions().substr(4) + vector_of(all, 2), 3);
}
inline std::string record(const std::string& fragment) {
    return "\x16\x03\x01" + vector_of(fragment, 2);
}

} // namespace treadline::test
