#include "tests/e2e/loop.h"

#include <filesystem>

#include <sys/xattr.h>
#include <unistd.h>

namespace treadline::test {
namespace fs = std::filesystem;

Loop::Loop() : root_(std::make_shared<TemporaryDirectory>()), home_(*root_ / "home"), project_(home_ + "/project") {
    fs::create_directories(project_);
    fs::permissions(home_, fs::perms::owner_all);
    root_->write("home/.ssh/id_ed25519", "the secret key\n", 0600);
    root_->write("home/.bashrc", "# start-up\n");
}

Finished Loop::shell(const std::string& script) const {
    const char* path = std::getenv("PATH");
    return run({"sh", "-c", script},
               {project_,
                {{"HOME", home_},
                 {"PATH", std::string(TREADLINE_BIN) + ":" + (path != nullptr ? path : "/usr/bin:/bin")},
                 {"XDG_STATE_HOME", home_ + "/.local/state"},
                 {"npm_config_update_notifier", "false"},
                 {"npm_config_audit", "false"},
                 {"npm_config_fund", "false"}},
                110});
}

Finished Loop::treadline(std::vector<std::string> words) const {
    words.insert(words.begin(), std::string(TREADLINE_BIN) + "/treadline");
    const char* path = std::getenv("PATH");
    return run(words, {project_,
                       {{"HOME", home_},
                        {"PATH", std::string(TREADLINE_BIN) + ":" + (path != nullptr ? path : "/usr/bin:/bin")},
                        {"XDG_STATE_HOME", home_ + "/.local/state"},
                        {"npm_config_update_notifier", "false"}},
                       110});
}

Finished Loop::learn(const std::string& script) const {
    return treadline({"learn", "--", "sh", "-c", script});
}

Finished Loop::enforce(const std::string& script) const {
    return treadline({"enforce", "--strict", "--", "sh", "-c", script});
}

nlohmann::json Loop::violations(const std::vector<std::string>& command) const {
    const std::string file = *root_ / "report.json";
    std::vector<std::string> words{"enforce", "--report", "json:" + file, "--"};
    words.insert(words.end(), command.begin(), command.end());
    const Finished done = treadline(words);
    INFO(done.err);
    REQUIRE(done.status != 125);
    REQUIRE(done.status != 126);
    nlohmann::json others = nlohmann::json::array();
    const auto report = nlohmann::json::parse(slurp(file));
    for (const auto& violation : report.at("violations")) {
        if (violation.at("layer") != "environment") {
            others.push_back(violation);
        }
    }
    return others;
}

Loop Loop::clone() const {
    Loop other;
    fs::remove(other.project_);
    const std::string elsewhere = other.home_ + "/elsewhere/checkout";
    fs::create_directories(fs::path(elsewhere).parent_path());
    fs::copy(project_, elsewhere, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    other.project_ = elsewhere;
    return other;
}

std::string Loop::write(const std::string& name, const std::string& text, unsigned mode) const {
    const fs::path path = fs::path(project_) / name;
    return root_->write(fs::relative(path, root_->path()).string(), text, mode);
}

bool can_trace() {
    char value[64];
    return ::geteuid() == 0 || ::getxattr(TREADLINE_BIN "/treadline-collector", "security.capability", value, sizeof value) > 0;
}

} // namespace treadline::test
