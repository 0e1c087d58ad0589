#include "enforcer/readable_names.h"

#include <random>

#include "tests/profiles/example.h"

using namespace treadline;
using treadline::test::policy;

TEST_CASE("where every name of a directory is said to be readable, decide() allows each that no guard is about", "[enforcer][readable]") {
    const Policy policies[] = {
        policy("files: {'${home}/**': r}\n"),
        policy("include: [base, npm]\nfiles: {'${project}/**': r, '/srv/': r}\n"),
        policy("files: {'/**': r}\ndeny: ['${project}/.env*', '${project}/src/lib', '/srv/*/lib', '/etc/lib/', '${home}/bin/**']\n"),
        policy("files: {'${project}/src/': r, '${project}/lib/**': rwc, '/etc/*': r, '/srv/**': w}\nprivate: ['${home}', /tmp]\n"),
    };
    const char* names[] = {"home", "ann",  "p",   "src",  "lib",  "bin", "srv",  "etc",         ".env", ".env.local", ".ssh", "id_rsa",  ".git", "hooks", "config", "token.pem",
                           "x",    ".npmrc", "tmp", "usr", "a.js", "node_modules", "share", ".config", "gh",  "hosts.yml",  ".aws", "credentials"};
    const char* starts[] = {"", "/home/ann", "/home/ann/p", "/home/ann/p/src", "/srv", "/usr/lib", "/etc", "/tmp"};
    std::mt19937 random(7);
    const auto pick = [&](size_t n) { return static_cast<size_t>(random() % n); };
    size_t all = 0;
    size_t not_all = 0;
    for (int round = 0; round < 20'000; ++round) {
        const Policy& rules = policies[pick(std::size(policies))];
        std::string directory = starts[pick(std::size(starts))];
        for (size_t depth = pick(3); depth > 0; --depth) {
            directory += std::string("/") + names[pick(std::size(names))];
        }
        const std::string name = names[pick(std::size(names))];
        const std::string path = directory + "/" + name;
        if (reads_every_name_in(rules, directory.empty() ? "/" : directory)) {
            ++all;
            INFO(path);
            REQUIRE((rules.guards().may_name(name) || rules.decide(Operation::Read, path).allowed));
        } else {
            ++not_all;
        }
    }
    CHECK(all > 2000);
    CHECK(not_all > 2000);
}

TEST_CASE("every name of a directory is readable by a rule for the tree or its names, unless something is refused there", "[enforcer][readable]") {
    const Policy rules = policy("files: {'${project}/**': r, '/srv/': r, '/opt/**': w, '/etc/a*': r}\ndeny: ['${project}/.env*', '${project}/src/key', '${project}/*/out']\n");
    CHECK(reads_every_name_in(rules, "/srv"));
    CHECK_FALSE(reads_every_name_in(rules, "/srv/www"));
    CHECK_FALSE(reads_every_name_in(rules, "/opt"));
    CHECK_FALSE(reads_every_name_in(rules, "/etc"));
    CHECK_FALSE(reads_every_name_in(rules, "/home/ann/p"));
    CHECK_FALSE(reads_every_name_in(rules, "/home/ann/p/.env.d"));
    CHECK_FALSE(reads_every_name_in(rules, "/home/ann/p/src"));
    CHECK_FALSE(reads_every_name_in(rules, "/home/ann/p/.ssh"));
    CHECK_FALSE(reads_every_name_in(rules, "srv"));
    const Policy narrow = policy("files: {'${project}/**': r}\ndeny: ['${project}/.env*']\n");
    CHECK_FALSE(reads_every_name_in(narrow, "/home/ann/p"));
    CHECK(reads_every_name_in(narrow, "/home/ann/p/src/lib"));
    CHECK(reads_every_name_in(narrow, "/home/ann/p/node_modules/nyc"));
}
