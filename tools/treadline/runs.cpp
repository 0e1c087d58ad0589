// `treadline runs` and `treadline show`: what the trace store holds.
#include <algorithm>
#include <ctime>
#include <set>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "collector/captured_rows.h"
#include "collector/trace_reader.h"
#include "tools/treadline/commands.h"

namespace treadline {
namespace {

using nlohmann::json;

struct ShowOptions : Options {
    int64_t run = 0;
};

std::string started(const RunInfo& run) {
    const std::time_t seconds = run.started_unix_ms / 1000;
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
}

// Bytes that are no UTF-8 cannot stand in JSON; they are written as \xNN, as on a terminal.
std::vector<std::string> legible_all(const std::vector<std::string>& texts) {
    std::vector<std::string> out;
    for (const std::string& text : texts) {
        out.push_back(legible(text));
    }
    return out;
}

json to_json(const RunInfo& run) {
    return {{"id", run.id},
            {"started", started(run)},
            {"command", legible_all(run.command)},
            {"exit_status", run.exit_status ? json(*run.exit_status) : json(nullptr)},
            {"duration_s", run.duration_ms ? json(static_cast<double>(*run.duration_ms) / 1000.0) : json(nullptr)},
            {"processes", run.processes},
            {"accesses", run.accesses},
            {"lost", run.lost},
            {"probes", run.probes},
            {"network", run.network},
            {"complete", run.complete},
            {"incomplete_because", run.incomplete_because}};
}

std::string result_text(int32_t code) {
    return code == 0 ? "ok" : errno_name(code);
}

using Images = std::map<int64_t, const ProcessImage*>;

// The pid of the process that made this one; an image before it in the same process is none.
std::optional<int32_t> parent_pid(const Images& images, const ProcessImage& image) {
    auto parent = images.find(image.parent);
    for (size_t steps = 0; parent != images.end() && steps < images.size(); ++steps) {
        if (parent->second->pid != image.pid) {
            return parent->second->pid;
        }
        parent = images.find(parent->second->parent);
    }
    return std::nullopt;
}

json file_to_json(const FileAccess& access, const std::string& exe) {
    json entry = {{"path", printable(access.path)},
                  {"result", result_text(access.result)},
                  {"count", access.count},
                  {"exe", exe}};
    if (access.access == AccessKind::Stat) {
        return entry;
    }
    entry["access"] = to_string(access.access);
    entry["created_by_run"] = access.created_by_run;
    entry["gone_at_end"] = access.gone_at_end;
    entry["would_create"] = access.would_create;
    entry["exclusive"] = access.exclusive;
    entry["through_made_link"] = access.through_made_link;
    if (!access.requested.empty()) {
        entry["requested"] = printable(access.requested);
    }
    return entry;
}

// What was spoken at the endpoint of a contact, as the gateway saw it; in order, and nothing where it saw nothing.
std::set<std::string> spoken_at(const Trace& trace, const SocketAccess& access) {
    std::set<std::string> spoken;
    for (const Exchange& exchange : trace.exchanges) {
        const bool same = access.host.empty() ? exchange.host.empty() && exchange.address == access.address : exchange.host == access.host;
        if (same && exchange.port == access.port && !exchange.protocol.empty()) {
            spoken.insert(exchange.protocol);
        }
    }
    return spoken;
}

json exchange_to_json(const Exchange& exchange, const std::string& exe) {
    json entry = {{"host", printable(exchange.host)}, {"address", printable(exchange.address)}, {"port", exchange.port},
                  {"protocol", exchange.protocol},    {"result", result_text(exchange.result)}, {"exe", exe}};
    if (!exchange.problem.empty()) {
        entry["problem"] = exchange.problem;
    }
    if (!exchange.method.empty()) {
        entry["method"] = printable(exchange.method);
        entry["path"] = printable(exchange.path);
        entry["requests"] = exchange.count;
        return entry;
    }
    if (exchange.protocol == "tls") {
        entry["server_name"] = printable(exchange.server_name);
    }
    entry["connections"] = exchange.count;
    entry["bytes_up"] = exchange.bytes_up;
    entry["bytes_down"] = exchange.bytes_down;
    return entry;
}

std::string exchange_to_text(const Exchange& exchange, const std::string& exe) {
    const std::string endpoint = printable(exchange.host.empty() ? exchange.address : exchange.host) + ":" + std::to_string(exchange.port);
    if (!exchange.method.empty()) {
        return fmt::format("  {:<7}{:<9}{:>6}  {} {} {}  ({})\n", exchange.protocol, "request", exchange.count, endpoint,
                           printable(exchange.method), printable(exchange.path), exe);
    }
    return fmt::format("  {:<7}{:<9}{:>6}  {}{}, {} bytes up, {} down{}{}  ({})\n", exchange.protocol.empty() ? "-" : exchange.protocol,
                       result_text(exchange.result), exchange.count, endpoint,
                       exchange.host.empty() || exchange.address.empty() ? "" : " at " + printable(exchange.address), exchange.bytes_up,
                       exchange.bytes_down, exchange.problem.empty() ? "" : "; ", exchange.problem, exe);
}

json to_json(const CapturedExchange& one) {
    json entry = {{"host", printable(one.host)}, {"port", one.port},     {"tls", one.secure},     {"method", printable(one.method)},
                  {"target", printable(one.target)}, {"status", one.status}, {"bytes", one.body.size()}};
    if (!one.unusable.empty()) {
        entry["unusable"] = printable(one.unusable);
    }
    return entry;
}

std::string to_text(const CapturedRun& captured) {
    const auto count = std::count_if(captured.exchanges.begin(), captured.exchanges.end(), [](const CapturedExchange& one) { return !one.unusable.empty(); });
    std::string out = fmt::format("run {}: {}\n{} in {}, captured\n\nexchanges ({}{})\n", captured.run.id, shell_quoted(captured.run.command), started(captured.run),
                                  printable(captured.run.cwd), captured.exchanges.size(), count == 0 ? "" : fmt::format(", {} cannot be served back", count));
    for (const CapturedExchange& one : captured.exchanges) {
        out += fmt::format("  {:>3} {:>9} bytes  {} {}://{}:{}{}{}\n", one.status == 0 ? "-" : std::to_string(one.status), one.body.size(), printable(one.method),
                           one.secure ? "https" : "http", printable(one.host), one.port, printable(one.target),
                           one.unusable.empty() ? "" : "  (cannot be served back: " + printable(one.unusable) + ")");
    }
    return out;
}

json to_json(const Trace& trace) {
    Images images;
    json processes = json::array();
    for (const ProcessImage& image : trace.processes) {
        images.emplace(image.id, &image);
    }
    const auto exe = [&](int64_t id) { return images.count(id) != 0 ? printable(images.at(id)->exe) : std::string(); };
    for (const ProcessImage& image : trace.processes) {
        const auto parent = parent_pid(images, image);
        processes.push_back({{"pid", image.pid},
                             {"parent", parent ? json(*parent) : json(nullptr)},
                             {"exe", printable(image.exe)},
                             {"argv", legible_all(image.argv)},
                             {"exit_status", image.exit_status ? json(*image.exit_status) : json(nullptr)}});
    }
    json files = json::array();
    json metadata = json::array();
    for (const FileAccess& access : trace.files) {
        (access.access == AccessKind::Stat ? metadata : files).push_back(file_to_json(access, exe(access.process)));
    }
    json connections = json::array();
    json listens = json::array();
    for (const SocketAccess& access : trace.sockets) {
        json entry = {{"host", printable(access.host)},       {"address", printable(access.address)},
                      {"port", access.port},                  {"protocol", access.protocol},
                      {"result", result_text(access.result)}, {"exe", exe(access.process)},
                      {"operation", access.operation},        {"count", access.count}};
        if (!access.candidates.empty()) {
            entry["candidates"] = legible_all(access.candidates);
        }
        if (const auto spoken = spoken_at(trace, access); !spoken.empty()) {
            entry["spoken"] = spoken;
        }
        (access.operation == "connect" || access.operation == "send" ? connections : listens).push_back(std::move(entry));
    }
    json exchanges = json::array();
    for (const Exchange& exchange : trace.exchanges) {
        exchanges.push_back(exchange_to_json(exchange, exe(exchange.process)));
    }
    json names = json::array();
    for (const NameLookup& lookup : trace.names) {
        names.push_back({{"name", printable(lookup.name)}, {"addresses", lookup.addresses}, {"exe", exe(lookup.process)}});
    }
    std::set<std::string> syscalls;
    for (const SyscallUse& use : trace.syscalls) {
        syscalls.insert(use.name);
    }
    std::set<std::string> environment;
    std::set<std::string> environment_read;
    for (const EnvironmentName& entry : trace.environment) {
        environment.insert(printable(entry.name));
        if (entry.read) {
            environment_read.insert(printable(entry.name));
        }
    }
    json facts = json::array();
    for (const Fact& fact : trace.facts) {
        facts.push_back({{"kind", fact.kind}, {"path", printable(fact.path)}, {"value", printable(fact.value)}, {"exe", exe(fact.process)}});
    }
    return {{"run", trace.run.id}, {"info", to_json(trace.run)}, {"processes", processes}, {"files", files},
            {"connections", connections}, {"exchanges", exchanges}, {"listens", listens}, {"names", names}, {"syscalls", syscalls},
            {"environment", environment}, {"environment_read", environment_read}, {"metadata", metadata}, {"facts", facts}};
}

std::string to_text(const Trace& trace) {
    const RunInfo& run = trace.run;
    std::string out = fmt::format("run {}: {}\n{} in {}, {}\n", run.id, shell_quoted(run.command), started(run),
                                  printable(run.cwd), run.complete ? "complete" : "partial");
    for (const std::string& reason : run.incomplete_because) {
        out += fmt::format("  partial: {}\n", printable(reason));
    }
    Images images;
    out += fmt::format("\nprocesses ({})\n", trace.processes.size());
    for (const ProcessImage& image : trace.processes) {
        images.emplace(image.id, &image);
        out += fmt::format("  {:>7}  {}  {}\n", image.pid, printable(image.exe), shell_quoted(image.argv));
    }
    const auto exe = [&](int64_t id) { return images.count(id) != 0 ? printable(images.at(id)->exe) : std::string(); };
    const auto looked_at = std::count_if(trace.files.begin(), trace.files.end(),
                                         [](const FileAccess& access) { return access.access == AccessKind::Stat; });
    out += fmt::format("\nfiles ({})\n", trace.files.size() - static_cast<size_t>(looked_at));
    for (const FileAccess& access : trace.files) {
        if (access.access == AccessKind::Stat) {
            continue;
        }
        out += fmt::format("  {:<8}{:<9}{:>6}  {}  ({})\n", to_string(access.access), result_text(access.result), access.count,
                           printable(access.path), exe(access.process));
    }
    if (looked_at != 0) {
        out += fmt::format("\nlooked at ({})\n", looked_at);
    }
    for (const FileAccess& access : trace.files) {
        if (access.access == AccessKind::Stat) {
            out += fmt::format("  {:<9}{:>6}  {}  ({})\n", result_text(access.result), access.count, printable(access.path),
                               exe(access.process));
        }
    }
    out += fmt::format("\nsockets ({})\n", trace.sockets.size());
    for (const SocketAccess& access : trace.sockets) {
        out += fmt::format("  {:<8}{:<9}{:>6}  {} {}{}{}  ({})\n", access.operation, result_text(access.result), access.count,
                           access.protocol, printable(access.host.empty() ? access.address : access.host),
                           access.protocol == "unix" ? "" : ":", access.protocol == "unix" ? "" : std::to_string(access.port),
                           exe(access.process));
    }
    if (!trace.exchanges.empty()) {
        out += fmt::format("\nthrough the gateway ({})\n", trace.exchanges.size());
    }
    for (const Exchange& exchange : trace.exchanges) {
        out += exchange_to_text(exchange, exchange.process == 0 ? "?" : exe(exchange.process));
    }
    std::set<std::string> calls;
    for (const SyscallUse& use : trace.syscalls) {
        calls.insert(use.name);
    }
    out += fmt::format("\nsystem calls ({})\n  {}\n", calls.size(), fmt::join(calls, " "));
    if (!trace.facts.empty()) {
        out += fmt::format("\nfacts ({})\n", trace.facts.size());
    }
    for (const Fact& fact : trace.facts) {
        out += fmt::format("  {}{}{}{}{}\n", printable(fact.kind), fact.path.empty() ? "" : "  ", printable(fact.path),
                           fact.value.empty() ? "" : "  ", printable(fact.value));
    }
    return out;
}

result<TraceReader> open_store(const Context& context) {
    if (::access(context.store.c_str(), F_OK) != 0) {
        return fail(fmt::format("there are no stored runs for {} (no {}); run 'treadline learn -- COMMAND' first",
                                context.project, context.store));
    }
    return TraceReader::open(context.store);
}

result<ok> list_runs(const Options& options) {
    const Context context = TRY(make_context(options));
    const TraceReader reader = TRY(open_store(context));
    const std::vector<RunInfo> runs = TRY(reader.runs());
    if (options.json) {
        json array = json::array();
        for (const RunInfo& run : runs) {
            array.push_back(to_json(run));
        }
        return sys::write_all(STDOUT_FILENO, array.dump(2) + "\n");
    }
    std::string out = fmt::format("{:>4}  {:<20}  {:>6}  {:>8}  {:>9}  {:>8}  {:<8}  {}\n", "run", "started", "status",
                                  "seconds", "processes", "accesses", "trace", "command");
    for (const RunInfo& run : runs) {
        out += fmt::format("{:>4}  {:<20}  {:>6}  {:>8}  {:>9}  {:>8}  {:<8}  {}\n", run.id, started(run),
                           run.exit_status ? std::to_string(*run.exit_status) : "-",
                           run.duration_ms ? fmt::format("{:.1f}", static_cast<double>(*run.duration_ms) / 1000.0) : "-",
                           run.processes, run.accesses, run.probes == nothing_traced ? "captured" : run.complete ? "complete" : "partial",
                           shell_quoted(run.command));
    }
    return sys::write_all(STDOUT_FILENO, out);
}

result<ok> show_run(const ShowOptions& options) {
    const Context context = TRY(make_context(options));
    const TraceReader reader = TRY(open_store(context));
    const Trace trace = TRY(reader.read(options.run));
    if (trace.run.probes == nothing_traced) {
        const CapturedRun captured = TRY(read_captured(context.store, options.run));
        json whole = to_json(trace);
        for (const CapturedExchange& one : captured.exchanges) {
            whole["captured"].push_back(to_json(one));
        }
        return sys::write_all(STDOUT_FILENO, options.json ? whole.dump(2) + "\n" : to_text(captured));
    }
    return sys::write_all(STDOUT_FILENO, options.json ? to_json(trace).dump(2) + "\n" : to_text(trace));
}

} // namespace

void add_runs(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<Options>();
    CLI::App* runs = app.add_subcommand("runs", "List the stored runs of this project");
    add_profile_option(runs, *options);
    add_store_option(runs, *options);
    add_json_option(runs, *options);
    runs->footer("Example:  treadline runs --json");
    runs->callback([options, &invocation] {
        const auto done = list_runs(*options);
        invocation.status = done ? exit_ok : complain(done.error(), exit_usage);
    });

    auto show_options = std::make_shared<ShowOptions>();
    CLI::App* show = app.add_subcommand("show", "Show one stored run: processes, files, sockets, system calls");
    add_profile_option(show, *show_options);
    add_store_option(show, *show_options);
    add_json_option(show, *show_options);
    show->add_option("run", show_options->run, "the run's number, from 'treadline runs'")->required();
    show->footer("Example:  treadline show 3 --json");
    show->callback([show_options, &invocation] {
        const auto done = show_run(*show_options);
        invocation.status = done ? exit_ok : complain(done.error(), exit_usage);
    });
}

} // namespace treadline
