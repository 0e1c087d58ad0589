#include "profiles/profile_reader.h"

#include "tests/profiles/example.h"

using namespace treadline;
using treadline::test::contains;
using treadline::test::read;
using treadline::test::refusal;

TEST_CASE("the example of the design is read, every key of it", "[profiles][yaml]") {
    const Profile profile = read(test::example);
    CHECK(profile.name == "npm-test");
    REQUIRE(profile.learned);
    CHECK(profile.learned->command == std::vector<std::string>{"npm", "test"});
    CHECK(profile.learned->runs == 3);
    CHECK(profile.learned->complete);
    CHECK(profile.include == std::vector<Entry>{{"base", {}}, {"node", {}}});
    REQUIRE(profile.files.size() == 3);
    CHECK(profile.files[1] ==
          FileRule{"${project}/node_modules/**", Mode::Read | Mode::Write | Mode::Create, {}});
    CHECK(profile.files[2].modes == (Mode::Read | Mode::Execute));
    CHECK(profile.files[2].at.line == 9);
    CHECK(profile.files[2].at.column == 3);
    CHECK(profile.private_directories == std::vector<Entry>{{"/tmp", {}}, {"${home}", {}}});
    CHECK(profile.deny == std::vector<Entry>{{"${project}/.env*", {}}, {"${project}/.git/hooks/**", {}}});
    CHECK(profile.network.connect.size() == 3);
    CHECK(profile.network.listen == std::vector<PortEntry>{{3000, {}}});
    CHECK(profile.network.publish == std::vector<PortEntry>{{3000, {}}});
    REQUIRE(profile.network.credentials.size() == 1);
    CHECK(profile.network.credentials[0] ==
          Credential{"api.openai.com", "Authorization", "Bearer ${env:OPENAI_API_KEY}", {}});
    CHECK(profile.unix_sockets == std::vector<Entry>{{"/run/user/*/bus", {}}});
    CHECK(profile.syscalls.size() == 4);
    CHECK(profile.environment.pass == std::vector<Entry>{{"PATH", {}}, {"LANG", {}}});
    CHECK(profile.environment.set == std::map<std::string, std::string>{{"CI", "1"}});
    CHECK(profile.resources == Resources{2ULL << 30, 256, 200, 600, {}, {}});
}

TEST_CASE("an error names file, line and column", "[profiles][yaml]") {
    CHECK(refusal("treadline: 1\nfiles:\n  /a: r\n  /b: q\n").substr(0, 11) == "p.yaml:4:7:");
    CHECK(refusal("treadline: 1\nname: ü\nfile: {}\n").substr(0, 11) == "p.yaml:3:1:");
    CHECK(refusal("treadline: 1\nprivate: [ü, tmp]\n").substr(0, 12) == "p.yaml:2:11:");
    CHECK(refusal("treadline: 1\nprivate: [/ü, tmp]\n").substr(0, 12) == "p.yaml:2:15:");
}

TEST_CASE("a profile without a version is refused", "[profiles][yaml]") {
    CHECK(contains(refusal("name: x\n"), "start the profile with 'treadline: 1'"));
    CHECK(contains(refusal(""), "empty"));
    CHECK(contains(refusal("# only a comment\n"), "empty"));
    CHECK(read("treadline: 1\n") == Profile{});
}

TEST_CASE("another version is refused before anything else is understood", "[profiles][yaml]") {
    CHECK(contains(refusal("treadline: 2\nnew_key: [x]\n"), "a newer one is needed"));
    CHECK(contains(refusal("new_key: [x]\ntreadline: 2\n"), "version 2 is not supported"));
    for (const char* bad : {"treadline: \"1\"\n", "treadline: one\n", "treadline: 1.0\n", "treadline: 01\n",
                            "treadline: [1]\n", "treadline:\n", "treadline: -1\n", "treadline: 0\n"}) {
        INFO(bad);
        refusal(bad);
    }
}

TEST_CASE("unknown keys are errors at every level and list the known ones", "[profiles][yaml]") {
    CHECK(contains(refusal("treadline: 1\nfile: {/a: r}\n"),
                   "unknown key 'file'; known here: treadline, name, learned"));
    for (const char* body :
         {"network: {conect: []}", "network: {credentials: [{host: a.b, header: H, value: v, x: y}]}",
          "environment: {unset: []}", "resources: {disk: 1G}", "learned: {by: me}", "Files: {}", "<<: {}"}) {
        INFO(body);
        CHECK(contains(refusal("treadline: 1\n" + std::string(body) + "\n"), "unknown key"));
    }
}

TEST_CASE("a key, a rule or an entry that stands twice is an error", "[profiles][yaml]") {
    for (const char* body :
         {"name: a\nname: b", "files: {/a: r, /a: w}", "files:\n  /a: r\n  /a: w", "files: {/a: r, '/a': r}",
          "deny: [/a, /a]", "syscalls: [bpf, bpf]", "network: {listen: [1, 1]}",
          "environment: {set: {A: 1, A: 2}}",
          "network: {credentials: [{host: a.b, header: H, value: v}, {host: a.b, header: H, value: w}]}"}) {
        INFO(body);
        refusal("treadline: 1\n" + std::string(body) + "\n");
    }
}

TEST_CASE("a value of the wrong type is an error", "[profiles][yaml]") {
    for (const char* body : {"name: [x]",
                             "name:",
                             "files: [/a]",
                             "files:",
                             "files: /a",
                             "files: {/a: [r]}",
                             "files: {/a: }",
                             "private: /tmp",
                             "private: [[/tmp]]",
                             "private: [{a: b}]",
                             "private:",
                             "deny: {}",
                             "network: []",
                             "network: {listen: 3000}",
                             "network: {listen: [http]}",
                             "network: {listen: ['80']}",
                             "network: {listen: [65536]}",
                             "network: {listen: [-1]}",
                             "network: {publish: [0]}",
                             "network: {credentials: {}}",
                             "network: {credentials: [{host: a.b}]}",
                             "unix: x",
                             "syscalls: '@base'",
                             "syscalls: [null]",
                             "environment: [PATH]",
                             "environment: {set: [A]}",
                             "environment: {set: {A: }}",
                             "environment: {set: {A: [1]}}",
                             "resources: 2G",
                             "learned: true",
                             "learned: {runs: many}",
                             "learned: {complete: yes}",
                             "learned: {command: npm test}",
                             "include: base"}) {
        INFO(body);
        refusal("treadline: 1\n" + std::string(body) + "\n");
    }
    refusal("[treadline, 1]\n");
    refusal("treadline\n");
}

TEST_CASE("a bad mode is an error", "[profiles][yaml]") {
    for (const char* mode : {"''", "q", "R", "rr", "r w", "rwxcz", "755", "true", "~", "r,w"}) {
        INFO(mode);
        CHECK(contains(refusal("treadline: 1\nfiles:\n  /a: " + std::string(mode) + "\n"), "needs a mode"));
    }
    CHECK(read("treadline: 1\nfiles:\n  /a: xcwr\n").files[0].modes ==
          (Mode::Read | Mode::Write | Mode::Create | Mode::Execute));
}

TEST_CASE("a rule that can never match is an error", "[profiles][yaml]") {
    for (const char* path : {"a", "./a", "../a", "''", "/a/../b", "/a/./b", "/a//b", "${home}/../x",
                             "${home}x", "${nobody}/x", "/a/**/b", "/a/b**", "/a*/**", "~/.ssh"}) {
        INFO(path);
        refusal("treadline: 1\nfiles:\n  " + std::string(path) + ": r\n");
        refusal("treadline: 1\ndeny: [\"" + std::string(path == std::string("''") ? "" : path) + "\"]\n");
    }
}

TEST_CASE("a * may not carry c, a subtree may", "[profiles][yaml]") {
    CHECK(contains(refusal("treadline: 1\nfiles:\n  /a/*.c: rc\n"), "'*' and 'c'"));
    read("treadline: 1\nfiles:\n  /a/*.c: rwx\n  /a/**: rwc\n  /b/\\*: rc\n");
}

TEST_CASE("anchors, aliases, tags, directives and further documents are refused", "[profiles][yaml]") {
    for (const char* text : {"treadline: 1\nprivate: &a [/tmp]\n", "treadline: 1\nname: &a x\ndeny: [*a]\n",
                             "treadline: 1\nname: !!str x\n", "treadline: 1\nname: !x y\n",
                             "treadline: 1\nfiles: !!map {/a: r}\n", "%YAML 1.2\n---\ntreadline: 1\n",
                             "treadline: 1\n---\ntreadline: 1\n", "treadline: 1\n...\n---\nname: x\n",
                             "treadline: 1\nfiles: {? [a] : r}\n", "treadline: 1\n\"name\": ! x\n"}) {
        INFO(text);
        refusal(text);
    }
}

TEST_CASE("texts no editor would write are refused", "[profiles][yaml]") {
    for (const std::string& text :
         {std::string("treadline: 1\0\n", 14), std::string("treadline: 1\nname: a\x01z\n"),
          std::string("treadline: 1\nname: \xff\n"), std::string("\xEF\xBB\xBFtreadline: 1\n"),
          std::string("\xFF\xFEt\0r\0", 6), std::string("treadline: 1\nname: \"a\\0b\"\n"),
          std::string("treadline: 1\nname: \"a\\u202Eb\"\n"),
          std::string("treadline: 1\nname: a\xE2\x80\xAE z\n"),
          std::string("treadline: 1\nfiles: {\"/a\\nb\": r}\n"),
          std::string("treadline: 1\nfiles: {\"/a\\0b\": r}\n"), std::string("treadline: 1\nname: [\n"),
          std::string("treadline: 1\nname: \"x\n"), std::string("treadline: 1\nname: 'x\n"),
          std::string("treadline: 1\nname: 'x''"), std::string("treadline: 1\nname: \"x\\\""),
          std::string("treadline: 1\n\tname: x\n")}) {
        INFO(text);
        refusal(text);
    }
}

TEST_CASE("a very large or very deep text is refused at once", "[profiles][yaml]") {
    CHECK(contains(refusal("treadline: 1\nname: " + std::string(1024 * 1024, 'x')), "larger than 1 MiB"));
    CHECK(contains(refusal("treadline: 1\nfiles: " + std::string(100'000, '[')), "deep"));
    CHECK(contains(refusal("treadline: 1\nfiles: " + std::string(100'000, '{')), "deep"));
    std::string deep = "treadline: 1\nfiles:";
    for (int i = 1; i < 500; ++i) {
        deep += "\n" + std::string(static_cast<size_t>(i), ' ') + "a:";
    }
    CHECK(contains(refusal(deep), "deep"));
}

TEST_CASE("a long line of many entries is read in linear time", "[profiles][yaml]") {
    std::string text = "treadline: 1\nnetwork: {listen: [";
    for (int port = 1; port < 65536; ++port) {
        text += std::to_string(port) + ", ";
    }
    CHECK(read(text + "0]}\n").network.listen.size() == 65536);
    CHECK(refusal("treadline: 1\n" + std::string(500'000, 'x') + ": 1\n").size() < 1000);
}

TEST_CASE("a variable needs no quotes inside brackets", "[profiles][yaml]") {
    const Profile profile = read("treadline: 1\nprivate: [${tmp}, ${home}/x, \"${cache}\"]\nfiles: "
                                 "{${project}/**: r, \"${home}/a\": r}\n");
    CHECK(profile.private_directories ==
          std::vector<Entry>{{"${tmp}", {}}, {"${home}/x", {}}, {"${cache}", {}}});
    CHECK(profile.files.size() == 2);
    CHECK(profile.files[0].path == "${project}/**");
}

TEST_CASE("includes are names or paths below the profile's folder", "[profiles][yaml]") {
    CHECK(read("treadline: 1\ninclude: [base, ./team.yaml, ./more/x.yaml]\n").include.size() == 3);
    for (const char* bad : {"../x.yaml", "./../x.yaml", "/etc/x.yaml", "./a/../../x", "./", "Base", "a/b",
                            "./a//b", "''", "${home}/x"}) {
        INFO(bad);
        refusal("treadline: 1\ninclude: [\"" + std::string(bad == std::string("''") ? "" : bad) + "\"]\n");
    }
}

TEST_CASE("limits are numbers with their unit", "[profiles][yaml]") {
    CHECK(parse_memory("512M") == 512ULL << 20);
    CHECK(parse_memory("1K") == 1024);
    CHECK(parse_duration("90s") == 90);
    CHECK(parse_duration("2h") == 7200);
    CHECK(parse_percent("50%") == 50);
    for (const char* bad : {"", "2", "G", "-1G", "2GB", "1.5G", "0G", "99999999999999999999G",
                            "18014398509481984T", "2 G", "0x2G"}) {
        INFO(bad);
        CHECK_FALSE(parse_memory(bad));
    }
    for (const char* bad : {"", "10", "10d", "m", "0s", "-1s"}) {
        CHECK_FALSE(parse_duration(bad));
    }
    for (const char* bad : {"200", "%", "0%", "-5%", "2.5%"}) {
        CHECK_FALSE(parse_percent(bad));
    }
    CHECK(contains(refusal("treadline: 1\nresources: {memory: 2GB}\n"), "as in 512M"));
    CHECK(contains(refusal("treadline: 1\nresources: {file_size: 10}\n"), "file_size is a number and K, M, G or T"));
}

TEST_CASE("environment names are names, with a * at most at the end", "[profiles][yaml]") {
    CHECK(
        read("treadline: 1\nenvironment: {pass: [A, \"LC_*\"], set: {B: \"\"}}\n").environment.pass.size() ==
        2);
    for (const char* bad : {"pass: [\"*\"]", "pass: [\"A*B\"]", "pass: [\"A=B\"]", "pass: [\"\"]",
                            "set: {\"A*\": x}", "set: {\"A=B\": x}", "set: {\"\": x}"}) {
        INFO(bad);
        refusal("treadline: 1\nenvironment: {" + std::string(bad) + "}\n");
    }
}

TEST_CASE("a credential names one host, one header and one value", "[profiles][yaml]") {
    for (const char* bad :
         {"{host: \"*.a.org\", header: H, value: v}", "{host: \"a.org:0\", header: H, value: v}", "{host: \"a.org:443/tcp\", header: H, value: v}",
          "{host: 10.0.0.1, header: H, value: v}",
          "{host: a.org, header: \"H:\", value: v}", "{host: a.org, header: H, value: \"a\\nb\"}",
          "{host: a.org, header: H, value: \"\"}"}) {
        INFO(bad);
        refusal("treadline: 1\nnetwork: {credentials: [" + std::string(bad) + "]}\n");
    }
}

TEST_CASE("a credential's value says where it is kept, and where the placeholder is found", "[profiles][yaml][credentials]") {
    const auto with = [](const std::string& more) { return "treadline: 1\nnetwork: {credentials: [{host: a.org, header: H, " + more + "}]}\n"; };
    for (const char* good : {"value: \"x ${env:A} y\"", "value: \"${env:A}${env:B}\"", "value: \"${file:${home}/.token}\"", "value: \"${command:gh auth token}\", variable: GH_TOKEN",
                             "value: \"${credential:key}\", variable: K", "value: \"${env:A}\", variable: B, methods: [GET, POST], paths: [/v1/x, \"/v1/**\", \"/**\"]"}) {
        INFO(good);
        CHECK(read(with(good)).network.credentials.size() == 1);
    }
    for (const char* bad : {"value: \"${env:A\"", "value: \"${home}\"", "value: \"${secret:x}\"", "value: \"${env:}\"", "value: \"${env:A*}\"", "value: \"${command:gh auth token}\"",
                            "value: \"${credential:key}\"", "value: \"${credential:../key}\", variable: K", "value: \"${env:A}${env:B}\", variable: C", "value: \"${env:A}\", variable: \"B=C\"",
                            "value: \"${env:A}\", variable: \"B*\"", "value: \"${env:A}\", methods: [get]", "value: \"${env:A}\", methods: []", "value: \"${env:A}\", methods: [CONNECT]",
                            "value: \"${env:A}\", paths: [v1]", "value: \"${env:A}\", paths: [\"/v1/*\"]", "value: \"${env:A}\", paths: [/a/../b]", "value: \"${env:A}\", paths: [\"/a?b\"]",
                            "value: \"${env:A}\", paths: [/a%2Fb]"}) {
        INFO(bad);
        refusal(with(bad));
    }
}

TEST_CASE("what is looked into is named, with a port, and may be held to some requests", "[profiles][yaml][inspect]") {
    const Profile profile = read("treadline: 1\nnetwork: {inspect: [\"a.org:443\", {host: \"*.b.org:8443\", methods: [GET], paths: [\"/x/**\"], upgrades: [websocket]}]}\n");
    REQUIRE(profile.network.inspect.size() == 2);
    CHECK(profile.network.inspect[0] == Inspection{"a.org:443", {}, {}});
    CHECK(profile.network.inspect[1] == Inspection{"*.b.org:8443", {{"GET"}, {"/x/**"}}, {}, {"websocket"}});
    for (const char* bad : {"a.org", "\"a.org:443/tcp\"", "\"10.0.0.1:443\"", "{methods: [GET]}", "{host: a.org}", "{host: \"a.org:443\", header: x}", "[x]", "{host: \"a.org:443\", upgrades: websocket}",
                            "{host: \"a.org:443\", upgrades: [WebSocket]}", "{host: \"a.org:443\", upgrades: [h2c]}", "{host: \"a.org:443\", upgrades: [\"a b\"]}",
                            "\"a.org:443\", \"a.org:443\""}) {
        INFO(bad);
        refusal("treadline: 1\nnetwork: {inspect: [" + std::string(bad) + "]}\n");
    }
}

TEST_CASE("hostile names in errors cannot reach the terminal", "[profiles][yaml]") {
    const std::string what = refusal("treadline: 1\n\"\\e[31mx\": 1\n");
    CHECK(what.find('\x1b') == std::string::npos);
    CHECK(contains(what, "\\x1B[31mx"));
}
