// Threats list, section 3: a protected path is opened by renaming, exchanging or making what leads to it.
#include <catch2/catch_test_macros.hpp>

#include "tests/attacks/corpus.h"

using namespace treadline::test;

namespace {

Denial refused(const std::string& object, const std::string& rule) {
    return {"mount", object, rule};
}
Denial in_place(const std::string& object) { // a mount point: no rule makes it movable
    return {"mount", object, std::nullopt, ""};
}

Attack by_agent(const std::string& name, const std::vector<std::string>& argv, const std::string& changed, std::vector<Denial> denials) {
    return {name, argv, changes(changed), std::move(denials), agent_rules()};
}

} // namespace

TEST_CASE("a protected file is neither renamed nor replaced by renaming", "[attack][files]") {
    for (const auto& [path, rule] : std::vector<std::pair<std::string, std::string>>{
             {"./.git/config", "${project}/.git/config: c"}, {"./.git/hooks", "${project}/.git/hooks: c"}, {"./.git", "${project}/.git: c"}}) {
        const std::string name = path.substr(2);
        for (Attack attack : {by_agent("takes " + path + " away", {"hostile", "rename", name, "out/x"}, path, {refused(path, rule)}),
                              by_agent("exchanges " + path, {"hostile", "exchange", name, "out"}, path, {refused(path, rule)}),
                              by_agent("takes " + path + " away without replacing", {"hostile", "rename-no-replace", name, "out/x"}, path, {refused(path, rule)})}) {
            attack.never = "a directory that guards lie in is held in its place";
            hold(attack);
        }
    }
    for (Attack attack : {by_agent("puts another file over the configuration", {"hostile", "rename", "Makefile", ".git/config"}, "./.git/config", {refused("./.git/config", "${project}/.git/config: c")}),
                          by_agent("puts an unnamed file among the hooks", {"hostile", "link-unnamed-file", "out", ".git/hooks/pre-commit"}, "./.git/hooks",
                                   {refused("./.git/hooks/pre-commit", "${project}/.git/hooks/pre-commit: c")})}) {
        attack.never = "the repository is a mount of its own, into which nothing is linked or renamed";
        hold(attack);
    }
    Attack whiteout = by_agent("leaves a whiteout behind", {"hostile", "rename-whiteout", ".git/config", "out/x"}, "./.git/config", {refused("./.git/config", "${project}/.git/config: c")});
    whiteout.never = "device nodes are never made";
    hold(whiteout);
}

TEST_CASE("the directories above a protected file stay where they are", "[attack][files]") {
    const Attack attacks[] = {
        {"moves the project away", {"sh", "-c", "cd .. && mv project p"}, changes("./Makefile"), {in_place("./")}, whole_home_rules()},
        {"moves the user's settings away", {"sh", "-c", "mv ~/.config ~/c"}, changes("~/.config/gh"), {in_place("~/.config")}, whole_home_rules()},
    };
    for (Attack attack : attacks) {
        if (attack.denials[0].object == "./") {
            attack.denials[0].object = "~/project";
        }
        hold(attack);
    }
    // What is refused to be made inside is not brought in from elsewhere as a whole.
    Attack services{"makes a tree and moves it to the settings", {"sh", "-c", "mkdir -p out/s/user && echo x > out/s/user/x.service && exec " HOSTILE " rename out/s ~/.config/systemd"},
                    changes("~/.config/systemd"), {refused("~/.config/systemd", "${config}/systemd: c")}, whole_home_rules()};
    services.never = "the files in it have to be named one by one";
    hold(services);
}

TEST_CASE("a tree with protected names in it is not moved to where they count", "[attack][files]") {
    const std::string pipelines = "mkdir -p out/g/workflows && echo x > out/g/workflows/x.yml && ";
    const std::string hooks = "mkdir -p out/g/hooks && echo x > out/g/hooks/pre-commit && ";
    const std::string move = "exec " HOSTILE " rename out/g ";
    const Attack attacks[] = {
        by_agent("pipelines", {"sh", "-c", pipelines + move + ".github"}, "./.github", {in_place("./.github")}),
        by_agent("hooks of a repository below", {"sh", "-c", hooks + move + "sub/.git"}, "./sub/.git", {refused("./sub/.git", "${project}/sub/.git: c")}),
        by_agent("pipelines of a project below", {"sh", "-c", pipelines + move + "sub/.github"}, "./sub/.github", {refused("./sub/.github/workflows", "${project}/sub/.github/workflows: c")}),
        by_agent("by exchanging", {"sh", "-c", pipelines + "exec " HOSTILE " exchange out/g sub/.github"}, "./sub/.github", {refused("./sub/.github/workflows", "${project}/sub/.github/workflows: c")}),
        by_agent("what it has made unreadable", {"sh", "-c", pipelines + "chmod 300 out/g && " + move + "sub/.github"}, "./sub/.github", {in_place("./out/g")}),
    };
    for (Attack attack : attacks) {
        attack.prepare = [exchange = attack.name == "by exchanging"](World& world) {
            world.write("./sub/x", "");
            if (exchange) {
                world.write("./sub/.github/dependabot.yml", "");
            }
            return std::vector<std::string>{};
        };
        attack.never = "every protected name in it has to be named";
        hold(attack);
    }
}

TEST_CASE("a protected path that does not exist is not made, by whatever call", "[attack][files]") {
    const std::string hook = "./.git/hooks/post-checkout";
    const Denial denial = refused(hook, "${project}/.git/hooks/post-checkout: c");
    const std::string name = hook.substr(2);
    const Attack attacks[] = {
        by_agent("open", {"hostile", "create", name}, hook, {denial}),
        by_agent("mkdir", {"hostile", "mkdir", name}, hook, {denial}),
        by_agent("symlink", {"hostile", "symlink", "../../Makefile", name}, hook, {denial}),
        by_agent("link", {"hostile", "link", "Makefile", name}, hook, {denial}),
        by_agent("rename", {"hostile", "rename", "Makefile", name}, hook, {denial}),
        by_agent("mknod of a pipe", {"hostile", "make-fifo", name}, hook, {denial}),
    };
    for (Attack attack : attacks) {
        if (attack.name == "link" || attack.name == "rename") {
            attack.never = "hooks are a mount of their own, into which nothing is linked or renamed";
        }
        hold(attack);
    }
    Attack socket = by_agent("bind of a socket", {"hostile", "bind-name", name}, hook, {denial});
    socket.rules.syscalls = {"@network"};
    hold(socket);
    for (const char* directory : {".vscode", ".devcontainer", ".claude", ".idea", ".husky", ".cursor"}) {
        const std::string path = std::string("./") + directory;
        Attack attack = by_agent(std::string("a whole ") + directory, {"sh", "-c", "mkdir -p out/x && echo x > out/x/x && exec " HOSTILE " rename out/x " + std::string(directory)}, path,
                                 {refused(path, "${project}/" + std::string(directory) + ": c")});
        attack.never = "the files in it have to be named one by one";
        hold(attack);
    }
}
