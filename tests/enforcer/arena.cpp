#include "tests/enforcer/arena.h"

#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "profiles/profile_reader.h"
#include "profiles/shipped.h"

namespace treadline::test {

std::vector<Violation> Held::about(const std::string& object) const {
    std::vector<Violation> found;
    for (const Violation& violation : violations) {
        if (violation.object == object) {
            found.push_back(violation);
        }
    }
    return found;
}

Arena::Arena() {
    environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", directory_ / "home"}, {"LANG", "C.UTF-8"}};
    std::filesystem::create_directories(project());
    const UserIdentity user{::geteuid(), ::getegid(), "tester", home()};
    variables_ = variables_for(user, project(), environment);
}

std::string Arena::home(const std::string& name) const {
    return directory_ / ("home" + (name.empty() ? "" : "/" + name));
}

std::string Arena::project(const std::string& name) const {
    return home("project" + (name.empty() ? "" : "/" + name));
}

std::string Arena::write(const std::string& name, const std::string& text, unsigned mode) const {
    return directory_.write("home/" + name, text, mode);
}

std::shared_ptr<const Policy> Arena::policy(const std::string& rules) const {
    std::string text = "treadline: 1\nname: test\ninclude: [base, shell, git]\n" + rules;
    const std::string always = "  " + hostile + ": rx\n";
    const size_t files = text.find("\nfiles:\n");
    if (files == std::string::npos) {
        text += "files:\n" + always;
    } else {
        text.insert(files + 8, always);
    }
    const auto profile = read_profile(text, "profile.yaml");
    if (!profile) {
        FAIL(profile.error().message());
    }
    auto policy = Policy::build(*profile, "profile.yaml", variables_, abstraction_loader(""));
    if (!policy) {
        FAIL(policy.error().message());
    }
    return std::make_shared<const Policy>(std::move(*policy));
}

Command Arena::command(const std::vector<std::string>& argv) const {
    return {argv, project(), environment, ::geteuid(), ::getegid()};
}

Held Arena::run(const std::string& rules, const std::vector<std::string>& argv, CompileOptions options,
                const std::function<void(Sandbox&)>& meanwhile) const {
    auto plan = compile(policy(rules), inspect_machine(), command(argv), options);
    if (plan) {
        plan->answer_refusals = answer_refusals;
    }
    if (!plan) {
        Held held;
        held.error = plan.error().message();
        return held;
    }
    return run_plan(*plan, meanwhile);
}

Held Arena::run_plan(const Plan& plan, const std::function<void(Sandbox&)>& meanwhile) const {
    const std::string output = directory_ / "output";
    Held held;
    {
        const unique_fd file(::open(output.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        const unique_fd out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10));
        const unique_fd err(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10));
        ::dup2(file.get(), STDOUT_FILENO);
        ::dup2(file.get(), STDERR_FILENO);
        auto sandbox = Sandbox::start(std::make_shared<const Plan>(plan), std::nullopt, std::nullopt, records);
        ::dup2(out.get(), STDOUT_FILENO);
        ::dup2(err.get(), STDERR_FILENO);
        if (!sandbox) {
            held.error = sandbox.error().message();
            return held;
        }
        if (meanwhile) {
            meanwhile(*sandbox);
        }
        if (const auto released = sandbox->release(); !released) {
            held.error = released.error().message();
            return held;
        }
        auto outcome = sandbox->wait({});
        if (!outcome) {
            held.error = outcome.error().message();
            return held;
        }
        held.status = outcome->exit_status;
        held.violations = std::move(outcome->violations);
    }
    held.out = slurp(output);
    return held;
}

Machine full_machine() {
    Machine machine;
    machine.landlock_abi = 7;
    machine.user_namespaces = true;
    machine.seccomp_notify = true;
    machine.seccomp_wait_killable = true;
    machine.memfd_noexec = true;
    machine.kernel = "6.18.0";
    machine.architecture = "x86_64";
    return machine;
}

Listener::Listener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(socket.get(), 4);
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = std::to_string(ntohs(address.sin_port));
}

bool namespaces_allowed() {
    static const Machine machine = inspect_machine();
    return machine.user_namespaces && machine.landlock_abi > 0;
}

} // namespace treadline::test
