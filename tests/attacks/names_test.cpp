// Threats list, section 22: what is shown to people and machines of names that a hostile program chose.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tests/attacks/corpus.h"

using namespace treadline::test;

namespace {

const std::vector<std::string> hostile_names = {
    "\x1b]0;owned\x07\x1b[2J",            // a terminal's title and screen
    "\x9b" "31m",                          // the same in eight bits
    "x\n::error::owned",                   // a line that a build server obeys
    "x\r::warning file=a::owned",
    "x%0A::error::owned",                  // as it would look after a build server's own decoding
    "<img src=x onerror=alert(1)>&amp;",   // a report page
    "]]><failure message='owned'>",        // the end of a CDATA section
    "x'\"`$(touch owned)`",                // a shell
    "x: rwcx\n  ${home}: rwcx # ",         // a line of a profile
    "x\xe2\x80\xae" "gnp.exe",             // turned around
    "x\xe2\x80\xa8owned",                  // a line separator
    "[click](javascript:alert(1))|\\|",    // a step's summary in Markdown
    "\xff\xfe",                            // no text at all
};

// Control characters, what one cannot see, and bytes that are no text.
void is_clean(const std::string& text, const char* where) {
    INFO(where << ":\n" << text);
    CHECK(std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
    }));
    CHECK(text.find("\xe2\x80\xae") == std::string::npos);
    CHECK(text.find("\xe2\x80\xa8") == std::string::npos);
    CHECK(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).find("\xef\xbf\xbd") == std::string::npos);
    CHECK(("\n" + text).find("\n::error::owned") == std::string::npos);
    CHECK(("\n" + text).find("\n::warning file=a") == std::string::npos);
    CHECK(("\n" + text).find("\n  ${home}: rwcx") == std::string::npos);
}

// Everything that is denied has one of the names, and so has the program that asks.
std::vector<std::string> ask(const World& world) {
    std::vector<std::string> argv = {"hostile", "read-all"};
    for (const std::string& name : hostile_names) {
        argv.push_back(world.write("~/" + name, "SECRET\n"));
    }
    return argv;
}

} // namespace

TEST_CASE("hostile names do nothing to a terminal, nor to who reads the reports", "[attack][names]") {
    const World world;
    world.write("./.treadline/profile.yaml", tests_rules().yaml());
    const std::vector<std::string> argv = ask(world);
    REQUIRE(world.run(argv).out.find("SECRET") != std::string::npos);

    const std::string directory = world.place("./out/");
    std::vector<std::string> formats;
    for (const char* format : {"json", "text", "junit", "sarif", "github"}) {
        std::vector<std::string> command = {TREADLINE, "enforce", "--report", std::string(format) + ":" + directory + format, "--", "true"};
        if (world.run(command).status == 0) {
            formats.emplace_back(format);
        }
    }
    REQUIRE(formats.size() >= 2);
    std::vector<std::string> command = {TREADLINE, "enforce"};
    for (const std::string& format : formats) {
        command.insert(command.end(), {"--report", format + ":" + directory + format});
    }
    command.insert(command.end(), {"--", HOSTILE});
    command.insert(command.end(), argv.begin() + 1, argv.end());
    const Finished held = world.run(command);
    CHECK(held.out.find("SECRET") == std::string::npos);
    is_clean(held.err, "standard error");
    for (const std::string& format : formats) {
        is_clean(slurp(directory + format), format.c_str());
    }
    const auto json = nlohmann::json::parse(slurp(directory + "json"));
    CHECK(json.at("violations").size() == hostile_names.size());
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"explain", "--last"}, {"explain"}, {"explain", "--all"}}) {
        std::vector<std::string> say = {TREADLINE};
        say.insert(say.end(), words.begin(), words.end());
        const Finished said = world.run(say);
        CHECK(said.status == 0);
        is_clean(said.out + said.err, words.back().c_str());
    }
}

TEST_CASE("a rule with a hostile name is what the report proposes, not more than it, and is shown as harmlessly", "[attack][names]") {
    const World world;
    world.write("./.treadline/profile.yaml", tests_rules().yaml());
    std::vector<std::string> argv = ask(world);
    const Enforced held = world.enforce(tests_rules(), argv);
    REQUIRE(held.denials.size() == hostile_names.size());
    std::string profile = tests_rules().yaml();
    const size_t files = profile.find("files:\n") + 7;
    for (const Denial& denial : held.denials) {
        REQUIRE(denial.rule);
        profile.insert(files, "  " + *denial.rule + "\n");
    }
    world.write("./.treadline/profile.yaml", profile);
    const Enforced allowed = world.enforce(tests_rules(), argv);
    INFO(profile << allowed.run.err);
    CHECK(allowed.denials.empty());
    // Not more than those: the home is as closed as before.
    CHECK(world.enforce(tests_rules(), {"hostile", "read", "~/diary"}).denials.size() == 1);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"review"}, {"review", "--json"}, {"lint"}, {"lint", "--json"}, {"explain", "--all"}}) {
        std::vector<std::string> say = {TREADLINE};
        say.insert(say.end(), words.begin(), words.end());
        const Finished said = world.run(say);
        is_clean(said.out + said.err, words[0].c_str());
    }
}
