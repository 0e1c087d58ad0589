#include "profiles/guards.h"

#include <algorithm>
#include <map>

#include "base/path.h"
#include "profiles/catalogue.h"
#include "tests/profiles/example.h"

using namespace treadline;
using treadline::test::ann;

namespace {

const Guards& guards() {
    static const Guards shipped(ann());
    return shipped;
}
bool is_credential(std::string_view path) {
    const Guard* guard = guards().find(path, false);
    return guard != nullptr && guard->kind == GuardKind::Credential;
}
bool is_protected(std::string_view path) {
    return guards().find(path, false) == nullptr && guards().find(path, true) != nullptr;
}

} // namespace

TEST_CASE("a guard for a name counts at the end of a path, however often and wherever the name stands",
          "[profiles][guards]") {
    CHECK(is_protected("/home/ann/p/.git/config"));
    CHECK(is_protected("/home/ann/p/.git/config/a/.git/config"));
    CHECK_FALSE(is_protected("/home/ann/p/.git/config/a"));
    CHECK_FALSE(is_protected("/srv/.git/config"));
    CHECK(is_protected("/home/ann/p/.git/modules/a/b/config")); // "**" inside: at any depth
}

TEST_CASE("every catalogue entry says what it is and where that is written down", "[profiles][guards]") {
    const Variables with_profile = ann()
                                       .with("profile", "/home/ann/p/.treadline/profile.yaml")
                                       .with("profile_folder", "/home/ann/p/.treadline");
    CHECK(credentials_catalogue().size() >= 60);
    CHECK(protected_catalogue().size() >= 25);
    std::map<std::string, int> seen;
    for (const auto* catalogue : {&credentials_catalogue(), &protected_catalogue()}) {
        for (const CatalogueEntry& entry : *catalogue) {
            INFO(entry.what);
            CHECK(entry.what.size() > 3);
            CHECK(entry.source.size() > 3);
            CHECK_FALSE(test::contains(entry.source, "http"));
            REQUIRE_FALSE(entry.paths.empty());
            for (const std::string& path : entry.paths) {
                INFO(path);
                CHECK((path.substr(0, 3) == "**/" || path[0] == '/' || path.substr(0, 2) == "${"));
                CHECK(path.find("//") == std::string::npos);
                if (path.substr(0, 3) != "**/") {
                    CHECK(with_profile.expand_pattern(path));
                }
                CHECK((catalogue == &protected_catalogue() || ++seen[path] == 1));
            }
        }
    }
}

TEST_CASE("the places where credentials are kept are known", "[profiles][guards]") {
    for (const char* path : {"/home/ann/.ssh/id_ed25519",
                             "/home/ann/.ssh",
                             "/home/ann/.ssh/keys/host/id",
                             "/home/ann/.gnupg/private-keys-v1.d/x.key",
                             "/home/ann/.aws/credentials",
                             "/home/ann/.config/gcloud/credentials.db",
                             "/home/ann/.azure/msal_token_cache.json",
                             "/home/ann/.kube/config",
                             "/home/ann/.docker/config.json",
                             "/home/ann/.netrc",
                             "/home/ann/.npmrc",
                             "/home/ann/p/.npmrc",
                             "/home/ann/.pypirc",
                             "/home/ann/.cargo/credentials.toml",
                             "/home/ann/.gem/credentials",
                             "/home/ann/.composer/auth.json",
                             "/home/ann/.m2/settings.xml",
                             "/home/ann/.gradle/gradle.properties",
                             "/home/ann/.config/gh/hosts.yml",
                             "/home/ann/.config/glab-cli/config.yml",
                             "/home/ann/.config/hub",
                             "/home/ann/.git-credentials",
                             "/home/ann/p/.env",
                             "/home/ann/p/.env.local",
                             "/home/ann/p/api/.env.production",
                             "/home/ann/p/server.pem",
                             "/home/ann/p/certs/tls.key",
                             "/home/ann/p/deploy/id_rsa",
                             "/home/ann/.local/share/keyrings/login.keyring",
                             "/home/ann/.mozilla/firefox/x.default/logins.json",
                             "/home/ann/.config/google-chrome/Default/Cookies",
                             "/home/ann/.password-store/mail.gpg",
                             "/home/ann/.bitcoin/wallet.dat",
                             "/home/ann/.claude/.credentials.json",
                             "/home/ann/.claude.json",
                             "/home/ann/.codex/auth.json",
                             "/home/ann/.gemini/oauth_creds.json",
                             "/home/ann/.config/github-copilot/hosts.json",
                             "/home/ann/.aider.conf.yml",
                             "/home/ann/.terraform.d/credentials.tfrc.json",
                             "/home/ann/.vault-token",
                             "/home/ann/p/.vault_pass",
                             "/home/ann/.pgpass",
                             "/home/ann/.my.cnf",
                             "/home/ann/.bash_history",
                             "/etc/shadow",
                             "/proc/123/environ",
                             "/run/docker.sock",
                             "/run/user/1000/podman/podman.sock",
                             "/tmp/ssh-XXXX/agent.12",
                             "/run/user/1000/gnupg/S.gpg-agent",
                             "/home/ann/.Xauthority",
                             "/root/.ssh/id_rsa",
                             "/etc/ssl/private/snakeoil.key"}) {
        INFO(path);
        CHECK(is_credential(path));
    }
}

TEST_CASE("public files that merely look alike are no credentials", "[profiles][guards]") {
    for (const char* path : {"/etc/ssl/certs/ca-certificates.crt",
                             "/etc/ssl/certs/ISRG_Root_X1.pem",
                             "/usr/share/doc/x/server.key",
                             "/usr/lib/ssl/cert.pem",
                             "/usr/lib/python3/dist-packages/certifi/cacert.pem",
                             "/home/ann/p/node_modules/x/test/key.pem",
                             "/home/ann/p/node_modules/x/.env",
                             "/home/ann/p/node_modules/x/.npmrc",
                             "/home/ann/p/test/fixtures/server.pem",
                             "/home/ann/p/tests/tls.key",
                             "/home/ann/p/.env.example",
                             "/home/ann/p/environment.ts",
                             "/home/ann/p/src/env",
                             "/home/ann/p/monkey.keys",
                             "/home/ann/p/keys.ts",
                             "/home/ann/.sshrc",
                             "/home/ann/p/ssh/id",
                             "/home/ann/.gitconfig",
                             "/home/ann/p/.git/config",
                             "/home/ann/p/id_rsa.pub",
                             "/etc/passwd",
                             "/proc/123/status",
                             "/home/ann/.claude/projects/x/y.jsonl",
                             "/home/ann/.venv/lib/python3.11/site-packages/certifi/cacert.pem",
                             "/home/ann/.SSH/id",
                             "/srv/.env",
                             "/home/annx/.ssh/id"}) {
        INFO(path);
        CHECK_FALSE(is_credential(path));
    }
}

TEST_CASE("what runs later is protected from writing, not from reading", "[profiles][guards]") {
    for (const char* path : {"/home/ann/p/.git/hooks/pre-commit",
                             "/home/ann/p/.git/hooks",
                             "/home/ann/p/.git/config",
                             "/home/ann/p/.git/modules/a/b/config",
                             "/home/ann/p/.git/modules/a/hooks/post-checkout",
                             "/home/ann/p/.git",
                             "/home/ann/p/sub/.git/config",
                             "/home/ann/p/.gitmodules",
                             "/home/ann/.gitconfig",
                             "/home/ann/.config/git/config",
                             "/home/ann/.bashrc",
                             "/home/ann/.profile",
                             "/home/ann/.zshenv",
                             "/home/ann/.config/fish/config.fish",
                             "/home/ann/.config/systemd/user/x.timer",
                             "/home/ann/.config/autostart/x.desktop",
                             "/var/spool/cron/crontabs/ann",
                             "/home/ann/.local/bin/git",
                             "/home/ann/p/.vscode/settings.json",
                             "/home/ann/.vimrc",
                             "/home/ann/p/.claude/settings.local.json",
                             "/home/ann/.claude/settings.json",
                             "/home/ann/p/CLAUDE.md",
                             "/home/ann/p/AGENTS.md",
                             "/home/ann/p/.cursor/mcp.json",
                             "/home/ann/p/.github/workflows/ci.yml",
                             "/home/ann/p/.treadline/profile.yaml",
                             "/home/ann/p/.treadline",
                             "/home/ann/.local/state/treadline/a/trace.db"}) {
        INFO(path);
        CHECK(is_protected(path));
    }
    for (const char* path :
         {"/home/ann/p/.git/index", "/home/ann/p/.git/objects/aa/bb", "/home/ann/p/.git/HEAD",
          "/home/ann/p/.git/COMMIT_EDITMSG", "/home/ann/p/.git/refs/heads/main", "/home/ann/p/src/config",
          "/home/ann/p/hooks/pre-commit", "/home/ann/p/node_modules/x/.vscode/settings.json",
          "/home/ann/.claude/projects/x/y.jsonl", "/home/ann/p/treadline/x"}) {
        INFO(path);
        CHECK_FALSE(is_protected(path));
    }
}

TEST_CASE("a guard's root is what a mask lies over", "[profiles][guards]") {
    const auto root = [](std::string_view path) {
        const Guard* guard = guards().find(path, true);
        REQUIRE(guard);
        return guards().root(*guard, path);
    };
    CHECK(root("/home/ann/.ssh/keys/id") == "/home/ann/.ssh");
    CHECK(root("/home/ann/p/sub/.git/hooks/pre-commit") == "/home/ann/p/sub/.git/hooks");
    CHECK(root("/home/ann/p/a/.env") == "/home/ann/p/a/.env");
    CHECK(root("/home/ann/p/.treadline/profile.yaml") == "/home/ann/p/.treadline");
}

TEST_CASE("every fixed place is found by its own path, for masks", "[profiles][guards]") {
    for (const Guards::Place& place : guards().places()) {
        if (!place.floating.empty()) {
            CHECK(place.path == "");
            CHECK_FALSE(place.within.empty());
            continue;
        }
        INFO(place.path);
        REQUIRE(place.path[0] == '/');
        if (!place.glob) {
            CHECK(normalise_path(place.path) == place.path);
            CHECK(guards().find(place.path, true) != nullptr);
            CHECK((guards().find(place.path + "/x", true) != nullptr) >= place.subtree);
        }
    }
}

TEST_CASE("no guard is missed on the way down by names that may reach one", "[profiles][guards]") {
    const auto without_stars = [](std::string text) {
        for (size_t at = 0; (at = text.find('*')) != std::string::npos;) {
            text.replace(at, text.compare(at, 2, "**") == 0 ? 2 : 1, "k1");
        }
        return text;
    };
    size_t found = 0;
    for (const Guards::Place& place : guards().places()) {
        std::vector<std::string> paths{without_stars(place.path)};
        if (!place.floating.empty()) {
            paths.clear();
            for (const std::string& directory : place.within) {
                paths.push_back(directory + "/x/" + without_stars(place.floating));
            }
        }
        for (const std::string& path : paths) {
            INFO(path);
            if (guards().find(path, true) == nullptr) {
                continue; // excepted there
            }
            ++found;
            bool reached = false;
            for (std::string_view at = path; at.size() > 1; at = parent_path(at)) {
                CHECK(guards().may_name(file_name(at)) >= guards().may_reach(at));
                reached = reached || guards().may_reach(at);
            }
            CHECK(reached);
        }
    }
    CHECK(found > guards().places().size() / 2);
    for (const char* path : {"/home/ann/p/src", "/home/ann/p/node_modules/x/index.js", "/home", "/home/ann/p",
                             "/home/user", "/srv/gnupg/user"}) {
        INFO(path);
        CHECK_FALSE(guards().may_reach(path));
    }
    CHECK(guards().may_reach("/run/user"));
}

TEST_CASE("moved XDG directories are guarded in both places", "[profiles][guards]") {
    const Guards moved(Variables({{"project", "/w"},
                                  {"home", "/home/ann"},
                                  {"config", "/xdg"},
                                  {"cache", "/c"},
                                  {"data", "/d"},
                                  {"state", "/s"}}));
    CHECK(moved.find("/xdg/gh/hosts.yml", false) != nullptr);
    CHECK(moved.find("/home/ann/.config/gh/hosts.yml", false) != nullptr);
    CHECK(moved.find("/elsewhere/gh/hosts.yml", false) == nullptr);
    CHECK(moved.find("/s/treadline/x", true) != nullptr);
}

TEST_CASE("a home whose name holds a * is that home only", "[profiles][guards]") {
    const Guards odd(Variables({{"project", "/w"}, {"home", "/home/a*"}}));
    CHECK(odd.find("/home/a*/.ssh/id", false) != nullptr);
    CHECK(odd.find("/home/ab/.ssh/id", false) == nullptr);
    CHECK(odd.find("/home/a*/x/.env", false) != nullptr);
}
