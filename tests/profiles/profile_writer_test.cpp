#include "profiles/profile_writer.h"

#include <random>

#include "profiles/pattern.h"
#include "tests/profiles/example.h"

using namespace treadline;

namespace {

// Names a hostile program would give its files, and some an ordinary one would.
const std::vector<std::string> names = {"plain",
                                        "with space",
                                        " leading",
                                        "trailing ",
                                        "a: b",
                                        "a #b",
                                        "#c",
                                        "- d",
                                        "? e",
                                        "\"quoted\"",
                                        "it's",
                                        "*",
                                        "**",
                                        "a*b",
                                        "back\\slash",
                                        "new\nline",
                                        "tab\t",
                                        "${home}",
                                        "$HOME",
                                        "{a}",
                                        "[b]",
                                        "a,b",
                                        "&anchor",
                                        "*alias",
                                        "!tag",
                                        "|",
                                        ">",
                                        "%x",
                                        "@y",
                                        "`z`",
                                        "null",
                                        "~",
                                        "true",
                                        "123",
                                        "0x1f",
                                        "1e3",
                                        "\x1b[31m",
                                        "\xff\xfe",
                                        "\u202Egpj",
                                        "\u200B",
                                        "日本語",
                                        "é",
                                        "::error::",
                                        "</script>",
                                        "]]>",
                                        "=",
                                        "<<",
                                        "---",
                                        "...",
                                        "a:",
                                        ": a",
                                        std::string(900, 'x'),
                                        "\\x41",
                                        "\\*",
                                        "'",
                                        "\"",
                                        "\\",
                                        "# r",
                                        "x: r\n  /etc/**: rwcx",
                                        "\r",
                                        "\u0085",
                                        "\u2028"};

Profile generated(unsigned seed) {
    std::mt19937 random(seed);
    const auto pick = [&](size_t n) { return static_cast<size_t>(random() % n); };
    const auto path = [&] {
        std::string raw = "/";
        for (size_t i = 0; i <= pick(4); ++i) {
            raw += names[pick(names.size())] + (i % 2 == 0 ? "n" : "") + "/";
        }
        raw.pop_back();
        return test::ann().shorten(pick(2) == 0 ? raw : "/home/ann/p" + raw);
    };
    const auto add = [](std::vector<Entry>& entries, const std::string& text) {
        if (std::find(entries.begin(), entries.end(), Entry{text, {}}) == entries.end()) {
            entries.push_back({text, {}});
        }
    };
    Profile profile;
    profile.name = pick(3) == 0 ? "" : "a: name #1";
    if (pick(2) == 0) {
        profile.learned = Learned{{"sh", "-c", names[pick(17)], ""},
                                  static_cast<int>(pick(9)),
                                  pick(2) == 0,
                                  pick(2) == 0 ? "" : "sha256:0f"};
    }
    for (size_t i = pick(6); i > 0; --i) {
        std::string written = path();
        const size_t kind = pick(4);
        written += kind == 0 ? "/**" : kind == 1 ? "/" : kind == 2 ? "/*.c" : "";
        const Modes modes = kind == 2 ? Mode::Read | Mode::Write : Mode::Read | Mode::Create;
        const auto same = [&](const FileRule& rule) { return rule.path == written; };
        if (std::none_of(profile.files.begin(), profile.files.end(), same)) {
            profile.files.push_back({written, modes, {}});
        }
    }
    for (size_t i = pick(4); i > 0; --i) {
        add(profile.private_directories, path());
        add(profile.deny, path() + "/**");
        add(profile.unix_sockets, pick(2) == 0 ? path() : "@name with: #odd [chars]");
    }
    profile.syscalls = {{"@base", {}}, {"ptrace", {}}};
    profile.include = {{"base", {}}, {"./team.yaml", {}}};
    profile.network.connect = {{"*.example.org:443", {}}, {"[::1]:80", {}}};
    profile.network.listen = {{0, {}}, {static_cast<uint16_t>(pick(65536)), {}}};
    if (profile.network.listen[1].port == 0) {
        profile.network.listen.pop_back();
    }
    profile.network.credentials = {{"api.example.org", "Authorization", "Bearer ${env:X} # \"y\"", {}},
                                   {"b.example.org:8443", "X-Key", "${command:print: #key}", {}, "A B", {{"GET"}, {"/a:b/**"}}}};
    profile.network.inspect = {{"*.example.org:443", {}, {}}, {"a.example.org:443", {{"GET", "POST"}, {"/v1/**", "/'x"}}, {}}, {"b.example.org:443", {}, {}, {"websocket", "chat/2.0"}}};
    profile.environment.pass = {{"LC_*", {}}, {"A B", {}}};
    profile.environment.set = {
        {"MULTI", "line one\nline two\t\x7f"}, {"EMPTY", ""}, {"NULL", "null"}, {"ODD", names[pick(17)]}};
    if (pick(2) == 0) {
        profile.resources = {(1 + pick(5000)) * 1024ULL,
                             1 + pick(300),
                             static_cast<uint32_t>(1 + pick(400)),
                             1 + pick(100000),
                             (1 + pick(5000)) * 1024ULL,
                             {}};
    }
    return profile;
}

} // namespace

TEST_CASE("reading what was written gives the same profile, whatever the names in it", "[profiles][yaml]") {
    for (unsigned seed = 0; seed < 500; ++seed) {
        const Profile profile = generated(seed);
        const std::string text = write_profile(profile);
        const auto back = read_profile(text, "p.yaml");
        INFO(text);
        INFO((back ? "" : back.error().what));
        REQUIRE(back);
        REQUIRE(*back == profile);
        REQUIRE(write_profile(*back) == text);
    }
}

TEST_CASE("every hostile name survives as a rule of its own", "[profiles][yaml]") {
    for (const std::string& name : names) {
        Profile profile;
        profile.files = {{escape_path("/w/" + name), Mode::Read, {}}};
        const std::string text = write_profile(profile);
        INFO(text);
        const auto back = read_profile(text, "p.yaml");
        INFO((back ? "" : back.error().what));
        REQUIRE(back);
        REQUIRE(*back == profile);
        const auto pattern = parse_pattern(back->files[0].path);
        REQUIRE(pattern);
        CHECK(pattern->path == "/w/" + name);
        CHECK(pattern->extent == Extent::Exact);
    }
}

TEST_CASE("a path as long as the kernel allows survives", "[profiles][yaml]") {
    Profile profile;
    std::string path = "${project}";
    while (path.size() < 4000) {
        path += "/" + std::string(200, 'd');
    }
    profile.files = {{path, Mode::Read, {}}, {path + "/x: y", Mode::Read | Mode::Write, {}}};
    const auto back = read_profile(write_profile(profile), "p.yaml");
    REQUIRE(back);
    CHECK(*back == profile);
}

TEST_CASE("the canonical text of the example is this", "[profiles][yaml]") {
    CHECK(write_profile(test::read(test::example)) == R"(treadline: 1
name: npm-test
learned: {command: [npm, test], runs: 3, complete: true}
include: [base, node]

files:
  ${project}/**: r
  ${project}/node_modules/**: rwc
  /usr/bin/git: rx
private: [/tmp, "${home}"]
deny: ["${project}/.env*", "${project}/.git/hooks/**"]

network:
  connect: ["packages.example.org:443", "*.githubusercontent.com:443", "10.0.0.5:5432"]
  listen: [3000]
  publish: [3000]
  credentials:
    - host: api.openai.com
      header: Authorization
      value: Bearer ${env:OPENAI_API_KEY}
unix: [/run/user/*/bus]
syscalls: ["@base", "@file", "@network", ptrace]
environment:
  pass: [PATH, LANG]
  set:
    CI: 1
resources: {memory: 2G, processes: 256, cpu: 200%, time: 10m}
)");
}

TEST_CASE("a limit of the size of files is written as it is read", "[profiles][yaml]") {
    Profile profile;
    profile.resources.file_size_bytes = 512ULL << 20;
    const std::string text = write_profile(profile);
    CHECK(text.find("resources: {file_size: 512M}\n") != std::string::npos);
    CHECK(read_profile(text, "profile.yaml")->resources.file_size_bytes == profile.resources.file_size_bytes);
}

TEST_CASE("a long list is written one entry a line", "[profiles][yaml]") {
    Profile profile;
    for (int i = 0; i < 30; ++i) {
        profile.deny.push_back({"${project}/secret/" + std::to_string(i), {}});
    }
    const std::string text = write_profile(profile);
    CHECK(test::contains(text, "deny:\n  - ${project}/secret/0\n"));
    CHECK(test::read(text) == profile);
}

TEST_CASE("limits are written in their largest exact unit", "[profiles][yaml]") {
    CHECK(memory_text(2ULL << 30) == "2G");
    CHECK(memory_text(1536ULL << 20) == "1536M");
    CHECK(memory_text(1025) == "2K");
    CHECK(duration_text(90) == "90s");
    CHECK(duration_text(3600) == "1h");
    CHECK(to_string(Modes(Mode::Execute) | Mode::Read) == "rx");
}

TEST_CASE("many variables are written on few lines", "[profiles][writer]") {
    Profile profile;
    for (int i = 10; i < 40; ++i) {
        profile.environment.pass.push_back({"VARIABLE_" + std::to_string(i), {}});
    }
    const std::string text = write_profile(profile);
    CHECK(test::read(text) == profile);
    CHECK(std::count(text.begin(), text.end(), '\n') <= 7);
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        CHECK(text.find('\n', at) - at <= 100);
    }
}
