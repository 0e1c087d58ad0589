#include "collector/run_recorder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/path.h"
#include "base/text.h"
#include "collector/accesses.h"
#include "collector/call_table.h"
#include "collector/path_resolver.h"
#include "collector/scripts.h"
#include "collector/socket_address.h"

namespace treadline {
namespace {

const tl_header& header_of(const Event& event) {
    return std::visit([](const auto& e) -> const tl_header& { return e.fixed.header; }, event);
}

uint8_t bit(AccessKind kind) {
    return static_cast<uint8_t>(1U << static_cast<unsigned>(kind));
}

std::string operation_name(uint16_t op) {
    switch (op) {
    case TL_CONNECT:
        return "connect";
    case TL_BIND:
        return "bind";
    case TL_LISTEN:
        return "listen";
    default:
        return "send";
    }
}

// Of the kernel's own file systems nothing can be gone in a sense that matters.
bool is_kernel_file(const std::string& path) {
    return is_within(path, "/proc") || is_within(path, "/sys") || is_within(path, "/dev");
}

} // namespace

size_t RunRecorder::KeyHash::operator()(const tl_seen_key& key) const {
    // `object` is a hash already.
    return key.object ^ (key.image * 0x9e3779b97f4a7c15ULL) ^ (static_cast<uint64_t>(key.detail) << 32) ^
           static_cast<uint32_t>(key.result);
}

bool RunRecorder::KeyEqual::operator()(const tl_seen_key& a, const tl_seen_key& b) const {
    return a.image == b.image && a.object == b.object && a.detail == b.detail && a.result == b.result;
}

int64_t RunRecorder::since_start(uint64_t time_ns) const {
    return time_ns > start_ns_ ? static_cast<int64_t>(time_ns - start_ns_) : 0;
}

RunRecorder::Image& RunRecorder::image(const tl_header& header) {
    Image& found = images_[header.image];
    if (found.pid == 0) { // its fork was lost; the loss itself is counted where it happened
        found.pid = static_cast<int32_t>(header.pid);
        found.started_ns = since_start(header.time_ns);
    }
    return found;
}

result<int64_t> RunRecorder::row_of(uint64_t number) {
    Image& found = images_[number];
    if (found.row == 0) {
        ProcessImage process;
        process.parent = nearest_row(found.parent);
        process.pid = found.pid;
        process.exe = found.exe;
        if (found.argv) {
            process.argv = *found.argv;
        }
        process.started_ns = found.started_ns;
        found.row = TRY(writer_.add_process(process));
    }
    return found.row;
}

int64_t RunRecorder::nearest_row(uint64_t number) const {
    while (number != 0) {
        const auto found = images_.find(number);
        if (found == images_.end()) {
            return 0;
        }
        if (found->second.row != 0) {
            return found->second.row;
        }
        number = found->second.parent;
    }
    return 0;
}

result<ok> RunRecorder::on_record(std::string_view bytes) {
    const auto event = parse_event(bytes);
    if (!event) {
        ++lost_["unreadable record"];
        return ok{};
    }
    if ((header_of(*event).image & TL_IMAGE_CANARY) != 0) {
        note_canary(*event);
        return ok{};
    }
    return std::visit([this](const auto& e) { return on(e); }, *event);
}

result<ok> RunRecorder::on(const ForkEvent& event) {
    const Image& parent = image(event.fixed.header);
    Image child;
    child.parent = event.fixed.header.image;
    child.pid = static_cast<int32_t>(event.fixed.child_pid);
    child.started_ns = since_start(event.fixed.header.time_ns);
    child.exe = parent.exe;
    child.argv = parent.argv;
    images_[event.fixed.child_image] = std::move(child);
    return ok{};
}

result<ok> RunRecorder::on(const ExecEvent& event) {
    const tl_header& header = event.fixed.header;
    const uint64_t previous = event.fixed.previous_image;
    if (previous != 0) {
        Image& before = images_[previous];
        before.ended = true;
        before.exe.clear();
        before.argv.reset();
        if (before.row != 0) {
            TRY(writer_.end_process(before.row, since_start(header.time_ns), std::nullopt));
        }
    }
    const bool hidden = (event.fixed.flags & TL_EXEC_HIDDEN) != 0;
    std::string exe = hidden ? "" : path_from_names(event.names);
    const bool unreachable = (event.fixed.flags & TL_EXEC_UNREACHABLE) != 0;
    if (unreachable && !hidden) {
        exe.erase(0, 1); // "memfd:name": no path, and not to be taken for one
    }
    Image now;
    now.parent = previous;
    now.pid = static_cast<int32_t>(header.pid);
    now.started_ns = since_start(header.time_ns);
    now.exe = exe;
    now.argv = std::make_shared<const std::vector<std::string>>(texts_from(event.argv));
    images_[header.image] = std::move(now);
    const int64_t row = TRY(row_of(header.image));
    if (hidden) {
        return ok{};
    }
    if (unreachable) {
        return writer_.add_fact(row, "executed without a path", 0, printable(exe));
    }
    return add_executed(row, event, exe);
}

result<ok> RunRecorder::add_executed(int64_t process, const ExecEvent& event, const std::string& exe) {
    const uint64_t time_ns = event.fixed.header.time_ns;
    const auto execute = [&](const std::string& path, const std::string& requested) {
        return add_path_row(process, path, AccessKind::Execute, 0, time_ns, false, origins_.is_created(path),
                            requested);
    };
    TRY(execute(exe, ""));
    if ((event.fixed.flags & TL_EXEC_INTERPRETED) == 0) {
        return ok{};
    }
    const std::string base = path_from_names(event.base);
    const std::string script =
        resolve_path(base, event.filename, LastLink::Follow, static_cast<pid_t>(event.fixed.header.pid));
    if (is_within(script, "/proc")) { // execveat of a descriptor that is closed by now
        ++lost_["script executed by descriptor"];
        return ok{};
    }
    const std::string asked = join_path(base, event.filename);
    TRY(execute(script, asked == script ? "" : asked));
    for (const std::string& interpreter : script_interpreters(script, exe)) {
        TRY(execute(interpreter, ""));
    }
    return ok{};
}

result<ok> RunRecorder::on(const ExitEvent& event) {
    const tl_header& header = event.fixed.header;
    Image& ending = image(header);
    const int64_t row = TRY(row_of(header.image));
    const int status = event.fixed.status;
    TRY(writer_.end_process(row, since_start(header.time_ns),
                            WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)));
    ending.ended = true;
    ending.exe.clear();
    ending.argv.reset();
    return ok{};
}

result<ok> RunRecorder::add_path_row(int64_t process, const std::string& path, AccessKind kind,
                                     int32_t result, uint64_t time_ns, bool directory, bool created,
                                     const std::string& requested) {
    FileAccess access;
    access.process = process;
    access.access = kind;
    access.result = result;
    access.first_ns = access.last_ns = since_start(time_ns);
    access.directory = directory;
    access.created_by_run = created;
    const int64_t id = TRY(writer_.path_id(path));
    if (result == 0 && !is_kernel_file(path)) {
        Used& used = used_[path];
        used.path = id;
        if (used.processes.empty() || used.processes.back() != process) {
            used.processes.push_back(process);
        }
    }
    return writer_.add_file(access, id, requested.empty() ? 0 : TRY(writer_.path_id(requested)));
}

void RunRecorder::note_origin(const PathEvent& event, const std::string& path, bool creates) {
    if (event.fixed.result != 0) {
        return;
    }
    switch (event.fixed.op) {
    case TL_RENAME_OLD:
        origins_.found(path);
        renaming_[event.fixed.header.tid] = path;
        return;
    case TL_RENAME_NEW:
        if (const auto from = renaming_.find(event.fixed.header.tid); from != renaming_.end()) {
            origins_.renamed(from->second, path);
        }
        return;
    default:
        creates ? origins_.created(path) : origins_.found(path);
    }
}

result<ok> RunRecorder::on(const PathEvent& event) {
    const auto access = path_access(event);
    if (!access) {
        return ok{};
    }
    const tl_path& fixed = event.fixed;
    image(fixed.header);
    // A temporary file without a name leaves the directory it lies in as it was.
    const bool nameless = (fixed.flags & TL_PATH_DELETED) != 0 && access->directory;
    const bool creates = !nameless && std::find(access->kinds.begin(), access->kinds.end(),
                                                AccessKind::Create) != access->kinds.end();
    note_origin(event, access->path, creates);
    Sighting sighting;
    sighting.process = TRY(row_of(fixed.header.image));
    sighting.path = TRY(writer_.path_id(access->path));
    sighting.created = fixed.result == 0 && origins_.is_created(access->path);
    for (const AccessKind kind : access->kinds) {
        sighting.kinds |= bit(kind);
        TRY(add_path_row(sighting.process, access->path, kind, fixed.result, fixed.header.time_ns,
                         access->directory, sighting.created, access->requested));
    }
    sightings_[{fixed.header.image, fixed.object, fixed.detail, fixed.result}] = sighting;
    return ok{};
}

result<ok> RunRecorder::on(const SocketEvent& event) {
    const tl_socket& fixed = event.fixed;
    SocketAddress address = read_address(event.address, fixed.family);
    image(fixed.header);
    const int64_t process = TRY(row_of(fixed.header.image));
    Sighting sighting;
    if (address.unix_path) {
        const bool bound = fixed.op == TL_BIND;
        address.text =
            resolve_path(path_from_names(event.base), address.text, bound ? LastLink::Keep : LastLink::Follow,
                         static_cast<pid_t>(fixed.header.pid));
        if (fixed.op != TL_LISTEN) {
            const AccessKind kind = bound ? AccessKind::Create : AccessKind::Connect;
            if (fixed.result == 0) {
                bound ? origins_.created(address.text) : origins_.found(address.text);
            }
            sighting.created = fixed.result == 0 && origins_.is_created(address.text);
            sighting.kinds = bit(kind);
            sighting.path = TRY(writer_.path_id(address.text));
            TRY(add_path_row(process, address.text, kind, fixed.result, fixed.header.time_ns, false,
                             sighting.created, ""));
        }
    }
    SocketAccess access;
    access.process = process;
    access.operation = operation_name(fixed.op);
    access.protocol = protocol_name(fixed.family, fixed.type, fixed.protocol);
    access.address = address.text;
    access.port = address.port;
    access.result = fixed.result;
    access.first_ns = access.last_ns = since_start(fixed.header.time_ns);
    TRY(writer_.add_socket(access));
    sighting.process = process;
    sighting.socket = static_cast<int64_t>(sockets_.size());
    sockets_.push_back(std::move(access));
    sightings_[{fixed.header.image, fixed.object, fixed.detail, fixed.result}] = sighting;
    return ok{};
}

result<ok> RunRecorder::on(const SyscallsEvent& event) {
    const tl_header& header = event.fixed.header;
    Image& caller = image(header);
    int64_t row = nearest_row(header.image);
    for (size_t word = 0; word < TL_SYSCALL_WORDS; ++word) {
        uint64_t fresh = event.fixed.words[word] & ~caller.calls[word];
        caller.calls[word] |= fresh;
        for (; fresh != 0; fresh &= fresh - 1) {
            if (row == 0) {
                row = TRY(row_of(header.image));
            }
            const int number = static_cast<int>(word * 64) + std::countr_zero(fresh);
            TRY(writer_.add_syscall({row, number, syscall_name(number)}));
        }
    }
    return ok{};
}

result<ok> RunRecorder::on(const EnvironmentEvent& event) {
    image(event.fixed.header);
    const int64_t row = TRY(row_of(event.fixed.header.image));
    for (const std::string& name : texts_from(event.names)) {
        if (!name.empty()) {
            TRY(writer_.add_environment({row, name}));
        }
    }
    return ok{};
}

void RunRecorder::note_canary(const Event& event) {
    struct Name {
        std::string operator()(const ForkEvent&) const { return "fork"; }
        std::string operator()(const ExecEvent&) const { return "exec"; }
        std::string operator()(const ExitEvent&) const { return "exit"; }
        std::string operator()(const PathEvent& e) const {
            return e.fixed.result == 0 ? "open" : "failed open";
        }
        std::string operator()(const SocketEvent&) const { return "connect"; }
        std::string operator()(const SyscallsEvent&) const { return "system calls"; }
        std::string operator()(const EnvironmentEvent&) const { return "environment"; }
    };
    canaries_.insert(std::visit(Name{}, event));
}

result<ok> RunRecorder::add_repeats(const tl_seen_key& key, const tl_seen& seen) {
    const auto found = sightings_.find(key);
    if (found == sightings_.end() || seen.repeats == 0) {
        return ok{};
    }
    const Sighting& sighting = found->second;
    const int64_t last = since_start(seen.last_ns);
    if (sighting.socket >= 0) {
        SocketAccess access = sockets_[static_cast<size_t>(sighting.socket)];
        access.count = seen.repeats;
        access.last_ns = last;
        TRY(writer_.add_socket(access));
    }
    for (unsigned kind = 0; sighting.path != 0 && kind < 8; ++kind) {
        if ((sighting.kinds & (1U << kind)) == 0) {
            continue;
        }
        FileAccess access;
        access.process = sighting.process;
        access.access = static_cast<AccessKind>(kind);
        access.result = key.result;
        access.count = seen.repeats;
        access.first_ns = access.last_ns = last;
        access.created_by_run = sighting.created;
        TRY(writer_.add_file(access, sighting.path, 0));
    }
    return ok{};
}

result<ok> RunRecorder::mark_gone(size_t limit) {
    if (used_.size() > limit) {
        TRY(writer_.add_fact(0, "not looked at whether gone", 0, std::to_string(used_.size() - limit)));
    }
    size_t looked_at = 0;
    for (const auto& [path, used] : used_) {
        if (looked_at++ == limit) {
            break;
        }
        struct stat about {};
        if (::lstat(path.c_str(), &about) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
            continue;
        }
        for (const int64_t process : used.processes) {
            TRY(writer_.mark_gone(process, used.path));
        }
    }
    return ok{};
}

result<ok> RunRecorder::store_living() {
    std::vector<uint64_t> living;
    for (const auto& [number, process] : images_) {
        if (!process.ended) {
            living.push_back(number);
        }
    }
    std::sort(living.begin(), living.end());
    for (const uint64_t number : living) {
        TRY(row_of(number));
    }
    return ok{};
}

std::vector<std::string> RunRecorder::still_running() const {
    std::map<int32_t, std::string> names; // by pid: a fixed order
    for (const auto& [number, process] : images_) {
        if (!process.ended) {
            names[process.pid] =
                std::string(file_name(process.exe)) + " (" + std::to_string(process.pid) + ")";
        }
    }
    std::vector<std::string> texts;
    for (auto& [pid, name] : names) {
        texts.push_back(std::move(name));
    }
    return texts;
}

} // namespace treadline
