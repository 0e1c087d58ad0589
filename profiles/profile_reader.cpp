#include "profiles/profile_reader.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <set>

#include "base/invisible.h"
#include "base/text.h"
#include "profiles/credential_value.h"
#include "profiles/pattern.h"
#include "profiles/request_scope.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        (text.size() > 1 && text[0] == '0')) {
        return std::nullopt;
    }
    return value;
}

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

// For messages: printable, and not the whole of a hostile megabyte.
std::string excerpt(std::string_view text) {
    constexpr size_t longest = 300;
    return text.size() <= longest ? printable(text) : printable(text.substr(0, longest)) + "…";
}

class Reader {
public:
    explicit Reader(const std::string& file) : file_(file) {}

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
    using Complaint = std::function<std::string(std::string_view)>;
    using Handlers = std::vector<std::pair<std::string_view, std::function<result<ok>(const YamlNode&)>>>;

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
             [this, &out, where](const YamlNode& node) { return network(node, out.network, where); }},
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

    [[nodiscard]] failure complain(Position at, const std::string& sentence) const {
        return fail_at(file_, at, sentence);
    }

    result<ok> want_map(const YamlNode& node, const std::string& what) const {
        if (node.kind != YamlNode::Kind::Map) {
            return complain(node.at, what + " has to be a map of 'key: value'");
        }
        return ok{};
    }
    result<ok> want_list(const YamlNode& node, const std::string& what) const {
        if (node.kind != YamlNode::Kind::Sequence) {
            return complain(node.at, what + " has to be a list; write [] for none");
        }
        return ok{};
    }
    result<std::string> text(const YamlNode& node, const std::string& what) const {
        if (node.kind != YamlNode::Kind::Scalar) {
            return complain(node.at, what + " has to be text" +
                                         (node.kind == YamlNode::Kind::Null
                                              ? "; it is missing (an empty one is written \"\")"
                                              : ""));
        }
        if (node.text.find('\0') != std::string::npos) {
            return complain(node.at, what + " holds a NUL, which no name can");
        }
        return node.text;
    }

    result<ok> keys(const YamlNode& map, const Handlers& handlers) const {
        for (const auto& [key, value] : map.entries) {
            const auto found = std::find_if(
                handlers.begin(), handlers.end(),
                [name = std::string_view(key.text)](const auto& handler) { return handler.first == name; });
            if (found == handlers.end()) {
                std::vector<std::string> known;
                for (const auto& handler : handlers) {
                    known.emplace_back(handler.first);
                }
                return complain(key.at,
                                "unknown key '" + excerpt(key.text) + "'; known here: " + join(known, ", "));
            }
            TRY(found->second(value));
        }
        return ok{};
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

    result<ok> entries(const YamlNode& node, std::vector<Entry>& out, const Complaint& complaint) const {
        TRY(want_list(node, "this section"));
        std::set<std::string, std::less<>> seen;
        for (const YamlNode& item : node.items) {
            std::string entry = TRY(text(item, "an entry"));
            if (const std::string sentence = complaint(entry); !sentence.empty()) {
                return complain(item.at, "'" + excerpt(entry) + "' " + sentence);
            }
            if (!seen.insert(entry).second) {
                return complain(item.at, "'" + excerpt(entry) + "' stands here twice; keep one");
            }
            out.push_back({std::move(entry), item.at});
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
    static std::string variable_complaint(std::string_view entry) {
        if (entry.empty() || entry.find('=') != std::string_view::npos || has_invisible(entry)) {
            return "is no name of an environment variable";
        }
        const size_t star = entry.find('*');
        if (star != std::string_view::npos && star + 1 != entry.size()) {
            return "has a '*' that is not at its end, where alone it is understood";
        }
        return entry == "*" ? "would pass every variable, secrets included; name them" : "";
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

    result<ok> ports(const YamlNode& node, std::vector<PortEntry>& out, bool zero) const {
        TRY(want_list(node, "a list of ports"));
        std::set<uint64_t> seen;
        for (const YamlNode& item : node.items) {
            const auto port =
                item.kind == YamlNode::Kind::Scalar && !item.quoted ? parse_number(item.text) : std::nullopt;
            if (!port || *port > 65535 || (*port == 0 && !zero)) {
                return complain(item.at,
                                zero ? "a port is a number from 1 to 65535, or 0 for one the kernel picks"
                                     : "a port is a number from 1 to 65535");
            }
            if (!seen.insert(*port).second) {
                return complain(item.at, "port " + item.text + " stands here twice; keep one");
            }
            out.push_back({static_cast<uint16_t>(*port), item.at});
        }
        return ok{};
    }

    result<ok> network(const YamlNode& node, Network& out, Where where) const {
        TRY(want_map(node, "'network'"));
        Handlers handlers = {
            {"connect", [&](const YamlNode& list) { return entries(list, out.connect, endpoint_complaint); }},
            {"listen", [&](const YamlNode& list) { return ports(list, out.listen, true); }},
            {"publish", [&](const YamlNode& list) { return ports(list, out.publish, false); }},
        };
        if (where == Where::Top) {
            handlers.emplace_back("inspect", [&](const YamlNode& list) { return inspections(list, out.inspect); });
            handlers.emplace_back("credentials",
                                  [&](const YamlNode& list) { return credentials(list, out.credentials); });
        }
        return keys(node, handlers);
    }
    static std::string endpoint_complaint(std::string_view entry) {
        const auto parsed = parse_host_port(entry);
        if (parsed) {
            return "";
        }
        const std::string& what = parsed.error().what; // starts with the quoted entry, as ours will
        return what.substr(printable(entry).size() + 3);
    }

    using Handler = std::pair<std::string_view, std::function<result<ok>(const YamlNode&)>>;

    Handler line(const char* key, std::string& out) const {
        return {key, [this, key, &out](const YamlNode& child) -> result<ok> {
                    out = TRY(text(child, "'" + std::string(key) + "'"));
                    if (out.empty() || out.find_first_of("\r\n") != std::string::npos) {
                        return complain(child.at, "'" + std::string(key) + "' has to be one line of text");
                    }
                    return ok{};
                }};
    }
    Handler texts(const char* key, std::vector<std::string>& out, const Complaint& complaint) const {
        return {key, [this, &out, complaint](const YamlNode& list) -> result<ok> {
                    std::vector<Entry> read;
                    TRY(entries(list, read, complaint));
                    if (read.empty()) {
                        return complain(list.at, "an empty list here would leave nothing; leave it out for any");
                    }
                    for (Entry& entry : read) {
                        out.push_back(std::move(entry.text));
                    }
                    return ok{};
                }};
    }

    static std::string inspection_complaint(std::string_view entry) {
        if (std::string complaint = endpoint_complaint(entry); !complaint.empty()) {
            return complaint;
        }
        const auto parsed = parse_host_port(entry);
        return parsed->address || parsed->any_protocol ? "is no name and port; only what names the host can be looked into" : "";
    }

    // host:port, or {host: host:port, methods: […], paths: […]}
    result<ok> inspections(const YamlNode& node, std::vector<Inspection>& out) const {
        TRY(want_list(node, "'inspect'"));
        for (const YamlNode& item : node.items) {
            Inspection inspection;
            inspection.at = item.at;
            if (item.kind == YamlNode::Kind::Map) {
                TRY(keys(item, {line("host", inspection.endpoint), texts("methods", inspection.scope.methods, method_complaint),
                                texts("paths", inspection.scope.paths, request_path_complaint)}));
            } else {
                inspection.endpoint = TRY(text(item, "an entry"));
            }
            if (const std::string sentence = inspection_complaint(inspection.endpoint); !sentence.empty()) {
                return complain(item.at, "'" + excerpt(inspection.endpoint) + "' " + sentence);
            }
            if (std::find(out.begin(), out.end(), inspection) != out.end()) {
                return complain(item.at, "'" + excerpt(inspection.endpoint) + "' stands here twice; keep one");
            }
            out.push_back(std::move(inspection));
        }
        return ok{};
    }

    result<ok> credentials(const YamlNode& node, std::vector<Credential>& out) const {
        TRY(want_list(node, "'credentials'"));
        for (const YamlNode& item : node.items) {
            TRY(want_map(item, "a credential"));
            Credential credential;
            credential.at = item.at;
            TRY(keys(item, {line("host", credential.host), line("header", credential.header), line("value", credential.value),
                            line("variable", credential.variable), texts("methods", credential.scope.methods, method_complaint),
                            texts("paths", credential.scope.paths, request_path_complaint)}));
            TRY(check(credential));
            const auto same = [&](const Credential& other) {
                return other.host == credential.host && other.header == credential.header;
            };
            if (std::any_of(out.begin(), out.end(), same)) {
                return complain(item.at, "a second credential for the same host and header; keep one");
            }
            out.push_back(std::move(credential));
        }
        return ok{};
    }

    result<ok> check(const Credential& credential) const {
        if (credential.host.empty() || credential.header.empty() || credential.value.empty()) {
            return complain(credential.at, "a credential needs 'host', 'header' and 'value'");
        }
        if (const auto endpoint = credential_endpoint(credential.host); !endpoint) {
            return complain(credential.at, endpoint.error().what);
        }
        if (!is_header_name(credential.header)) {
            return complain(credential.at, "'" + excerpt(credential.header) + "' is no name of an HTTP header");
        }
        const auto value = parse_credential_value(credential.value);
        if (!value) {
            return complain(credential.at, "the value " + value.error().what);
        }
        const auto sources = value->sources();
        if (credential.variable.empty()) {
            const auto unnamed = std::find_if(sources.begin(), sources.end(), [](const CredentialSource& source) {
                return source.kind == CredentialSource::Kind::Command || source.kind == CredentialSource::Kind::Systemd;
            });
            if (unnamed != sources.end()) {
                return complain(credential.at, "'variable' has to name the environment variable that holds the placeholder for " +
                                                   excerpt(to_string(*unnamed)) + " inside");
            }
        } else if (const std::string sentence = variable_complaint(credential.variable); !sentence.empty() || has_wildcard(credential.variable)) {
            return complain(credential.at, "'" + excerpt(credential.variable) + "' is no name of an environment variable");
        } else if (sources.size() != 1) {
            return complain(credential.at, "'variable' goes with a value that refers to one place");
        }
        return ok{};
    }
    static bool is_header_name(std::string_view name) { // RFC 9110, token
        return std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
        });
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

    const std::string& file_;
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
