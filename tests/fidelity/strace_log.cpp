#include "tests/fidelity/strace_log.h"

#include <algorithm>
#include <map>
#include <optional>

namespace treadline::test {
namespace {

// One call: its name, arguments as they stand, and result.
struct Call {
    std::string name;
    std::vector<std::string> arguments;
    std::string result;
};

// Past a quoted string or an annotation in <>, which may hold anything.
size_t skip_quoted(std::string_view text, size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at) {
        at += text[at] == '\\' ? 1 : 0;
    }
    return at;
}

size_t skip_annotation(std::string_view text, size_t at) {
    int depth = 0;
    for (; at < text.size(); ++at) {
        depth += text[at] == '<' ? 1 : 0;
        if (text[at] == '>' && text[at - 1] != '-' && --depth == 0) { // "->" stands between addresses
            break;
        }
    }
    return at;
}

std::optional<Call> parse_call(std::string_view line) {
    const size_t open = line.find('(');
    if (open == std::string_view::npos || open == 0) {
        return std::nullopt;
    }
    Call call;
    call.name = line.substr(0, open);
    size_t start = open + 1;
    int depth = 0;
    for (size_t at = start; at < line.size(); ++at) {
        const char c = line[at];
        if (c == '"') {
            at = skip_quoted(line, at);
        } else if (c == '<' && line[at - 1] != '<' && line.substr(at, 2) != "<<") {
            at = skip_annotation(line, at);
        } else if (c == '(' || c == '[' || c == '{') {
            ++depth;
        } else if (depth > 0 && (c == ')' || c == ']' || c == '}')) {
            --depth;
        } else if (c == ',' && depth == 0) {
            call.arguments.emplace_back(line.substr(start, at - start));
            start = line.find_first_not_of(' ', at + 1);
            at = start == std::string_view::npos ? line.size() : start - 1;
        } else if (c == ')') {
            call.arguments.emplace_back(line.substr(start, at - start));
            const size_t equals = line.find("= ", at);
            call.result = equals == std::string_view::npos ? "" : line.substr(equals + 2);
            return call;
        }
    }
    return std::nullopt;
}

// The bytes of a string as strace writes it, or of a path in <>: octal escapes, and a few letters.
std::string unescape(std::string_view text) {
    const std::map<char, char> letters = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'v', '\v'},
                                          {'f', '\f'}, {'a', '\a'}, {'b', '\b'}};
    std::string bytes;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            bytes += text[i];
            continue;
        }
        const char c = text[++i];
        if (c >= '0' && c <= '7') {
            int value = 0;
            for (int digits = 0; digits < 3 && i < text.size() && text[i] >= '0' && text[i] <= '7';
                 ++digits) {
                value = value * 8 + (text[i++] - '0');
            }
            --i;
            bytes += static_cast<char>(value);
        } else {
            const auto letter = letters.find(c);
            bytes += letter == letters.end() ? c : letter->second;
        }
    }
    return bytes;
}

std::string quoted(std::string_view text) {
    const size_t first = text.find('"');
    const size_t last = text.rfind('"');
    return first == last ? "" : unescape(text.substr(first + 1, last - first - 1));
}

// "3</a/b>" and "3</dev/null<char 1:3>>" give the path; sockets, pipes and what was deleted give none.
std::string annotated(std::string_view text) {
    const size_t first = text.find('<');
    if (first == std::string_view::npos || text.substr(first + 1, 1) != "/") {
        return {};
    }
    const std::string_view inside = text.substr(first + 1);
    const std::string_view path = inside.substr(0, inside.find_first_of("<>"));
    return text.find("(deleted)") == std::string_view::npos ? unescape(path) : "";
}

struct Named {     // which argument of a call names what
    int directory; // -1: the working directory, which the log does not tell
    int path;
    const char* kind;
};
const std::multimap<std::string, Named> named_calls = {
    {"unlink", {-1, 0, "delete"}},   {"unlinkat", {0, 1, "delete"}}, {"rmdir", {-1, 0, "delete"}},
    {"mkdir", {-1, 0, "create"}},    {"mkdirat", {0, 1, "create"}},  {"mknod", {-1, 0, "create"}},
    {"mknodat", {0, 1, "create"}},   {"symlink", {-1, 1, "create"}}, {"symlinkat", {1, 2, "create"}},
    {"link", {-1, 0, "read"}},       {"link", {-1, 1, "create"}},    {"linkat", {0, 1, "read"}},
    {"linkat", {2, 3, "create"}},    {"rename", {-1, 0, "delete"}},  {"rename", {-1, 1, "create"}},
    {"renameat", {0, 1, "delete"}},  {"renameat", {2, 3, "create"}}, {"renameat2", {0, 1, "delete"}},
    {"renameat2", {2, 3, "create"}}, {"truncate", {-1, 0, "write"}}, {"chmod", {-1, 0, "write"}},
    {"fchmodat", {0, 1, "write"}},   {"chown", {-1, 0, "write"}},    {"lchown", {-1, 0, "write"}},
    {"fchownat", {0, 1, "write"}},   {"utime", {-1, 0, "write"}},    {"utimes", {-1, 0, "write"}},
    {"utimensat", {0, 1, "write"}},  {"setxattr", {-1, 0, "write"}}, {"chdir", {-1, 0, "list"}},
    {"stat", {-1, 0, "stat"}},       {"lstat", {-1, 0, "stat"}},     {"access", {-1, 0, "stat"}},
    {"readlink", {-1, 0, "stat"}},   {"newfstatat", {0, 1, "stat"}}, {"statx", {0, 1, "stat"}},
    {"faccessat", {0, 1, "stat"}},   {"faccessat2", {0, 1, "stat"}}, {"readlinkat", {0, 1, "stat"}},
    {"statfs", {-1, 0, "stat"}},     {"execve", {-1, 0, "execute"}}, {"execveat", {0, 1, "execute"}},
};

std::vector<std::vector<std::string>> opened_kinds(const std::string& flags) {
    const auto has = [&](const char* flag) { return flags.find(flag) != std::string::npos; };
    if (has("O_PATH")) {
        return {{"stat"}};
    }
    if (has("O_WRONLY")) {
        return {{"write"}};
    }
    if (has("O_RDWR")) {
        return {{"read"}, {"write"}};
    }
    return {{"read", "list"}};
}

std::string after(const std::string& text, const std::string& word, const char* end) {
    const size_t at = text.find(word);
    return at == std::string::npos
               ? ""
               : text.substr(at + word.size(), text.find_first_of(end, at + word.size()) - at - word.size());
}

void add_address(const Call& call, const std::string& line, std::vector<Seen>& seen) {
    const std::string text = call.arguments.size() > 1 ? call.arguments[1] : "";
    Seen contact{{call.name}, "", "", line};
    if (text.find("AF_UNIX") != std::string::npos) {
        const std::string name = quoted(text);
        if (text.find("sun_path=@") != std::string::npos) {
            contact.address = "@" + name;
        } else if (!name.empty()) {
            contact.kinds = {call.name == "bind" ? "create" : "connect"};
            contact.path = name;
        }
    } else if (text.find("AF_INET") != std::string::npos) {
        const std::string quote =
            text.find("AF_INET6") != std::string::npos ? "inet_pton(AF_INET6, \"" : "inet_addr(\"";
        contact.address = after(text, quote, "\"") + ":" + after(text, "_port=htons(", ")");
    }
    if (!contact.path.empty() || !contact.address.empty()) {
        seen.push_back(std::move(contact));
    }
}

void add(const Call& call, const std::string& line, std::vector<Seen>& seen) {
    const bool later = call.result.find("EINPROGRESS") != std::string::npos;
    if (call.result.empty() || (!later && (call.result[0] < '0' || call.result[0] > '9'))) {
        return;
    }
    if (call.name == "open" || call.name == "openat" || call.name == "openat2" || call.name == "creat") {
        const std::string path = annotated(call.result);
        if (call.name == "creat" || (line.find("O_TMPFILE") != std::string::npos) || path.empty()) {
            return;
        }
        // The flags come behind the path, which may read like anything.
        const std::string flags = call.arguments.at(call.name == "open" ? 1 : 2);
        for (const auto& kinds : opened_kinds(flags)) {
            seen.push_back({kinds, path, "", line});
        }
        return;
    }
    if (call.name == "connect" || call.name == "bind") {
        add_address(call, line, seen);
        return;
    }
    for (auto [at, end] = named_calls.equal_range(call.name); at != end; ++at) {
        const Named& named = at->second;
        std::string path = quoted(call.arguments.at(static_cast<size_t>(named.path)));
        if (path.empty()) { // a descriptor's own
            continue;
        }
        if (path.front() != '/' && named.directory >= 0) {
            const std::string base = annotated(call.arguments.at(static_cast<size_t>(named.directory)));
            path = base.empty() ? path : base + "/" + path;
        }
        seen.push_back({{named.kind}, path, "", line});
    }
}

} // namespace

std::vector<Seen> read_strace(std::string_view log) {
    std::vector<Seen> seen;
    std::map<std::string, std::string> unfinished; // by process
    while (!log.empty()) {
        const size_t end = std::min(log.find('\n'), log.size());
        std::string line(log.substr(0, end));
        log.remove_prefix(std::min(end + 1, log.size()));
        const size_t space = line.find_first_not_of("0123456789");
        const std::string process = line.substr(0, space);
        line.erase(0, line.find_first_not_of(' ', std::min(space, line.size())));
        if (const size_t cut = line.find(" <unfinished ...>"); cut != std::string::npos) {
            unfinished[process] = line.substr(0, cut);
            continue;
        }
        if (const size_t resumed = line.find(" resumed>");
            line.substr(0, 5) == "<... " && resumed != std::string::npos) {
            line = unfinished[process] + line.substr(resumed + 9);
        }
        if (const auto call = parse_call(line)) {
            add(*call, line, seen);
        }
    }
    return seen;
}

} // namespace treadline::test
