#include "collector/session.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "collector/protocol.h"
#include "collector/size_limit.h"
#include "collector/trace_writer.h"
#include "collector/tracing_support.h"

namespace treadline {
namespace {

// A collector that says nothing for so long after the command's end has been stopped by somebody.
constexpr int finish_timeout_ms = 120'000;

using Privilege = CollectorAccess::Privilege;

result<std::string> collector_program() {
    if (const char* named = std::getenv("TREADLINE_COLLECTOR"); named != nullptr && *named != '\0') {
        return sys::realpath(named);
    }
    const std::string here(parent_path(TRY(sys::readlink("/proc/self/exe"))));
    for (const std::string& path :
         {here + "/treadline-collector", here + "/../libexec/treadline/treadline-collector"}) {
        if (::access(path.c_str(), X_OK) == 0) {
            return sys::realpath(path);
        }
    }
    return fail("treadline-collector is neither beside this program nor in ../libexec/treadline; install "
                "Treadline whole, or name it in TREADLINE_COLLECTOR");
}

bool has_file_capabilities(const std::string& path) {
    return ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
}

void reap(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
}

bool sudo_needs_no_password(const std::string& program) {
    const pid_t child = ::fork();
    if (child == 0) {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
            ::dup2(null, fd);
        }
        ::execlp("sudo", "sudo", "-n", "--", program.c_str(), "--version", nullptr);
        ::_exit(127);
    }
    int status = -1;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool sudo_may_ask() {
    const unique_fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
    return terminal.valid() &&
           (::access("/usr/bin/sudo", X_OK) == 0 || ::access("/usr/local/bin/sudo", X_OK) == 0);
}

std::string no_privilege(const std::string& program) {
    return check_tracing({false, true, "", program}).error().message();
}

// The peer credentials of a socket pair are the effective ids of who made it.
result<std::pair<unique_fd, unique_fd>> socketpair_of(uid_t user) {
    if (::geteuid() != 0 || user == 0) {
        return sys::socketpair(SOCK_SEQPACKET);
    }
    const passwd* entry = ::getpwuid(user);
    const gid_t group = entry != nullptr ? entry->pw_gid : static_cast<gid_t>(user);
    const gid_t own_group = ::getegid();
    if (::setegid(group) != 0 || ::seteuid(user) != 0) {
        return fail_errno("cannot act for user " + std::to_string(user));
    }
    auto pair = sys::socketpair(SOCK_SEQPACKET);
    if (::seteuid(0) != 0 || ::setegid(own_group) != 0) {
        return fail_errno("cannot act as root again");
    }
    return pair;
}

} // namespace

ProbesHere probes_here(const CollectorAccess& access) {
    const bool can_ask = access.problem.empty() &&
                         (access.privilege == Privilege::Root || access.privilege == Privilege::Capabilities ||
                          access.privilege == Privilege::Sudo);
    auto ends = can_ask ? sys::pipe() : result<std::pair<unique_fd, unique_fd>>(fail("cannot be asked"));
    if (!ends) {
        return {};
    }
    const unique_fd answer = std::move(ends->first);
    unique_fd output = std::move(ends->second);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(output.get(), STDOUT_FILENO);
        if (access.privilege == Privilege::Sudo) {
            ::execlp("sudo", "sudo", "-n", "--", access.program.c_str(), "--probes", nullptr);
        } else {
            ::execl(access.program.c_str(), "treadline-collector", "--probes", nullptr);
        }
        ::_exit(127);
    }
    output.reset();
    const auto text = sys::read_all(answer.get());
    if (child > 0) {
        reap(child);
    }
    if (!text || text->find('\n') == std::string::npos) {
        return {};
    }
    const size_t end = text->find('\n');
    return {text->substr(0, end), text->substr(end + 1, text->find('\n', end + 1) - end - 1)};
}

CollectorAccess find_collector() {
    CollectorAccess access;
    const auto program = collector_program();
    if (!program) {
        access.problem = program.error().message();
        return access;
    }
    access.program = *program;
    TracingSupport support = inspect_tracing();
    support.privileged = true; // the collector's own is what matters
    if (const auto possible = check_tracing(support); !possible) {
        access.problem = possible.error().message();
        return access;
    }
    if (::geteuid() == 0) {
        access.privilege = Privilege::Root;
    } else if (has_file_capabilities(access.program)) {
        access.privilege = Privilege::Capabilities;
    } else if (sudo_needs_no_password(access.program)) {
        access.privilege = Privilege::Sudo;
    } else if (sudo_may_ask()) {
        access.privilege = Privilege::SudoPrompt;
    } else {
        access.problem = no_privilege(access.program);
    }
    return access;
}

result<CollectorSession> CollectorSession::spawn(unsigned for_uid) {
    const CollectorAccess access = find_collector();
    if (access.privilege == Privilege::None) {
        return fail(access.problem);
    }
    auto [ours, theirs] = TRY(socketpair_of(for_uid));
    std::vector<const char*> argv;
    if (access.privilege == Privilege::Sudo || access.privilege == Privilege::SudoPrompt) {
        argv = {"sudo", "--"};
    }
    argv.push_back(access.program.c_str());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno("cannot start the collector");
    }
    if (child == 0) {
        ::dup2(theirs.get(), STDIN_FILENO);
        ::dup2(STDERR_FILENO, STDOUT_FILENO); // stdout is the command's
        ::execvp(argv[0], const_cast<char* const*>(argv.data()));
        ::_exit(127);
    }
    CollectorSession session;
    session.socket_ = std::move(ours);
    session.pid_ = child;
    return session;
}

result<ok> CollectorSession::begin(int root_pidfd, const std::string& store, const RunInfo& run) {
    const unique_fd database = TRY(sys::open(store, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    const std::array<int, 2> fds = {root_pidfd, database.get()};
    const auto sent = sys::send_fds(socket_.get(), protocol::start(run), fds);
    const auto answer = sent ? sys::receive_fds(socket_.get()) : result<sys::Message>(failure(sent.error()));
    if (!answer || answer->bytes.empty()) {
        return fail("the collector ended before it was ready; " + no_privilege(find_collector().program));
    }
    run_ = TRY(protocol::parse_ready(answer->bytes));
    store_ = store;
    started_ = std::chrono::steady_clock::now();
    return ok{};
}

CollectorSession::~CollectorSession() {
    if (socket_) {
        socket_.reset();
        reap(pid_);
    }
}

// What the collector said last: its summary, or the error that ended it.
result<CollectorSummary> CollectorSession::last_words(const CommandEnd& end) {
    if (const auto sent = sys::send_fds(socket_.get(), protocol::finish(end), {});
        !sent && sent.error().code != EPIPE && sent.error().code != ECONNRESET) {
        return failure(sent.error());
    } // one that has ended may have left a message all the same
    pollfd fd{socket_.get(), POLLIN, 0};
    int ready = 0;
    while ((ready = ::poll(&fd, 1, finish_timeout_ms)) < 0 && errno == EINTR) {
    }
    if (ready == 0) {
        return fail_code(ETIMEDOUT, "the collector does not answer");
    }
    auto message = sys::receive_fds(socket_.get());
    // It ended without reading ours; what it sent comes next.
    if (!message && message.error().code == ECONNRESET) {
        message = sys::receive_fds(socket_.get());
    }
    if (!message || message->bytes.empty()) {
        return fail("the collector died before the run was complete");
    }
    return protocol::parse_done(message->bytes);
}

result<CollectorSummary> CollectorSession::finish(const CommandEnd& end) {
    auto summary = last_words(end);
    if (summary) {
        return summary; // it detaches its probes, which takes a while, and is waited for when the session ends
    }
    socket_.reset();
    if (summary.error().code != ETIMEDOUT) { // else it would not end, either
        reap(pid_);
    }
    const std::string because = summary.error().what;
    const auto lasted =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_);
    // Where the collector could not write, this cannot, either: then the row stays as it was begun, partial.
    const SizeLimitIsAnError size_limit;
    (void)TraceWriter::abandon_run(store_, run_, lasted.count(), end.exit_status, because);
    summary = CollectorSummary{};
    summary->run = run_;
    summary->incomplete_because = {because};
    return summary;
}

} // namespace treadline
