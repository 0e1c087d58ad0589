#include "tests/fidelity/corpus.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <regex>
#include <sstream>
#include <unordered_map>

#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "base/unique_fd.h"
#include "tests/bpf/traced.h"

namespace treadline::test {
namespace {

constexpr int cannot_prepare = 250; // tests/programs/fidelity.h

struct Plan { // a variant as the program tells it
    std::string operation;
    std::string name;
    std::string directory;
    std::string real; // where its operation works
};

std::vector<Plan> read_plans(const std::string& text) {
    std::vector<Plan> plans;
    const size_t last = text.rfind('\0');
    for (size_t at = 0; at < last;) {
        const size_t end = text.find('\0', at);
        std::string left = text.substr(at, end - at);
        at = end + 1;
        Plan plan;
        for (std::string* field : {&plan.operation, &plan.name, &plan.directory}) {
            const size_t tab = left.find('\t');
            *field = left.substr(0, tab);
            left.erase(0, tab + 1);
        }
        plan.real = plan.directory + "/" + left; // any byte, tabs included
        plans.push_back(std::move(plan));
    }
    return plans;
}

// What listens where variants connect to.
class Listener {
public:
    explicit Listener(const std::string& text) : pid_(std::stoi(text.substr(text.rfind('\0') + 1))) {}
    ~Listener() { ::kill(pid_, SIGKILL); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

private:
    pid_t pid_;
};

std::string result_suffix(int32_t result) {
    return result == 0 ? "" : " " + errno_name(result);
}

std::string relative_name(const std::string& path, const Plan& plan) {
    if (path == plan.real) {
        return ".";
    }
    if (is_within(path, plan.real)) {
        return path.substr(plan.real.size() + 1);
    }
    // So that the same mistake reads the same in every variant.
    if (is_within(path, plan.directory)) {
        return "VARIANT" + path.substr(plan.directory.size());
    }
    return is_within(path, "/proc") ? std::regex_replace(path, std::regex("[0-9]+"), "N") : path;
}

std::string fact_of(const FileAccess& access, const Plan& plan) {
    return std::string(to_string(access.access)) + " " + relative_name(access.path, plan) +
           (access.directory ? " dir" : "") + (access.created_by_run ? " made" : "") +
           result_suffix(access.result);
}

std::string fact_of(const SocketAccess& access, const Plan& plan) {
    std::string fact = access.operation + " " + access.protocol + " " + relative_name(access.address, plan);
    if (access.protocol != "unix") {
        fact += ":" + (access.port >= 1024 ? "PORT" : std::to_string(access.port));
    }
    return fact + result_suffix(access.result);
}

// The process images below each variant's first: that one goes to the variant's directory and prepares.
class Actors {
public:
    explicit Actors(const Trace& trace) {
        for (const ProcessImage& image : trace.processes) {
            parents_[image.id] = image.parent;
        }
        for (const FileAccess& access : trace.files) {
            if (access.access != AccessKind::List || access.result != 0) {
                continue;
            }
            int64_t& first = preparing_[access.path];
            first = first == 0 ? access.process : std::min(first, access.process);
        }
    }
    void add(const std::string& directory, size_t variant) {
        if (const auto found = preparing_.find(directory); found != preparing_.end()) {
            variants_[found->second] = variant;
        }
    }
    // The variant that a process acts for; -1: none, or it prepares one.
    [[nodiscard]] int64_t variant_of(int64_t process) const {
        for (int64_t at = parent_of(process); at != 0; at = parent_of(at)) {
            if (const auto found = variants_.find(at); found != variants_.end()) {
                return static_cast<int64_t>(found->second);
            }
        }
        return -1;
    }

private:
    [[nodiscard]] int64_t parent_of(int64_t process) const {
        const auto found = parents_.find(process);
        return found == parents_.end() ? 0 : found->second;
    }
    std::unordered_map<int64_t, int64_t> parents_;
    std::unordered_map<std::string, int64_t> preparing_; // the first process that went to a directory
    std::unordered_map<int64_t, size_t> variants_;       // by preparing process
};

// Thousands of small files: in memory, where that can hold what the corpus needs.
void prefer_memory() {
    const char* memory = "/dev/shm";
    struct statvfs about {};
    if (::access(memory, R_OK | W_OK | X_OK) != 0 || ::statvfs(memory, &about) != 0 ||
        (about.f_flag & ST_NOEXEC) != 0) {
        return;
    }
    const unique_fd file(::open(memory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file && ::fsetxattr(file.get(), "user.treadline", "x", 1, 0) == 0) { // tmpfs: Linux 6.6
        ::setenv("TMPDIR", memory, 1);
    }
}

// Which probe set the collector takes while this lives.
class ProbesAsked {
public:
    explicit ProbesAsked(const std::string& probes) {
        if (const char* before = std::getenv(name); before != nullptr) {
            before_ = before;
        }
        set(probes.empty() ? before_ : probes);
    }
    ~ProbesAsked() { set(before_); }
    ProbesAsked(const ProbesAsked&) = delete;
    ProbesAsked& operator=(const ProbesAsked&) = delete;

private:
    static constexpr const char* name = "TREADLINE_PROBES";
    static void set(const std::string& value) {
        value.empty() ? ::unsetenv(name) : ::setenv(name, value.c_str(), 1);
    }
    std::string before_;
};

bool has_suffix(const std::string& text, const std::string& suffix) {
    return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

} // namespace

std::string errno_name(int number) {
    const char* name = ::strerrorname_np(number);
    return name == nullptr ? std::to_string(number) : name;
}

Corpus trace_corpus(const std::string& probes) {
    const std::string problem = tracing_problem();
    REQUIRE_CAPABILITY(problem.empty(), problem);
    prefer_memory();
    const ProbesAsked asked(probes);
    const TemporaryDirectory directory;
    const std::string root = directory.write("root/.keep", "");
    const std::string below = std::string(parent_path(root));
    const Finished made = run({program("fidelity"), "setup", below});
    CAPTURE(made.err);
    REQUIRE(made.status == 0);
    const Listener listener(made.out);
    const std::vector<Plan> plans = read_plans(made.out);

    TraceOptions options;
    options.out = directory / "statuses";
    const Traced done = traced({program("fidelity"), "run", below}, options);
    REQUIRE(done.status == 0);
    Corpus corpus;
    corpus.complete = done.summary.complete;
    corpus.incomplete_because = done.trace.run.incomplete_because;
    corpus.probes = done.trace.run.probes;
    std::istringstream statuses(slurp(options.out));
    for (const Plan& plan : plans) {
        Variant variant{plan.operation, plan.name, -1, true, {}};
        statuses >> variant.status;
        variant.prepared = variant.status != cannot_prepare;
        corpus.variants.push_back(std::move(variant));
    }
    REQUIRE(statuses);

    Actors actors(done.trace);
    for (size_t i = 0; i < plans.size(); ++i) {
        actors.add(plans[i].directory, i);
    }
    const auto collect = [&](const auto& accesses, const auto& counts) {
        for (const auto& access : accesses) {
            const int64_t index = actors.variant_of(access.process);
            if (index >= 0 && counts(access, plans[static_cast<size_t>(index)])) {
                const auto at = static_cast<size_t>(index);
                corpus.variants[at].facts.push_back(fact_of(access, plans[at]));
            }
        }
    };
    collect(done.trace.files, [&](const FileAccess& access, const Plan& plan) {
        // What a program does by itself when it starts is not what is tested.
        const bool starts = has_suffix(plan.name, "after exec") || plan.operation.substr(0, 7) == "execute";
        return !starts || (is_within(access.path, below) && !has_suffix(access.path, "/proc/self/exe"));
    });
    collect(done.trace.sockets, [](const SocketAccess&, const Plan&) { return true; });
    for (Variant& variant : corpus.variants) {
        std::sort(variant.facts.begin(), variant.facts.end());
        variant.facts.erase(std::unique(variant.facts.begin(), variant.facts.end()), variant.facts.end());
    }
    // What is sealed against writing could not be removed with the rest.
    run({"chmod", "-R", "u+rwX", below});
    return corpus;
}

} // namespace treadline::test
