// Threats list, section 4: nothing stays behind that runs later, outside.
#include <catch2/catch_test_macros.hpp>

#include <unistd.h>

#include "tests/attacks/corpus.h"

using namespace treadline::test;

namespace {

struct Place {
    std::string path;
    std::string rule; // "" where no rule opens it
    std::string content = ""; // there before
};

void not_written(const Place& place, const Rules& rules) {
    const std::string word = place.path.starts_with("./") ? place.path.substr(2) : place.path;
    const std::optional<std::string> rule = place.rule.empty() ? std::nullopt : std::optional(place.rule);
    Attack attack{"writes " + place.path, {"hostile", place.content.empty() ? "create" : "append", word}, changes(place.path), {{"mount", place.path, rule, rule ? "files" : ""}}, rules};
    attack.prepare = [&](World& world) {
        // As for the person who has the directory already.
        world.write(place.path, "");
        REQUIRE(::unlink(world.place(place.path).c_str()) == 0);
        if (!place.content.empty()) {
            world.write(place.path, place.content);
        }
        return std::vector<std::string>{};
    };
    hold(attack);
}

} // namespace

TEST_CASE("an agent that may fill the project leaves nothing in it that runs later", "[attack][files]") {
    const auto c = [](const std::string& path) { return "${project}" + path.substr(1) + ": c"; };
    const auto w = [](const std::string& path) { return "${project}" + path.substr(1) + ": w"; };
    for (const std::string path : {"./.git/hooks/pre-commit", "./.envrc", "./.vscode/tasks.json", "./.idea/workspace.xml", "./.claude/settings.json", "./.mcp.json", "./.cursorrules",
                                   "./.github/workflows/ci.yml", "./.gitlab-ci.yml", "./Jenkinsfile", "./.husky/pre-commit", "./.devcontainer/devcontainer.json", "./.gitmodules", "./.git/commondir",
                                   "./.git/objects/info/alternates", "./.git/info/attributes", "./CLAUDE.md", "./AGENTS.md", "./.pre-commit-config.yaml", "./.gdbinit", "./.exrc"}) {
        not_written({path, c(path)}, agent_rules());
    }
    for (const std::string path : {"./.git/config", "./.git/hooks/post-merge", "./.vscode/settings.json", "./.git/modules/sub/config", "./.git/modules/sub/hooks/pre-commit",
                                   "./.git/worktrees/w/config.worktree", "./sub/.git/hooks/pre-commit", "./sub/.git/config", "./sub/.vscode/tasks.json", "./sub/.git"}) {
        not_written({path, w(path), "# mine\n"}, agent_rules());
    }
    // A credential, too: it is masked for as long as it may not be read.
    not_written({"./.envrc", "${project}/.envrc: rw", "# mine\n"}, agent_rules());
}

TEST_CASE("a worktree's way to its repository is not turned elsewhere", "[attack][files]") {
    not_written({"./.git/worktrees/w/commondir", "${project}/.git/config: w", "../..\n"}, agent_rules());
    not_written({"./.git/modules/sub/commondir", "${project}/.git/modules/sub/commondir: c"}, agent_rules());
    Attack moved{"in a directory put in the place of its own", {"sh", "-c", "mkdir out/w && echo ../../../out > out/w/commondir && exec " HOSTILE " exchange out/w .git/worktrees/w"}, changes("./.git/worktrees"),
                 {{"mount", "./.git/worktrees/w", std::nullopt, ""}}, agent_rules()};
    moved.prepare = [](World& world) {
        world.write("./.git/worktrees/w/commondir", "../..\n");
        return std::vector<std::string>{};
    };
    hold(moved);
}

TEST_CASE("a program that may fill the whole home leaves nothing in it that runs later", "[attack][files]") {
    const auto c = [](const std::string& path) { return "${home}" + path.substr(1) + ": c"; };
    for (const std::string path : {"~/.zshrc", "~/.profile", "~/.bash_aliases", "~/.local/bin/ls", "~/bin/ls", "~/.vimrc", "~/.emacs.d/init.el", "~/.gdbinit", "~/.cargo/config.toml", "~/.xprofile"}) {
        not_written({path, c(path)}, whole_home_rules());
    }
    const auto config = [](const std::string& path) { return "${config}" + path.substr(9) + ": c"; };
    for (const std::string path : {"~/.config/systemd/user/x.service", "~/.config/autostart/x.desktop", "~/.config/git/config", "~/.config/environment.d/x.conf", "~/.config/fish/config.fish"}) {
        not_written({path, config(path)}, whole_home_rules());
    }
    not_written({"~/.bashrc", "${home}/.bashrc: w", "# start-up\n"}, whole_home_rules());
    not_written({"~/.gitconfig", "${home}/.gitconfig: w", "[user]\n"}, whole_home_rules());
}

TEST_CASE("Treadline's own profile, store, reports and settings are no program's to change", "[attack][files]") {
    for (const Rules& rules : {agent_rules(), whole_home_rules()}) {
        for (const Place& place : {Place{"./.treadline/profile.yaml", "", "x"}, Place{"./.treadline/other.yaml", ""}, Place{"./.treadline/team.yaml", "", "x"}}) {
            Attack attack{"writes " + place.path, {"hostile", place.content.empty() ? "create" : "append", place.path.substr(2)}, changes(place.path), {{"mount", place.path, std::nullopt, ""}}, rules};
            if (place.path == "./.treadline/team.yaml") {
                attack.prepare = [](World& world) {
                    world.write("./.treadline/team.yaml", "treadline: 1\nname: team\n");
                    return std::vector<std::string>{};
                };
            }
            hold(attack);
        }
    }
    hold({"takes the profile's folder away", {"hostile", "rename", ".treadline", "out/t"}, changes("./.treadline"), {{"mount", "./.treadline", std::nullopt, ""}}, agent_rules()});
    hold({"removes the profile", {"hostile", "unlink", ".treadline/profile.yaml"}, changes("./.treadline"), {{"mount", "./.treadline/profile.yaml", std::nullopt, ""}}, agent_rules()});
    // The store is in the home, which nothing but a careless rule opens.
    Attack store{"fills the trace store", {"hostile", "create", "~/.local/state/treadline/x"}, [](const World& world, const Finished&) {
                     return !slurp(world.place("~/.local/state/treadline/x")).empty() || ::access(world.place("~/.local/state/treadline/x").c_str(), F_OK) == 0;
                 }, {{"mount", "~/.local/state/treadline/x", std::nullopt, ""}}, whole_home_rules()};
    store.prepare = [](World& world) {
        world.write("~/.local/state/treadline/y", "");
        return std::vector<std::string>{};
    };
    hold(store);
}

TEST_CASE("a second name of a protected file is as closed as the first", "[attack][files]") {
    const auto shell = [](const char* script) {
        return [script](World& world) {
            REQUIRE(world.shell(script).status == 0);
            return std::vector<std::string>{};
        };
    };
    hold({"the start-up file, by a link in the project", {"hostile", "append", "notes"}, changes("~/.bashrc"), {{"mount", "./notes", "${home}/.bashrc: w"}}, agent_rules(), shell("ln ~/.bashrc notes")});
    hold({"git's configuration, by a link beside it", {"hostile", "append", "src/notes"}, changes("./.git/config"), {{"mount", "./src/notes", "${project}/.git/config: w"}}, agent_rules(), shell("ln .git/config src/notes")});
    hold({"a program on the PATH", {"hostile", "truncate", "notes"}, changes("~/.local/bin/tool"), {{"mount", "./notes", "${home}/.local/bin/tool: w"}}, agent_rules(),
          shell("mkdir -p ~/.local/bin && echo '#!/bin/sh' > ~/.local/bin/tool && ln ~/.local/bin/tool notes")});
    Attack new_link{"a link made by the attack itself", {"sh", "-c", "ln .git/config out/l && echo x >> out/l"}, changes("./.git/config"), {{"mount", "./.git/config", "${project}/.git/config: w"}}, agent_rules()};
    new_link.never = "the link would have to be made across mounts";
    hold(new_link);
    hold({"a symbolic link to the start-up file", {"sh", "-c", "ln -s ~/.bashrc out/l && echo x >> out/l"}, changes("~/.bashrc"), {{"mount", "~/.bashrc", "${home}/.bashrc: w"}}, agent_rules()});
}
