#include "tests/profiler/fixture.h"

#include <cerrno>
#include <stdexcept>

#include "base/path.h"
#include "base/text.h"
#include "collector/path_table.h"
#include "profiles/profile_reader.h"
#include "tests/support/support.h"

namespace treadline::test {
namespace {

std::string decoded(std::string_view word) {
    std::string text;
    for (size_t i = 0; i < word.size(); ++i) {
        if (word[i] != '\\' || i + 1 == word.size()) {
            text += word[i];
            continue;
        }
        switch (word[++i]) {
        case 's':
            text += ' ';
            break;
        case 'n':
            text += '\n';
            break;
        case 'x':
            text += static_cast<char>(std::stoi(std::string(word.substr(i + 1, 2)), nullptr, 16));
            i += 2;
            break;
        default:
            text += word[i];
        }
    }
    return text;
}

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    for (const std::string_view word : split(line, ' ')) {
        if (!word.empty()) {
            words.push_back(decoded(word));
        }
    }
    return words;
}

std::optional<int> errno_of(const std::string& word) {
    for (const int code : {EACCES, EPERM, EROFS, ENOENT, EEXIST, ECONNREFUSED, ENETUNREACH}) {
        if (errno_name(code) == word) {
            return code;
        }
    }
    return std::nullopt;
}

std::optional<AccessKind> kind_of(const std::string& word) {
    static const std::map<std::string, AccessKind> kinds{
        {"read", AccessKind::Read},       {"write", AccessKind::Write},     {"create", AccessKind::Create},
        {"delete", AccessKind::Delete},   {"execute", AccessKind::Execute}, {"list", AccessKind::List},
        {"connect", AccessKind::Connect}, {"stat", AccessKind::Stat}};
    const auto at = kinds.find(word);
    return at == kinds.end() ? std::nullopt : std::optional(at->second);
}

std::string in_run(const RunInfo& run, const std::string& path) {
    const Variables variables = fixture_variables(run);
    for (const char* name : {"project", "home", "tmp"}) {
        const std::string placeholder = std::string("{") + name + "}";
        if (path.rfind(placeholder, 0) == 0) {
            return variables.get(name) + path.substr(placeholder.size());
        }
    }
    return path;
}

void read_run(RunInfo& run, const std::vector<std::string>& words) {
    run.complete = true;
    for (size_t i = 1; i < words.size(); ++i) {
        const size_t equals = words[i].find('=');
        const std::string key = words[i].substr(0, equals);
        const std::string value = words[i].substr(equals + 1);
        if (key == "project") {
            run.project = run.cwd = value;
        } else if (key == "home") {
            run.home = value;
        } else if (key == "user") {
            run.user = value;
        } else if (key == "tmp") {
            run.hostname = value; // fixture_variables() looks for it there
        } else if (key == "complete") {
            run.complete = value == "yes";
        } else if (key == "lost") {
            run.lost["ring full"] = std::stoull(value);
        } else if (key == "network") {
            run.network = value;
        } else if (key == "because") {
            run.incomplete_because.push_back(value);
        } else {
            throw std::runtime_error("no such key: " + key);
        }
    }
}

void read_files(Trace& trace, const std::vector<std::string>& words) {
    FileAccess access;
    access.process = std::stoll(words.at(1));
    const auto kind = kind_of(words.at(2));
    if (!kind) {
        throw std::runtime_error("no such access: " + words[2]);
    }
    access.access = *kind;
    access.directory = *kind == AccessKind::List;
    access.would_create = *kind == AccessKind::Write; // as fopen(3) with "w" asks
    for (size_t i = 3; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "made") {
            access.created_by_run = true;
        } else if (word == "linked") {
            access.through_made_link = true;
        } else if (word == "exclusively") {
            access.exclusive = true;
        } else if (word == "gone") {
            access.gone_at_end = true;
        } else if (word == "update") { // opened without O_CREAT, as fopen(3) with "r+"
            access.would_create = false;
        } else if (word == "directory") {
            access.directory = true;
        } else if (const auto code = errno_of(word)) {
            access.result = *code;
        } else if (word.size() > 1 && word[0] == 'x' &&
                   word.find_first_not_of("0123456789", 1) == std::string::npos) {
            access.count = std::stoull(word.substr(1));
        } else {
            access.path = in_run(trace.run, word);
            trace.files.push_back(access);
        }
    }
}

void read_exchange(Trace& trace, const std::vector<std::string>& words) {
    Exchange exchange;
    exchange.host = words.at(0) == "-" ? "" : words.at(0);
    exchange.address = words.at(1) == "-" ? "" : words.at(1);
    exchange.port = static_cast<uint16_t>(std::stoul(words.at(2)));
    exchange.protocol = words.at(3) == "-" ? "" : words.at(3);
    if (words.size() > 4) {
        const auto code = errno_of(words[4]);
        exchange.result = code.value_or(0);
        exchange.problem = code ? "" : words[4];
    }
    trace.exchanges.push_back(exchange);
}

void read_socket(Trace& trace, const std::vector<std::string>& words) {
    SocketAccess socket;
    socket.process = std::stoll(words.at(1));
    socket.operation = words.at(2);
    socket.protocol = words.at(3);
    socket.address = in_run(trace.run, words.at(4));
    socket.port = static_cast<uint16_t>(std::stoul(words.at(5)));
    for (size_t i = 6; i < words.size(); ++i) {
        if (const auto code = errno_of(words[i])) {
            socket.result = *code;
        } else {
            socket.host = words[i];
        }
    }
    trace.sockets.push_back(socket);
}

} // namespace

std::vector<DiskView::Entry> ScriptedDisk::list(const std::string& directory, bool& truncated) const {
    truncated = false;
    const auto at = directories_.find(directory);
    return at == directories_.end() ? std::vector<Entry>{} : at->second;
}

void ScriptedDisk::add(const std::string& directory, const std::string& name) {
    const bool is_directory = name.back() == '/';
    const bool is_key = name.ends_with("=key");
    const std::string bare = name.substr(0, name.size() - (is_directory ? 1 : is_key ? 4 : 0));
    directories_[directory].push_back({bare, is_directory, false});
    if (is_key) {
        keys_.insert(directory + "/" + bare);
    }
}

bool ScriptedDisk::begins_private_key(const std::string& path) const {
    return keys_.contains(path);
}

Variables fixture_variables(const RunInfo& run) {
    return Variables({{"project", run.project},
                      {"home", run.home},
                      {"tmp", run.hostname.empty() ? "/tmp" : run.hostname},
                      {"cache", run.home + "/.cache"},
                      {"config", run.home + "/.config"},
                      {"data", run.home + "/.local/share"},
                      {"state", run.home + "/.local/state"},
                      {"runtime", "/run/user/1000"},
                      {"user", run.user},
                      {"uid", "1000"}});
}

Policy::Loader fixture_abstractions() {
    return [](const std::string& name) -> result<Profile> {
        const std::string file = std::string(TREADLINE_GOLDEN_DIRECTORY) + "/abstractions/" + name + ".yaml";
        return read_profile(slurp(file), file);
    };
}

ReduceInput Fixture::input() const {
    ReduceInput input;
    input.traces = traces;
    input.variables = fixture_variables;
    input.disk = &disk;
    input.abstractions = fixture_abstractions();
    input.shipped_abstractions = {"base", "shell", "node", "git", "c-toolchain"};
    return input;
}

Variables Fixture::variables() const {
    return fixture_variables(traces.back().run);
}

Fixture read_fixture(std::string_view text) {
    Fixture fixture;
    int64_t now = 0;
    for (const std::string_view line : split(text, '\n')) {
        ++now;
        const std::vector<std::string> words = words_of(line);
        if (words.empty() || words[0][0] == '#') {
            continue;
        }
        if (words[0] == "run") {
            Trace trace;
            trace.run.id = static_cast<int64_t>(fixture.traces.size()) + 1;
            read_run(trace.run, words);
            fixture.traces.push_back(std::move(trace));
            continue;
        }
        Trace& trace = fixture.traces.at(fixture.traces.size() - 1);
        const std::vector<std::string> rest(words.begin() + 1, words.end());
        if (words[0] == "command") {
            trace.run.command = rest;
        } else if (words[0] == "certificate") {
            trace.run.certificate = rest.at(0);
        } else if (words[0] == "process") {
            ProcessImage image;
            image.id = std::stoll(rest.at(0));
            image.parent = std::stoll(rest.at(1));
            image.pid = static_cast<int32_t>(1000 + image.id);
            image.exe = rest.at(2);
            image.argv = rest.size() > 3 ? std::vector<std::string>(rest.begin() + 3, rest.end())
                                         : std::vector<std::string>{image.exe};
            image.started_ns = now;
            trace.processes.push_back(image);
        } else if (words[0] == "file") {
            read_files(trace, words);
        } else if (words[0] == "socket") {
            read_socket(trace, words);
            trace.sockets.back().first_ns = now;
        } else if (words[0] == "exchange") {
            read_exchange(trace, rest);
        } else if (words[0] == "syscall") {
            for (size_t i = 1; i < rest.size(); ++i) {
                trace.syscalls.push_back({std::stoll(rest[0]), static_cast<int32_t>(i), rest[i]});
            }
        } else if (words[0] == "environment") {
            for (size_t i = 1; i < rest.size(); ++i) {
                trace.environment.push_back({std::stoll(rest[0]), rest[i]});
            }
        } else if (words[0] == "lookup") {
            trace.names.push_back({std::stoll(rest.at(0)), rest.at(1), {rest.begin() + 2, rest.end()}});
        } else if (words[0] == "ran") {
            for (size_t i = 1; i < rest.size(); ++i) {
                trace.facts.push_back(
                    {std::stoll(rest[0]), "written then executed", in_run(trace.run, rest[i]), "by program"});
            }
        } else if (words[0] == "disk") {
            for (size_t i = 1; i < rest.size(); ++i) {
                fixture.disk.add(in_run(trace.run, rest[0]), rest[i]);
            }
        } else {
            throw std::runtime_error("no such line: " + words[0]);
        }
    }
    return fixture;
}

Trace as_rows(const Trace& trace) {
    Trace rows = trace;
    rows.files.clear();
    PathTable table; // numbers paths as the writer of a store does
    for (const FileAccess& access : trace.files) {
        AccessRow row;
        row.count = access.count;
        row.process = static_cast<uint32_t>(access.process);
        row.path = table.id_of(access.path);
        row.result = access.result;
        row.access = access.access;
        row.directory = access.directory;
        row.created_by_run = access.created_by_run;
        row.gone_at_end = access.gone_at_end;
        row.would_create = access.would_create;
        row.exclusive = access.exclusive;
        row.through_made_link = access.through_made_link;
        rows.rows.push_back(row);
    }
    for (uint32_t number = 1; number <= table.size(); ++number) {
        rows.paths.add(table.entry(number).parent, table.entry(number).name);
    }
    return rows;
}

std::vector<std::string> lines_of(const Proposal& proposal, Section section) {
    std::vector<std::string> lines;
    for (const ProposedRule& rule : proposal.rules) {
        if (rule.section == section) {
            lines.push_back((!rule.review.empty() ? "? " : rule.withheld.empty() ? "" : "# ") + rule.text);
        }
    }
    return lines;
}

Proposal reduced(std::string_view fixture) {
    const Fixture read = read_fixture(fixture);
    auto proposal = reduce(read.input());
    INFO((proposal ? "" : proposal.error().message()));
    REQUIRE(proposal.has_value());
    return std::move(*proposal);
}

} // namespace treadline::test
