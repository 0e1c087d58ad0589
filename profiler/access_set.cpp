#include "profiler/access_set.h"

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <numeric>
#include <unordered_map>

#include "base/path.h"
#include "base/text.h"
#include "profiles/guards.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

constexpr size_t max_refusals_named = 5; // in warnings; the rest is a number
constexpr size_t max_programs = 4;
constexpr size_t max_examples = 3;

Modes modes_of(AccessKind kind) {
    switch (kind) {
    case AccessKind::Read:
    case AccessKind::List:
        return Mode::Read;
    case AccessKind::Write:
        return Mode::Write;
    case AccessKind::Create:
    case AccessKind::Delete:
        return Mode::Create;
    case AccessKind::Execute:
        return Mode::Read | Mode::Execute; // the kernel opens what it executes
    case AccessKind::Connect:
    case AccessKind::Stat:
        break;
    }
    return Modes::none();
}

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// /proc/4711/maps and /proc/4711/task/4712/comm: the same file for every process, so one name for all of
// them.
std::string without_process_ids(std::string_view path) {
    std::string text;
    for (const std::string_view name : path_components(path)) {
        text += '/';
        text += is_number(name) ? std::string_view("self") : name;
    }
    return text;
}

// A file name as rules write it. Most need no escape; those that may are asked about.
bool needs_no_escape(std::string_view name) {
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return c > 0x20 && c < 0x7F && c != '*' && c != '\\' && c != '$'; });
}

bool is_plain(std::string_view path) {
    return path.size() > 1 && path.front() == '/' && path.back() != '/' &&
           path.find("//") == std::string_view::npos && path.find("/.") == std::string_view::npos;
}

struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

class Collector {
public:
    explicit Collector(AccessSet& set) : set_(set) {}

    void add(const Trace& trace, const Variables& variables, size_t run);
    void finish();

private:
    struct RunState {
        const Variables& variables;
        Guards guards;
        size_t run;
        TextMap<PathTrie::Node> directories; // absolute parent path -> node
        std::vector<std::string> variable_values;
        std::unordered_map<int64_t, uint16_t> program_of; // by process image

        // Whether a file the run wrote to belongs to the project or the user, not to the system.
        [[nodiscard]] bool may_be_missing(std::string_view path) const {
            return is_within(path, variables.get("project")) || is_within(path, variables.get("home")) ||
                   is_within(path, variables.get("cache"));
        }
    };
    struct Draft {
        NodeFacts facts;
        int8_t guarded_read = -1; // -1 not asked yet
        int8_t guarded_write = -1;
        bool seen = false;
    };

    uint16_t program(const std::string& name);
    PathTrie::Node node_of(RunState& state, std::string_view path);
    Draft& draft(PathTrie::Node node);
    const Guard* guard_of(RunState& state, Draft& draft, std::string_view path, bool writing);
    void add_file(RunState& state, const FileAccess& access);
    void add_guarded(RunState& state, const FileAccess& access, const Guard& guard, Modes modes);
    void note_failure(RunState& state, const FileAccess& access, Modes modes);

    AccessSet& set_;
    std::vector<Draft> drafts_; // by node, before the renumbering
    TextMap<uint16_t> program_numbers_;
    struct Counted {
        GuardedAccess access;
        EvidenceCounter counter;
    };
    std::map<std::string, Counted> guarded_;
    std::map<std::string, EvidenceCounter> sockets_;
    std::map<std::string, std::string> refusals_; // portable path -> "EACCES, by git"
};

uint16_t Collector::program(const std::string& name) {
    const auto [at, added] = program_numbers_.try_emplace(name, static_cast<uint16_t>(set_.programs.size()));
    if (added) {
        if (set_.programs.size() == UINT16_MAX) { // nobody reads a list of that many
            program_numbers_.erase(at);
            return UINT16_MAX - 1;
        }
        set_.programs.push_back(name);
    }
    return at->second;
}

PathTrie::Node Collector::node_of(RunState& state, std::string_view path) {
    std::string cleaned;
    if (!is_plain(path)) {
        cleaned = normalise_path(path);
        path = cleaned;
    }
    if (path.substr(0, 6) == "/proc/") {
        return set_.trie.insert(escape_path(without_process_ids(path)));
    }
    const bool is_value = std::find(state.variable_values.begin(), state.variable_values.end(), path) !=
                          state.variable_values.end();
    const std::string_view parent = parent_path(path);
    if (is_value || path == "/") {
        return set_.trie.insert(state.variables.shorten(path));
    }
    auto at = state.directories.find(parent);
    if (at == state.directories.end()) {
        const PathTrie::Node node = set_.trie.insert(state.variables.shorten(parent));
        at = state.directories.emplace(std::string(parent), node).first;
    }
    const std::string_view name = file_name(path);
    return needs_no_escape(name) ? set_.trie.insert_child(at->second, name)
                                 : set_.trie.insert_child(at->second, escape_path(name));
}

Collector::Draft& Collector::draft(PathTrie::Node node) {
    if (drafts_.size() <= node) {
        drafts_.resize(std::max<size_t>(node + 1, drafts_.size() * 2));
    }
    return drafts_[node];
}

// Asked once a path, not once an access: portable paths fall under the same guard in every run.
const Guard* Collector::guard_of(RunState& state, Draft& draft, std::string_view path, bool writing) {
    int8_t& known = writing ? draft.guarded_write : draft.guarded_read;
    if (known == 0) {
        return nullptr;
    }
    const Guard* guard = state.guards.find(path, writing);
    known = guard != nullptr ? 1 : 0;
    return guard;
}

void Collector::add_guarded(RunState& state, const FileAccess& access, const Guard& guard, Modes modes) {
    const std::string portable = state.variables.shorten(normalise_path(access.path));
    Counted& entry = guarded_[portable];
    entry.access.path = portable;
    entry.access.modes |= modes;
    entry.access.kind = guard.kind;
    entry.access.what = guard.what;
    entry.access.created = entry.access.created && access.created_by_run;
    const auto program = state.program_of.find(access.process);
    entry.counter.add(program == state.program_of.end() ? "" : set_.programs[program->second], state.run,
                      access.count);
}

void Collector::note_failure(RunState& state, const FileAccess& access, Modes modes) {
    // Everything else that can fail fails in the sandbox as it did here, without a rule.
    if (access.result != EACCES && access.result != EPERM && access.result != EROFS) {
        return;
    }
    const std::string path = normalise_path(access.path);
    const bool writing = modes.has(Mode::Write) || modes.has(Mode::Create);
    if (const Guard* guard = state.guards.find(path, writing)) {
        add_guarded(state, access, *guard, modes); // masked while learning: the attempt is what counts
        return;
    }
    const auto program = state.program_of.find(access.process);
    refusals_.try_emplace(state.variables.shorten(path),
                          errno_name(access.result) +
                              (program == state.program_of.end() || set_.programs[program->second].empty()
                                   ? ""
                                   : ", " + set_.programs[program->second]));
}

void Collector::add_file(RunState& state, const FileAccess& access) {
    if (access.path.empty() || access.path.front() != '/') {
        return; // no object of the file system
    }
    if (access.access == AccessKind::Stat) {
        return; // whether something exists is no right a profile grants
    }
    Modes modes = modes_of(access.access);
    if (access.access == AccessKind::Connect) {
        if (access.result == 0) {
            const auto program = state.program_of.find(access.process);
            sockets_[state.variables.shorten(normalise_path(access.path))].add(
                program == state.program_of.end() ? "" : set_.programs[program->second], state.run,
                access.count);
        }
        return;
    }
    if (access.result != 0) {
        note_failure(state, access, modes);
        return;
    }
    const PathTrie::Node node = node_of(state, access.path);
    Draft& draft = this->draft(node);
    const bool writing = modes.has(Mode::Write) || modes.has(Mode::Create);
    if (const Guard* guard = guard_of(state, draft, access.path, writing)) {
        add_guarded(state, access, *guard, modes);
        return;
    }
    // What was there to be written to is not there in a fresh checkout or with cold caches, and then it is made.
    if (access.would_create && state.may_be_missing(access.path)) {
        modes |= Mode::Create;
    }
    NodeFacts& facts = draft.facts;
    facts.created = (facts.touched ? facts.created : true) && access.created_by_run;
    facts.gone = (facts.touched ? facts.gone : true) && access.gone_at_end;
    facts.touched = true;
    facts.seen |= modes;
    facts.directory |= access.directory || access.access == AccessKind::List;
    facts.runs |= uint64_t{1} << std::min<size_t>(state.run, 63);
    const auto program = state.program_of.find(access.process);
    set_.records.push_back({node, program == state.program_of.end() ? this->program("") : program->second,
                            static_cast<uint16_t>(std::min<size_t>(state.run, UINT16_MAX)), modes,
                            std::max<uint64_t>(access.count, 1)});
}

void Collector::add(const Trace& trace, const Variables& variables, size_t run) {
    RunState state{variables, Guards(variables), run, {}, {}, {}};
    for (const char* name : {"project", "home", "tmp", "cache", "config", "data", "state", "runtime"}) {
        if (!variables.get(name).empty()) {
            state.variable_values.push_back(variables.get(name));
        }
    }
    for (const ProcessImage& image : trace.processes) {
        state.program_of[image.id] = program(program_name(image));
    }
    set_.records.reserve(set_.records.size() + trace.files.size());
    for (const FileAccess& access : trace.files) {
        add_file(state, access);
    }
    for (const SocketAccess& socket : trace.sockets) {
        // A bound UNIX socket is a file the run makes.
        if (socket.operation == "bind" && socket.protocol == "unix" && !socket.address.empty() &&
            socket.address.front() == '/') {
            FileAccess made;
            made.process = socket.process;
            made.path = socket.address;
            made.access = AccessKind::Create;
            made.result = socket.result;
            made.count = socket.count;
            made.created_by_run = true;
            add_file(state, made);
        }
    }
    ++set_.runs;
}

void Collector::finish() {
    const std::vector<PathTrie::Node> renumbered = set_.trie.finish();
    set_.facts.resize(set_.trie.size());
    for (PathTrie::Node old = 0; old < renumbered.size() && old < drafts_.size(); ++old) {
        set_.facts[renumbered[old]] = drafts_[old].facts;
    }
    drafts_ = {};
    // Upwards: who came below, and what is a directory because something lies in it.
    for (PathTrie::Node node = static_cast<PathTrie::Node>(set_.facts.size()); node-- > 1;) {
        NodeFacts& parent = set_.facts[set_.trie.parent(node)];
        parent.runs |= set_.facts[node].runs;
        parent.directory = true;
    }
    for (AccessRecord& record : set_.records) {
        record.node = renumbered[record.node];
    }
    // Programs are numbered in the order they came; sort by their names to forget it.
    std::sort(set_.records.begin(), set_.records.end(), [&](const AccessRecord& a, const AccessRecord& b) {
        if (a.node != b.node) {
            return a.node < b.node;
        }
        if (a.run != b.run) {
            return a.run < b.run;
        }
        if (a.program != b.program) {
            return set_.programs[a.program] < set_.programs[b.program];
        }
        return a.modes.bits() < b.modes.bits();
    });
    for (auto& [path, entry] : guarded_) {
        entry.access.evidence = entry.counter.finish(set_.runs);
        set_.guarded.push_back(std::move(entry.access));
    }
    for (const auto& [path, counter] : sockets_) {
        set_.sockets.push_back({path, counter.finish(set_.runs)});
    }
    size_t named = 0;
    for (const auto& [path, why] : refusals_) {
        if (named++ == max_refusals_named) {
            set_.warnings.push_back(std::to_string(refusals_.size() - max_refusals_named) +
                                    " more accesses were refused by the system");
            break;
        }
        set_.warnings.push_back("refused by the system while learning: " + path + " (" + why + ")");
    }
}

} // namespace

bool remade_directory(const AccessSet& set, PathTrie::Node node) {
    const NodeFacts& facts = set.facts[node];
    const bool only_passing = set.trie.child_count(node) == 0 && facts.created && facts.gone;
    return facts.directory && facts.seen.has(Mode::Create) && !only_passing;
}

void EvidenceCounter::add(const std::string& program, size_t run, uint64_t count) {
    accesses_ += count;
    runs_.insert(run);
    if (!program.empty()) {
        programs_[program] += count;
    }
}

void EvidenceCounter::add(const EvidenceCounter& other) {
    accesses_ += other.accesses_;
    runs_.insert(other.runs_.begin(), other.runs_.end());
    for (const auto& [name, count] : other.programs_) {
        programs_[name] += count;
    }
}

void EvidenceCounter::example(const std::string& portable) {
    if (wants_examples() && (examples_.empty() || examples_.back() != portable)) {
        examples_.push_back(portable);
    }
}

bool EvidenceCounter::wants_examples() const {
    return examples_.size() < max_examples;
}

Evidence EvidenceCounter::finish(int of_runs) const {
    Evidence evidence;
    evidence.accesses = accesses_;
    evidence.runs = static_cast<int>(runs_.size());
    evidence.of_runs = of_runs;
    evidence.examples = examples_;
    std::vector<std::pair<std::string, uint64_t>> ranked(programs_.begin(), programs_.end());
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    for (size_t i = 0; i < ranked.size() && i < max_programs; ++i) {
        evidence.programs.push_back(ranked[i].first);
    }
    return evidence;
}

Evidence sum_of(const Evidence& a, const Evidence& b) {
    Evidence sum = a;
    sum.accesses += b.accesses;
    sum.runs = std::max(a.runs, b.runs);
    const auto add = [](std::vector<std::string>& texts, const std::vector<std::string>& more, size_t most) {
        for (const std::string& text : more) {
            if (texts.size() < most && std::find(texts.begin(), texts.end(), text) == texts.end()) {
                texts.push_back(text);
            }
        }
    };
    add(sum.programs, b.programs, max_programs);
    add(sum.examples, b.examples, max_examples);
    return sum;
}

std::string program_name(const ProcessImage& image) {
    return std::string(file_name(image.exe));
}

AccessSet collect_accesses(const std::vector<Trace>& traces,
                           const std::function<Variables(const RunInfo&)>& variables) {
    AccessSet set;
    Collector collector(set);
    for (size_t run = 0; run < traces.size(); ++run) {
        collector.add(traces[run], variables(traces[run].run), run);
    }
    collector.finish();
    return set;
}

} // namespace treadline
