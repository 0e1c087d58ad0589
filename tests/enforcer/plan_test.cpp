#include <algorithm>
#include <filesystem>
#include <map>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/landlock_ruleset.h"
#include "enforcer/plan.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using treadline::test::Arena;
using treadline::test::full_machine;

namespace {

result<Plan> plan_of(const Arena& arena, const std::string& rules, const Machine& machine = full_machine(),
                     CompileOptions options = {}) {
    return compile(arena.policy(rules), machine, arena.command({"true"}), options);
}

// The steps that concern the home, the rest being this machine's.
std::vector<MountStep> home_steps(const Arena& arena, const Plan& plan) {
    std::vector<MountStep> steps;
    for (const MountStep& step : plan.mounts) {
        if (step.target.starts_with(arena.home())) {
            steps.push_back(step);
        }
    }
    return steps;
}

std::vector<LandlockRule> home_rules(const Arena& arena, const Plan& plan) {
    std::vector<LandlockRule> rules;
    for (const LandlockRule& rule : plan.landlock_rules) {
        if (rule.path.starts_with(arena.home())) {
            rules.push_back(rule);
        }
    }
    return rules;
}

using Kind = MountStep::Kind;

constexpr uint64_t read_tree = landlock::read_file | landlock::read_dir;
constexpr uint64_t write_tree = landlock::write_file | landlock::truncate;
constexpr uint64_t make = landlock::make_reg | landlock::make_dir | landlock::make_sym | landlock::make_fifo |
                          landlock::make_sock | landlock::remove_file | landlock::remove_dir |
                          landlock::refer;

} // namespace

TEST_CASE("a directory that another run made counts as missing until somebody has put something into it", "[enforcer][plan]") {
    const Arena arena;
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/made/**: rwc\n";
    const std::string made = arena.project("made");
    const auto makes = [&] { return plan_of(arena, rules).value().make_directories; };
    CHECK(makes() == std::vector<std::string>{made});
    std::filesystem::create_directory(made);
    CHECK(makes().empty()); // somebody's own
    std::filesystem::permissions(made, std::filesystem::perms::sticky_bit, std::filesystem::perm_options::add);
    CHECK(makes() == std::vector<std::string>{made}); // in the making
    std::filesystem::permissions(made, std::filesystem::perms::sticky_bit, std::filesystem::perm_options::remove);
    const timespec times[2] = {{0x54524144, 0}, {0x54524144, 0}};
    REQUIRE(::utimensat(AT_FDCWD, made.c_str(), times, 0) == 0);
    CHECK(makes() == std::vector<std::string>{made});
    arena.write("project/made/file", "");
    CHECK(makes().empty());
}

TEST_CASE("a read-only project with one writable directory compiles to two binds", "[enforcer][plan]") {
    const Arena arena;
    arena.write("project/out/old", "");
    const Plan plan = plan_of(arena, "files:\n  ${project}/**: r\n  ${project}/out/**: rwc\n").value();
    const std::vector<MountStep> expected = {
        {Kind::Directory, "", arena.home(), false, false, "leads to what rules name"},
        {Kind::Bind, arena.project(), arena.project(), false, true, "${project}/**: r"},
        {Kind::Bind, arena.project("out"), arena.project("out"), true, false, "${project}/out/**: rwc"},
    };
    CHECK(home_steps(arena, plan) == expected);
    const std::vector<LandlockRule> rules = {
        {arena.project(), read_tree, "${project}/**: r"},
        {arena.project("out"), read_tree | write_tree | make, "${project}/out/**: rwc"},
    };
    CHECK(home_rules(arena, plan) == rules);
    CHECK(plan.placeholders.empty());
    CHECK(plan.degraded.empty());
    CHECK(plan.network == NetworkMode::None);
    CHECK(plan.scope_signals_and_abstract_sockets);
}

TEST_CASE("an empty profile shows the project's names and grants nothing in it", "[enforcer][plan]") {
    const Arena arena;
    const Plan plan = plan_of(arena, "").value();
    CHECK(home_rules(arena, plan).empty());
    const std::vector<MountStep> expected = {
        {Kind::Directory, "", arena.home(), false, false, "leads to what rules name"},
        {Kind::Bind, arena.project(), arena.project(), false, true, "the project's names are visible"},
    };
    CHECK(home_steps(arena, plan) == expected);
}

TEST_CASE("a writable place is executable only where a rule has x in it", "[enforcer][plan]") {
    const Arena arena;
    arena.write("project/bin/tool", "");
    const auto executable = [&](const std::string& rules) {
        const auto steps = home_steps(arena, plan_of(arena, rules).value());
        return std::find_if(steps.begin(), steps.end(),
                            [&](const MountStep& step) {
                                return step.kind == Kind::Bind && step.target == arena.project();
                            })
            ->executable;
    };
    CHECK_FALSE(executable("files:\n  ${project}/**: rwc\n"));
    CHECK(executable("files:\n  ${project}/**: rwc\n  ${project}/bin/tool: rx\n"));
    CHECK(executable("files:\n  ${project}/**: rwcx\n"));
}

TEST_CASE("a file made or replaced opens its directory, and its neighbours stay as they are",
          "[enforcer][plan]") {
    const Arena arena;
    arena.write("project/out.txt", "");
    arena.write("project/package.json", "");
    arena.write("project/src/main.c", "");
    const Plan plan = plan_of(arena, "files:\n  ${project}/**: r\n  ${project}/out.txt: rwc\n").value();
    const auto steps = home_steps(arena, plan);
    const auto at = [&](const std::string& path) {
        const auto found = std::find_if(steps.begin(), steps.end(),
                                        [&](const MountStep& step) { return step.target == path; });
        return found == steps.end() ? std::string("none")
                                    : std::string(found->writable ? "writable" : "read-only");
    };
    CHECK(at(arena.project()) == "writable");
    CHECK(at(arena.project("package.json")) == "read-only");
    CHECK(at(arena.project("src")) == "read-only");
    CHECK(at(arena.project("out.txt")) == "none"); // as its directory
    const auto explained =
        std::find_if(plan.enforcement.begin(), plan.enforcement.end(),
                     [](const Enforcement& rule) { return rule.rule == "${project}/out.txt: rwc"; });
    REQUIRE(explained != plan.enforcement.end());
    CHECK(explained->wider == "other new names can be made in the same directory");
}

TEST_CASE("`dir/` with r reaches the files in it and not those below", "[enforcer][plan]") {
    const Arena arena;
    arena.write("project/docs/a.md", "");
    arena.write("project/docs/deep/b.md", "");
    const auto rules = home_rules(arena, plan_of(arena, "files:\n  ${project}/docs/: r\n").value());
    const std::vector<LandlockRule> expected = {
        {arena.project("docs"), landlock::read_dir, "${project}/docs/: r"},
        {arena.project("docs/a.md"), landlock::read_file, "${project}/docs/: r"},
    };
    CHECK(rules == expected);
}

TEST_CASE("`*` is expanded to what exists", "[enforcer][plan]") {
    const Arena arena;
    arena.write("project/a.c", "");
    arena.write("project/b.c", "");
    arena.write("project/c.h", "");
    const auto rules = home_rules(arena, plan_of(arena, "files:\n  ${project}/*.c: r\n").value());
    REQUIRE(rules.size() == 2);
    CHECK(rules[0].path == arena.project("a.c"));
    CHECK(rules[1].path == arena.project("b.c"));
}

TEST_CASE("a missing directory that a c rule names is made, one that is only read is not",
          "[enforcer][plan]") {
    const Arena arena;
    const Plan plan =
        plan_of(arena, "files:\n  ${project}/new/deep/**: rwc\n  ${project}/absent/**: r\n").value();
    CHECK(plan.make_directories == std::vector<std::string>{arena.project("new"), arena.project("new/deep")});
    CHECK_FALSE(std::filesystem::exists(arena.project("new"))); // compiling changes nothing
    const auto absent =
        std::find_if(plan.enforcement.begin(), plan.enforcement.end(),
                     [](const Enforcement& rule) { return rule.rule == "${project}/absent/**: r"; });
    REQUIRE(absent != plan.enforcement.end());
    CHECK(absent->wider == "does not exist");
}

TEST_CASE("a rule through a symbolic link binds what it leads to and keeps the link", "[enforcer][plan]") {
    const Arena arena;
    arena.write("dotfiles/toolrc", "x");
    REQUIRE(::symlink("dotfiles/toolrc", arena.home(".toolrc").c_str()) == 0);
    const Plan plan = plan_of(arena, "files:\n  ${home}/.toolrc: r\n").value();
    const auto steps = home_steps(arena, plan);
    const MountStep link{
        Kind::Symlink, "dotfiles/toolrc", arena.home(".toolrc"), false, false, "on the way to a rule's path"};
    CHECK(std::find(steps.begin(), steps.end(), link) != steps.end());
    CHECK(plan.aliases.at(arena.home("dotfiles/toolrc")) == arena.home(".toolrc"));
    REQUIRE(home_rules(arena, plan).size() == 1);
    CHECK(home_rules(arena, plan)[0].path == arena.home("dotfiles/toolrc"));
}

TEST_CASE("the environment is what the profile passes and sets, and nothing that loads code",
          "[enforcer][plan]") {
    Arena arena;
    arena.environment = {{"PATH", "/usr/bin"},
                         {"SECRET_TOKEN", "x"},
                         {"LD_PRELOAD", "/x.so"},
                         {"NODE_OPTIONS", "--require=/x"},
                         {"MY_FLAG", "1"}};
    const Plan plan =
        plan_of(arena, "environment: {pass: [\"MY_*\", \"LD_*\", \"NODE_*\"], set: {CI: \"1\"}}\n").value();
    const auto& environment = plan.command.environment;
    CHECK(environment.at("MY_FLAG") == "1");
    CHECK(environment.at("CI") == "1");
    CHECK_FALSE(environment.contains("LD_PRELOAD"));
    CHECK_FALSE(environment.contains("NODE_OPTIONS"));
    const Plan named = plan_of(arena, "environment: {pass: [NODE_OPTIONS]}\n").value();
    CHECK(named.command.environment.contains("NODE_OPTIONS"));
    CHECK_FALSE(named.command.environment.contains("MY_FLAG"));
}

TEST_CASE("a profile with `connect` gets the egress gateway, and is refused where there can be none", "[enforcer][plan]") {
    const Arena arena;
    const std::string rules = "network: {connect: [\"packages.example.org:443\"]}\n";
    const Plan gated = plan_of(arena, rules).value();
    CHECK(gated.network == NetworkMode::Gateway);
    CHECK(gated.degraded.empty());
    CHECK(gated.self_test.contact); // nothing but TCP finds a route
    const auto rule = std::find_if(gated.enforcement.begin(), gated.enforcement.end(),
                                   [](const Enforcement& one) { return one.rule == "connect: packages.example.org:443"; });
    REQUIRE(rule != gated.enforcement.end());
    CHECK(rule->mechanism == "egress gateway");
    CHECK(plan_of(arena, "").value().network == NetworkMode::None);
    const std::string published = "network: {publish: [3000], listen: [3000]}\n";
    CHECK(plan_of(arena, published).value().network == NetworkMode::Gateway);
    const Plan host = plan_of(arena, rules, full_machine(), {false, true}).value();
    CHECK(host.network == NetworkMode::Host);
    CHECK(host.degraded.size() == 1);
}

TEST_CASE("without namespaces `connect` is the gateway's all the same, where somebody holds what leads past it", "[enforcer][plan][degraded]") {
    const Arena arena;
    const std::string rules = "network: {connect: [\"packages.example.org:443\"]}\n";
    const auto names = [](const Plan& plan, const std::string& words) {
        return std::any_of(plan.degraded.begin(), plan.degraded.end(), [&](const std::string& gap) { return gap.find(words) != std::string::npos; });
    };
    Machine flat = full_machine();
    flat.user_namespaces = false;
    CHECK(plan_of(arena, rules, flat).error().what.find("--allow-degraded") != std::string::npos);
    const Plan bridged = plan_of(arena, rules, flat, {true, false}).value();
    CHECK(bridged.network == NetworkMode::Bridged);
    CHECK(bridged.self_test.connection);
    CHECK_FALSE(bridged.self_test.contact); // there is a route
    CHECK(names(bridged, "`connect` (packages.example.org:443) is reached only by programs that"));
    const Plan published = plan_of(arena, "network: {publish: [3000], listen: [3000]}\n", flat, {true, false}).value();
    CHECK(published.network == NetworkMode::Bridged);
    CHECK(names(published, "`publish` (3000) has nothing to do"));
    CHECK(names(published, "what the command listens at can be by every user of this machine"));

    const Plan ring = plan_of(arena, rules + "syscalls: [\"@base\", \"@network\", io_uring_setup]\n", flat, {true, false}).value();
    CHECK(names(ring, "io_uring_setup"));
    CHECK(std::find(ring.syscalls->begin(), ring.syscalls->end(), "io_uring_setup") == ring.syscalls->end());
    CHECK(std::find(bridged.syscalls->begin(), bridged.syscalls->end(), "read") != bridged.syscalls->end());

    Machine blind = flat;
    blind.seccomp_notify = false;
    CHECK(plan_of(arena, rules, blind, {true, false}).error().what.find("takes seccomp notifications") != std::string::npos);
    Machine old = flat;
    old.landlock_abi = 3;
    CHECK(plan_of(arena, rules, old, {true, false}).value().network == NetworkMode::Bridged);
    const auto beside = plan_of(arena, rules + "unix: [\"/run/user/agent\"]\n", old, {true, false});
    REQUIRE_FALSE(beside.has_value());
    CHECK(beside.error().what.find("remove the `unix` rules") != std::string::npos);
    CHECK(plan_of(arena, rules + "unix: [\"/run/user/agent\"]\n", flat, {true, false}).has_value());
}

TEST_CASE("from Landlock ABI 9 on each `unix` rule is a right at its socket, or at the directory it will lie in", "[enforcer][plan]") {
    const Arena arena;
    const std::string socket = arena.write("run/agent", "");
    const std::string rules = "unix: [\"${home}/run/agent\", \"${project}/later\", \"@abstract\"]\n";
    const auto rights_at = [&](int abi) {
        Machine machine = full_machine();
        machine.landlock_abi = abi;
        std::map<std::string, uint64_t> found;
        const Plan plan = plan_of(arena, rules, machine).value();
        for (const LandlockRule& rule : plan.landlock_rules) {
            if ((rule.rights & landlock::resolve_unix) != 0) {
                found[rule.path] = rule.rights & landlock::resolve_unix;
            }
        }
        return found;
    };
    const auto is_raced = [&](const std::string& one, int abi) { // without namespaces
        Machine machine = full_machine();
        machine.user_namespaces = false;
        machine.landlock_abi = abi;
        const Plan plan = plan_of(arena, "unix: [\"" + one + "\"]\n", machine, {true, false}).value();
        return std::any_of(plan.degraded.begin(), plan.degraded.end(),
                           [&](const std::string& gap) { return gap.find("`unix` (" + one + ")") != std::string::npos; });
    };
    CHECK(is_raced("${home}/run/agent", 8));
    CHECK_FALSE(is_raced("${home}/run/agent", 9));
    CHECK(is_raced("${project}/later", 9));
    CHECK(rights_at(8).empty());
    CHECK(rights_at(9) == std::map<std::string, uint64_t>{{socket, landlock::resolve_unix}, {arena.project(), landlock::resolve_unix}});
}

TEST_CASE("a port cannot be both a service of the host's and published", "[enforcer][plan]") {
    const Arena arena;
    CHECK(plan_of(arena, "network: {connect: [\"host:3000\"], listen: [3001], publish: [3001]}\n").has_value());
    const auto refused = plan_of(arena, "network: {connect: [\"host:3000\"], listen: [3000], publish: [3000]}\n");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().what.find("the same port of this machine") != std::string::npos);
}

TEST_CASE("what the machine lacks is a refusal with a sentence, or a named degradation", "[enforcer][plan]") {
    const Arena arena;
    Machine machine = full_machine();
    machine.user_namespaces = false;
    machine.user_namespaces_why = "user namespaces are switched off";
    CHECK(plan_of(arena, "", machine).error().what.find("switched off") != std::string::npos);
    CHECK(plan_of(arena, "", machine, {true, false}).value().flat); // flat_test.cpp
    machine.landlock_abi = 0; // and nothing to hold files with
    CHECK_FALSE(plan_of(arena, "", machine, {true, false}).has_value());

    machine = full_machine();
    machine.landlock_abi = 0;
    CHECK_FALSE(plan_of(arena, "", machine).has_value());
    CHECK(plan_of(arena, "", machine, {true, false}).value().degraded.size() == 1);

    const std::string limited = "resources: {cpu: 50%}\n";
    CHECK_FALSE(plan_of(arena, limited).has_value());
    const Plan without = plan_of(arena, limited, full_machine(), {true, false}).value();
    CHECK(without.degraded.size() == 1);
    CHECK_FALSE(without.resources.cpu_percent.has_value());
}

TEST_CASE("limits are kept by a cgroup where one is delegated, controller by controller, and otherwise without", "[enforcer][plan]") {
    Arena arena;
    const std::string limits = "resources: {memory: 1G, processes: 10, cpu: 50%}\n";
    Machine machine = full_machine();
    machine.cgroup = "/sys/fs/cgroup/user";
    machine.cgroup_controllers = {"cpu", "memory"};
    Command command = arena.command({"true"});
    command.uid = 1000;
    const Plan some = compile(arena.policy(limits), machine, command, {}).value();
    CHECK(some.cgroup == "/sys/fs/cgroup/user");
    CHECK(some.cgroup_limits.memory_bytes == 1ULL << 30);
    CHECK(some.cgroup_limits.cpu_percent == 50U);
    CHECK_FALSE(some.cgroup_limits.processes.has_value()); // by an rlimit
    CHECK(some.resources.processes == 10U);
    command.uid = 0; // whom the kernel's rlimit does not count
    CHECK_FALSE(compile(arena.policy(limits), machine, command, {}).has_value());
    machine.cgroup_controllers = {"cpu", "memory", "pids"};
    CHECK(compile(arena.policy(limits), machine, command, {}).value().cgroup_limits.processes == 10U);

    const Plan none = compile(arena.policy("resources: {memory: 1G}\n"), full_machine(), arena.command({"true"}), {}).value();
    CHECK(none.cgroup.empty());
    CHECK(none.degraded.empty());
    CHECK(none.resources.memory_bytes == 1ULL << 30);
}

TEST_CASE("scopes and ports follow the Landlock version", "[enforcer][plan]") {
    const Arena arena;
    Machine machine = full_machine();
    machine.landlock_abi = 5;
    const Plan plan = plan_of(arena, "network: {listen: [3000, 80]}\n", machine).value();
    CHECK_FALSE(plan.scope_signals_and_abstract_sockets);
    CHECK(plan.bind_ports == std::vector<uint16_t>{80, 3000});
}

TEST_CASE("learning masks credentials and holds nothing else", "[enforcer][plan][learning]") {
    const Arena arena;
    arena.write(".ssh/id_ed25519", "key");
    arena.write("project/.env", "TOKEN=x");
    const Plan plan =
        compile_learning(arena.variables(), full_machine(), arena.command({"true"}), {}).value();
    CHECK_FALSE(plan.new_root);
    CHECK_FALSE(plan.isolate_processes);
    CHECK(plan.network == NetworkMode::Host);
    CHECK_FALSE(plan.syscalls.has_value());
    CHECK(plan.landlock_abi == 0);
    CHECK(plan.command.environment == arena.environment);
    const auto masked = [&](const std::string& path) {
        return std::any_of(plan.mounts.begin(), plan.mounts.end(), [&](const MountStep& step) {
            return step.target == path && (step.kind == Kind::MaskFile || step.kind == Kind::MaskDirectory);
        });
    };
    CHECK(masked(arena.home(".ssh/id_ed25519"))); // its name can be looked at, as without us
    CHECK(masked(arena.project(".env")));
}

TEST_CASE("learning with credentials needs no namespaces, without them it says so",
          "[enforcer][plan][learning]") {
    const Arena arena;
    Machine machine = full_machine();
    machine.user_namespaces = false;
    const Plan open = compile_learning(arena.variables(), machine, arena.command({"true"}), {.allow_credentials = true}).value();
    CHECK_FALSE(open.namespaces);
    CHECK(open.mounts.empty());
    const auto refused = compile_learning(arena.variables(), machine, arena.command({"true"}), {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().what.find("--allow-credentials") != std::string::npos);
}

TEST_CASE("learning through the gateway takes a network of its own and its resolver, and nothing else of the host's view", "[enforcer][plan][learning]") {
    const Arena arena;
    for (const bool allow_credentials : {false, true}) {
        const Plan plan =
            compile_learning(arena.variables(), full_machine(), arena.command({"true"}), {.allow_credentials = allow_credentials, .through_gateway = true}).value();
        CHECK(plan.network == NetworkMode::Recorded);
        CHECK(plan.namespaces);
        CHECK_FALSE(plan.new_root);
        CHECK_FALSE(plan.isolate_processes);
        const auto resolver = std::find_if(plan.mounts.begin(), plan.mounts.end(), [&](const MountStep& step) {
            return step.kind == Kind::File && step.target == std::filesystem::canonical("/etc/resolv.conf");
        });
        REQUIRE(resolver != plan.mounts.end());
        CHECK(resolver->source.find("nameserver 198.18.0.2\n") != std::string::npos);
    }
    Machine machine = full_machine();
    machine.user_namespaces = false;
    CHECK_FALSE(compile_learning(arena.variables(), machine, arena.command({"true"}), {.allow_credentials = true, .through_gateway = true}).has_value());
}

TEST_CASE("explain shows mounts, Landlock rights and never a variable's value", "[enforcer][plan]") {
    Arena arena;
    arena.environment = {{"PATH", "/value-of-path"}};
    const std::string text = describe(plan_of(arena, "files:\n  ${project}/**: r\n").value());
    CHECK(text.find("host " + arena.project() + " (read-only)   # ${project}/**: r\n") != std::string::npos);
    CHECK(text.find(arena.project() + " read_file+read_dir   # ${project}/**: r\n") != std::string::npos);
    CHECK(text.find("  PATH\n") != std::string::npos);
    CHECK(text.find("/value-of-path") == std::string::npos);
}
