// Threats list, sections 9 to 11: other processes, the kernel's back doors, and what is shared with programs outside.
#include <catch2/catch_test_macros.hpp>

#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attacks/corpus.h"
#include "tests/attacks/outsiders.h"

using namespace treadline::test;

namespace {

// Everything dangerous listed, as a profile never should: what is outside is out of reach all the same.
Rules reckless_rules() {
    Rules rules = tests_rules();
    rules.syscalls = {"@process", "@ipc", "@network", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"};
    return rules;
}

Denial call(const std::string& name) {
    return {"seccomp", name, name, "syscalls"};
}

std::string hexadecimal(int key) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", static_cast<unsigned>(key));
    return text;
}

const char* const not_there = "the process is not there inside";

Rules with_process() {
    return tests_rules().with("syscalls", "@process");
}

} // namespace

TEST_CASE("a process outside is not signalled, stopped, traced, read or changed", "[attack][processes]") {
    const Victim victim;
    const auto rules = reckless_rules();
    const Denial outside{"mount", "$1", std::nullopt, ""};
    const Denial process{"namespace", "process $1", std::nullopt, ""};
    hold({"kills", {"hostile", "kill"}, victim.stopped_or_killed(), {process}, rules, victim.number()});
    hold({"kills by a thread's number", {"hostile", "kill-thread"}, victim.stopped_or_killed(), {process}, rules, victim.number()});
    hold({"kills by a thread's number alone", {"hostile", "kill-any-thread"}, victim.stopped_or_killed(), {process}, rules, victim.number()});
    hold({"kills by a queued signal", {"hostile", "queue-signal"}, victim.stopped_or_killed(), {process}, rules, victim.number()});
    hold({"stops", {"hostile", "stop"}, victim.stopped_or_killed(), {process}, rules, victim.number()});
    hold({"kills by a pidfd", {"hostile", "kill-by-descriptor"}, victim.stopped_or_killed(), {process}, rules, victim.number()});
    hold({"traces", {"hostile", "ptrace"}, says_ok(), {process}, rules, victim.number()});
    hold({"reads its memory", {"hostile", "memory-of"}, prints_a_secret(), {process}, rules, victim.number_and_address()});
    hold({"reads its memory by /proc", {"hostile", "memory-file-of"}, prints_a_secret(), {outside}, rules, victim.file_and_address("mem")});
    hold({"overwrites its memory", {"hostile", "overwrite-memory-of"}, victim.overwritten(), {process}, rules, victim.number_and_address()});
    hold({"takes its open file", {"hostile", "descriptor-of"}, prints_a_secret(), {process}, rules, victim.number_and_descriptor()});
    hold({"takes its right to open files", {"hostile", "starve"}, victim.limited(), {process}, rules, victim.number()});
    hold({"reads its environment", {"sh", "-c", "cat $0"}, says("PATH="), {outside}, rules, victim.file_and_address("environ")});
    hold({"enters its working directory", {"sh", "-c", "cat $0"}, prints_a_secret(), {outside}, rules, victim.file_and_address("cwd/.env")});
}

TEST_CASE("calls that reach into processes are refused and named", "[attack][processes]") {
    const Victim victim;
    hold({"traces", {"hostile", "ptrace"}, says_ok(), {call("ptrace")}, tests_rules(), victim.number(), {}, not_there});
    hold({"reads memory", {"hostile", "memory-of"}, prints_a_secret(), {call("process_vm_readv")}, tests_rules(), victim.number_and_address(), {}, not_there});
    hold({"overwrites memory", {"hostile", "overwrite-memory-of"}, victim.overwritten(), {call("process_vm_writev")}, tests_rules(),
          victim.number_and_address(), {}, not_there});
}

TEST_CASE("the caller's own process group is not slowed down", "[attack][processes]") {
    // A run of its own, because without Treadline it slows the test's process group down, for good.
    const World world;
    world.write("./.treadline/profile.yaml", with_process().yaml());
    const Enforced held = world.enforce(with_process(), {"hostile", "slow-group"});
    CHECK(held.run.out == "EPERM\n");
    CHECK(held.denials == std::vector<Denial>{{"seccomp", "setpriority", std::nullopt, ""}});
    CHECK(::getpriority(PRIO_PROCESS, 0) == 0);
    const pid_t free = ::fork();
    if (free == 0) {
        ::setpgid(0, 0);
        const Finished done = world.run({"hostile", "slow-group"});
        ::_exit(done.out == "ok\n" && ::getpriority(PRIO_PROCESS, 0) == 19 ? 0 : 1);
    }
    int status = -1;
    ::waitpid(free, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("the kernel's back doors are closed", "[attack][kernel]") {
    struct Door {
        const char* attempt;
        const char* call;
    };
    for (const Door& door : {Door{"io-uring", "io_uring_setup"}, Door{"userfaultfd", "userfaultfd"}, Door{"perf", "perf_event_open"},
                             Door{"unshare", "unshare"}, Door{"name-handle", "name_to_handle_at"}, Door{"personality", "personality"}}) {
        const bool arguments = std::strcmp(door.call, "unshare") == 0 || std::strcmp(door.call, "personality") == 0;
        const Denial denial{"seccomp", door.call, arguments ? std::nullopt : std::optional<std::string>(door.call), arguments ? "" : "syscalls"};
        if (World().run({"hostile", door.attempt, "."}).status != 0) {
            WARN("not open on this kernel without Treadline: " << door.attempt);
            continue;
        }
        hold({door.attempt, {"hostile", door.attempt, "."}, says_ok(), {denial}});
    }
    hold({"a namespace of its own", {"hostile", "clone-user"}, says_ok(), {{"seccomp", "clone", std::nullopt, ""}}});
    hold({"a supervisor of its own", {"hostile", "listener"}, says_ok(), {{"seccomp", "seccomp", std::nullopt, ""}}});
    hold({"a filter of its own", {"hostile", "own-filter"}, says_ok(), {{"seccomp", "prctl(22)", "seccomp", "syscalls"}}});
    hold({"a terminal's line discipline", {"hostile", "line-discipline"}, says_ok(), {{"seccomp", "ioctl(21539)", std::nullopt, ""}}});
}

TEST_CASE("system calls by the entry of 32-bit programs do not exist", "[attack][kernel]") {
    if (World().run({"hostile", "int80"}).status != 0) {
        SKIP("this kernel has no such entry");
    }
    hold({"int 0x80", {"hostile", "int80"}, says_ok(), {}});
}

TEST_CASE("sockets of odd families are refused", "[attack][kernel]") {
    struct Socket {
        const char* name;
        std::vector<std::string> arguments;
    };
    for (const Socket& socket : {Socket{"the kernel's ciphers", {"38", "5", "0"}}, Socket{"who else has sockets", {"16", "3", "4"}},
                                 Socket{"events of devices", {"16", "3", "15"}}, Socket{"the machine below", {"40", "1", "0"}}}) {
        std::vector<std::string> argv = {"hostile", "make-socket"};
        argv.insert(argv.end(), socket.arguments.begin(), socket.arguments.end());
        if (World().run(argv).status != 0) {
            WARN("not open on this kernel without Treadline: " << socket.name);
            continue;
        }
        const std::string object = "socket(" + socket.arguments[0] + ", " + socket.arguments[1] + ", " + socket.arguments[2] + ")";
        for (const Rules& rules : {tests_rules(), tests_rules().with("syscalls", "@network")}) {
            hold({socket.name, argv, says_ok(), {{"seccomp", object, std::nullopt, ""}}, rules});
        }
    }
}

TEST_CASE("a name that changes while it is judged opens nothing", "[attack][kernel]") {
    const auto prepare = [](World& world) {
        return std::vector<std::string>{world.place("./src/main.c"), world.place("~/.ssh/id_ed25519"), "3000"};
    };
    hold({"a name that changes", {"hostile", "race-name"}, prints_a_secret(), {{"mount", "~/.ssh/id_ed25519", "${home}/.ssh/id_ed25519: r"}}, tests_rules(),
          prepare, {}, "a race need not be won", {}, true});
}

TEST_CASE("services of the user are not reached by their sockets", "[attack][shared]") {
    struct Known {
        const char* place;
        const char* rule;
    };
    for (const Known& known : {Known{"~/.gnupg/S.gpg-agent", "${home}/.gnupg/S.gpg-agent"}, Known{"~/.docker/run/docker.sock", "${home}/.docker/run/docker.sock"},
                               Known{"~/run/bus", "${home}/run/bus"}, Known{"~/run/systemd/private", "${home}/run/systemd/private"},
                               Known{"~/run/podman/podman.sock", "${home}/run/podman/podman.sock"}, Known{"~/run/wayland-0", "${home}/run/wayland-0"},
                               Known{"~/.ssh/agent.1", "${home}/.ssh/agent.1"}}) {
        const Service service(known.place);
        hold({known.place, {"hostile", "unix-connect"}, service.reached(), {{"mount", known.place, known.rule, "unix"}}, tests_rules(), service.listens()});
    }
}

TEST_CASE("abstract sockets, shared memory and queues of programs outside are others inside", "[attack][shared]") {
    const Service service("@treadline-attack-" + std::to_string(::getpid()));
    hold({"an abstract socket, as X11's", {"hostile", "unix-connect"}, service.reached(), {{"namespace", "$1", std::nullopt, ""}}, tests_rules(), service.listens()});

    const int key = 0x54520000 + ::getpid();
    const int segment = ::shmget(key, 4096, IPC_CREAT | 0600);
    REQUIRE(segment >= 0);
    void* memory = ::shmat(segment, nullptr, 0);
    std::strcpy(static_cast<char*>(memory), "SECRET segment");
    hold({"a System V segment", {"hostile", "shared-segment", std::to_string(key)}, prints_a_secret(),
          {{"namespace", "shared memory " + hexadecimal(key), std::nullopt, ""}}, reckless_rules()});
    ::shmdt(memory);
    ::shmctl(segment, IPC_RMID, nullptr);

    const int semaphores = ::semget(key, 1, IPC_CREAT | 0600);
    REQUIRE(semaphores >= 0);
    const auto taken = [semaphores](const World&, const Finished&) { return ::semctl(semaphores, 0, GETVAL) == 0; };
    hold({"a System V semaphore", {"hostile", "take-semaphore", std::to_string(key)}, taken,
          {{"namespace", "semaphores " + hexadecimal(key), std::nullopt, ""}}, reckless_rules(), [semaphores](World&) -> std::vector<std::string> {
              REQUIRE(::semctl(semaphores, 0, SETVAL, 1) == 0);
              return {};
          }});
    ::semctl(semaphores, 0, IPC_RMID);

    const int old_queue = ::msgget(key, IPC_CREAT | 0600);
    REQUIRE(old_queue >= 0);
    hold({"a System V queue", {"hostile", "old-queue", std::to_string(key)}, prints_a_secret(),
          {{"namespace", "message queue " + hexadecimal(key), std::nullopt, ""}}, reckless_rules(), [old_queue](World&) -> std::vector<std::string> {
              struct {
                  long type = 1;
                  char text[16] = "SECRET message";
              } message;
              REQUIRE(::msgsnd(old_queue, &message, sizeof message.text, 0) == 0);
              return {};
          }});
    ::msgctl(old_queue, IPC_RMID, nullptr);

    const std::string name = "/treadline-attack-" + std::to_string(::getpid());
    const int shared = ::shm_open(name.c_str(), O_RDWR | O_CREAT, 0600);
    REQUIRE(::write(shared, "SECRET shared", 13) == 13);
    hold({"POSIX shared memory", {"hostile", "read", "/dev/shm" + name}, prints_a_secret(), {{"mount", "/dev/shm" + name, std::nullopt, ""}}});
    ::close(shared);
    ::shm_unlink(name.c_str());

    mq_attr attributes{};
    attributes.mq_maxmsg = 4;
    attributes.mq_msgsize = 64;
    const mqd_t queue = ::mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, &attributes);
    REQUIRE(queue >= 0);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(::mq_send(queue, "SECRET queue", 12, 0) == 0);
    }
    hold({"a POSIX queue", {"hostile", "queue", name}, prints_a_secret(),
          {{"namespace", "message queue " + name, std::nullopt, ""}}, reckless_rules()});
    ::mq_close(queue);
    ::mq_unlink(name.c_str());
}

TEST_CASE("no key is left in the user's keyring", "[attack][shared]") {
    const std::string name = "treadline-attack-" + std::to_string(::getpid());
    const auto found = [name](const World&, const Finished&) {
        const long key = ::syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, -4 /* the user's */, "user", name.c_str(), 0);
        return key >= 0 && ::syscall(SYS_keyctl, 9 /* KEYCTL_UNLINK */, key, -4) == 0;
    };
    hold({"leaves a key", {"hostile", "leave-key", name}, found, {call("add_key")}, tests_rules(), {}, {},
          "a user namespace has keyrings of its own"});
}
