#include "profiles/environment_names.h"

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

TEST_CASE("names that say secret are secret", "[profiles][environment]") {
    for (const char* name :
         {"GITHUB_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "DB_PASSWORD",
          "PGPASSWORD", "npm_config_//registry.example.org/:_authToken", "GH_PAT", "SESSION_COOKIE",
          "DATABASE_URL", "githubToken", "CI_JOB_JWT", "SSH_KEY_PASSPHRASE", "NPM_AUTH", "MYSQL_PWD"}) {
        INFO(name);
        CHECK(secret_variable(name));
    }
}

TEST_CASE("ordinary names are not", "[profiles][environment]") {
    for (const char* name :
         {"PATH", "HOME", "PWD", "OLDPWD", "KEYBOARD", "MONKEY", "LANG", "AUTHOR", "GIT_AUTHOR_NAME",
          "COMPASS_HOME", "INIT_CWD", "TOKENIZERS_PARALLELISM", "PASSED", "NODE_ENV", "SSH_AUTH_SOCK"}) {
        INFO(name);
        CHECK_FALSE(secret_variable(name));
    }
}

TEST_CASE("names that make programs run code are known", "[profiles][environment]") {
    for (const char* name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "NODE_OPTIONS",
                             "PYTHONSTARTUP", "PERL5OPT", "GIT_SSH_COMMAND", "GIT_CONFIG_COUNT",
                             "BASH_FUNC_ls%%", "RUBYOPT", "JAVA_TOOL_OPTIONS"}) {
        INFO(name);
        CHECK(code_variable(name));
    }
    for (const char* name : {"PATH", "ENVIRONMENT", "NODE_ENV", "OLD_PATH", "GIT_AUTHOR_NAME", "LDFLAGS"}) {
        INFO(name);
        CHECK_FALSE(code_variable(name));
    }
}
