#include "enforcer/egress/secrets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/egress/text_search.h"
#include "profiles/credential_value.h"

namespace treadline::egress {
namespace {

using Kind = CredentialSource::Kind;

constexpr size_t shortest = 8; // shorter ones would be found in answers by chance
constexpr size_t longest = 4096;
constexpr size_t enough_random = 16; // characters of a placeholder that are drawn
constexpr int command_seconds = 30;

// How well-known issuers begin their tokens, so that programs that check for it are content.
constexpr std::array prefixes = {"sk-ant-api03-", "sk-ant-", "sk-proj-", "sk-svcacct-", "sk-", "github_pat_", "ghp_", "gho_", "ghu_", "ghs_",
                                 "ghr_", "glpat-", "npm_", "pypi-", "hf_", "xoxb-", "xoxp-", "xoxa-", "sk_live_", "sk_test_", "rk_live_", "AKIA",
                                 "AIza", "SG."};

char draw(std::string_view letters) {
    const size_t fair = 256 - 256 % letters.size(); // what is above would make the first letters likelier
    for (;;) {
        unsigned char byte = 0;
        if (::getrandom(&byte, 1, 0) == 1 && byte < fair) {
            return letters[byte % letters.size()];
        }
    }
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string without_line_end(std::string text) {
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    if (text.ends_with('\r')) {
        text.pop_back();
    }
    return text;
}

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    for (const std::string_view word : split(line, ' ')) {
        if (!word.empty()) {
            words.emplace_back(word);
        }
    }
    return words;
}

int64_t milliseconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// What it prints, until it ends; nothing after the time limit.
std::optional<std::string> read_until_end(int fd, int64_t deadline) {
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
        pollfd ready{fd, POLLIN, 0};
        const int64_t left = deadline - milliseconds_now();
        const int count = left <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        const ssize_t size = count <= 0 ? -1 : ::read(fd, part.data(), part.size());
        if (size < 0) {
            return std::nullopt;
        }
        if (size == 0 || text.size() > 4 * longest) {
            return text;
        }
        text.append(part.data(), static_cast<size_t>(size));
    }
}

result<std::string> run_command(const std::string& line) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) {
        return fail("names no command");
    }
    auto pipe = TRY(sys::pipe());
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno("cannot fork to run '" + printable(line) + "'");
    }
    if (child == 0) {
        ::setpgid(0, 0); // so that all of it can be ended
        const int null = ::open("/dev/null", O_RDONLY);
        sigset_t none;
        ::sigemptyset(&none);
        ::pthread_sigmask(SIG_SETMASK, &none, nullptr); // the supervisor's are blocked
        std::vector<char*> argv;
        for (const std::string& word : words) {
            argv.push_back(const_cast<char*>(word.c_str()));
        }
        argv.push_back(nullptr);
        if (null >= 0 && ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(pipe.second.get(), STDOUT_FILENO) >= 0) {
            ::execvp(argv[0], argv.data());
        }
        ::_exit(127);
    }
    ::setpgid(child, child); // whoever of the two comes first
    pipe.second.reset();
    const auto printed = read_until_end(pipe.first.get(), milliseconds_now() + command_seconds * 1000);
    if (!printed) {
        ::kill(-child, SIGKILL); // our own child, not yet reaped
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!printed) {
        return fail("ran longer than " + std::to_string(command_seconds) + " s and was ended");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return fail(WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "cannot be run; is it installed?"
                                                                    : "failed; run it by hand to see why");
    }
    return without_line_end(*printed);
}

result<std::string> file_of(const CredentialSource& source, const Policy& policy, const std::map<std::string, std::string>& environment) {
    if (source.kind == Kind::File) {
        return policy.variables().expand(source.text);
    }
    const auto directory = environment.find("CREDENTIALS_DIRECTORY");
    if (directory == environment.end() || directory->second.empty()) {
        return fail("needs $CREDENTIALS_DIRECTORY, which systemd sets for services with LoadCredential=");
    }
    return directory->second + "/" + source.text;
}

result<std::string> value_of(const CredentialSource& source, const Policy& policy, const std::map<std::string, std::string>& environment) {
    if (source.kind == Kind::Environment) {
        const auto found = environment.find(source.text);
        if (found == environment.end() || found->second.empty()) {
            return fail("is not set; set it before the run, outside");
        }
        return found->second;
    }
    if (source.kind == Kind::Command) {
        return run_command(source.text);
    }
    const std::string path = TRY(file_of(source, policy, environment));
    const auto text = sys::read_file(path);
    if (!text) {
        return failure(text.error());
    }
    return without_line_end(*text);
}

result<ok> check_value(const std::string& value) {
    if (value.size() < shortest || value.size() > longest) {
        return fail("has " + std::to_string(value.size()) + " characters; from " + std::to_string(shortest) + " to " + std::to_string(longest) +
                    " can be recognised where they come back");
    }
    const bool visible = std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
    return visible ? result<ok>(ok{}) : result<ok>(fail("holds more than one line, or characters that no header can"));
}

class Finder {
public:
    Finder(const Policy& policy, const std::map<std::string, std::string>& environment, Sources sources)
        : policy_(policy), environment_(environment), sources_(sources) {}

    result<ok> add(const Credential& credential) {
        const auto endpoint = TRY(credential_endpoint(credential.host));
        const CredentialValue value = TRY(parse_credential_value(credential.value));
        if (value.sources().empty()) {
            return fail("the credential for " + credential.host + " has its value in the profile; refer to where it is kept, as in ${env:NAME}");
        }
        HeldCredential held{endpoint.host, endpoint.port, credential.header, credential.scope, "", "", credential.header + " of " + credential.host};
        std::transform(held.header.begin(), held.header.end(), held.header.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        for (const CredentialValue::Part& part : value.parts) {
            held.inside += part.literal;
            held.outside += part.literal;
            for (const CredentialSource& source : part.source) {
                const size_t number = TRY(look_up(source));
                held.inside += secrets_.all[number].placeholder;
                held.outside += secrets_.all[number].real;
                TRY(show_inside(credential, source, secrets_.all[number]));
            }
        }
        if (value.basic) {
            held.inside = "Basic " + base64(held.inside);
            held.outside = "Basic " + base64(held.outside);
        }
        secrets_.credentials.push_back(std::move(held));
        return ok{};
    }

    Secrets take() { return std::move(secrets_); }

private:
    result<size_t> look_up(const CredentialSource& source) {
        const std::string name = to_string(source);
        const auto known = std::find_if(secrets_.all.begin(), secrets_.all.end(), [&](const Secret& secret) { return secret.source == name; });
        if (known != secrets_.all.end()) {
            return static_cast<size_t>(known - secrets_.all.begin());
        }
        auto value = sources_ == Sources::Asked ? value_of(source, policy_, environment_) : result<std::string>(placeholder_for(std::string(24, 'a')));
        const auto usable = value ? check_value(*value) : result<ok>(failure(value.error()));
        if (!usable) {
            return fail_code(usable.error().code, "the credential's source " + printable(name) + " " + usable.error().what);
        }
        secrets_.all.push_back({name, *value, placeholder_for(*value)});
        return secrets_.all.size() - 1;
    }

    result<ok> show_inside(const Credential& credential, const CredentialSource& source, const Secret& secret) {
        const std::string variable = source.kind == Kind::Environment && credential.variable.empty() ? source.text : credential.variable;
        if (!variable.empty()) {
            const auto [there, added] = secrets_.variables.emplace(variable, secret.placeholder);
            if (!added && there->second != secret.placeholder) {
                return fail("two credentials would both put their placeholder into the variable " + printable(variable));
            }
        }
        if (source.kind == Kind::Environment && variable != source.text && policy_.decide(Operation::Environment, source.text).allowed) {
            secrets_.variables.emplace(source.text, secret.placeholder);
        }
        if (source.kind == Kind::File || source.kind == Kind::Systemd) {
            return show_file(source, secret, variable);
        }
        return ok{};
    }

    // A file that the profile lets the command read holds the placeholder there.
    result<ok> show_file(const CredentialSource& source, const Secret& secret, const std::string& variable) {
        if (sources_ == Sources::LeftAlone) {
            const auto path = file_of(source, policy_, environment_);
            if (!path || ::access(path->c_str(), F_OK) != 0) {
                return ok{}; // not needed, and not there
            }
        }
        const std::string named = TRY(file_of(source, policy_, environment_));
        const std::string path = TRY(sys::realpath(named));
        if (!policy_.decide(Operation::Read, path).allowed) {
            return variable.empty() ? result<ok>(fail("nothing inside would see the placeholder of " + printable(secret.source) +
                                                      "; name a variable for it (`variable:`), or let the command read the file"))
                                    : result<ok>(ok{});
        }
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1) {
            return fail("'" + printable(path) + "', which a credential refers to, is no file with one name only, so it cannot be hidden inside");
        }
        secrets_.files[path] = secret.placeholder + "\n";
        return ok{};
    }

    const Policy& policy_;
    const std::map<std::string, std::string>& environment_;
    Sources sources_;
    Secrets secrets_;
};

// What would bring a real value inside past its placeholder.
result<ok> check_nothing_else_holds(const Secrets& secrets, const Policy& policy, const std::map<std::string, std::string>& environment,
                                    const std::vector<std::string>& command) {
    for (const Secret& secret : secrets.all) {
        const std::string name = printable(secret.source);
        const auto holds = [&](const std::string& text) { return text.find(secret.real) != std::string::npos; };
        for (const auto& [variable, value] : environment) {
            if (!secrets.variables.contains(variable) && holds(value) && policy.decide(Operation::Environment, variable).allowed) {
                return fail("the variable " + printable(variable) + ", which the profile passes, holds the value of " + name +
                            "; take it out of `pass`, or out of the environment");
            }
        }
        for (const auto& [variable, value] : policy.environment().set) {
            if (holds(value)) {
                return fail("the variable " + printable(variable) + ", which the profile sets, holds the value of " + name + "; delete it");
            }
        }
        if (std::any_of(command.begin(), command.end(), holds)) {
            return fail("the command's own words hold the value of " + name + "; let it take it from the variable, which is a placeholder inside");
        }
    }
    return ok{};
}

} // namespace

std::string placeholder_for(std::string_view real) {
    constexpr std::string_view lower = "abcdefghijklmnopqrstuvwxyz";
    constexpr std::string_view upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    constexpr std::string_view digits = "0123456789";
    constexpr std::string_view hexadecimal = "0123456789abcdef";
    std::string out;
    const auto prefix = std::find_if(prefixes.begin(), prefixes.end(), [&](std::string_view known) { return real.starts_with(known); });
    if (prefix != prefixes.end()) {
        out = *prefix;
        real.remove_prefix(out.size());
    }
    const bool hex = std::all_of(real.begin(), real.end(), [&](char c) { return hexadecimal.find(c) != std::string_view::npos || c == '-'; });
    size_t drawn = 0;
    for (const char c : real) {
        if (c == '-' || c == '.') {
            out += c; // as in UUIDs and JSON web tokens
            continue;
        }
        ++drawn;
        out += draw(hex ? hexadecimal : is_digit(c) ? digits : c >= 'A' && c <= 'Z' ? upper : lower);
    }
    for (; drawn < enough_random; ++drawn) {
        out += draw(hex ? hexadecimal : lower);
    }
    return out;
}

result<std::shared_ptr<const Secrets>> look_up_secrets(const Policy& policy, const std::map<std::string, std::string>& environment,
                                                       const std::vector<std::string>& command, Sources sources) {
    Finder finder(policy, environment, sources);
    for (const Credential& credential : policy.credentials()) {
        TRY(finder.add(credential));
    }
    auto secrets = std::make_shared<Secrets>(finder.take());
    TRY(check_nothing_else_holds(*secrets, policy, environment, command));
    size_t bytes = 0;
    for (const Secret& secret : secrets->all) {
        for (const std::string& form : forms_of(secret.real)) {
            bytes += form.size();
        }
    }
    if (bytes > TextSearch::max_bytes) {
        return fail("the values of the profile's `credentials` are too long together to be looked for in answers; use shorter tokens, or fewer");
    }
    return std::shared_ptr<const Secrets>(std::move(secrets));
}

} // namespace treadline::egress
