#include <algorithm>
#include <regex>

#include <nlohmann/json.hpp>

#include "profiles/profile_writer.h"
#include "profiles/syscall_groups.h"
#include "profiles/yaml_tree.h"
#include "tests/profiles/example.h"
#include "tests/support/support.h"

using namespace treadline;
using nlohmann::json;

namespace {

const json& schema() {
    static const json read = json::parse(test::slurp(PROFILES_SOURCE "/schema.json"));
    return read;
}

// As an editor's YAML 1.2 parser sees the text.
json to_json(const YamlNode& node) {
    switch (node.kind) {
    case YamlNode::Kind::Null:
        return nullptr;
    case YamlNode::Kind::Scalar:
        if (!node.quoted && (node.text == "true" || node.text == "false")) {
            return node.text == "true";
        }
        if (!node.quoted && std::regex_match(node.text, std::regex("-?(0|[1-9][0-9]{0,17})"))) {
            return std::stoll(node.text);
        }
        return node.text;
    case YamlNode::Kind::Sequence: {
        json list = json::array();
        for (const YamlNode& item : node.items) {
            list.push_back(to_json(item));
        }
        return list;
    }
    case YamlNode::Kind::Map:
        break;
    }
    json map = json::object();
    for (const auto& [key, value] : node.entries) {
        map[key.text] = to_json(value);
    }
    return map;
}

bool has_type(const json& value, const std::string& type) {
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "integer" && value.is_number_integer()) ||
           (type == "number" && value.is_number()) || (type == "boolean" && value.is_boolean());
}

// The keywords schema.json uses; another one fails the test, so that none is silently ignored.
bool valid(const json& rules, const json& value) {
    const bool closed =
        rules.contains("additionalProperties") && rules["additionalProperties"] == json(false);
    for (auto at_rule = rules.begin(); at_rule != rules.end(); ++at_rule) {
        const std::string& keyword = at_rule.key();
        const json& rule = at_rule.value();
        bool good = true;
        if (keyword == "$ref") {
            good = valid(schema().at(json::json_pointer(rule.get<std::string>().substr(1))), value);
        } else if (keyword == "type") {
            good = rule.is_string() ? has_type(value, rule)
                                    : std::any_of(rule.begin(), rule.end(),
                                                  [&](const json& type) { return has_type(value, type); });
        } else if (keyword == "const") {
            good = value == rule;
        } else if (keyword == "enum") {
            good = std::find(rule.begin(), rule.end(), value) != rule.end();
        } else if (keyword == "anyOf") {
            good = std::any_of(rule.begin(), rule.end(),
                               [&](const json& option) { return valid(option, value); });
        } else if (keyword == "pattern") {
            good = !value.is_string() ||
                   std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>()));
        } else if (keyword == "minimum") {
            good = !value.is_number() || value >= rule;
        } else if (keyword == "maximum") {
            good = !value.is_number() || value <= rule;
        } else if (keyword == "required") {
            good = std::all_of(rule.begin(), rule.end(),
                               [&](const json& key) { return value.contains(key.get<std::string>()); });
        } else if (keyword == "items" && value.is_array()) {
            good =
                std::all_of(value.begin(), value.end(), [&](const json& item) { return valid(rule, item); });
        } else if (keyword == "minItems") {
            good = !value.is_array() || value.size() >= rule.get<size_t>();
        } else if (keyword == "uniqueItems" && value.is_array()) {
            for (auto at = value.begin(); at != value.end(); ++at) {
                good = good && std::find(value.begin(), at, *at) == at;
            }
        } else if (keyword == "properties" && value.is_object()) {
            for (const auto& [key, item] : value.items()) {
                good = good && (rule.contains(key) ? valid(rule[key], item) : !closed);
            }
        } else if (keyword == "additionalProperties" && value.is_object()) {
            for (const auto& [key, item] : value.items()) {
                good = good && (rule == json(false) || valid(rule, item));
            }
        } else if (keyword == "propertyNames" && value.is_object()) {
            for (const auto& [key, item] : value.items()) {
                good = good && valid(rule, key);
            }
        } else {
            static const std::vector<std::string> known = {
                "$schema", "$id",        "title",       "description",   "$defs",
                "items",   "properties", "uniqueItems", "propertyNames", "additionalProperties"};
            INFO(keyword);
            REQUIRE(std::find(known.begin(), known.end(), keyword) != known.end());
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

bool schema_accepts(std::string_view text) {
    const auto tree = parse_yaml(text, "p.yaml");
    REQUIRE(tree);
    return valid(schema(), to_json(*tree));
}

} // namespace

TEST_CASE("the schema and the reader accept the same profiles", "[profiles][schema]") {
    for (const std::string& text :
         {std::string(test::example), std::string("treadline: 1\n"),
          std::string("treadline: 1\nfiles: {}\nnetwork: {}\nenvironment: {}\nresources: {}\nlearned: {}\n"),
          std::string("treadline: 1\nfiles: {/: r, /a: rwcx, \"${home}\": r, \"${tmp}/\": r, /a/**: c, "
                      "/b/*.c: rw}\n"),
          std::string("treadline: 1\ninclude: [base, ./a.yaml]\nsyscalls: [bpf]\nunix: [\"@x\", /run/a]\n"),
          std::string("treadline: 1\nreview: {files: {/a: r}, network: {connect: [\"a.b:1\"], listen: [0]}, "
                      "environment: {pass: [A]}, private: [/tmp], include: [git], syscalls: [bpf]}\n"),
          std::string("treadline: 1\nnetwork: {connect: [\"a.b:1\", {host: \"*.a.b:80\", methods: [GET], paths: [/x, /y/**]}], "
                      "budgets: [{host: \"a.b:1\", sent: 2M, requests: 4}, {host: \"10.0.0.5:1\", sent: 1K}]}\n"),
          std::string("treadline: 1\nname: 12\nenvironment: {set: {A: 1, B: true}}\n")}) {
        INFO(text);
        CHECK(schema_accepts(text));
        CHECK(read_profile(text, "p.yaml"));
    }
    for (const std::string& name : shipped_abstractions()) {
        INFO(name);
        CHECK(schema_accepts(write_profile(*shipped_abstraction(name))));
        CHECK(schema_accepts(test::slurp(PROFILES_SOURCE "/abstractions/" + name + ".yaml")));
    }
}

TEST_CASE("the schema and the reader refuse the same mistakes", "[profiles][schema]") {
    for (const char* body : {"treadline: 2",
                             "name: x",
                             "treadline: 1\nfile: {}",
                             "treadline: 1\nfiles: [/a]",
                             "treadline: 1\nfiles: {/a: q}",
                             "treadline: 1\nfiles: {/a: rr}",
                             "treadline: 1\nfiles: {/a: \"\"}",
                             "treadline: 1\nfiles: {a: r}",
                             "treadline: 1\nfiles: {/a/../b: r}",
                             "treadline: 1\nfiles: {\"${home}x\": r}",
                             "treadline: 1\nfiles: {\"${nobody}/x\": r}",
                             "treadline: 1\nfiles: {/a/**/b: r}",
                             "treadline: 1\nprivate: /tmp",
                             "treadline: 1\nprivate: [tmp]",
                             "treadline: 1\ndeny: [/a, /a]",
                             "treadline: 1\nnetwork: {conect: []}",
                             "treadline: 1\nnetwork: {connect: [host]}",
                             "treadline: 1\nnetwork: {listen: [65536]}",
                             "treadline: 1\nnetwork: {listen: [\"80\"]}",
                             "treadline: 1\nnetwork: {publish: [0]}",
                             "treadline: 1\nnetwork: {credentials: [{host: a.b, header: H}]}",
                             "treadline: 1\nnetwork: {credentials: [{host: \"*.a.b\", header: H, value: v}]}",
                             "treadline: 1\nnetwork: {credentials: [{host: a.b, header: H, value: v, methods: []}]}",
                             "treadline: 1\nnetwork: {credentials: [{host: a.b, header: H, value: v, paths: [x]}]}",
                             "treadline: 1\nnetwork: {inspect: [a.b]}",
                             "treadline: 1\nnetwork: {connect: [{host: \"a.b:80/tcp\", methods: [GET]}]}",
                             "treadline: 1\nnetwork: {connect: [{host: \"a.b:80\", methods: [get]}]}",
                             "treadline: 1\nnetwork: {connect: [{methods: [GET]}]}",
                             "treadline: 1\nnetwork: {budgets: [{host: \"a.b:80\", sent: 2}]}",
                             "treadline: 1\nnetwork: {budgets: [{host: \"a.b:80\", sent: 0K}]}",
                             "treadline: 1\nnetwork: {budgets: [{host: \"a.b:80/tcp\", sent: 2K}]}",
                             "treadline: 1\nnetwork: {budgets: [{host: \"a.b:80\", requests: 0}]}",
                             "treadline: 1\nnetwork: {budgets: [{sent: 2K}]}",
                             "treadline: 1\nreview: {network: {budgets: []}}",
                             "treadline: 1\nnetwork: {inspect: [\"a.b:443/tcp\"]}",
                             "treadline: 1\nnetwork: {inspect: [{host: \"a.b:443\", methods: [get]}]}",
                             "treadline: 1\nnetwork: {inspect: [{methods: [GET]}]}",
                             "treadline: 1\nnetwork: {inspect: [{host: \"a.b:443\", upgrades: []}]}",
                             "treadline: 1\nnetwork: {inspect: [{host: \"a.b:443\", upgrades: [h2c]}]}",
                             "treadline: 1\nreview: {network: {inspect: []}}",
                             "treadline: 1\nunix: [x]",
                             "treadline: 1\nsyscalls: [\"@Base\"]",
                             "treadline: 1\nenvironment: {pass: [\"*\"]}",
                             "treadline: 1\nenvironment: {pass: [\"A*B\"]}",
                             "treadline: 1\nenvironment: {set: {A: [1]}}",
                             "treadline: 1\nresources: {memory: 2GB}",
                             "treadline: 1\nresources: {cpu: 200}",
                             "treadline: 1\nresources: {time: 10}",
                             "treadline: 1\nresources: {processes: 0}",
                             "treadline: 1\nlearned: {runs: -1}",
                             "treadline: 1\nlearned: {complete: maybe}",
                             "treadline: 1\nreview: {deny: [/a]}",
                             "treadline: 1\nreview: {files: {/a: q}}",
                             "treadline: 1\nreview: {network: {credentials: []}}",
                             "treadline: 1\nreview: {environment: {set: {A: b}}}",
                             "treadline: 1\ninclude: [../x]",
                             "treadline: 1\ninclude: [Base]"}) {
        const std::string text = std::string(body) + "\n";
        INFO(text);
        CHECK_FALSE(schema_accepts(text));
        CHECK_FALSE(read_profile(text, "p.yaml"));
    }
}

TEST_CASE("the schema lists the system call groups there are", "[profiles][schema]") {
    const json& listed = schema()["properties"]["syscalls"]["items"]["anyOf"][0]["enum"];
    CHECK(listed.get<std::vector<std::string>>() == syscalls::groups());
}
