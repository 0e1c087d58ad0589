#include <csignal>
#include <filesystem>
#include <grp.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "collector/privileges.h"
#include "collector/protocol.h"
#include "collector/trace_reader.h"
#include "tests/collector/traced_command.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::test;

namespace {

constexpr uid_t nobody = 65534;

void require_tracing() {
    const std::string problem = tracing_problem();
    REQUIRE_CAPABILITY(problem.empty(), problem);
}

void require_root() {
    REQUIRE_CAPABILITY(::geteuid() == 0, "root, to become an ordinary user");
}

// A held task of a user, ended with the object.
class Held {
public:
    explicit Held(uid_t user = ::getuid()) {
        auto [read_end, write_end] = sys::pipe().value();
        pid_ = ::fork();
        if (pid_ == 0) {
            if (user != ::getuid() && ::setresuid(user, user, user) != 0) {
                ::_exit(1);
            }
            (void)sys::write_all(write_end.get(), "x");
            ::pause();
            ::_exit(0);
        }
        char ready = 0;
        REQUIRE(::read(read_end.get(), &ready, 1) == 1);
        pidfd_ = sys::pidfd_open(pid_).value();
    }
    ~Held() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }

private:
    pid_t pid_ = -1;
    unique_fd pidfd_;
};

// A copy of collector and tracer that an ordinary user may run, with or without file capabilities.
struct Installed {
    TemporaryDirectory directory;
    std::string own; // writable by the user

    explicit Installed(const char* capabilities) {
        ::chmod(directory.path().c_str(), 0755);
        const std::string here = sys::readlink("/proc/self/exe").value();
        const auto bin = std::filesystem::path(here).parent_path();
        for (const char* name : {"treadline-collector", "trace_dump"}) {
            std::filesystem::copy_file(bin / name, directory / name);
        }
        if (capabilities != nullptr) {
            cap_t caps = ::cap_from_text(capabilities);
            const bool set = ::cap_set_file((directory / "treadline-collector").c_str(), caps) == 0;
            ::cap_free(caps);
            REQUIRE_CAPABILITY(set, "a file system for file capabilities under the temporary directory");
        }
        own = directory / "own";
        ::mkdir(own.c_str(), 0755);
        REQUIRE(::chown(own.c_str(), nobody, nobody) == 0);
    }

    [[nodiscard]] Finished trace(const std::string& script) const {
        RunOptions options;
        options.directory = own;
        return run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", directory / "trace_dump",
                    "/bin/sh", "-c", script},
                   options);
    }
};

// Talks to the collector as a caller would, up to its first answer.
std::string answer_to(const std::string& start, const std::vector<int>& fds) {
    auto [ours, theirs] = sys::socketpair(SOCK_SEQPACKET).value();
    const std::string program = find_collector().program;
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(theirs.get(), 0);
        ::execl(program.c_str(), program.c_str(), nullptr);
        ::_exit(127);
    }
    theirs.reset();
    REQUIRE(sys::send_fds(ours.get(), start, fds));
    const auto answer = sys::receive_fds(ours.get());
    ours.reset();
    ::waitpid(child, nullptr, 0);
    return answer ? answer->bytes : answer.error().message();
}

} // namespace

TEST_CASE("without privilege the collector says what to do", "[collector][root]") {
    require_root();
    const Installed installed(nullptr);
    const Finished finished = installed.trace("true");
    CHECK(finished.status == 125);
    CHECK(finished.err.find("tracing needs privilege") == 0);
    CHECK(finished.err.find("sudo setcap cap_bpf,cap_perfmon+ep " + installed.directory.path()) !=
          std::string::npos);
    CHECK(finished.out.empty()); // nothing has run
}

TEST_CASE("with file capabilities an ordinary user traces a command as that user", "[collector][root]") {
    require_root();
    require_tracing();
    const Installed installed("cap_bpf,cap_perfmon+ep");
    const Finished finished = installed.trace("id -u; mkdir made; exit 4");
    CAPTURE(finished.err);
    CHECK(finished.status == 4);
    CHECK(finished.out.find("65534\n") == 0);
    CHECK(finished.out.find("complete=1") != std::string::npos);
    CHECK(finished.out.find("create " + installed.own + "/made ok x1 dir created") != std::string::npos);
}

TEST_CASE("under sudo only the collector's start is root's; store and command are the user's",
          "[collector][root]") {
    require_root();
    require_tracing();
    const TemporaryDirectory directory;
    REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
    const std::string store = directory / "trace.db";
    const pid_t child = ::fork();
    if (child == 0) { // as `sudo treadline learn`; a status for each way to fail
        const auto as_learn = [&] {
            auto session = CollectorSession::spawn(nobody);
            if (!session || ::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
                ::setresuid(nobody, nobody, nobody) != 0) {
                return 1;
            }
            const Held held; // ended before this process is
            if (!session->begin(held.pidfd(), store, {})) {
                return 2;
            }
            const auto summary = session->finish({});
            return summary && summary->run == 1 ? 0 : 3;
        };
        ::_exit(as_learn());
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    struct stat about {};
    REQUIRE(::stat(store.c_str(), &about) == 0);
    CHECK(about.st_uid == nobody);
    CHECK(TraceReader::open(store).value().runs().value().at(0).uid == nobody);
}

TEST_CASE("a user's collector does not follow a set-user-id program's accesses", "[collector][root]") {
    require_root();
    require_tracing();
    const Installed installed("cap_bpf,cap_perfmon+ep");
    // `su` runs as root and reads what only root may, before it refuses.
    const Finished finished = installed.trace("su -c true nobody </dev/null >/dev/null 2>&1; true");
    CHECK(finished.out.find("exe=/usr/bin/su ") != std::string::npos);
    CHECK(finished.out.find("complete=0") != std::string::npos);
    CHECK(finished.out.find("ran as another user") != std::string::npos);
    CHECK(finished.out.find("/etc/shadow") == std::string::npos);
}

TEST_CASE("a task of another user is not watched", "[collector][root]") {
    require_root();
    const Held mine;
    const Held theirs(nobody);
    const Caller root{0, 0};
    const Caller user{nobody, nobody};
    CHECK(watched_user(theirs.pidfd(), user).value() == nobody);
    CHECK(watched_user(theirs.pidfd(), root).value() == nobody);
    const auto refused = watched_user(mine.pidfd(), user);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what == "the task to watch belongs to another user");
    CHECK_FALSE(watched_user(theirs.pidfd(), Caller{12345, 12345}));
}

TEST_CASE("what is no living task is not watched", "[collector]") {
    const Caller me{::getuid(), ::getgid()};
    const unique_fd null = sys::open("/dev/null", O_RDONLY).value();
    CHECK_FALSE(watched_user(null.get(), me));
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(0);
    }
    const unique_fd ended = sys::pidfd_open(child).value();
    ::waitpid(child, nullptr, 0);
    CHECK_FALSE(watched_user(ended.get(), me));
}

TEST_CASE("only a regular file of the user is taken for a store", "[collector]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("trace.db", "");
    const unique_fd store = sys::open(path, O_RDWR).value();
    CHECK(store_path(store.get(), ::getuid()).value() == path);
    CHECK_FALSE(store_path(store.get(), ::getuid() + 1));
    const unique_fd folder = sys::open(directory.path(), O_RDONLY).value();
    CHECK_FALSE(store_path(folder.get(), ::getuid()));
    std::filesystem::rename(path, directory / "moved.db");
    directory.write("trace.db", "another");
    CHECK(store_path(store.get(), ::getuid()).value() == directory / "moved.db");
    std::filesystem::remove(directory / "moved.db");
    CHECK_FALSE(store_path(store.get(), ::getuid()));
}

TEST_CASE("a collector that is talked to wrongly refuses in a sentence", "[collector]") {
    REQUIRE_CAPABILITY(find_collector().privilege != CollectorAccess::Privilege::None,
                       find_collector().problem);
    CHECK(answer_to("hello", {}).find("\"error\"") != std::string::npos);
    CHECK(answer_to(protocol::start({}), {}).find("must carry the task and the store") != std::string::npos);
    const unique_fd null = sys::open("/dev/null", O_RDWR).value();
    CHECK(answer_to(protocol::start({}), {null.get(), null.get()}).find("the task to watch is not one") !=
          std::string::npos);
    require_tracing();
    const Held held;
    CHECK(answer_to(protocol::start({}), {held.pidfd(), null.get()}).find("must be a regular file of user") !=
          std::string::npos);
    const TemporaryDirectory directory;
    const unique_fd text = sys::open(directory.write("notes", std::string(4096, 'x')), O_RDWR).value();
    CHECK(answer_to(protocol::start({}), {held.pidfd(), text.get()}).find("is not a trace store") !=
          std::string::npos);
}

TEST_CASE("killing the collector leaves a valid store with a partial run, and the command runs on",
          "[collector]") {
    require_tracing();
    const TemporaryDirectory directory;
    TraceOptions options;
    options.store = directory / "trace.db";
    options.meanwhile = [](pid_t collector, pid_t) {
        ::usleep(400'000); // some commits
        ::kill(collector, SIGKILL);
    };
    const auto done =
        trace_command({"/bin/sh", "-c", "cat /etc/hostname >/dev/null; sleep 1; exit 6"}, options);
    REQUIRE(done);
    CHECK(done->status == 6);
    CHECK_FALSE(done->summary.complete);
    CHECK(done->summary.incomplete_because ==
          std::vector<std::string>{"the collector died before the run was complete"});
    CHECK_FALSE(done->trace.run.complete);
    CHECK(done->trace.run.exit_status == 6);
    CHECK(done->trace.run.duration_ms);
    CHECK(done->trace.run.incomplete_because == done->summary.incomplete_because);
    bool before_the_kill = false;
    for (const FileAccess& access : done->trace.files) {
        before_the_kill = before_the_kill || access.path == "/etc/hostname";
    }
    CHECK(before_the_kill);
    // The same store takes the next run.
    options.meanwhile = nullptr;
    const auto next = trace_command({"/usr/bin/true"}, options);
    REQUIRE(next);
    CHECK(next->summary.complete);
    CHECK(next->summary.run == done->summary.run + 1);
}

TEST_CASE("the terminal's signals do not end the collector", "[collector]") {
    require_tracing();
    TraceOptions options;
    options.meanwhile = [](pid_t collector, pid_t) {
        for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGTSTP}) {
            ::kill(collector, number);
        }
    };
    const auto done = trace_command({"/bin/sh", "-c", "sleep 0.2"}, options);
    REQUIRE(done);
    CHECK(done->summary.complete);
}

TEST_CASE("a collector whose caller goes away finishes the run as partial and ends", "[collector]") {
    require_tracing();
    const TemporaryDirectory directory;
    const Held held;
    {
        auto session = CollectorSession::spawn(::getuid());
        REQUIRE(session);
        REQUIRE(session->begin(held.pidfd(), directory / "trace.db", {}));
    } // the destructor closes the socket and waits for the collector's end
    const auto runs = TraceReader::open(directory / "trace.db").value().runs().value();
    REQUIRE(runs.size() == 1);
    CHECK_FALSE(runs[0].complete);
    CHECK(runs[0].incomplete_because.at(0) == "treadline went away before the command had ended");
    CHECK(runs[0].duration_ms);
}
