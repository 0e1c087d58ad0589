#include "collector/event_view.h"

#include <cstring>

namespace treadline {
namespace {

// Cuts the fixed part and then the variable parts off the front.
class Cursor {
public:
    explicit Cursor(std::string_view bytes) : left_(bytes) {}

    template <class Fixed>
    bool fixed(Fixed& out) {
        if (left_.size() < sizeof(Fixed)) {
            return false;
        }
        std::memcpy(&out, left_.data(), sizeof(Fixed)); // the ring promises an alignment of 8 only
        left_.remove_prefix(sizeof(Fixed));
        return true;
    }
    bool part(std::string_view& out, size_t size) {
        if (left_.size() < size) {
            return false;
        }
        out = left_.substr(0, size);
        left_.remove_prefix(size);
        return true;
    }
    [[nodiscard]] bool at_end() const { return left_.empty(); }

private:
    std::string_view left_;
};

// Given exactly where a directory is, and one that can lie there.
bool is_name(const PathEvent& event) {
    return (event.fixed.directory != 0) == !event.name.empty() &&
           event.name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

} // namespace

result<Event> parse_event(std::string_view bytes) {
    tl_header header{};
    if (bytes.size() < sizeof header) {
        return fail("a record of " + std::to_string(bytes.size()) + " bytes is too short for its header");
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.size != bytes.size()) {
        return fail("a record says it has " + std::to_string(header.size) + " bytes, but has " +
                    std::to_string(bytes.size()));
    }
    Cursor cursor(bytes);
    bool whole = false;
    Event event;
    switch (header.kind) {
    case TL_NAME: {
        NameEvent name{};
        whole = cursor.fixed(name.fixed) && cursor.part(name.names, name.fixed.names_size);
        event = name;
        break;
    }
    case TL_OTHER_TASK: {
        OtherTaskEvent other{};
        whole = cursor.fixed(other.fixed);
        event = other;
        break;
    }
    case TL_FORK: {
        ForkEvent fork{};
        whole = cursor.fixed(fork.fixed);
        event = fork;
        break;
    }
    case TL_EXEC: {
        ExecEvent exec{};
        whole = cursor.fixed(exec.fixed) && cursor.part(exec.name, exec.fixed.name_size) &&
                cursor.part(exec.filename, exec.fixed.filename_size) &&
                cursor.part(exec.argv, exec.fixed.argv_size);
        event = exec;
        break;
    }
    case TL_EXIT: {
        ExitEvent exit{};
        whole = cursor.fixed(exit.fixed);
        event = exit;
        break;
    }
    case TL_PATH: {
        PathEvent path{};
        whole = cursor.fixed(path.fixed) && cursor.part(path.name, path.fixed.name_size) &&
                cursor.part(path.text, path.fixed.text_size) && is_name(path);
        event = path;
        break;
    }
    case TL_SOCKET: {
        SocketEvent socket{};
        whole = cursor.fixed(socket.fixed) && cursor.part(socket.address, socket.fixed.address_size);
        event = socket;
        break;
    }
    case TL_SYSCALLS: {
        SyscallsEvent calls{};
        whole = cursor.fixed(calls.fixed);
        event = calls;
        break;
    }
    case TL_ENVIRONMENT: {
        EnvironmentEvent environment{};
        whole =
            cursor.fixed(environment.fixed) && cursor.part(environment.names, environment.fixed.names_size);
        event = environment;
        break;
    }
    case TL_GETENV: {
        GetenvEvent read{};
        whole = cursor.fixed(read.fixed) && cursor.part(read.name, read.fixed.name_size);
        event = read;
        break;
    }
    case TL_REPEATS: {
        RepeatsEvent repeats{};
        whole = cursor.fixed(repeats.fixed);
        event = repeats;
        break;
    }
    case TL_ANSWER: {
        AnswerEvent answer{};
        whole = cursor.fixed(answer.fixed) && cursor.part(answer.bytes, answer.fixed.bytes_size);
        event = answer;
        break;
    }
    default:
        return fail("a record is of the unknown kind " + std::to_string(header.kind));
    }
    if (!whole || !cursor.at_end()) {
        return fail("a record of kind " + std::to_string(header.kind) + " does not add up to its size");
    }
    return event;
}

std::string path_from_names(std::string_view names) {
    std::string path;
    path_from_names(names, path);
    return path;
}

void path_from_names(std::string_view names, std::string& path) {
    path.clear();
    while (!names.empty()) {
        names.remove_suffix(names.back() == '\0' ? 1 : 0);
        const size_t before = names.rfind('\0');
        const size_t start = before == std::string_view::npos ? 0 : before + 1;
        path += '/';
        path += names.substr(start);
        names = names.substr(0, start);
    }
    if (path.empty()) {
        path = "/";
    }
}

std::vector<std::string> texts_from(std::string_view terminated) {
    std::vector<std::string> texts;
    while (!terminated.empty()) {
        const size_t end = terminated.find('\0');
        texts.emplace_back(terminated.substr(0, end));
        terminated.remove_prefix(end == std::string_view::npos ? terminated.size() : end + 1);
    }
    return texts;
}

} // namespace treadline
