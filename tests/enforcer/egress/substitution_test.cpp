#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "enforcer/egress/substitution.h"
#include "profiles/profile_reader.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::egress;

namespace {

const std::string real = "sk-Abc9-REALrealREAL12345";

Policy policy_of(const std::string& credentials, const std::string& more = "") {
    const auto profile = read_profile("treadline: 1\nname: t\n" + more + "network:\n  connect: [\"api.test:443\"]\n  credentials:\n" + credentials, "p.yaml");
    if (!profile) {
        FAIL(profile.error().message());
    }
    auto policy = Policy::build(*profile, "p.yaml", Variables(), [](const std::string&) -> result<Profile> { return Profile{}; });
    if (!policy) {
        FAIL(policy.error().message());
    }
    return std::move(*policy);
}

const std::string bearer = "    - {host: api.test, header: Authorization, value: \"Bearer ${env:KEY}\"}\n";

struct Held {
    std::shared_ptr<const Secrets> secrets;
    std::string placeholder;
    explicit Held(const std::string& credentials = bearer)
        : secrets(look_up_secrets(policy_of(credentials), {{"KEY", real}}, {}).value()), placeholder(secrets->all[0].placeholder) {}
};

Contact api(uint16_t port = 443) {
    return {"api.test", "", port, ""};
}

} // namespace

TEST_CASE("a placeholder becomes the real value in the header of the host that a credential names", "[egress][credentials]") {
    const Held held;
    const Substitution substitution(held.secrets);
    const std::string header = GENERATE(as<std::string>(), "Authorization", "authorization", "AUTHORIZATION");
    RequestHead head{"GET", "/v1", {{"Accept", "*/*"}, {header, "Bearer " + held.placeholder}}};
    CHECK_FALSE(substitution.put_in(api(), Wrapping::Tls, head));
    CHECK(head.fields[1].second == "Bearer " + real);
    CHECK(head.fields[0].second == "*/*");
    RequestHead lower{"GET", "/v1", {{header, "bearer " + held.placeholder}}};
    CHECK_FALSE(substitution.put_in(api(), Wrapping::Tls, lower));
    CHECK(lower.fields[0].second == "Bearer " + real);
    CHECK(substitution.is_for(api()));
    CHECK_FALSE(substitution.is_for(api(8443)));
}

TEST_CASE("a placeholder that heads anywhere else is refused, and nothing is put in", "[egress][credentials]") {
    const Held held;
    const Substitution substitution(held.secrets);
    const std::string p = held.placeholder;
    const auto refused = [&](const Contact& contact, Wrapping wrapping, const RequestHead& sent) {
        RequestHead head = sent;
        const auto sentence = substitution.put_in(contact, wrapping, head);
        for (const auto& [name, value] : head.fields) {
            CHECK(value.find(real) == std::string::npos);
        }
        CHECK(head.target.find(real) == std::string::npos);
        CHECK((!sentence || sentence->find(real) == std::string::npos));
        return sentence.has_value();
    };
    const RequestHead good{"GET", "/v1", {{"Authorization", "Bearer " + p}}};
    CHECK_FALSE(refused(api(), Wrapping::Tls, {"GET", "/v1", {{"Authorization", "Bearer none"}}}));
    CHECK(refused(api(), Wrapping::Plain, good));
    CHECK(refused(api(8443), Wrapping::Tls, good));
    CHECK(refused({"other.test", "", 443, ""}, Wrapping::Tls, good));
    CHECK(refused({"", "10.0.0.1", 443, ""}, Wrapping::Tls, good));
    for (const char* value : {"%", "Bearer  %", "Bearer %x", "token %", "Bearer x%", "Basic %", "Bearer % ", "Bearer %, Bearer %"}) {
        std::string text = value;
        for (size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + p.size())) {
            text.replace(at, 1, p);
        }
        CAPTURE(text);
        CHECK(refused(api(), Wrapping::Tls, {"GET", "/v1", {{"Authorization", text}}}));
    }
    CHECK(refused(api(), Wrapping::Tls, {"GET", "/v1?key=" + p, {}}));
    CHECK(refused(api(), Wrapping::Tls, {"GET", "/" + p, {{"Authorization", "Bearer " + p}}}));
    CHECK(refused(api(), Wrapping::Tls, {"GET", "/v1", {{"X-Key", p}}}));
    CHECK(refused(api(), Wrapping::Tls, {"GET", "/v1", {{p, "x"}}}));
    CHECK(refused(api(), Wrapping::Tls, {"GET", "/v1", {{"Authorization", "Basic " + base64("user:" + p)}}}));
    CHECK(refused(api(), Wrapping::Tls, {"GET", "/v1", {{"Authorization", "Bearer " + p}, {"Cookie", "a=" + p}}}));
}

TEST_CASE("methods and paths bind a credential to some requests", "[egress][credentials]") {
    const Held held("    - {host: api.test, header: Authorization, value: \"Bearer ${env:KEY}\", methods: [GET], paths: [\"/v1/**\", /me]}\n");
    const Substitution substitution(held.secrets);
    const auto refused = [&](const std::string& method, const std::string& target) {
        RequestHead head{method, target, {{"Authorization", "Bearer " + held.placeholder}}};
        return substitution.put_in(api(), Wrapping::Tls, head).has_value();
    };
    CHECK_FALSE(refused("GET", "/v1/models?x=/../y"));
    CHECK_FALSE(refused("GET", "/me"));
    CHECK_FALSE(refused("GET", "/v1/a%20b/%C3%BC?q=%2e%2e"));
    for (const char* target : {"/", "/v1", "/v2/x", "/me/x", "/v1/../admin", "/v1/./x", "/v1//x", "/v1/%2e%2e/admin", "/v1/..%2Fadmin", "/v1/..;/admin",
                               "/v1/a\\..\\b", "/v1/%252e%252e/x", "//v1/x", "/V1/x", "/v1/%%32%65%%32%65/x", "/v1/%6dodels", "/v1/%", "/v1/%4", "/v1/%zz"}) {
        CAPTURE(target);
        CHECK(refused("GET", target));
    }
    CHECK(refused("POST", "/v1/models"));
    CHECK(refused("get", "/v1/models"));
}

TEST_CASE("basic authentication is put in in base64", "[egress][credentials]") {
    const Held held("    - {host: api.test, header: Authorization, value: \"Basic x-access-token:${env:KEY}\"}\n");
    const Substitution substitution(held.secrets);
    RequestHead head{"GET", "/repo", {{"Authorization", "Basic " + base64("x-access-token:" + held.placeholder)}}};
    CHECK_FALSE(substitution.put_in(api(), Wrapping::Tls, head));
    CHECK(head.fields[0].second == "Basic " + base64("x-access-token:" + real));
    RequestHead other{"GET", "/repo", {{"Authorization", "Basic " + base64("someone:" + held.placeholder)}}};
    CHECK(substitution.put_in(api(), Wrapping::Tls, other));
    CHECK(substitution.values().find("{\"got\": \"" + base64("x-access-token:" + real) + "\"}") == 0);
}

TEST_CASE("a placeholder has the shape of what it stands for, and nothing else of it", "[egress][credentials]") {
    const std::string one = placeholder_for("ghp_aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3");
    CHECK(one.size() == 40);
    CHECK(one.starts_with("ghp_"));
    CHECK(std::isupper(static_cast<unsigned char>(one[5])) != 0);
    CHECK(std::isdigit(static_cast<unsigned char>(one[6])) != 0);
    CHECK(one != placeholder_for("ghp_aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3"));
    const std::string uuid = placeholder_for("1b4e28ba-2fa1-11d2-883f-0016d3cca427");
    CHECK(uuid.find_first_not_of("0123456789abcdef-") == std::string::npos);
    CHECK(uuid[8] == '-');
    CHECK(uuid.substr(0, 8) != "1b4e28ba");
    CHECK(placeholder_for("short-pw").size() >= 16); // not to be met by chance
    CHECK(placeholder_for("correct horse battery").find(' ') == std::string::npos);
}

TEST_CASE("a source that is missing or of no use is a sentence, never a value", "[egress][credentials]") {
    const auto why = [](const std::string& value, const std::map<std::string, std::string>& environment) {
        const auto found = look_up_secrets(policy_of("    - {host: api.test, header: X-Key, value: \"" + value + "\", variable: K}\n"), environment, {});
        REQUIRE_FALSE(found);
        CHECK(found.error().what.find("hidden") == std::string::npos);
        return found.error().message();
    };
    CHECK(why("${env:NOT_THERE}", {}).find("is not set") != std::string::npos);
    CHECK(why("${env:A}", {{"A", ""}}).find("is not set") != std::string::npos);
    CHECK(why("${env:A}", {{"A", "hidden"}}).find("6 characters") != std::string::npos);
    CHECK(why("${env:A}", {{"A", "hidden hidden\nhidden"}}).find("more than one line") != std::string::npos);
    CHECK(why("${file:/nowhere/token}", {}).find("No such file") != std::string::npos);
    CHECK(why("${command:false}", {}).find("failed") != std::string::npos);
    CHECK(why("${command:no-such-program-here}", {}).find("cannot be run") != std::string::npos);
    CHECK(why("${credential:x}", {}).find("CREDENTIALS_DIRECTORY") != std::string::npos);
}

TEST_CASE("values come from variables, files, commands and systemd's credentials", "[egress][credentials]") {
    const test::TemporaryDirectory directory;
    directory.write("token", "file-value-1\n");
    const std::map<std::string, std::string> environment = {{"A", "env-value-1"}, {"CREDENTIALS_DIRECTORY", directory.path()}};
    const auto value = [&](const std::string& source) {
        const auto found = look_up_secrets(policy_of("    - {host: api.test, header: X-Key, value: \"" + source + "\", variable: K}\n"), environment, {});
        REQUIRE(found);
        REQUIRE((*found)->variables.contains("K"));
        CHECK((*found)->variables.at("K") == (*found)->all[0].placeholder);
        return (*found)->credentials[0].outside;
    };
    CHECK(value("${env:A}") == "env-value-1");
    CHECK(value("k ${file:" + (directory / "token") + "}!") == "k file-value-1!");
    CHECK(value("${command:printf command-value-%s 1}") == "command-value-1");
    CHECK(value("${credential:token}") == "file-value-1");
}

TEST_CASE("a real value that would come inside by another way refuses the start", "[egress][credentials]") {
    const auto refused = [](const std::string& more, const std::map<std::string, std::string>& environment, const std::vector<std::string>& command) {
        const auto found = look_up_secrets(policy_of(bearer, more), environment, command);
        CHECK((found || found.error().what.find(real) == std::string::npos));
        return !found;
    };
    CHECK_FALSE(refused("", {{"KEY", real}, {"OTHER", real}}, {"x"})); // not passed
    CHECK(refused("environment: {pass: [OTHER]}\n", {{"KEY", real}, {"OTHER", real}}, {"x"}));
    CHECK(refused("environment: {pass: [OTHER]}\n", {{"KEY", real}, {"OTHER", "Bearer " + real + ";"}}, {"x"}));
    CHECK(refused("environment: {set: {OTHER: \"" + real + "\"}}\n", {{"KEY", real}}, {"x"}));
    CHECK(refused("", {{"KEY", real}}, {"curl", "-H", "Authorization: Bearer " + real}));
    CHECK_FALSE(refused("environment: {pass: [KEY]}\n", {{"KEY", real}}, {"x"})); // a placeholder inside
}
