#include "tests/e2e/outside_world.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"

namespace treadline::test {
namespace {

constexpr const char* rules = "treadline: 1\nname: attacks\n"
                              "include: [base, shell, coreutils, python, dns, tls-trust]\n"
                              "files:\n  ${project}/**: rwcx\n  /usr/**: rx\n  /etc/**: r\n"
                              "private: [\"${tmp}\"]\n"
                              "syscalls: [\"@base\", \"@file\", \"@process\", \"@network\"]\n"
                              "environment: {pass: [PATH, HOME]}\n";

std::string line_from(int fd) {
    std::string line;
    for (char byte = 0; ::read(fd, &byte, 1) == 1 && byte != '\n';) {
        line.push_back(byte);
    }
    return line;
}

} // namespace

bool Sent::saw(const std::string& part) const {
    return std::any_of(seen.begin(), seen.end(), [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

OutsideWorld::OutsideWorld() {
    loop.write("tricks.py", slurp(ATTACK_TRICKS));
    auto input = sys::pipe().value();
    auto output = sys::pipe().value();
    driver_ = ::fork();
    if (driver_ == 0) {
        ::dup2(input.first.get(), STDIN_FILENO);
        ::dup2(output.second.get(), STDOUT_FILENO);
        const std::string resolv = directory_ / "resolv.conf";
        ::execlp("unshare", "unshare", "--user", "--map-current-user", "--keep-caps", "--net", "--mount", "python3", OUTSIDE_WORLD, resolv.c_str(), nullptr);
        ::_exit(127);
    }
    input.first.reset();
    output.second.reset();
    commands_ = std::move(input.second);
    answers_ = std::move(output.first);
    const std::string ready = line_from(answers_.get());
    REQUIRE(ready == "{}");
}

OutsideWorld::~OutsideWorld() {
    commands_.reset(); // the driver's end
    ::waitpid(driver_, nullptr, 0);
}

Sent OutsideWorld::run(const std::vector<std::string>& argv) const {
    const nlohmann::json command = {{"argv", argv},
                                    {"cwd", loop.project()},
                                    {"env", {{"HOME", loop.home()}, {"XDG_STATE_HOME", loop.home() + "/.local/state"}, {"PYTHONDONTWRITEBYTECODE", "1"}}}};
    REQUIRE(sys::write_all(commands_.get(), command.dump() + "\n"));
    const auto answer = nlohmann::json::parse(line_from(answers_.get()));
    Sent sent;
    sent.status = answer.at("status").get<int>();
    sent.out = answer.at("out").get<std::string>();
    sent.err = answer.at("err").get<std::string>();
    const auto within_machine = [&](const std::string& line) { // between a program and the gateway; servers have other ports
        constexpr std::string_view loopback = "tcp 127.0.0.1 ";
        constexpr std::array served = {"22", "53", "80", "443", "853", "8080", "5432"};
        return degraded && line.starts_with(loopback) && std::find(served.begin(), served.end(), line.substr(loopback.size())) == served.end();
    };
    for (const auto& line : answer.at("seen")) {
        if (within_machine(line.get<std::string>())) {
            continue;
        }
        if (line != "udp 127.0.0.1 53" && line != "tcp 127.0.0.1 53") { // to the world's own resolver; what was asked is a line, too
            sent.seen.push_back(line.get<std::string>());
        }
    }
    return sent;
}

Sent OutsideWorld::without(const std::string& attack) const {
    loop.write("attack.py", "from tricks import *\n" + attack);
    return run({"python3", "attack.py"});
}

Sent OutsideWorld::held(const std::string& network, const std::string& attack, const std::string& beside) const {
    loop.write("attack.py", "from tricks import *\n" + attack);
    loop.write(".treadline/profile.yaml", std::string(rules) + "network: {" + network + "}\n");
    const std::string report = directory_ / "report.json";
    std::filesystem::remove(report);
    std::vector<std::string> words = {std::string(TREADLINE_BIN) + "/treadline", "enforce", "--report", "json:" + report};
    words.insert(words.end(), more_arguments.begin(), more_arguments.end());
    for (const char* word : {"--", "python3", "attack.py"}) {
        words.emplace_back(word);
    }
    if (degraded) {
        words.insert(words.begin() + 2, "--allow-degraded");
        words.insert(words.begin(), {REFUSING, "namespaces"});
    }
    if (!beside.empty()) {
        const std::vector<std::string> both = {"sh", "-c", "{ " + beside + "; } & \"$@\"; status=$?; wait; exit $status", "sh"};
        words.insert(words.begin(), both.begin(), both.end());
    }
    Sent sent = run(words);
    INFO(sent.err);
    REQUIRE(std::filesystem::exists(report));
    const auto violations = nlohmann::json::parse(slurp(report)).at("violations");
    for (const auto& violation : violations) {
        if (violation.at("layer") != "environment" && !(degraded && violation.at("expected").get<bool>())) {
            sent.violations.push_back(violation);
        }
    }
    return sent;
}

void all_fail(const OutsideWorld& world, const std::string& network, const std::vector<NetworkAttack>& attacks, bool shown) {
    for (const NetworkAttack& attack : attacks) {
        INFO("attack: " << attack.name);
        if (!attack.sign.empty() && !shown) {
            const Sent free = world.without(attack.script);
            INFO("without Treadline: " << nlohmann::json(free.seen).dump() << free.err << free.out);
            CHECK(free.saw(attack.sign));
        }
        const Sent held = world.held(network, attack.script);
        INFO("held: " << nlohmann::json(held.seen).dump() << held.err << held.out << held.violations.dump(1));
        CHECK(held.violations.size() == attack.violations);
        if (attack.allowed.empty()) {
            CHECK(held.seen.empty());
        } else {
            CHECK(held.saw(attack.allowed));
            CHECK_FALSE(held.saw(attack.sign));
        }
    }
}

} // namespace treadline::test
