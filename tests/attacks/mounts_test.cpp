// Threats list, section 6: taking the view apart, devices, and the kernel's knobs.
#include <catch2/catch_test_macros.hpp>

#include <unistd.h>

#include "tests/attacks/corpus.h"

using namespace treadline::test;

namespace {

std::vector<Denial> calls(const std::vector<std::string>& names) {
    std::vector<Denial> denials;
    for (const std::string& name : names) {
        denials.push_back({"seccomp", name, name, "syscalls"});
    }
    return denials;
}

} // namespace

TEST_CASE("the view is not changed by any call that could", "[attack][files]") {
    // Without Treadline they succeed in namespaces that everybody may make.
    const std::vector<std::string> alone = {"unshare", "--user", "--map-root-user", "--mount"};
    const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> attempts = {
        {{"mount-tmpfs", "out"}, {"mount"}},
        {{"mount-bind", "/", "out"}, {"mount"}},
        {{"mount-move", "out", "src"}, {"mount"}},
        {{"mount-overlay", "src", "out", "work"}, {"mount"}},
        {{"make-shared"}, {"mount"}},
        {{"remount-writable", "/"}, {"mount"}},
        {{"pivot-root", "~/project"}, {"mount", "pivot_root"}},
        {{"chroot", "."}, {"chroot"}},
        {{"setns", "/proc/self/ns/mnt"}, {"setns"}},
        {{"open-tree", "src"}, {"open_tree"}},
        {{"fsopen"}, {"fsopen"}},
        {{"fsmount"}, {"fsopen"}},
        {{"move-mount", "src", "out"}, {"open_tree", "move_mount"}},
    };
    for (const auto& [words, names] : attempts) {
        std::vector<std::string> argv = {"hostile"};
        argv.insert(argv.end(), words.begin(), words.end());
        Attack attack{words[0], argv, ends_well(), calls(names)};
        attack.free_prefix = alone;
        attack.never = "the calls take rights that a sandboxed process has in no namespace";
        if (words[0] == "mount-overlay") {
            attack.prepare = [](World& world) {
                world.write("./work/x", "");
                return std::vector<std::string>{};
            };
        }
        hold(attack);
    }
    // Taking a mask off, where one lies.
    for (const auto& [words, name] : std::vector<std::pair<std::vector<std::string>, std::string>>{{{"umount", ".env"}, "umount2"}, {{"fspick", ".env"}, "fspick"}, {{"mount-setattr", ".env"}, "mount_setattr"}}) {
        Attack attack{words[0] + " of the mask, then reading", {"sh", "-c", HOSTILE " \"$0\" .env; exec cat .env", words[0]}, prints_a_secret(), calls({name})};
        attack.denials.push_back({"mount", "./.env", "${project}/.env: r"});
        attack.never = "the calls take rights that a sandboxed process has in no namespace";
        hold(attack);
    }
}

TEST_CASE("no namespace is made to be root in", "[attack][files]") {
    Attack unshare{"unshare", {"hostile", "unshare-user"}, ends_well(), {{"seccomp", "unshare", std::nullopt, ""}}};
    
    unshare.never = "new namespaces are refused whatever is listed";
    hold(unshare);
    hold({"clone3, then clone", {"hostile", "clone-namespaces"}, ends_well(), {{"seccomp", "clone", std::nullopt, ""}}});
    Attack tool{"the tool for it", {"sh", "-c", "unshare -Urm cat .env; exit 1"}, prints_a_secret(), {{"landlock", "/usr/bin/unshare", "/usr/bin/unshare: rx"}}};
    tool.never = "then the call is refused";
    hold(tool);
}

TEST_CASE("device nodes are not made, not even the harmless one that anybody may", "[attack][files]") {
    hold({"a whiteout's node", {"hostile", "make-character-device", "out/w"}, ends_well(), {{"landlock", "./out/w", std::nullopt, ""}}});
}

TEST_CASE("root's own devices and the kernel's knobs are out of reach of a root that is held", "[attack][files][root]") {
    REQUIRE(::geteuid() == 0);
    struct Knob {
        std::string path;
        bool device = false;
    };
    std::vector<Knob> knobs = {{"/proc/sys/kernel/core_pattern"}, {"/proc/sys/kernel/modprobe"}, {"/proc/sys/vm/swappiness"}, {"/proc/sysrq-trigger", true}, {"/sys/kernel/mm/transparent_hugepage/enabled", true},
                               {"/dev/kvm", true},                {"/dev/fuse", true},           {"/dev/net/tun", true},      {"/dev/loop-control", true},    {"/dev/kmsg", true},
                               {"/dev/vda", true},                {"/dev/sda", true},            {"/dev/mem", true}};
    int tried = 0;
    for (const Knob& knob : knobs) {
        if (::access(knob.path.c_str(), F_OK) != 0) {
            continue; // not on this machine
        }
        const World world;
        CAPTURE(knob.path);
        // Opened for writing, nothing is written.
        const std::vector<std::string> argv = {"hostile", "read-device", knob.path};
        if (world.run(argv).out != "ok\n") {
            continue; // the kernel lets nobody do it, as with a disk that is mounted
        }
        ++tried;
        world.write("./.treadline/profile.yaml", tests_rules().yaml());
        const Enforced held = world.enforce(tests_rules(), argv);
        INFO(held.run.out << held.run.err);
        CHECK(held.run.status == 1);
        REQUIRE(held.denials.size() == 1);
        CHECK(held.denials[0].object == knob.path);
    }
    CHECK(tried >= 3);
    const World world;
    world.write("./.treadline/profile.yaml", agent_rules().yaml());
    REQUIRE(world.run({"hostile", "make-block-device", "out/disk"}).out == "ok\n");
    const Enforced held = world.enforce(agent_rules(), {"hostile", "make-block-device", "out/disk2"});
    CHECK(held.run.out != "ok\n");
    REQUIRE(held.denials.size() == 1);
    CHECK(held.denials[0] == Denial{"landlock", world.place("./out/disk2"), std::nullopt, ""});
    // Made by an earlier run: it opens nothing, the mount is without devices.
    CHECK(world.enforce(agent_rules(), {"hostile", "read-device", "out/disk"}).run.out != "ok\n");
}
