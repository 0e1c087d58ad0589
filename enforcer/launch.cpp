// Sandbox::start: one step after the other, in the order the kernel needs them.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/child.h"
#include "enforcer/denial.h"
#include "enforcer/first_child.h"
#include "enforcer/landlock_ruleset.h"
#include "enforcer/sandbox.h"
#include "enforcer/seccomp_filter.h"
#include "enforcer/self_test.h"
#include "enforcer/supervisor.h"
#include "profiles/environment_names.h"

namespace treadline {
namespace {

// execvp's search, once and from outside: inside, each name that is not there would be a notification.
result<std::string> find_program(const Command& command) {
    if (command.argv.empty() || command.argv[0].empty()) {
        return fail("no command was given");
    }
    const std::string& name = command.argv[0];
    if (name.find('/') != std::string::npos) {
        return name; // relative to the working directory, which execve starts from
    }
    const auto path = command.environment.find("PATH");
    const std::string search =
        path != command.environment.end() ? path->second : "/usr/local/bin:/usr/bin:/bin";
    for (const std::string_view directory : split(search, ':')) {
        const std::string candidate = (directory.empty() ? "." : std::string(directory)) + "/" + name;
        struct stat status {};
        if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
            ::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    return fail_code(ENOENT, "cannot execute '" + printable(name) + "': it is in no directory of PATH");
}

// What a file of the view holds.
result<std::string> content_of(const MountStep& step, const std::optional<egress::RunAuthority>& authority) {
    if (step.kind == MountStep::Kind::TrustBundle && authority) {
        return TRY(sys::read_file(step.source)) + "\n" + authority->certificate;
    }
    if (step.kind == MountStep::Kind::JavaTrust && authority) {
        return authority->java_store.empty() ? sys::read_file(step.source) : authority->java_store; // of another form: as it is
    }
    return step.source;
}

result<ChildMount> prepare_mount(const MountStep& step, const std::string& content, SharedMemory& memory) {
    ChildMount mount;
    mount.kind = step.kind;
    mount.source = memory.text(content);
    mount.size = content.size();
    mount.target = memory.text(step.target);
    mount.attributes = MOUNT_ATTR_NOSUID;
    mount.attributes |= step.kind == MountStep::Kind::Device ? 0 : MOUNT_ATTR_NODEV;
    mount.attributes |= step.writable ? 0 : MOUNT_ATTR_RDONLY;
    mount.attributes |= step.executable ? 0 : MOUNT_ATTR_NOEXEC;
    if (step.kind == MountStep::Kind::Tmpfs && step.target.ends_with("tmp")) {
        mount.mode = 01777;
    }
    if (step.kind == MountStep::Kind::Bind || step.kind == MountStep::Kind::Device) {
        struct stat status {};
        if (::lstat(step.source.c_str(), &status) != 0) {
            return fail_errno("cannot mount '" + printable(step.source) + "' (" + printable(step.why) + ")");
        }
        mount.directory = S_ISDIR(status.st_mode);
        mount.source += mount.source[1] == '\0' ? 0 : 1; // relative to the host's root
    }
    return mount;
}

char* word(SharedMemory& memory, std::string_view text) {
    return const_cast<char*>(memory.text(text)); // execve's own signature
}

} // namespace

// Before the mounts: programs inside are to trust it.
result<ok> Supervisor::make_authority() {
    if (plan_.authority_hosts.empty()) {
        return ok{};
    }
    std::string java_store;
    for (const MountStep& step : plan_.mounts) {
        if (step.kind == MountStep::Kind::JavaTrust) {
            java_store = TRY(sys::read_file(step.source));
        }
    }
    authority_ = TRY(egress::make_run_authority(plan_.authority_hosts, java_store));
    return ok{};
}

// With what tells programs the way out where it is not the only one by itself. Both kinds of case are read by somebody.
result<std::map<std::string, std::string>> Supervisor::environment() {
    std::map<std::string, std::string> all = plan_.command.environment;
    if (plan_.network != NetworkMode::Bridged) {
        return all;
    }
    bridge_ = TRY(egress::Bridge::open());
    for (const auto& [name, value] : bridge_variables("http://127.0.0.1:" + std::to_string(bridge_->port()))) {
        if (!plan_.policy->environment().set.contains(name)) {
            all.insert_or_assign(name, value);
        }
    }
    return all;
}

// Lays out what the first child waits for.
result<ok> Supervisor::prepare() {
    ChildPlan& child = first_.plan();
    SharedMemory& memory = first_.memory();
    child.directory = memory.text(plan_.command.directory);
    const SelfTest& test = plan_.self_test;
    child.self_test = {test.secret.empty() ? nullptr : memory.text(test.secret), test.sealed.empty() ? nullptr : memory.text(test.sealed),
                       test.unlisted_call, test.contact, test.connection, test.signal};
    child.limits.push_back({RLIMIT_CORE, {0, 0}});
    if (plan_.resources.processes && !plan_.cgroup_limits.processes) {
        const rlim_t processes = *plan_.resources.processes + (child.isolate_processes ? 1 : 0); // and init
        child.limits.push_back({RLIMIT_NPROC, {processes, processes}});
    }
    if (plan_.resources.file_size_bytes) {
        rlimit own{};
        ::getrlimit(RLIMIT_FSIZE, &own); // which may be lower already
        const rlim_t size = std::min<rlim_t>(*plan_.resources.file_size_bytes, own.rlim_max);
        child.limits.push_back({RLIMIT_FSIZE, {size, size}});
    }
    const bool hold_connect = plan_.flat && plan_.network != NetworkMode::Host;
    if (plan_.landlock_abi > 0) {
        child.landlock_attributes =
            landlock_attributes(plan_.landlock_abi, plan_.scope_signals_and_abstract_sockets, hold_connect);
        child.landlock_size = landlock_attributes_size(plan_.landlock_abi);
        // Only where it is read: a hostile command could fill the system's log.
        child.landlock_flags = records_ != nullptr ? landlock::log_new_exec_on : 0;
        child.landlock_rules.reserve(plan_.landlock_rules.size());
        for (const LandlockRule& rule : plan_.landlock_rules) {
            child.landlock_rules.push_back({memory.text(rule.path), rule.rights});
        }
        if (plan_.landlock_abi >= 4 && !supervises_sockets(plan_)) { // there no port is the command's to take itself
            child.bind_ports.assign(plan_.bind_ports.begin(), plan_.bind_ports.end());
            // Its own servers, which share the host's loopback.
            child.port_rights = landlock::bind_tcp | (hold_connect ? landlock::connect_tcp : 0);
        }
    }
    if (plan_.syscalls) {
        filtered_ = true;
        child.filtered = true;
        child.filter_flags = plan_.notify ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
        child.filter_flags |=
            plan_.notify && plan_.wait_killable ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0;
    }
    child.program = memory.text(program_);
    for (const std::string& argument : plan_.command.argv) {
        child.argv.push_back(word(memory, argument));
    }
    child.argv.push_back(nullptr);
    for (const auto& [name, value] : TRY(environment())) {
        child.environment.push_back(word(memory, name + "=" + value));
    }
    child.environment.push_back(nullptr);
    TRY(make_authority());
    TRY(outside_.await(plan_)); // some of it is mounted
    for (const MountStep& step : plan_.mounts) {
        const std::string content = TRY(content_of(step, authority_));
        child.mounts.push_back(TRY(prepare_mount(step, content, memory)));
    }
    return ok{};
}

error Supervisor::child_error() const {
    const ChildStatus& status = first_.status();
    const auto step = static_cast<ChildStep>(status.failed_step.load());
    const int index = status.failed_index;
    if (step == ChildStep::SelfTest) {
        return {0, self_test_failure(static_cast<SelfTestProbe>(index), plan_.self_test)};
    }
    std::string what = "cannot " + std::string(to_string(step));
    const auto at = static_cast<size_t>(index);
    if (step == ChildStep::Mount && at < plan_.mounts.size()) {
        what += " '" + printable(plan_.mounts[at].target) + "' (" + printable(plan_.mounts[at].why) + ")";
    } else if (step == ChildStep::LandlockRule && at < plan_.landlock_rules.size()) {
        what += " '" + printable(plan_.landlock_rules[at].path) + "' (" +
                printable(plan_.landlock_rules[at].why) + ")";
    } else if (step == ChildStep::LandlockPort) {
        what += " " + std::to_string(index);
    } else if (step == ChildStep::Directory) {
        what += " '" + printable(plan_.command.directory) + "'";
    } else if (step == ChildStep::Execute) {
        what += " '" + printable(program_) + "'";
        const std::string path = join_path(plan_.command.directory, program_);
        if (plan_.policy != nullptr && status.failed_errno == EACCES) {
            const auto resolved = sys::realpath(path);
            const Decision decision = plan_.policy->decide(Operation::Execute, resolved ? *resolved : path);
            if (!decision.allowed) {
                what += decision.remedy.empty()
                            ? " (" + decision.reason + ")"
                            : " (no rule allows it; this one would: " + decision.remedy + ")";
            }
        }
    }
    return {status.failed_errno, what};
}

result<ok> Supervisor::hand_over_filter() {
    if (!plan_.syscalls) {
        return ok{};
    }
    SeccompRules rules{*plan_.syscalls, plan_.notify, plan_.watch_paths, plan_.audit};
    rules.watch_reaching = watches_reaching(plan_);
    if (plan_.flat && plan_.network != NetworkMode::Host) {
        const bool no_unix = plan_.policy->unix_sockets().empty();
        const bool supervised = supervises_sockets(plan_);
        rules.flat = FlatSockets{!no_unix, plan_.landlock_abi >= 4 || (supervised && no_unix), supervised};
    }
    const auto filter = TRY(compile_seccomp(rules));
    ChildStatus& status = first_.status();
    if (filter.empty() || filter.size() > status.filter.size()) {
        return fail("the system call filter has " + std::to_string(filter.size()) + " instructions, more than the kernel takes");
    }
    std::copy(filter.begin(), filter.end(), status.filter.begin());
    status.filter_length = static_cast<unsigned>(filter.size());
    return ok{};
}

result<ok> Supervisor::watch_guards() {
    if (!guards_ && plan_.namespaces && !plan_.mounts.empty()) {
        guards_ = TRY(GuardWatch::start(plan_, command_));
    }
    return ok{};
}

// The messages of init ('P' with the command's pidfd) and of the held command ('R') may arrive in either
// order.
result<ok> Supervisor::await_ready() {
    bool ready = false;
    while (!ready || !command_pidfd_) {
        auto message = sys::receive_fds(socket_.get(), 16);
        if (!message) {
            return failure(message.error());
        }
        if (message->bytes.empty()) {
            return first_.status().failed_step != 0
                       ? failure(child_error())
                       : fail("the command's launcher died before the command started");
        }
        if (message->bytes == "P" && message->fds.size() == 1) {
            command_pidfd_ = std::move(message->fds[0]);
            const std::string info =
                TRY(sys::read_file("/proc/self/fdinfo/" + std::to_string(command_pidfd_.get())));
            const size_t at = info.find("\nPid:");
            command_ = at == std::string::npos ? -1 : std::atoi(info.c_str() + at + 5);
            TRY(watch_guards()); // while the command's process gets ready
        } else if (message->bytes == "R") {
            ready = true;
        }
    }
    return ok{};
}

namespace {

// Values of variables whose names say that they are secrets; placeholders are none.
std::vector<std::string> secrets_passed_on(const Plan& plan) {
    std::vector<std::string> secrets;
    for (const auto& [name, value] : plan.command.environment) {
        if (secret_variable(name) && (plan.secrets == nullptr || !plan.secrets->variables.contains(name))) {
            secrets.push_back(value);
        }
    }
    return secrets;
}

} // namespace

result<ok> Supervisor::start_gateway() {
    const bool recorded = plan_.network == NetworkMode::Recorded;
    const bool bridged = bridge_.has_value();
    if (!bridged && (!plan_.namespaces || (plan_.network != NetworkMode::Gateway && !recorded))) {
        return ok{};
    }
    egress::GatewayConfig config;
    config.policy = recorded ? nullptr : plan_.policy;
    config.resolve = plan_.resolve;
    config.search = plan_.search_domains;
    config.bridged = bridged;
    config.secrets = plan_.secrets;
    config.authority = authority_ ? &*authority_ : nullptr;
    config.capture = plan_.capture;
    config.known_secrets = plan_.capture ? secrets_passed_on(plan_) : std::vector<std::string>();
    config.replay = plan_.replay;
    config.uid = plan_.command.uid;
    config.gid = plan_.command.gid;
    gateway_ = TRY(egress::Gateway::start(config, command_pidfd_.get()));
    if (bridged) {
        bridge_->serve_by(*gateway_);
    }
    return ok{};
}

namespace {

// What is handed down as a standard stream lies on the host's own mount: nothing of the mount view lies over it, or over
// what is reached through a directory.
result<ok> check_inherited(const Plan& plan) {
    constexpr std::array names = {"standard input", "standard output", "standard error"};
    for (int fd = STDIN_FILENO; plan.new_root && fd <= STDERR_FILENO; ++fd) {
        struct stat status {};
        if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
            return fail(std::string(names[static_cast<size_t>(fd)]) +
                        " is a directory, through which the command would reach what the profile hides; redirect it");
        }
        const auto path = sys::readlink("/proc/self/fd/" + std::to_string(fd));
        const Guard* guard = S_ISREG(status.st_mode) && path && plan.policy != nullptr ? plan.policy->guards().find(*path, true) : nullptr;
        if (guard != nullptr && guard->kind == GuardKind::Protected && !plan.policy->decide(Operation::Write, *path).allowed) {
            return fail(std::string(names[static_cast<size_t>(fd)]) + " is '" + printable(*path) + "' (" + guard->what +
                        "), which the command could open anew and change; put a pipe between them");
        }
    }
    return ok{};
}

} // namespace

result<std::unique_ptr<Supervisor>> Supervisor::launch(std::shared_ptr<const Plan> plan, std::optional<FirstChild> begun,
                                                       std::optional<ProjectLock> lock, std::shared_ptr<LandlockLog> records) {
    const FirstChildPlan first = first_child_plan(*plan);
    if (begun && !(begun->begun() == first)) {
        begun.reset();
    }
    auto child = begun ? result<FirstChild>(std::move(*begun)) : FirstChild::start(first);
    if (!child) {
        return failure(child.error());
    }
    if (!lock) {
        lock = ProjectLock::share(plan->policy != nullptr ? plan->policy->variables().get("project") : "");
    }
    auto outside = TRY(Outside::begin(*plan, std::move(*lock))); // makes what the plan needs meanwhile
    std::unique_ptr<Supervisor> self(new Supervisor(std::move(plan), std::move(*child), std::move(outside)));
    TRY(check_inherited(self->plan_));
    if (self->plan_.landlock_abi >= 7) {
        self->records_ = std::move(records);
    }
    if (self->plan_.adopt_leftovers) {
        TRY(self->adopt_leftovers());
    }
    self->program_ = TRY(find_program(self->plan_.command));
    self->socket_ = self->first_.take_socket();
    self->exec_pipe_ = self->first_.take_exec_pipe();
    try {
        TRY(self->prepare());
    } catch (const std::bad_alloc&) {
        return fail("the plan is too large to hand over to the command's launcher");
    }
    if (::send(self->socket_.get(), "P", 1, MSG_NOSIGNAL) != 1) {
        return self->first_.status().failed_step != 0 ? failure(self->child_error())
                                                      : fail_errno("cannot hand the plan over to the command's launcher");
    }
    if (!self->first_.plan().isolate_processes) {
        self->command_ = self->first_.pid();
        self->command_pidfd_ = TRY(sys::pidfd_open(self->command_));
    }
    TRY(self->hand_over_filter()); // while the child is at its mounts
    TRY(self->await_ready());
    if (self->records_ != nullptr) {
        self->records_->follow(self->command_);
    }
    TRY(self->watch_guards());
    TRY(self->start_gateway());
    TRY(self->outside_.cgroup().add(self->command_));
    for (const std::string& name : self->plan_.dropped_variables) {
        self->log_.record(dropped_variable(self->plan_, name));
    }
    return self;
}

Beginning::Beginning(std::unique_ptr<FirstChild> first) : first_(std::move(first)) {}
Beginning::Beginning(Beginning&&) noexcept = default;
Beginning::~Beginning() = default;

std::optional<Beginning> Beginning::make(bool own_network) {
    FirstChildPlan plan;
    plan.uid = ::geteuid();
    plan.gid = ::getegid();
    plan.own_network = own_network;
    auto first = FirstChild::start(plan);
    return first ? std::optional(Beginning(std::make_unique<FirstChild>(std::move(*first)))) : std::nullopt;
}

Sandbox::Sandbox(std::unique_ptr<Supervisor> supervisor) : supervisor_(std::move(supervisor)) {}
Sandbox::Sandbox(Sandbox&&) noexcept = default;
Sandbox& Sandbox::operator=(Sandbox&&) noexcept = default;
Sandbox::~Sandbox() = default;

result<Sandbox> Sandbox::start(const Plan& plan) {
    return start(std::make_shared<const Plan>(plan));
}

result<Sandbox> Sandbox::start(std::shared_ptr<const Plan> plan, std::optional<Beginning> begun, std::optional<ProjectLock> lock,
                               std::shared_ptr<LandlockLog> records) {
    std::optional<FirstChild> first;
    if (begun) {
        first.emplace(std::move(*begun->first_));
    }
    return Sandbox(TRY(Supervisor::launch(std::move(plan), std::move(first), std::move(lock), std::move(records))));
}

int Sandbox::pidfd() const {
    return supervisor_->pidfd();
}

pid_t Sandbox::pid() const {
    return supervisor_->pid();
}

result<ok> Sandbox::release() {
    return supervisor_->release();
}

result<Outcome> Sandbox::wait(const OnViolation& on_violation) {
    return supervisor_->wait(on_violation);
}

} // namespace treadline
