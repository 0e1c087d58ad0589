#include "profiler/access_set.h"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <unordered_map>

#include "base/path.h"
#include "base/text.h"
#include "profiler/run_paths.h"
#include "profiles/guards.h"

namespace treadline {
namespace {

constexpr size_t max_refusals_named = 5; // in warnings; the rest is a number

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

// Of what turned out to be the same path.
void add_facts(NodeFacts& facts, const NodeFacts& more) {
    if (more.touched) {
        facts.created = (facts.touched ? facts.created : true) && more.created;
        facts.gone = (facts.touched ? facts.gone : true) && more.gone;
    }
    if (more.made) {
        facts.exclusive = (facts.made ? facts.exclusive : true) && more.exclusive;
    }
    facts.made |= more.made;
    facts.touched |= more.touched;
    facts.seen |= more.seen;
    facts.directory |= more.directory;
    facts.runs |= more.runs;
}

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
        RunPaths paths;
        Subjects subjects;
        std::unordered_map<int64_t, uint16_t> subject_of; // by process image: index into AccessSet::subjects
        int64_t process = -1;                             // of the last access: neighbours are mostly of one,
        uint16_t subject = 0;                             // who is this

        RunState(AccessSet& set, const Trace& trace, const Variables& its, size_t number)
            : variables(its), guards(its), run(number), paths(set.trie, its, guards, trace.paths, number == 0),
              subjects(trace) {}
    };
    struct Draft {
        NodeFacts facts;
        int8_t guarded_read = -1; // -1 not asked yet
        int8_t guarded_write = -1;
    };

    uint16_t number_of(const Subject& subject);
    uint16_t subject_of(RunState& state, int64_t process);
    Draft& draft(PathTrie::Node node);
    // `access`: a FileAccess or an AccessRow. `locate` and `text` give its place and its path; the text of
    // most is never asked for.
    template <class Access, class Locate, class Text>
    void add_access(RunState& state, const Access& access, Locate locate, Text text);
    void add_file(RunState& state, const FileAccess& access);
    template <class Access>
    void add_guarded(RunState& state, const Access& access, const std::string& path, const Guard& guard,
                     Modes modes);
    template <class Access>
    void add_unusual(RunState& state, const Access& access, const std::string& path, Modes modes);
    void sort_records(const std::vector<PathTrie::Node>& renumbered);

    AccessSet& set_;
    std::vector<Draft> drafts_; // by node, before the renumbering
    std::map<Subject, uint16_t> subject_numbers_;
    struct Counted {
        GuardedAccess access;
        EvidenceCounter counter;
    };
    std::map<std::string, Counted> guarded_;
    std::map<std::string, EvidenceCounter> sockets_;
    std::map<std::string, std::string> refusals_; // portable path -> "EACCES, by git"
};

uint16_t Collector::number_of(const Subject& subject) {
    const auto [at, added] =
        subject_numbers_.try_emplace(subject, static_cast<uint16_t>(set_.subjects.size()));
    if (added) {
        if (set_.subjects.size() == UINT16_MAX) { // nobody reads a list of that many
            subject_numbers_.erase(at);
            return UINT16_MAX - 1;
        }
        set_.subjects.push_back(subject);
    }
    return at->second;
}

uint16_t Collector::subject_of(RunState& state, int64_t process) {
    if (state.process != process) {
        const auto subject = state.subject_of.find(process);
        state.process = process;
        state.subject = subject == state.subject_of.end() ? number_of({}) : subject->second;
    }
    return state.subject;
}

Collector::Draft& Collector::draft(PathTrie::Node node) {
    while (drafts_.size() <= node) {
        drafts_.emplace_back();
    }
    return drafts_[node];
}

template <class Access>
void Collector::add_guarded(RunState& state, const Access& access, const std::string& path,
                            const Guard& guard, Modes modes) {
    const std::string normal = normalise_path(path);
    // Of other processes, whichever there were.
    const std::string portable =
        is_within(normal, "/proc") ? without_process_ids(normal, "*") : state.variables.shorten(normal);
    Counted& entry = guarded_[portable];
    entry.access.path = portable;
    entry.access.modes |= modes;
    entry.access.kind = guard.kind;
    entry.access.what = guard.what;
    entry.access.created = entry.access.created && access.created_by_run;
    entry.access.refused = entry.access.refused && access.result != 0;
    entry.counter.add(state.subjects.of(access.process), state.run, access.count);
    entry.counter.by(state.run, access.process);
}

// A socket that was connected to, or an access that failed.
template <class Access>
void Collector::add_unusual(RunState& state, const Access& access, const std::string& path, Modes modes) {
    if (path.empty() || path.front() != '/') {
        return; // no object of the file system
    }
    if (access.access == AccessKind::Connect) {
        if (access.result == 0) {
            EvidenceCounter& counter = sockets_[state.variables.shorten(normalise_path(path))];
            counter.add(state.subjects.of(access.process), state.run, access.count);
            counter.by(state.run, access.process);
        }
        return;
    }
    const std::string normal = normalise_path(path);
    const bool writing = modes.has(Mode::Write) || modes.has(Mode::Create);
    if (const Guard* guard = state.guards.find(normal, writing)) {
        add_guarded(state, access, normal, *guard,
                    modes); // masked while learning: the attempt is what counts
        return;
    }
    const std::string& program = state.subjects.of(access.process).program;
    refusals_.try_emplace(state.variables.shorten(normal),
                          errno_name(access.result) + (program.empty() ? "" : ", " + program));
}

template <class Access, class Locate, class Text>
void Collector::add_access(RunState& state, const Access& access, Locate locate, Text text) {
    if (access.access == AccessKind::Stat) {
        return; // whether something exists is no right a profile grants
    }
    Modes modes = modes_of(access.access);
    // What else can fail fails in the sandbox as it did here, without a rule.
    const bool refused = access.result == EACCES || access.result == EPERM || access.result == EROFS;
    if (access.access == AccessKind::Connect || access.result != 0) {
        if (access.access == AccessKind::Connect ? access.result == 0 : refused) {
            add_unusual(state, access, text(), modes);
        }
        return;
    }
    const RunPaths::Place where = locate();
    if (where.node == PathTrie::none) {
        return; // no object of the file system
    }
    Draft& draft = this->draft(where.node);
    const bool writing = modes.has(Mode::Write) || modes.has(Mode::Create);
    // Asked once a path, not once an access: portable paths fall under the same guard in every run.
    int8_t& guarded = writing ? draft.guarded_write : draft.guarded_read;
    if (where.may_guard && guarded != 0) {
        const std::string path = text();
        const Guard* guard = state.guards.find(path, writing);
        guarded = guard != nullptr ? 1 : 0;
        if (guard != nullptr) {
            add_guarded(state, access, path, *guard, modes);
            return;
        }
    }
    // What was there to be written to is not there in a fresh checkout or with cold caches, and then it is
    // made.
    if (access.would_create && where.may_be_missing) {
        modes |= Mode::Create;
    }
    add_facts(draft.facts, {uint64_t{1} << std::min<size_t>(state.run, 63), modes,
                            access.directory || access.access == AccessKind::List, access.created_by_run,
                            access.gone_at_end, true,
                            access.access == AccessKind::Create && access.created_by_run, access.exclusive});
    set_.records.push_back(
        {where.node, static_cast<uint32_t>(access.process), subject_of(state, access.process),
         static_cast<uint16_t>(std::min<size_t>(state.run, UINT16_MAX)), modes, access.through_made_link,
         static_cast<uint32_t>(std::clamp<uint64_t>(access.count, 1, UINT32_MAX))});
}

void Collector::add_file(RunState& state, const FileAccess& access) {
    add_access(
        state, access, [&] { return state.paths.place(access.path); }, [&] { return access.path; });
}

void Collector::add(const Trace& trace, const Variables& variables, size_t run) {
    RunState state(set_, trace, variables, run);
    for (const ProcessImage& image : trace.processes) {
        state.subject_of[image.id] = number_of(state.subjects.of(image.id));
    }
    set_.records.reserve(set_.records.size() + trace.files.size() + trace.rows.size());
    for (const FileAccess& access : trace.files) {
        add_file(state, access);
    }
    if (run == 0) {
        set_.trie.expect(trace.paths.size());
        drafts_.reserve(set_.trie.size() + trace.paths.size());
    } else {
        set_.trie.index_appended(); // later runs touch the same paths, mostly
    }
    for (const AccessRow& access : trace.rows) {
        add_access(
            state, access, [&] { return access.path == 0 ? RunPaths::Place{} : state.paths.row(access.path); },
            [&] { return access.path == 0 ? std::string() : trace.paths.text(access.path); });
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

// By node, run and subject: the order in which they came is forgotten. A counting sort by
// node first, so that a million take no longer each than a thousand.
void Collector::sort_records(const std::vector<PathTrie::Node>& renumbered) {
    std::vector<uint32_t> begin(set_.trie.size() + 1, 0);
    for (AccessRecord& record : set_.records) {
        record.node = renumbered[record.node];
        ++begin[record.node + 1];
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<AccessRecord> sorted(set_.records.size());
    std::vector<uint32_t> next(begin.begin(), begin.end() - 1);
    for (const AccessRecord& record : set_.records) {
        sorted[next[record.node]++] = record;
    }
    set_.records = std::move(sorted);
    for (size_t node = 0; node + 1 < begin.size(); ++node) {
        if (begin[node + 1] - begin[node] < 2) {
            continue;
        }
        std::sort(set_.records.begin() + begin[node], set_.records.begin() + begin[node + 1],
                  [&](const AccessRecord& a, const AccessRecord& b) {
                      if (a.run != b.run) {
                          return a.run < b.run;
                      }
                      if (a.subject != b.subject) {
                          return set_.subjects[a.subject] < set_.subjects[b.subject];
                      }
                      return a.modes.bits() < b.modes.bits();
                  });
    }
}

void Collector::finish() {
    const std::vector<PathTrie::Node> renumbered = set_.trie.finish();
    set_.facts.resize(set_.trie.size());
    for (PathTrie::Node old = 0; old < renumbered.size() && old < drafts_.size(); ++old) {
        add_facts(set_.facts[renumbered[old]], drafts_[old].facts);
    }
    drafts_ = {};
    // Upwards: who came below, and what is a directory because something lies in it.
    for (PathTrie::Node node = static_cast<PathTrie::Node>(set_.facts.size()); node-- > 1;) {
        NodeFacts& parent = set_.facts[set_.trie.parent(node)];
        parent.runs |= set_.facts[node].runs;
        parent.directory = true;
    }
    sort_records(renumbered);
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
