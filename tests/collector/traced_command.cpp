#include "tests/collector/traced_command.h"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "collector/trace_reader.h"
#include "tests/support/support.h"

namespace treadline::test {
namespace {

[[noreturn]] void execute(const std::vector<std::string>& argv, const TraceOptions& options) {
    if (!options.out.empty()) {
        const int out = ::open(options.out.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
    }
    if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) {
        ::_exit(126);
    }
    std::vector<char*> words;
    for (const std::string& word : argv) {
        words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
}

} // namespace

std::string tracing_problem() {
    const CollectorAccess access = find_collector();
    return access.privilege == CollectorAccess::Privilege::SudoPrompt ? "only with a password"
                                                                      : access.problem;
}

result<Traced> trace_command(const std::vector<std::string>& argv, const TraceOptions& options) {
    const TemporaryDirectory own;
    const std::string store = options.store.empty() ? own / "trace.db" : options.store;
    auto [held, release] = TRY(sys::pipe());
    CollectorSession session = TRY(CollectorSession::spawn(::getuid()));
    const pid_t child = ::fork();
    if (child == 0) {
        release.reset();
        char go = 0;
        if (::read(held.get(), &go, 1) != 1) {
            ::_exit(125);
        }
        held.reset();
        execute(argv, options);
    }
    const unique_fd pidfd = TRY(sys::pidfd_open(child));
    RunInfo run;
    run.command = argv;
    run.uid = ::getuid();
    run.started_unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
    if (const auto begun = session.begin(pidfd.get(), store, run); !begun) {
        release.reset();
        ::waitpid(child, nullptr, 0);
        return failure(begun.error());
    }
    TRY(sys::write_all(release.get(), "x"));
    if (options.meanwhile) {
        options.meanwhile(session.pid(), child);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    Traced traced;
    traced.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    traced.summary = TRY(session.finish({traced.status}));
    const TraceReader reader = TRY(TraceReader::open(store));
    traced.trace = TRY(reader.read(traced.summary.run));
    return traced;
}

} // namespace treadline::test
