#include "tests/e2e/egress_world.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"

namespace treadline::test {
namespace {

// Long enough for a local authority and a server's certificate for the names; both end with the test.
constexpr const char* make_certificates =
    "set -e; cd \"$1\"; "
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority "
    "-addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign; "
    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=web.test; "
    "printf 'subjectAltName=DNS:web.test,DNS:other.test,DNS:evil.test\\nauthorityKeyIdentifier=keyid\\n' > names; "
    "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem";

constexpr const char* rules = "treadline: 1\nname: egress\n"
                              "include: [base, shell, coreutils, git, python, node, dns, tls-trust]\n"
                              "files:\n  ${project}/**: rwcx\n  /usr/**: rx\n  /etc/**: r\n"
                              "private: [\"${tmp}\"]\n"
                              "syscalls: [\"@base\", \"@file\", \"@process\", \"@network\"]\n"
                              "environment: {pass: [PATH, HOME]}\n";

void replace_all(std::string& text, const std::string& what, const std::string& with) {
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
}

std::string quoted(std::string word) {
    replace_all(word, "'", "'\\''");
    return "'" + word + "'";
}

} // namespace

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

bool contains(const std::vector<std::string>& lines, const std::string& part) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return contains(line, part); });
}

std::vector<nlohmann::json> Gated::about(const std::string& object) const {
    std::vector<nlohmann::json> found;
    for (const auto& violation : violations) {
        if (violation.at("layer") == "egress" && violation.at("object") == object) {
            found.push_back(violation);
        }
    }
    return found;
}

size_t Gated::egress() const {
    return static_cast<size_t>(
        std::count_if(violations.begin(), violations.end(), [](const auto& violation) { return violation.at("layer") == "egress"; }));
}

EgressWorld::EgressWorld(Servers servers) {
    std::filesystem::create_directory(directory_ / "www");
    const Finished made = test::run({"sh", "-c", make_certificates, "sh", directory_.path()});
    INFO(made.err);
    REQUIRE(made.status == 0);
    directory_.write("www/index.html", "hello\n");
    loop.write("ca.crt", slurp(directory_ / "ca.pem"));
    auto input = sys::pipe();
    auto output = sys::pipe();
    REQUIRE(input);
    REQUIRE(output);
    servers_ = ::fork();
    if (servers_ == 0) {
        ::dup2(input->first.get(), STDIN_FILENO);
        ::dup2(output->second.get(), STDOUT_FILENO);
        const std::string www = directory_ / "www";
        const std::string certificate = directory_ / "server.pem";
        const std::string key = directory_ / "server.key";
        ::execlp("/usr/bin/python3", "python3", EGRESS_SERVERS, www.c_str(), certificate.c_str(), key.c_str(), servers == Servers::More ? "more" : nullptr, nullptr);
        ::_exit(127);
    }
    stop_ = std::move(input->second);
    std::string line;
    for (char byte = 0; ::read(output->first.get(), &byte, 1) == 1 && byte != '\n';) {
        output->second.reset();
        line.push_back(byte);
    }
    ports_ = nlohmann::json::parse(line);
    std::istringstream addresses(test::run({"hostname", "-I"}).out);
    addresses >> own_; // the first, as a rule an IPv4 one
}

EgressWorld::~EgressWorld() {
    stop_servers();
}

void EgressWorld::stop_servers() {
    stop_.reset();
    if (servers_ > 0) {
        ::kill(servers_, SIGKILL);
        ::waitpid(servers_, nullptr, 0);
        servers_ = -1;
    }
}

std::string EgressWorld::filled(std::string text) const {
    for (const char* name : {"https", "http", "h2", "tcp", "udp", "ssh", "websocket", "wss", "grpc"}) { // the longer one first
        if (ports_.contains(name)) {
            replace_all(text, std::string("%") + name, std::to_string(ports_.at(name).get<int>()));
        }
    }
    replace_all(text, "%ca", loop.project() + "/ca.crt");
    replace_all(text, "%www", directory_ / "www");
    replace_all(text, "%own", own_);
    return text;
}

Finished EgressWorld::outside(const std::string& script) const {
    return loop.shell(filled(script));
}

void EgressWorld::kill_gateway_later() const {
    const Finished begun = outside("cat > kill-gateway <<'E'\n"
                                   "while [ ! -e first ]; do sleep 0.05; done\n"
                                   "for p in /proc/[0-9]*; do\n"
                                   "  [ \"$(cat $p/comm 2> /dev/null)\" = treadline-gate ] || continue\n"
                                   "  parent=$(sed -n 's/^PPid:[[:space:]]*//p' $p/status)\n"
                                   "  tr '\\0' ' ' < /proc/$parent/cmdline | grep -q \"$PWD/first\" && kill -9 ${p#/proc/}\n"
                                   "done\n"
                                   "touch second\n"
                                   "E\n"
                                   "(sh kill-gateway > /dev/null 2>&1 &)");
    REQUIRE(begun.status == 0);
}

Gated EgressWorld::run(const std::vector<std::string>& connect, const std::string& script, const std::string& network, const std::string& files) const {
    std::string profile = rules;
    profile.insert(profile.find("private:"), filled(files));
    profile += "network:\n" + filled(network) + "  connect: [";
    for (const std::string& rule : connect) {
        profile += "\"" + filled(rule) + "\", ";
    }
    profile += "]\n" + filled(more_network);
    loop.write(".treadline/profile.yaml", profile);
    const std::string report = directory_ / "report.json";
    std::filesystem::remove(report);
    std::string text = script;
    if (degraded) { // where the private temporary directory is another one
        replace_all(text, "/tmp", "$TMPDIR");
    }
    const std::string enforce = degraded ? REFUSING " namespaces treadline enforce --allow-degraded" : "treadline enforce";
    std::vector<std::string> arguments = {"--report", "json:" + report, "--resolve", "web.test=127.0.0.1", "--resolve", "other.test=127.0.0.1",
                                          "--resolve", "evil.test=127.0.0.1", "--resolve", "private.test=10.1.2.3", "--resolve",
                                          "mixed.test=93.184.216.34,127.0.0.1", "--resolve", "own.test=" + (own_.empty() ? "127.0.0.1" : own_)};
    arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
    for (const std::string& word : {std::string("--"), std::string("sh"), std::string("-c"), filled(text)}) {
        arguments.push_back(word);
    }
    std::string words;
    for (const std::string& word : arguments) {
        words += " " + quoted(word);
    }
    const Finished done = loop.shell(enforce + words);
    INFO(done.err);
    REQUIRE(std::filesystem::exists(report));
    return {done.status, done.out, done.err, nlohmann::json::parse(slurp(report)).at("violations")};
}

std::vector<std::string> EgressWorld::observed() const {
    std::istringstream all(std::filesystem::exists(directory_ / "observed") ? slurp(directory_ / "observed") : "");
    std::vector<std::string> lines;
    for (std::string line; std::getline(all, line);) {
        lines.push_back(line);
    }
    std::vector<std::string> fresh(lines.begin() + static_cast<std::ptrdiff_t>(std::min(seen_, lines.size())), lines.end());
    seen_ = lines.size();
    return fresh;
}

} // namespace treadline::test
