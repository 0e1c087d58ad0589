#include "profiles/environment_names.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/invisible.h"
#include "base/text.h"

namespace treadline {
namespace {

// Words that mean a secret wherever they stand as a word of the name: GITHUB_TOKEN, npm_config__authToken.
constexpr std::array secret_words = {"TOKEN", "TOKENS", "SECRET",     "SECRETS", "PASSWORD",   "PASSWD",
                                     "PASS",  "PWD",    "PASSPHRASE", "APIKEY",  "CREDENTIAL", "CREDENTIALS",
                                     "AUTH",  "COOKIE", "COOKIES",    "PAT",     "JWT",        "BEARER",
                                     "DSN",   "KEY",    "KEYS"};

// Names with such a word that hold no secret.
constexpr std::array harmless = {"PWD",        "OLDPWD",      "INIT_CWD",    "SSH_AUTH_SOCK",
                                 "XAUTHORITY", "GIT_ASKPASS", "SSH_ASKPASS", "GPG_KEY"};

// Secret without such a word, by the documentation of the program named.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> secret_names = {{
    {"DATABASE_URL", "a database address with its password"},
    {"REDIS_URL", "a database address with its password"},
    {"MONGODB_URI", "a database address with its password"},
    {"MYSQL_PWD", "the password of MySQL's client programs"},
    {"PGPASSFILE", "where libpq finds passwords"},
    {"AMQP_URL", "a broker address with its password"},
    {"SENTRY_DSN", "a project's ingest key"},
    {"KUBECONFIG", "where kubectl finds its credentials"},
    {"VAULT_ADDR", "which server gets Vault tokens"},
}};

constexpr std::array code_prefixes = {"LD_", "DYLD_", "BASH_FUNC_", "GIT_CONFIG_"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 50> code_names = {{
    {"BASH_ENV", "bash runs it before each script"},
    {"ENV", "sh runs it at its start"},
    {"PROMPT_COMMAND", "bash runs it before each prompt"},
    {"PS4", "bash expands it, commands included, when it traces"},
    {"SHELLOPTS", "it changes how bash reads scripts"},
    {"BASHOPTS", "it changes how bash reads scripts"},
    {"IFS", "it changes how shells split words"},
    {"CDPATH", "it changes where cd goes"},
    {"ZDOTDIR", "zsh runs the start-up files there"},
    {"GCONV_PATH", "libc loads libraries from there"},
    {"GLIBC_TUNABLES", "it changes how libc and the loader behave"},
    {"NODE_OPTIONS", "node loads the modules it names"},
    {"NODE_PATH", "node loads modules from there"},
    {"PYTHONSTARTUP", "python runs it at its start"},
    {"PYTHONPATH", "python loads modules from there"},
    {"PYTHONHOME", "python loads its library from there"},
    {"PYTHONINSPECT", "it changes what python does at its end"},
    {"PYTHONBREAKPOINT", "python calls it at breakpoint()"},
    {"PERL5OPT", "perl takes options from it"},
    {"PERL5LIB", "perl loads modules from there"},
    {"PERLLIB", "perl loads modules from there"},
    {"PERL5DB", "perl runs it when debugging"},
    {"RUBYOPT", "ruby takes options from it"},
    {"RUBYLIB", "ruby loads files from there"},
    {"GEM_PATH", "ruby loads gems from there"},
    {"LUA_INIT", "lua runs it at its start"},
    {"PHPRC", "php reads its configuration from there"},
    {"PHP_INI_SCAN_DIR", "php reads its configuration from there"},
    {"JAVA_TOOL_OPTIONS", "the JVM takes options, agents included, from it"},
    {"_JAVA_OPTIONS", "the JVM takes options, agents included, from it"},
    {"JDK_JAVA_OPTIONS", "java takes options, agents included, from it"},
    {"MAVEN_OPTS", "maven's JVM takes options from it"},
    {"GRADLE_OPTS", "gradle's JVM takes options from it"},
    {"RUSTC_WRAPPER", "cargo runs it in place of rustc"},
    {"RUSTC_WORKSPACE_WRAPPER", "cargo runs it in place of rustc"},
    {"CARGO_BUILD_RUSTC_WRAPPER", "cargo runs it in place of rustc"},
    {"MAKEFLAGS", "make takes options, --eval included, from it"},
    {"MAKEFILES", "make reads them before each makefile"},
    {"GIT_SSH", "git runs it"},
    {"GIT_SSH_COMMAND", "git runs it"},
    {"GIT_ASKPASS", "git runs it"},
    {"SSH_ASKPASS", "ssh runs it"},
    {"GIT_EDITOR", "git runs it"},
    {"GIT_SEQUENCE_EDITOR", "git runs it"},
    {"GIT_PAGER", "git runs it"},
    {"GIT_EXTERNAL_DIFF", "git runs it"},
    {"GIT_PROXY_COMMAND", "git runs it"},
    {"GIT_TEMPLATE_DIR", "git copies hooks from there"},
    {"GIT_EXEC_PATH", "git runs the programs there"},
    {"LESSOPEN", "less runs it for each file"},
}};

// GITHUB_TOKEN, githubToken and npm_config_//host/:_authToken alike in words, upper case.
std::vector<std::string> words_of(std::string_view name) {
    std::vector<std::string> words(1);
    char before = '\0';
    for (const char c : name) {
        const bool upper = c >= 'A' && c <= 'Z';
        const bool lower = c >= 'a' && c <= 'z';
        const bool digit = c >= '0' && c <= '9';
        if ((!upper && !lower && !digit) || (upper && before >= 'a' && before <= 'z')) {
            words.emplace_back();
        }
        if (upper || lower || digit) {
            words.back() += static_cast<char>(lower ? c - 'a' + 'A' : c);
        }
        before = c;
    }
    return words;
}

} // namespace

std::optional<std::string> secret_variable(std::string_view name) {
    for (const auto& [known, what] : secret_names) {
        if (name == known) {
            return "it holds " + std::string(what);
        }
    }
    if (std::find(harmless.begin(), harmless.end(), name) != harmless.end()) {
        return std::nullopt;
    }
    for (const std::string& word : words_of(name)) {
        const bool ends = word.size() > 6 && (word.ends_with("TOKEN") || word.ends_with("PASSWORD") ||
                                              word.ends_with("SECRET") || word.ends_with("APIKEY"));
        if (ends || std::find(secret_words.begin(), secret_words.end(), word) != secret_words.end()) {
            return "its name says that it holds a secret";
        }
    }
    return std::nullopt;
}

std::optional<std::string> code_variable(std::string_view name) {
    for (const std::string_view prefix : code_prefixes) {
        if (name.substr(0, prefix.size()) == prefix) {
            return prefix == "LD_" || prefix == "DYLD_" ? "the loader takes libraries and options from it"
                                                        : "it makes a program run what it says";
        }
    }
    for (const auto& [known, what] : code_names) {
        if (name == known) {
            return std::string(what);
        }
    }
    return std::nullopt;
}

std::string variable_complaint(std::string_view entry) {
    if (entry.empty() || entry.find('=') != std::string_view::npos || has_invisible(entry)) {
        return "is no name of an environment variable";
    }
    const size_t star = entry.find('*');
    if (star != std::string_view::npos && star + 1 != entry.size()) {
        return "has a '*' that is not at its end, where alone it is understood";
    }
    return entry == "*" ? "would pass every variable, secrets included; name them" : "";
}

} // namespace treadline
