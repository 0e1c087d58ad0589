#include "collector/run_recorder.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/text.h"
#include "collector/accesses.h"
#include "collector/canary.h"
#include "collector/path_resolver.h"
#include "collector/scripts.h"
#include "collector/socket_address.h"

namespace treadline {
namespace {

const tl_header& header_of(const Event& event) {
    return std::visit([](const auto& e) -> const tl_header& { return e.fixed.header; }, event);
}

constexpr uint32_t processors_max = 8192;                              // CONFIG_NR_CPUS at its largest
constexpr const char* out_of_sight = "path that only its process saw"; // a cause of loss

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

// "3 read-write pipe"
std::string descriptor_text(uint32_t number, uint32_t flags, uint16_t mode) {
    const char* may = (flags & O_PATH) != 0             ? " path-only"
                      : (flags & O_ACCMODE) == O_RDONLY ? " read"
                      : (flags & O_ACCMODE) == O_WRONLY ? " write"
                                                        : " read-write";
    const char* kind = S_ISREG(mode)    ? " file"
                       : S_ISDIR(mode)  ? " directory"
                       : S_ISFIFO(mode) ? " pipe"
                       : S_ISSOCK(mode) ? " socket"
                       : S_ISCHR(mode)  ? " character device"
                       : S_ISBLK(mode)  ? " block device"
                                        : " kernel object"; // epoll, eventfd, …
    return std::to_string(number) + may + kind;
}

// Of the kernel's own file systems nothing can be gone in a sense that matters.
bool is_kernel_file(const std::string& path) {
    return is_within(path, "/proc") || is_within(path, "/sys") || is_within(path, "/dev");
}

} // namespace

result<ok> RunRecorder::on_record(std::string_view bytes) {
    const auto event = parse_event(bytes);
    if (!event) {
        ++lost_["unreadable record"];
        return ok{};
    }
    const uint32_t cpu = header_of(*event).cpu;
    if (cpu >= arrived_.size() && cpu < processors_max) {
        arrived_.resize(cpu + 1);
    }
    if (cpu < arrived_.size()) {
        ++arrived_[cpu];
    }
    if (const auto* name = std::get_if<NameEvent>(&*event); name != nullptr) {
        return on(*name); // a path that the check met first may be met by the command as well
    }
    if (const auto* path = std::get_if<PathEvent>(&*event); path != nullptr && path->fixed.directory != 0) {
        const std::optional<uint32_t> directory = path_of(path->fixed.directory);
        if (!directory) {
            return ok{};
        }
        objects_.name(path->fixed.object, static_cast<uint32_t>(TRY(writer_.path_id(*directory, path->name))));
    }
    if (const auto* repeats = std::get_if<RepeatsEvent>(&*event); repeats != nullptr) {
        return on(*repeats); // the check may have taken the command's place
    }
    if ((header_of(*event).image & TL_IMAGE_CANARY) != 0) {
        if (std::string name = canary_name(*event); !name.empty()) {
            canaries_.insert(std::move(name));
        }
        return ok{};
    }
    return std::visit([this](const auto& e) { return on(e); }, *event);
}

result<ok> RunRecorder::on(const NameEvent& event) {
    path_from_names(event.names, object_text_);
    objects_.name(event.fixed.object, static_cast<uint32_t>(TRY(writer_.path_id(object_text_))));
    return ok{};
}

std::optional<uint32_t> RunRecorder::path_of(uint64_t object) {
    if (object == 0) {
        return 0;
    }
    if (const uint32_t path = objects_.path(object); path != 0) {
        return path;
    }
    ++lost_["name of a path"];
    return std::nullopt;
}

const std::string& RunRecorder::text_of(uint32_t path, std::string& buffer) const {
    path != 0 ? writer_.paths().read_text(path, buffer) : buffer.clear();
    return buffer;
}

result<ok> RunRecorder::on(const OtherTaskEvent& event) {
    const tl_other_task& fixed = event.fixed;
    const auto pid = static_cast<int32_t>(fixed.other_pid);
    const bool own_numbers = (fixed.flags & TL_OTHER_TASK_NAMESPACE) != 0;
    if (!own_numbers && tree_.is_living(pid)) {
        return ok{};
    }
    tree_.meet(fixed.header);
    const int64_t process = TRY(tree_.row_of(fixed.header.image));
    std::string value = std::to_string(pid);
    if (const size_t size = ::strnlen(fixed.comm, sizeof fixed.comm); size != 0) {
        value = printable(std::string(fixed.comm, size)) + " (" + value + ")";
    }
    if (fixed.op == TL_SIGNAL) {
        value = "signal " + std::to_string(fixed.number) + " to " + value;
    }
    if (fixed.result != 0) {
        value += ": " + errno_name(fixed.result);
    }
    return writer_.add_fact(process, fixed.op == TL_SIGNAL ? "signal outside" : "ptrace", 0, value);
}

result<ok> RunRecorder::on(const ForkEvent& event) {
    if (!tree_.fork(event.fixed)) {
        ++lost_["unreadable record"];
    }
    return ok{};
}

result<ok> RunRecorder::on(const ExecEvent& event) {
    const tl_header& header = event.fixed.header;
    const bool hidden = (event.fixed.flags & TL_EXEC_HIDDEN) != 0;
    const bool unreachable = (event.fixed.flags & TL_EXEC_UNREACHABLE) != 0;
    const std::optional<uint32_t> program = path_of(event.fixed.program);
    const std::optional<uint32_t> base = path_of(event.fixed.base);
    const std::optional<uint32_t> root = path_of(event.fixed.root);
    // "memfd:name": no path, and not to be taken for one.
    const std::string exe =
        unreachable ? std::string(event.name) : text_of(program.value_or(0), object_text_);
    if (!TRY(tree_.execute(event, exe))) {
        ++lost_["unreadable record"];
        return ok{};
    }
    const int64_t row = TRY(tree_.row_of(header.image));
    if (unreachable && !hidden) {
        return writer_.add_fact(row, "executed without a path", 0, printable(exe));
    }
    if (hidden || exe.empty() || !base || !root) {
        return ok{};
    }
    const auto view = view_of(event.fixed.mounts, *root, header);
    return add_executed(row, event, exe, start_of(*base, *root, header, view));
}

Start RunRecorder::start_of(uint32_t base, uint32_t root, const tl_header& header,
                            const std::optional<MountView>& view) const {
    const PathTable& paths = writer_.paths();
    return {base == 0 ? "" : paths.text(base), static_cast<pid_t>(header.pid),
            root == 0 ? "/" : paths.text(root), view ? std::optional(view->root.get()) : std::nullopt};
}

std::optional<MountView> RunRecorder::view_of(uint32_t mounts, uint32_t root, const tl_header& header) {
    if (mounts == 0) {
        return std::nullopt;
    }
    views_.met(mounts, static_cast<pid_t>(header.pid));
    return views_.open(mounts, root == 0 ? "/" : writer_.paths().text(root));
}

result<ok> RunRecorder::add_executed(int64_t process, const ExecEvent& event, const std::string& exe,
                                     const Start& start) {
    const uint64_t time_ns = event.fixed.header.time_ns;
    const auto execute = [&](const std::string& path, std::string_view requested) -> result<ok> {
        TRY(add_written(process, path, "written then executed"));
        const auto id = static_cast<uint32_t>(TRY(writer_.path_id(path)));
        FileAccess access;
        access.process = process;
        access.access = AccessKind::Execute;
        access.created_by_run = origins_.is_created(id);
        return add_path_row(access, id, time_ns, requested);
    };
    TRY(execute(exe, ""));
    if (start.view && *start.view < 0) {
        ++lost_[out_of_sight]; // its loader, and a script
        return ok{};
    }
    if (const std::string loader = program_loader(exe, start); !loader.empty()) {
        TRY(execute(loader, ""));
    }
    if ((event.fixed.flags & TL_EXEC_INTERPRETED) == 0) {
        return ok{};
    }
    const bool by_proc = (event.fixed.flags & TL_EXEC_PROC) != 0;
    const std::string script =
        resolve(start, by_proc ? after_proc_start(event.filename) : event.filename, LastLink::Follow).path;
    if (is_within(script, "/proc")) { // execveat of a descriptor that is closed by now
        ++lost_["script executed by descriptor"];
        return ok{};
    }
    const std::string asked = join_path(start.directory, event.filename);
    TRY(execute(script, asked == script ? "" : asked));
    for (const std::string& interpreter : script_interpreters(script, exe, start)) {
        TRY(execute(interpreter, ""));
    }
    return ok{};
}

result<ok> RunRecorder::add_path_row(FileAccess& access, uint32_t path, uint64_t time_ns,
                                     std::string_view requested) {
    access.first_ns = access.last_ns = tree_.since_start(time_ns);
    return writer_.add_file(access, path, requested.empty() ? 0 : TRY(writer_.path_id(requested)));
}

result<ok> RunRecorder::add_written(int64_t process, const std::string& path, const char* kind) {
    const std::string* writer = written_.writer(path);
    if (writer == nullptr || !ran_.emplace(kind, path).second) {
        return ok{};
    }
    return writer_.add_fact(process, kind, TRY(writer_.path_id(path)), "by " + *writer);
}

result<ok> RunRecorder::add_inherited(const PathEvent& event, const std::string& path) {
    const tl_path& fixed = event.fixed;
    const bool named = (fixed.flags & TL_PATH_RESOLVED) != 0;
    return writer_.add_fact(TRY(tree_.row_of(fixed.header.image)), "inherited descriptor",
                            named ? TRY(writer_.path_id(path)) : 0,
                            descriptor_text(fixed.detail, fixed.call_flags, fixed.inode_mode) +
                                ((fixed.flags & TL_PATH_DELETED) != 0 && named ? ", deleted" : ""));
}

void RunRecorder::note_origin(const PathEvent& event, uint32_t path, bool creates) {
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
            const PathTable& paths = writer_.paths();
            written_.renamed(paths.text(from->second), paths.text(path));
            if ((event.fixed.call_flags & RENAME_EXCHANGE) != 0) {
                written_.linked(paths.text(path), paths.text(from->second));
            }
        }
        return;
    case TL_LINK_OLD:
        origins_.found(path);
        renaming_[event.fixed.header.tid] = path;
        return;
    case TL_LINK_NEW:
        origins_.created(path);
        if (const auto from = renaming_.find(event.fixed.header.tid); from != renaming_.end()) {
            written_.linked(writer_.paths().text(from->second), writer_.paths().text(path));
        }
        return;
    default:
        creates ? origins_.created(path) : origins_.found(path);
    }
}

result<ok> RunRecorder::mark_renamed_directory(const PathEvent& event, int64_t process) {
    const auto from = renaming_.find(event.fixed.header.tid);
    if (from == renaming_.end() || (event.fixed.call_flags & RENAME_EXCHANGE) != 0) {
        return ok{};
    }
    FileAccess row;
    row.process = process;
    row.access = AccessKind::Delete;
    row.directory = true;
    row.count = 0;
    return add_path_row(row, from->second, event.fixed.header.time_ns);
}

result<ok> RunRecorder::on(const PathEvent& event) {
    const tl_path& fixed = event.fixed;
    const bool resolved = (fixed.flags & TL_PATH_RESOLVED) != 0;
    const std::optional<uint32_t> object = path_of(resolved ? fixed.object : 0);
    const std::optional<uint32_t> base = path_of(fixed.base);
    const std::optional<uint32_t> root = path_of(fixed.root);
    if (!object || !base || !root) {
        return ok{};
    }
    const std::string& object_text = text_of(*object, object_text_);
    if (fixed.op == TL_LOAD || fixed.op == TL_INHERIT) {
        tree_.meet(fixed.header);
        return fixed.op == TL_INHERIT
                   ? add_inherited(event, object_text)
                   : add_written(tree_.nearest_row(fixed.header.image), object_text, "written then loaded");
    }
    const auto view = view_of(fixed.mounts, *root, fixed.header);
    const auto access =
        path_access(event, object_text, text_of(*base, base_text_), text_of(*root, root_text_),
                    view ? std::optional(view->root.get()) : std::nullopt);
    if (!access) {
        return ok{};
    }
    if (access->unknown) {
        ++lost_[out_of_sight];
        return ok{};
    }
    const auto path = access->of_object ? *object : static_cast<uint32_t>(TRY(writer_.path_id(access->path)));
    tree_.meet(fixed.header);
    // A temporary file without a name leaves the directory it lies in as it was.
    const bool nameless = (fixed.flags & TL_PATH_DELETED) != 0 && access->directory;
    const bool creates = !nameless && (access->kinds & bit(AccessKind::Create)) != 0;
    note_origin(event, path, creates);
    if (fixed.result == 0 && !access->directory && (fixed.op == TL_OPEN || fixed.op == TL_TRUNCATE) &&
        (creates || (access->kinds & bit(AccessKind::Write)) != 0)) {
        written_.wrote(access->of_object ? object_text : access->path, tree_.exe(fixed.header));
    }

    FileAccess row;
    row.process = TRY(tree_.row_of(fixed.header.image));
    row.result = fixed.result;
    row.directory = access->directory;
    row.created_by_run = fixed.result == 0 && origins_.is_created(path);
    row.would_create = access->would_create;
    row.exclusive = access->exclusive;
    row.through_made_link = fixed.result == 0 && links_.on_the_way(access->requested);
    if (fixed.op == TL_SYMLINK && fixed.result == 0) {
        links_.made(access->of_object ? object_text : access->path);
    }
    for (unsigned kind = 0; kind < access_kinds; ++kind) {
        row.access = static_cast<AccessKind>(kind);
        if ((access->kinds & bit(row.access)) != 0) {
            TRY(add_path_row(row, path, fixed.header.time_ns, access->requested));
        }
    }
    if (fixed.op == TL_RENAME_NEW && fixed.result == 0 && row.directory) {
        TRY(mark_renamed_directory(event, row.process));
    }
    Sighting sighting = sighting_of(fixed);
    sighting.process = static_cast<uint32_t>(row.process);
    sighting.path = path;
    sighting.kinds = access->kinds;
    sighting.created = row.created_by_run;
    sightings_.note(sighting);
    return ok{};
}

result<ok> RunRecorder::on(const SocketEvent& event) {
    const tl_socket& fixed = event.fixed;
    SocketAddress address = read_address(event.address, fixed.family);
    const std::optional<uint32_t> base = path_of(fixed.base);
    const std::optional<uint32_t> root = path_of(fixed.root);
    if (!base || !root) {
        return ok{};
    }
    tree_.meet(fixed.header);
    const int64_t process = TRY(tree_.row_of(fixed.header.image));
    Sighting sighting = sighting_of(fixed);
    if (address.unix_path) {
        const bool bound = fixed.op == TL_BIND;
        const bool by_proc = (fixed.flags & TL_PATH_PROC) != 0;
        const std::string text = by_proc ? std::string(after_proc_start(address.text)) : address.text;
        const auto view = view_of(fixed.mounts, *root, fixed.header);
        Resolution found = resolve(start_of(*base, *root, fixed.header, view), text,
                                   bound ? LastLink::Keep : LastLink::Follow);
        if (found.unknown && fixed.result == 0) {
            ++lost_[out_of_sight];
            return ok{};
        }
        address.text = std::move(found.path);
        if (fixed.op != TL_LISTEN) {
            const auto path = static_cast<uint32_t>(TRY(writer_.path_id(address.text)));
            if (fixed.result == 0) {
                bound ? origins_.created(path) : origins_.found(path);
            }
            FileAccess row;
            row.process = process;
            row.access = bound ? AccessKind::Create : AccessKind::Connect;
            row.result = fixed.result;
            row.created_by_run = fixed.result == 0 && origins_.is_created(path);
            TRY(add_path_row(row, path, fixed.header.time_ns));
            sighting.created = row.created_by_run;
            sighting.kinds = bit(row.access);
            sighting.path = path;
        }
    }
    SocketAccess access;
    access.process = process;
    access.operation = operation_name(fixed.op);
    access.protocol = protocol_name(fixed.family, fixed.type, fixed.protocol);
    access.address = address.text;
    access.port = address.port;
    access.result = fixed.result;
    access.first_ns = access.last_ns = tree_.since_start(fixed.header.time_ns);
    hosts_.name(access, tree_, fixed.header.image, fixed.header.time_ns);
    TRY(writer_.add_socket(access));
    sighting.process = static_cast<uint32_t>(process);
    sighting.socket = static_cast<int32_t>(sockets_.size());
    sockets_.push_back(std::move(access));
    sightings_.note(sighting);
    return ok{};
}

result<ok> RunRecorder::on(const EnvironmentEvent& event) {
    tree_.meet(event.fixed.header);
    const int64_t row = TRY(tree_.row_of(event.fixed.header.image));
    for (const std::string& name : texts_from(event.names)) {
        if (!name.empty()) {
            TRY(writer_.add_environment({row, name}));
            variables_.insert(name);
        }
    }
    return ok{};
}

// Only what was there to be read: asking for a variable that is not set is no use of one.
result<ok> RunRecorder::on(const GetenvEvent& event) {
    tree_.meet(event.fixed.header);
    const std::string name(event.name);
    if (!variables_.contains(name)) {
        return ok{};
    }
    return writer_.add_environment({TRY(tree_.row_of(event.fixed.header.image)), name, true});
}

result<ok> RunRecorder::on(const AnswerEvent& event) {
    tree_.meet(event.fixed.header);
    return hosts_.learn(event, tree_);
}

result<ok> RunRecorder::add_repeats(uint64_t of_access, const tl_repeat_count& count) {
    const Sighting* sighting = sightings_.find(of_access);
    if (sighting == nullptr || count.repeats == 0) {
        return ok{};
    }
    const int64_t last = tree_.since_start(count.last_ns);
    if (sighting->socket >= 0) {
        SocketAccess access = sockets_[static_cast<size_t>(sighting->socket)];
        access.count = count.repeats;
        access.last_ns = last;
        hosts_.name(access, tree_, sighting->image, count.last_ns);
        TRY(writer_.add_socket(access));
    }
    for (unsigned kind = 0; sighting->path != 0 && kind < access_kinds; ++kind) {
        if ((sighting->kinds & (1U << kind)) == 0) {
            continue;
        }
        FileAccess access;
        access.process = sighting->process;
        access.access = static_cast<AccessKind>(kind);
        access.result = sighting->result;
        access.count = count.repeats;
        access.first_ns = access.last_ns = last;
        access.created_by_run = sighting->created;
        TRY(writer_.add_file(access, sighting->path, 0));
    }
    return ok{};
}

result<ok> RunRecorder::mark_gone(size_t limit) {
    const auto is_gone = [](const std::string& path) -> std::optional<bool> {
        if (is_kernel_file(path)) {
            return std::nullopt;
        }
        struct stat about {};
        return ::lstat(path.c_str(), &about) != 0 && (errno == ENOENT || errno == ENOTDIR);
    };
    if (const size_t not_asked = TRY(writer_.mark_gone(is_gone, limit)); not_asked != 0) {
        TRY(writer_.add_fact(0, "not looked at whether gone", 0, std::to_string(not_asked)));
    }
    return ok{};
}

} // namespace treadline
