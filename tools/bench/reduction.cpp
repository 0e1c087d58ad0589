// Measurements of tools/bench/reduction: from a stored run to a profile's text.
//
//   reduction_bench make ACCESSES STORE     a store with one run of so many distinct accesses
//   reduction_bench reduce STORE            reads it, reduces it, prints what that cost as JSON
//   reduction_bench texts STORE             the same from accesses with a text each, as `show` reads them
//
// Apart, so that the peak of memory is the reduction's own. The disk is not looked at: what it holds is no
// part of a store.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "collector/trace_reader.h"
#include "collector/trace_writer.h"
#include "profiler/proposal_text.h"
#include "profiler/reduce.h"
#include "profiles/shipped.h"

using namespace treadline;

namespace {

template <class T>
T checked(result<T> done) {
    if (!done) {
        throw std::runtime_error(done.error().message());
    }
    return std::move(*done);
}

std::string text(const char* format, auto... values) {
    char buffer[300];
    std::snprintf(buffer, sizeof buffer, format, values...);
    return buffer;
}

// A name as content-addressed stores have them; the same for the same number.
std::string digest(uint64_t number) {
    uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15;
    mixed ^= mixed >> 29;
    return text("%016lx%016lx", static_cast<unsigned long>(mixed * 0xBF58476D1CE4E5B9),
                static_cast<unsigned long>(mixed * 0x94D049BB133111EB));
}

const std::string project = "/home/user/project";
const std::string home = "/home/user";

// What a build with an installed package tree does, in the proportions of one: of ten accesses five read
// packages, two make and write outputs, and one each reads sources, the system's headers, and a cache.
FileAccess access_at(size_t number) {
    static const char* const parts[] = {"lib", "dist", "src", "test", "types", "esm", "cjs", "build"};
    static const char* const stems[] = {"index",    "utils",   "constants", "parser",
                                        "internal", "helpers", "stream"};
    const size_t round = number / 10;
    FileAccess access;
    access.process = static_cast<int64_t>(1 + number / 5000 % 40);
    const size_t slot = number % 10;
    if (slot < 5) {
        const size_t file = round * 5 + slot;
        access.path = project + text("/node_modules/package-%zu/%s/%s-%zu.js", file / 60,
                                     parts[file / 15 % 8], stems[file % 7], file % 60);
    } else if (slot < 7) {
        access.path =
            project + text("/build/module-%zu/%s-%zu.o", round / 20, stems[round % 7], round * 2 + slot);
        access.access = slot == 5 ? AccessKind::Create : AccessKind::Write;
        access.created_by_run = access.would_create = true;
        access.gone_at_end = round % 16 == 0;
    } else if (slot == 7) {
        access.path = project + text("/src/module-%zu/%s-%zu.cpp", round / 20, stems[round % 7], round);
    } else if (slot == 8) {
        access.path = text("/usr/include/library-%zu/%s-%zu.h", round / 40, stems[round % 7], round);
    } else {
        const std::string name = digest(round);
        access.path = home + "/.cache/tool/" + name.substr(0, 2) + "/" + name.substr(2);
        access.access = round % 3 == 0 ? AccessKind::Create : AccessKind::Read;
        access.created_by_run = round % 3 == 0;
    }
    return access;
}

void make(size_t count, const std::string& path) {
    TraceWriter writer = checked(TraceWriter::open(path));
    RunInfo run;
    run.command = {"make"};
    run.cwd = run.project = project;
    run.home = home;
    run.user = "user";
    run.id = checked(writer.begin_run(run));
    for (int process = 1; process <= 40; ++process) {
        ProcessImage image;
        image.parent = process == 1 ? 0 : 1;
        image.pid = 1000 + process;
        image.exe = text("/usr/bin/tool-%d", process % 7);
        checked(writer.add_process(image));
    }
    for (size_t number = 0; number < count; ++number) {
        const FileAccess access = access_at(number);
        checked(writer.add_file(access, checked(writer.path_id(access.path)), 0));
        if (number % 100'000 == 99'999) {
            checked(writer.commit());
        }
    }
    run.complete = true;
    run.duration_ms = 1;
    checked(writer.finish_run(run));
}

double processor_seconds() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

nlohmann::json reduce_store(const std::string& path, TraceReader::Files form) {
    using Clock = std::chrono::steady_clock;
    const auto from = Clock::now();
    const double before = processor_seconds();
    ReduceInput input;
    input.traces.push_back(checked(checked(TraceReader::open(path)).read(1, form)));
    const double read = processor_seconds();
    const size_t accesses = input.traces[0].files.size() + input.traces[0].rows.size();
    input.variables = [](const RunInfo& run) {
        return Variables({{"project", run.project},
                          {"home", run.home},
                          {"tmp", "/tmp"},
                          {"cache", run.home + "/.cache"},
                          {"config", run.home + "/.config"},
                          {"data", run.home + "/.local/share"},
                          {"state", run.home + "/.local/state"},
                          {"runtime", "/run/user/1000"},
                          {"user", run.user},
                          {"uid", "1000"}});
    };
    input.abstractions = abstraction_loader("");
    input.shipped_abstractions = shipped_abstractions();
    const Proposal proposal = checked(reduce(input));
    const std::string profile = checked(proposal_text(proposal, "bench"));
    const double done = processor_seconds();
    const double seconds = std::chrono::duration<double>(Clock::now() - from).count();
    rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    return {{"accesses", accesses},
            {"seconds", seconds},
            {"processor_seconds", done - before},
            {"read_seconds", read - before},
            {"reduce_seconds", done - read},
            {"peak_rss_mb", static_cast<double>(use.ru_maxrss) / 1024.0},
            {"rules", proposal.rules.size()},
            {"profile", std::hash<std::string>{}(profile)}};
}

} // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    try {
        if (what == "make" && argc == 4) {
            make(std::stoul(argv[2]), argv[3]);
            return 0;
        }
        if ((what == "reduce" || what == "texts") && argc == 3) {
            const auto form = what == "reduce" ? TraceReader::Files::AsRows : TraceReader::Files::AsTexts;
            std::puts(reduce_store(argv[2], form).dump().c_str());
            return 0;
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "reduction_bench: %s\n", error.what());
        return 1;
    }
    std::fputs("usage: reduction_bench make ACCESSES STORE | (reduce|texts) STORE\n", stderr);
    return 2;
}
