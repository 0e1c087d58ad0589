#include <algorithm>
#include <cerrno>
#include <map>

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

namespace {

const std::vector<std::string> operations = {"read",
                                             "truncate-open",
                                             "create",
                                             "create-there",
                                             "exclusive",
                                             "openat2",
                                             "openat2-refused",
                                             "list",
                                             "point",
                                             "nameless",
                                             "missing",
                                             "missing-write",
                                             "forbidden",
                                             "through-link",
                                             "no-link",
                                             "empty",
                                             "bad-descriptor",
                                             "proc-cwd",
                                             "proc-cwd-itself",
                                             "long",
                                             "long-missing",
                                             "at",
                                             "at-missing",
                                             "direct",
                                             "unlink",
                                             "unlink-at",
                                             "unlink-missing",
                                             "unlink-directory",
                                             "rmdir",
                                             "rmdir-full",
                                             "rename",
                                             "rename-directory",
                                             "rename-missing",
                                             "exchange",
                                             "noreplace",
                                             "mkdir",
                                             "mkdir-there",
                                             "symlink",
                                             "symlink-there",
                                             "link",
                                             "link-followed",
                                             "link-missing",
                                             "statx",
                                             "statx-link",
                                             "statx-missing",
                                             "setxattr",
                                             "setxattr-missing",
                                             "getxattr",
                                             "getxattr-missing",
                                             "statx-descriptor",
                                             "fsetxattr",
                                             "fgetxattr",
                                             "ftruncate",
                                             "send",
                                             "sendmsg",
                                             "send-zc",
                                             "sendmsg-zc",
                                             "send-connected",
                                             "connect",
                                             "bind",
                                             "listen",
                                             "connect-no-socket",
                                             "connect-unix",
                                             "bind-unix",
                                             "send-unix",
                                             "connect-abstract"};

using Facts = std::vector<std::string>;

// What one process did, paths relative to `directory`.
Facts facts_of(const Trace& trace, int64_t process, const std::string& directory) {
    const auto relative = [&](const std::string& path) {
        return path.rfind(directory, 0) == 0 ? "." + path.substr(directory.size()) : path;
    };
    Facts facts;
    for (const FileAccess& access : trace.files) {
        if (access.process == process) {
            facts.push_back(std::string(to_string(access.access)) + " " + relative(access.path) + " " +
                            std::to_string(access.result) + (access.directory ? " dir" : "") +
                            (access.created_by_run ? " made" : "") + (access.gone_at_end ? " gone" : "") +
                            (access.would_create ? " would create" : "") +
                            (access.requested.empty() ? "" : " as " + relative(access.requested)) + " x" +
                            std::to_string(access.count));
        }
    }
    for (const SocketAccess& access : trace.sockets) {
        if (access.process == process) {
            facts.push_back(access.operation + " " + access.protocol + " " + relative(access.address) + " " +
                            std::to_string(access.port) + " " + std::to_string(access.result) + " x" +
                            std::to_string(access.count));
        }
    }
    std::sort(facts.begin(), facts.end());
    return facts;
}

struct Outcome {
    int status = 0;
    Facts facts;
};

// What each operation left, made in the way `how` names.
std::map<std::string, Outcome> outcomes(const std::string& how, const std::vector<std::string>& made) {
    const TemporaryDirectory directory;
    for (const std::string& operation : made) {
        const std::string place = directory / operation;
        for (const char* name : {"/file", "/other", "/dir/inside"}) {
            directory.write(operation + name, "text");
        }
        directory.write(operation + "/secret", "text", 0);
        REQUIRE(::mkdir((place + "/empty").c_str(), 0700) == 0);
        REQUIRE(::symlink("file", (place + "/link").c_str()) == 0);
    }
    std::vector<std::string> argv = {program("io_uring"), how};
    argv.insert(argv.end(), made.begin(), made.end());
    TraceOptions options;
    options.directory = directory.path();
    const Traced run = traced(argv, options);
    CHECK(run.status == 0);
    CHECK(run.summary.incomplete_because == std::vector<std::string>());
    CHECK(run.summary.complete);
    std::map<std::string, Outcome> found;
    size_t next = 0;
    for (const ProcessImage& image : run.trace.processes) {
        if (image.parent != 0 && next < made.size()) {
            const std::string& operation = made[next++];
            found[operation] = {image.exit_status.value_or(-1),
                                facts_of(run.trace, image.id, directory / operation)};
        }
    }
    CHECK(found.size() == made.size());
    return found;
}

// Newer than Linux 6.1.
bool is_young(const std::string& operation) {
    return operation == "ftruncate" || operation.rfind("bind", 0) == 0 || operation == "listen";
}

void check_same(const std::string& how) {
    const auto expected = outcomes("plain", operations);
    for (const auto& [operation, outcome] : outcomes(how, operations)) {
        CAPTURE(how, operation);
        if (outcome.status == ENOSYS && is_young(operation)) {
            continue;
        }
        CHECK(outcome.status == expected.at(operation).status);
        CHECK(outcome.facts == expected.at(operation).facts);
    }
}

} // namespace

TEST_CASE("the operations of the io_uring tests leave facts as system calls", "[bpf][io_uring]") {
    const auto plain = outcomes("plain", operations);
    CHECK(plain.at("read").facts.size() == 2); // the directory that it enters
    CHECK(plain.at("unlink-missing").status == ENOENT);
    CHECK(plain.at("connect").status == ECONNREFUSED);
    for (const auto& [operation, outcome] : plain) {
        CAPTURE(operation);
        CHECK(outcome.status != 99);
    }
}

TEST_CASE("a request of io_uring leaves the facts of its system call", "[bpf][io_uring]") {
    check_same("request");
}

TEST_CASE("a request that a worker carries out leaves the facts of its system call", "[bpf][io_uring]") {
    check_same("async");
}

TEST_CASE("a request that is picked up by polling leaves the facts of its system call", "[bpf][io_uring]") {
    check_same("polled");
}

TEST_CASE("a request whose end is told later leaves the facts of its system call", "[bpf][io_uring]") {
    check_same("deferred");
}

TEST_CASE("requests that wait for one another leave their facts when they have run, and none otherwise",
          "[bpf][io_uring]") {
    const auto found = outcomes("alone", {"linked", "cancelled"});
    CHECK(found.at("linked").status == 0);
    CHECK(found.at("linked").facts == Facts{"create ./new 0 dir made x1", "create ./new/made 0 made x1",
                                            "list . 0 dir as ./linked x1", "write ./new/made 0 made x1"});
    CHECK(found.at("cancelled").status == ECANCELED);
    CHECK(found.at("cancelled").facts == Facts{"list . 0 dir as ./cancelled x1", "read ./none 2 x1"});
}

TEST_CASE("requests of whose success nobody is told leave their facts", "[bpf][io_uring]") {
    const auto found = outcomes("alone", {"silent"});
    CHECK(found.at("silent").status == 0);
    Facts facts = found.at("silent").facts;
    std::erase_if(facts, [](const std::string& fact) { return fact.rfind("stat ", 0) == 0; });
    CHECK(facts == Facts{"create ./new 0 dir made x1", "delete ./file 0 gone x1", "delete ./none 2 x1",
                         "list . 0 dir as ./silent x1", "read ./other 0 x1"});
}

TEST_CASE("of more silent requests than the probes look for at the end each is recorded or counted as lost", "[bpf][io_uring]") {
    const TemporaryDirectory directory;
    REQUIRE(::mkdir((directory / "crowd").c_str(), 0700) == 0);
    TraceOptions options;
    options.directory = directory.path();
    const Traced run = traced({program("io_uring"), "alone", "crowd"}, options);
    CHECK(run.status == 0);
    const auto recorded = std::count_if(run.trace.files.begin(), run.trace.files.end(), [&](const FileAccess& access) {
        return access.access == AccessKind::Create && access.result == 0 && access.path.starts_with(directory / "crowd/new");
    });
    const auto lost = run.summary.lost.find("io_uring requests");
    const auto missing = lost == run.summary.lost.end() ? 0 : static_cast<long>(lost->second);
    CHECK(recorded + missing == 250);
    CHECK(run.summary.complete == (missing == 0));
}

TEST_CASE("requests whose results find no room leave their facts", "[bpf][io_uring]") {
    const Facts facts = outcomes("alone", {"overflowing"}).at("overflowing").facts;
    for (int i = 0; i < 23; ++i) {
        CAPTURE(i, facts);
        const std::string made = "create ./new" + std::to_string(i) + " 0 dir";
        CHECK(std::count_if(facts.begin(), facts.end(),
                            [&](const std::string& fact) { return fact.rfind(made, 0) == 0; }) == 1);
    }
    CHECK(std::count(facts.begin(), facts.end(), "send udp 127.0.0.1 9 0 x1") == 1);
}

TEST_CASE("a request on a ring of the parent's is the child's", "[bpf][io_uring]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("file", "text");
    TraceOptions options;
    options.directory = directory.path();
    const Traced run = traced({program("io_uring"), "alone", "inherited"}, options);
    CHECK(run.summary.complete);
    const auto access = file(run.trace, path, AccessKind::Read);
    REQUIRE(access);
    REQUIRE(run.trace.processes.size() == 3);
    CHECK(access->process == run.trace.processes[2].id);
}

TEST_CASE("a ring from outside that is polled there makes the run partial, another one does not",
          "[bpf][io_uring]") {
    for (const unsigned flags : {unsigned{IORING_SETUP_SQPOLL}, 0U}) {
        io_uring_params parameters{};
        parameters.flags = flags;
        const unique_fd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &parameters)));
        REQUIRE(ring);
        REQUIRE(::fcntl(ring.get(), F_SETFD, 0) == 0); // handed on
        const Traced run = traced({"/usr/bin/true"});
        CHECK(run.summary.complete == (flags == 0));
        CHECK(run.summary.lost.count("io_uring") == (flags == 0 ? 0 : 1));
    }
}

TEST_CASE("a request on a registered socket leaves the facts of its system call", "[bpf][io_uring]") {
    check_same("fixed");
}
