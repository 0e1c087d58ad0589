#include "profiles/profile_reader.h"

#include <algorithm>
#include <limits>

#include "base/invisible.h"
#include "base/text.h"
#include "profiles/environment_names.h"
#include "profiles/network_reader.h"
#include "profiles/node_reader.h"
#include "profiles/pattern.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

std::optional<uint64_t> parse_scaled(std::string_view text, std::string_view units, const uint64_t* factors) {
    const size_t unit = text.empty() ? std::string_view::npos : units.find(text.back());
    if (unit == std::string_view::npos) {
        return std::nullopt;
    }
    const auto value = parse_number(text.substr(0, text.size() - 1));
    if (!value || *value == 0 || *value > std::numeric_limits<uint64_t>::max() / factors[unit]) {
        return std::nullopt;
    }
    return *value * factors[unit];
}

class Reader : NodeReader {
public:
    using NodeReader::NodeReader;

    result<Profile> read(const YamlNode& root) {
        if (root.kind == YamlNode::Kind::Null) {
            return complain({1, 1}, "empty; a profile starts with 'treadline: 1'");
        }
        TRY(want_map(root, "a profile"));
        TRY(version(root));
        Profile profile;
        Handlers handlers = {
            {"treadline", [](const YamlNode&) -> result<ok> { return ok{}; }},
            {"name", [&](const YamlNode& node) { return name(node, profile.name); }},
            {"learned", [&](const YamlNode& node) { return learned(node, profile.learned.emplace()); }},
        };
        for (auto& handler : rules(profile, Where::Top)) {
            handlers.push_back(std::move(handler));
        }
        handlers.emplace_back("review", [&](const YamlNode& node) { return review(node, profile.review); });
        TRY(keys(root, handlers));
        return profile;
    }

private:
    // What only takes away or only sets, and what hands out a credential, has nothing to wait for.
    enum class Where : uint8_t { Top, Review };

    Handlers rules(ProfileRules& out, Where where) const {
        Handlers handlers = {
            {"include", [&](const YamlNode& node) { return entries(node, out.include, include_complaint); }},
            {"files", [&](const YamlNode& node) { return files(node, out.files); }},
            {"private",
             [&](const YamlNode& node) {
                 return entries(node, out.private_directories, directory_complaint);
             }},
            {"network",
             [this, &out, where](const YamlNode& node) {
                 return read_network(node, out.network, where == Where::Top ? NetworkKeys::All : NetworkKeys::Proposed, file());
             }},
            {"unix", [&](const YamlNode& node) { return entries(node, out.unix_sockets, socket_complaint); }},
            {"syscalls",
             [&](const YamlNode& node) { return entries(node, out.syscalls, syscall_complaint); }},
            {"environment",
             [this, &out, where](const YamlNode& node) { return environment(node, out.environment, where); }},
            {"resources", [&](const YamlNode& node) { return resources(node, out.resources); }},
        };
        if (where == Where::Top) {
            handlers.emplace_back(
                "deny", [&](const YamlNode& node) { return entries(node, out.deny, path_complaint); });
        }
        return handlers;
    }

    result<ok> review(const YamlNode& node, ProfileRules& out) const {
        TRY(want_map(node, "'review'"));
        return keys(node, rules(out, Where::Review));
    }

    // Looked at before anything else: another version may give every other key another meaning.
    result<ok> version(const YamlNode& root) const {
        const YamlNode* node = root.find("treadline");
        if (node == nullptr) {
            return complain(root.at, "no format version; start the profile with 'treadline: 1'");
        }
        const auto number =
            node->kind == YamlNode::Kind::Scalar && !node->quoted ? parse_number(node->text) : std::nullopt;
        if (!number) {
            return complain(node->at, "the format version has to be a number; write 'treadline: 1'");
        }
        if (*number != 1) {
            return complain(node->at, "format version " + std::to_string(*number) +
                                          " is not supported; this Treadline reads version 1" +
                                          (*number > 1 ? ", a newer one is needed" : ""));
        }
        return ok{};
    }

    result<ok> name(const YamlNode& node, std::string& out) const {
        out = TRY(text(node, "'name'"));
        if (has_invisible(out)) {
            return complain(node.at, "the name holds a character nobody can see; remove it");
        }
        return ok{};
    }

    static std::string include_complaint(std::string_view entry) {
        if (entry.substr(0, 2) == "./") {
            for (const std::string_view part : split(entry.substr(2), '/')) {
                if (part.empty() || part == "." || part == "..") {
                    return "has an empty part, a '.' or '..' in it; name a file below the profile's folder";
                }
            }
            return has_invisible(entry) ? "holds a character nobody can see; rename the file" : "";
        }
        const bool plain = !entry.empty() && std::all_of(entry.begin(), entry.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        });
        return plain ? "" : "is neither the name of an abstraction nor a path that starts with ./";
    }
    static std::string directory_complaint(std::string_view entry) {
        if (std::string complaint = path_complaint(entry); !complaint.empty()) {
            return complaint;
        }
        return has_wildcard(entry) || (entry.size() > 1 && entry.back() == '/')
                   ? "has a wildcard or a last '/'; a private directory is one directory with everything "
                     "below"
                   : "";
    }
    static std::string socket_complaint(std::string_view entry) {
        if (!entry.empty() && entry[0] == '@') {
            if (entry.size() == 1) {
                return "is an abstract socket without a name";
            }
            if (has_invisible(entry)) {
                return "holds a character nobody can see; write it as '\\xNN'";
            }
            const auto name = unescape_path(entry);
            return name ? "" : name.error().what;
        }
        if (std::string complaint = path_complaint(entry); !complaint.empty()) {
            return complaint;
        }
        return entry.back() == '/' ? "ends in '/', so it can never be a socket" : "";
    }
    static std::string syscall_complaint(std::string_view entry) {
        const std::string_view bare = !entry.empty() && entry[0] == '@' ? entry.substr(1) : entry;
        const bool good = !bare.empty() && std::all_of(bare.begin(), bare.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        });
        return good ? "" : "is no system call and no @group";
    }

    result<ok> files(const YamlNode& node, std::vector<FileRule>& out) const {
        TRY(want_map(node, "'files'"));
        for (const auto& [key, value] : node.entries) {
            const std::string shown = "'" + excerpt(key.text) + "' ";
            if (key.text.find('\0') != std::string::npos) {
                return complain(key.at, shown + "holds a NUL, which no name can");
            }
            if (const std::string sentence = path_complaint(key.text); !sentence.empty()) {
                return complain(key.at, shown + sentence);
            }
            const auto modes = value.kind == YamlNode::Kind::Scalar ? parse_modes(value.text) : std::nullopt;
            if (!modes) {
                return complain(value.at, shown + "needs a mode of the letters r (read), w (write), c "
                                                  "(create, delete, rename), x (execute), each at most once");
            }
            const bool subtree = key.text.size() >= 3 && key.text.substr(key.text.size() - 3) == "/**";
            if (!subtree && has_wildcard(key.text) && modes->has(Mode::Create)) {
                return complain(value.at, shown + "has a '*' and 'c': what does not exist yet cannot be "
                                                  "found by a pattern; give the directory 'c'");
            }
            out.push_back({key.text, *modes, key.at});
        }
        return ok{};
    }

    result<ok> environment(const YamlNode& node, Environment& out, Where where) const {
        TRY(want_map(node, "'environment'"));
        Handlers handlers = {
            {"pass", [&](const YamlNode& list) { return entries(list, out.pass, variable_complaint); }},
        };
        if (where == Where::Top) {
            handlers.emplace_back("set", [&](const YamlNode& map) { return variables(map, out.set); });
        }
        return keys(node, handlers);
    }

    result<ok> variables(const YamlNode& map, std::map<std::string, std::string>& out) const {
        TRY(want_map(map, "'set'"));
        for (const auto& [key, value] : map.entries) {
            if (const std::string sentence = variable_complaint(key.text);
                !sentence.empty() || has_wildcard(key.text) || key.text.find('\0') != std::string::npos) {
                return complain(key.at, "'" + excerpt(key.text) + "' is no name of an environment variable");
            }
            out[key.text] = TRY(text(value, "the value of '" + excerpt(key.text) + "'"));
        }
        return ok{};
    }

    result<ok> resources(const YamlNode& node, Resources& out) const {
        TRY(want_map(node, "'resources'"));
        out.at = node.at;
        const auto limit = [this](auto& field, auto parse, const char* sentence) {
            return [this, &field, parse, sentence](const YamlNode& value) -> result<ok> {
                const auto parsed = value.kind == YamlNode::Kind::Scalar ? parse(value.text) : std::nullopt;
                if (!parsed || *parsed == 0) {
                    return complain(value.at, sentence);
                }
                field = *parsed;
                return ok{};
            };
        };
        return keys(
            node,
            {
                {"memory",
                 limit(out.memory_bytes, parse_memory, "memory is a number and K, M, G or T, as in 512M")},
                {"processes", limit(out.processes, parse_number, "processes is a number of at least 1")},
                {"cpu",
                 limit(out.cpu_percent, parse_percent, "cpu is a percentage of one processor, as in 200%")},
                {"file_size",
                 limit(out.file_size_bytes, parse_memory, "file_size is a number and K, M, G or T, as in 512M")},
                {"time",
                 limit(out.time_seconds, parse_duration, "time is a number and s, m or h, as in 10m")},
            });
    }

    result<ok> learned(const YamlNode& node, Learned& out) const {
        TRY(want_map(node, "'learned'"));
        return keys(node, {
                              {"command",
                               [&](const YamlNode& list) -> result<ok> {
                                   TRY(want_list(list, "'command'"));
                                   for (const YamlNode& item : list.items) {
                                       out.command.push_back(TRY(text(item, "a word of the command")));
                                   }
                                   return ok{};
                               }},
                              {"runs",
                               [&](const YamlNode& value) -> result<ok> {
                                   const auto runs = value.kind == YamlNode::Kind::Scalar && !value.quoted
                                                         ? parse_number(value.text)
                                                         : std::nullopt;
                                   if (!runs || *runs > 1'000'000) {
                                       return complain(value.at, "'runs' has to be a number");
                                   }
                                   out.runs = static_cast<int>(*runs);
                                   return ok{};
                               }},
                              {"complete",
                               [&](const YamlNode& value) -> result<ok> {
                                   if (value.kind != YamlNode::Kind::Scalar || value.quoted ||
                                       (value.text != "true" && value.text != "false")) {
                                       return complain(value.at, "'complete' has to be true or false");
                                   }
                                   out.complete = value.text == "true";
                                   return ok{};
                               }},
                              {"certificate",
                               [&](const YamlNode& value) -> result<ok> {
                                   out.certificate = TRY(text(value, "'certificate'"));
                                   return ok{};
                               }},
                          });
    }
};

} // namespace

std::optional<uint64_t> parse_memory(std::string_view text) {
    constexpr uint64_t factors[] = {1ULL << 10, 1ULL << 20, 1ULL << 30, 1ULL << 40};
    return parse_scaled(text, "KMGT", factors);
}

std::optional<uint64_t> parse_duration(std::string_view text) {
    constexpr uint64_t factors[] = {1, 60, 3600};
    return parse_scaled(text, "smh", factors);
}

std::optional<uint32_t> parse_percent(std::string_view text) {
    if (text.empty() || text.back() != '%') {
        return std::nullopt;
    }
    const auto value = parse_number(text.substr(0, text.size() - 1));
    return value && *value > 0 && *value <= 1'000'000 ? std::optional(static_cast<uint32_t>(*value))
                                                      : std::nullopt;
}

result<Profile> read_profile(std::string_view text, const std::string& file) {
    return read_profile(TRY(parse_yaml(text, file)), file);
}

result<Profile> read_profile(const YamlNode& tree, const std::string& file) {
    return Reader(file).read(tree);
}

} // namespace treadline
