// The reports for other tools, read back by real parsers.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "tests/enforcer/example_report.h"
#include "tests/support/support.h"

using namespace treadline;
using treadline::test::Finished;
using treadline::test::TemporaryDirectory;

namespace {

// Denied, expected, and let through by an audit.
RunReport report() {
    RunReport run = test::example_report();
    run.outcome.violations.push_back(test::example_violation("/home/ann/.npmrc"));
    run.outcome.violations.push_back(test::example_violation("/etc/shadow", "write"));
    run.outcome.violations[1].expected = "learning saw it refused";
    run.outcome.violations[2].denied = false;
    run.unseen = {"what nobody saw"};
    return run;
}

// Names of a hostile program: escapes, ends of every syntax the reports use, and what XML forbids.
const std::string hostile_name = "/tmp/\x1b]0;owned\x07\n::error::x]]></failure><script>alert(1)</script> & \"' | `a` "
                                 "<!-- **b** [c](http://evil.example) %0A,:\xef\xbf\xbe\xef\xbf\xbf\xff\xe2\x80\xae";

RunReport hostile_report() {
    RunReport run = report();
    for (Violation& one : run.outcome.violations) {
        one.object = one.exe = one.rule = one.reason = one.risk = hostile_name;
        one.argv = {hostile_name};
    }
    run.command = {hostile_name};
    run.profile = "/p/" + hostile_name;
    run.degraded = {hostile_name};
    run.unseen = {hostile_name};
    return run;
}

// What a program prints about the text, given as a file.
std::string ask(std::vector<std::string> program, const std::string& text) {
    const TemporaryDirectory directory;
    program.push_back(directory.write("report", text));
    const Finished done = test::run(program);
    INFO(done.err << text);
    CHECK(done.status == 0);
    return done.out;
}

std::string xpath(const std::string& expression, const std::string& text) {
    std::string out = ask({"xmllint", "--nonet", "--xpath", expression}, text);
    out.erase(out.find_last_not_of('\n') + 1);
    return out;
}

size_t lines(const std::string& text) {
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// The parts of the SARIF 2.1.0 schema that the report uses, as the schema requires them.
void check_sarif(const nlohmann::json& log) {
    CHECK(log.at("version") == "2.1.0");
    REQUIRE(log.at("runs").is_array());
    for (const auto& run : log.at("runs")) {
        const auto& driver = run.at("tool").at("driver");
        CHECK(driver.at("name").is_string());
        for (const auto& rule : driver.at("rules")) {
            CHECK(rule.at("id").is_string());
            CHECK(rule.at("shortDescription").at("text").is_string());
        }
        for (const auto& invocation : run.at("invocations")) {
            CHECK(invocation.at("executionSuccessful").is_boolean());
            for (const auto& note : invocation.at("toolExecutionNotifications")) {
                CHECK(note.at("message").at("text").is_string());
            }
        }
        for (const auto& result : run.at("results")) {
            const size_t rule = result.at("ruleIndex");
            CHECK(driver.at("rules").at(rule).at("id") == result.at("ruleId"));
            const std::string level = result.at("level");
            CHECK((level == "error" || level == "warning" || level == "note" || level == "none"));
            CHECK(result.at("message").at("text").is_string());
            CHECK(result.at("occurrenceCount").get<int>() >= 1);
            for (const auto& location : result.at("locations")) {
                const auto& place = location.at("physicalLocation");
                CHECK(place.at("region").at("startLine").get<int>() >= 1);
                // A URI reference: printable ASCII without blanks, quotes and brackets.
                for (const char c : place.at("artifactLocation").at("uri").get<std::string>()) {
                    CHECK((c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos));
                }
            }
            for (const auto& suppression : result.value("suppressions", nlohmann::json::array())) {
                CHECK(suppression.at("kind") == "external");
            }
        }
    }
}

} // namespace

TEST_CASE("each report has its name, and no other name is one", "[enforcer][report]") {
    CHECK(report_format("json") == ReportFormat::Json);
    CHECK(report_format("text") == ReportFormat::Text);
    CHECK(report_format("junit") == ReportFormat::Junit);
    CHECK(report_format("sarif") == ReportFormat::Sarif);
    CHECK(report_format("github") == ReportFormat::Github);
    CHECK_FALSE(report_format("html"));
    CHECK_FALSE(report_format(""));
}

TEST_CASE("the JUnit report fails what was denied, and skips what was expected or only audited", "[enforcer][report][junit]") {
    RunReport run = report();
    run.outcome.exit_status = 3;
    const std::string text = to_junit(run);
    CHECK(xpath("count(//testcase)", text) == "4");
    CHECK(xpath("string(//testsuite/@tests)", text) == "4");
    CHECK(xpath("string(//testsuite/@failures)", text) == "2"); // the command's own, too
    CHECK(xpath("count(//testcase/failure)", text) == "2");
    CHECK(xpath("string(//testsuite/@skipped)", text) == "2");
    CHECK(xpath("count(//testcase/skipped)", text) == "2");
    CHECK(xpath("string(//testcase[2]/failure/@message)", text) == "denied read /home/ann/.ssh/id (mount, node)");
    CHECK(xpath("contains(//testcase[2]/failure, \"add under 'files:'\")", text) == "true");
    run.outcome = {};
    const std::string clean = to_junit(run);
    CHECK(xpath("count(//testcase)", clean) == "1");
    CHECK(xpath("count(//failure)", clean) == "0");
}

TEST_CASE("a JUnit report with hostile names is still one well-formed document with as many cases",
          "[enforcer][report][junit][hostile]") {
    const std::string text = to_junit(hostile_report());
    CHECK(xpath("count(//testcase)", text) == "4");
    CHECK(xpath("count(//*[local-name()='script'])", text) == "0");
    CHECK(xpath("count(//comment())", text) == "0");
    CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("the SARIF report points at the profile's line and suppresses what was expected", "[enforcer][report][sarif]") {
    const auto log = nlohmann::json::parse(to_sarif(report()));
    check_sarif(log);
    const auto& results = log.at("runs").at(0).at("results");
    REQUIRE(results.size() == 3);
    const auto& place = results[0].at("locations").at(0).at("physicalLocation");
    CHECK(place.at("artifactLocation").at("uri") == ".treadline/profile.yaml");
    CHECK(place.at("artifactLocation").at("uriBaseId") == "%SRCROOT%");
    CHECK(place.at("region").at("startLine") == 12);
    CHECK(results[0].at("level") == "error");
    CHECK(results[0].at("ruleId") == "mount/read");
    CHECK_FALSE(results[0].contains("suppressions"));
    CHECK(results[1].at("level") == "note");
    CHECK(results[1].at("suppressions").size() == 1);
    CHECK(results[2].at("level") == "warning");
    CHECK(results[0].at("partialFingerprints") != results[1].at("partialFingerprints"));
    RunReport elsewhere = report();
    elsewhere.project = "/q";
    const auto absolute = nlohmann::json::parse(to_sarif(elsewhere));
    CHECK(absolute.at("runs").at(0).at("results").at(0).at("locations").at(0).at("physicalLocation").at("artifactLocation").at("uri") ==
          "file:///p/.treadline/profile.yaml");
}

TEST_CASE("a SARIF report with hostile names keeps its structure and has no link in it", "[enforcer][report][sarif][hostile]") {
    const std::string text = to_sarif(hostile_report());
    const auto log = nlohmann::json::parse(text);
    check_sarif(log);
    for (const auto& result : log.at("runs").at(0).at("results")) {
        const std::string message = result.at("message").at("text");
        CHECK(message.find("[c](") == std::string::npos);
        CHECK(message.find("\\[c\\](") != std::string::npos);
    }
    ask({"python3", "-c", "import json, sys; json.load(open(sys.argv[1]))"}, text);
}

TEST_CASE("a JSON report with hostile names is UTF-8, and a rule's own escapes stay as they are", "[enforcer][report][hostile]") {
    RunReport run = hostile_report();
    run.outcome.violations[1].rule = "\"/tmp/\\xFF\": r";
    const auto violations = nlohmann::json::parse(to_json(run)).at("violations");
    CHECK(violations.at(0).at("rule").get<std::string>().find("\\xFF\\xE2\\x80\\xAE") != std::string::npos);
    CHECK(violations.at(1).at("rule") == run.outcome.violations[1].rule);
}

TEST_CASE("in no report are the backslashes of a rule or of a name doubled twice", "[enforcer][report]") {
    RunReport run = report();
    for (Violation& one : run.outcome.violations) {
        one.object = "/tmp/a\\b\xff";        // a\b and a byte that is no UTF-8
        one.rule = "\"/tmp/a\\\\b\\xFF\": r"; // as a profile writes it
    }
    const std::string name = "/tmp/a\\\\b\\xFF";
    const std::string rule = "\"" + name + "\": r";
    const auto text = to_text(run);
    CHECK(text.find("read " + name + " (") != std::string::npos);
    CHECK(text.find("files: " + rule + "\n") != std::string::npos);
    const auto json = nlohmann::json::parse(to_json(run)).at("violations").at(0);
    CHECK(json.at("object") == name);
    CHECK(json.at("rule") == rule);
    const std::string junit = to_junit(run);
    CHECK(xpath("string(//testcase[2]/@name)", junit) == "read " + name + " by node");
    CHECK(xpath("contains(//testcase[2]/failure, '" + rule + "')", junit) == "true");
    const auto sarif = nlohmann::json::parse(to_sarif(run)).at("runs").at(0).at("results").at(0);
    const std::string message = sarif.at("message").at("text");
    CHECK(message.find("read " + name + " (") != std::string::npos);
    CHECK(message.find(rule + ";") != std::string::npos);
    CHECK(sarif.at("properties").at("rule") == rule);
    const std::string annotations = to_github_annotations(run);
    CHECK(annotations.find("::denied read " + name + " (") != std::string::npos);
    CHECK(annotations.find(rule + "; risky") != std::string::npos);
    CHECK(to_github_summary(run).find("<code>/tmp/a&#92;&#92;b&#92;xFF</code>") != std::string::npos);
    CHECK(to_github_summary(run).find("<code>&#34;/tmp/a&#92;&#92;b&#92;xFF&#34;&#58; r</code>") != std::string::npos);

    run.outcome.violations[0].review = rule; // as it waits in the profile
    CHECK(to_text(run).find("review: " + rule + "\n") != std::string::npos);
    CHECK(nlohmann::json::parse(to_json(run)).at("violations").at(0).at("review") == rule);
    CHECK(xpath("contains(//testcase[2]/failure, '" + rule + "')", to_junit(run)) == "true");
}

TEST_CASE("GitHub's annotations stand one a line at the profile's line", "[enforcer][report][github]") {
    CHECK(to_github_annotations(report()) ==
          "::error file=.treadline/profile.yaml,line=12,title=treadline%3A read denied::denied read /home/ann/.ssh/id (mount, "
          "node); to allow it, add under 'files:'   ${home}/.ssh/id: r; risky: gives away SSH keys\n"
          "::warning file=.treadline/profile.yaml,line=12,title=treadline%3A write denied::would be denied: write /etc/shadow "
          "(mount, node); to allow it, add under 'files:'   ${home}/.ssh/id: r; risky: gives away SSH keys\n"
          "::notice file=.treadline/profile.yaml,line=12,title=treadline%3A read denied::denied as expected: read "
          "/home/ann/.npmrc (mount, node); to allow it, add under 'files:'   ${home}/.ssh/id: r; risky: gives away SSH keys\n");
}

TEST_CASE("no more annotations than GitHub shows, and the last one counts the rest", "[enforcer][report][github]") {
    RunReport run = report();
    run.outcome.violations.assign(25, test::example_violation("/a"));
    const std::string text = to_github_annotations(run);
    CHECK(lines(text) == 10);
    CHECK(text.find("and 16 more; the step's summary lists them") != std::string::npos);
    CHECK(lines(to_github_summary(run)) >= 25);
}

TEST_CASE("a hostile name makes no workflow command of its own and no markup in the summary",
          "[enforcer][report][github][hostile]") {
    const std::string annotations = to_github_annotations(hostile_report());
    CHECK(lines(annotations) == 3);
    for (const std::string_view line : split(trimmed(annotations), '\n')) {
        CHECK((line.starts_with("::error file=") || line.starts_with("::warning file=") || line.starts_with("::notice file=")));
        const std::string_view properties = line.substr(0, line.find("::", 2));
        CHECK(std::count(properties.begin(), properties.end(), ',') == 2);
    }
    const std::string summary = to_github_summary(hostile_report());
    for (const char* markup : {"<script", "**b**", "[c](", "`a`", "<!--", "\n::error"}) {
        CHECK(summary.find(markup) == std::string::npos);
    }
    for (const std::string_view line : split(summary, '\n')) {
        if (line.starts_with("| ")) { // no cell more than the head has
            CHECK(std::count(line.begin(), line.end(), '|') == 7);
        }
    }
}

TEST_CASE("the text report tells denied, expected and audited apart, and what may be missing", "[enforcer][report]") {
    const std::string text = to_text(report());
    CHECK(text.find("1 denied:\n  read /home/ann/.ssh/id") != std::string::npos);
    CHECK(text.find("1 would be denied (--audit let them through):\n  write /etc/shadow") != std::string::npos);
    CHECK(text.find("1 denied as expected:\n  read /home/ann/.npmrc") != std::string::npos);
    CHECK(text.find("that would also open: no other file") != std::string::npos);
    CHECK(text.find("may be missing here: what nobody saw") != std::string::npos);
}
