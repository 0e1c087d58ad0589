#include "collector/protocol.h"

#include <nlohmann/json.hpp>

namespace treadline::protocol {
namespace {

using nlohmann::json;

std::string dump(const json& message) {
    return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

// What is under `key`; the library's exceptions end here.
template <class T, class Read>
result<T> parse(const std::string& message, const char* key, const Read& read) {
    try {
        const json whole = json::parse(message);
        if (whole.contains("error")) {
            return fail(whole.at("error").get<std::string>());
        }
        return read(whole.at(key));
    } catch (const json::exception&) {
        return fail(std::string("the other side sent something else than \"") + key + "\"");
    }
}

} // namespace

std::string start(const RunInfo& run) {
    return dump({{"start",
                  {{"started_unix_ms", run.started_unix_ms},
                   {"command", run.command},
                   {"cwd", run.cwd},
                   {"project", run.project},
                   {"home", run.home},
                   {"user", run.user},
                   {"hostname", run.hostname},
                   {"network", run.network}}}});
}

std::string ready(int64_t run) {
    return dump({{"ready", true}, {"run", run}});
}

std::string refused(const error& error) {
    return dump({{"error", error.message()}});
}

std::string finish(const CommandEnd& end) {
    return dump({{"finish", {{"exit_status", end.exit_status}, {"incomplete_because", end.incomplete_because}}}});
}

std::string done(const CollectorSummary& summary) {
    return dump({{"done",
                  {{"run", summary.run},
                   {"complete", summary.complete},
                   {"incomplete_because", summary.incomplete_because},
                   {"lost", summary.lost},
                   {"accesses", summary.accesses},
                   {"processes", summary.processes}}}});
}

result<RunInfo> parse_start(const std::string& message) {
    return parse<RunInfo>(message, "start", [](const json& from) -> result<RunInfo> {
        RunInfo run;
        run.started_unix_ms = from.at("started_unix_ms").get<int64_t>();
        run.command = from.at("command").get<std::vector<std::string>>();
        run.cwd = from.at("cwd").get<std::string>();
        run.project = from.at("project").get<std::string>();
        run.home = from.at("home").get<std::string>();
        run.user = from.at("user").get<std::string>();
        run.hostname = from.at("hostname").get<std::string>();
        run.network = from.at("network").get<std::string>();
        return run;
    });
}

result<CommandEnd> parse_finish(const std::string& message) {
    return parse<CommandEnd>(message, "finish", [](const json& from) -> result<CommandEnd> {
        return CommandEnd{from.at("exit_status").get<int>(), from.at("incomplete_because").get<std::vector<std::string>>()};
    });
}

result<int64_t> parse_ready(const std::string& message) {
    return parse<int64_t>(message, "run",
                          [](const json& from) -> result<int64_t> { return from.get<int64_t>(); });
}

result<CollectorSummary> parse_done(const std::string& message) {
    return parse<CollectorSummary>(message, "done", [](const json& from) -> result<CollectorSummary> {
        CollectorSummary summary;
        summary.run = from.at("run").get<int64_t>();
        summary.complete = from.at("complete").get<bool>();
        summary.incomplete_because = from.at("incomplete_because").get<std::vector<std::string>>();
        summary.lost = from.at("lost").get<std::map<std::string, uint64_t>>();
        summary.accesses = from.at("accesses").get<uint64_t>();
        summary.processes = from.at("processes").get<uint64_t>();
        return summary;
    });
}

} // namespace treadline::protocol
