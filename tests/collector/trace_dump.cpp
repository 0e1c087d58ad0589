// Traces a command and prints what was stored, a line a row: for working on the probes.
//   trace_dump COMMAND [ARGUMENT…]
#include <cstdio>
#include <map>

#include "base/text.h"
#include "tests/collector/traced_command.h"

using namespace treadline;

int main(int argc, char** argv) {
    const auto traced = test::trace_command({argv + 1, argv + argc});
    if (!traced) {
        std::fprintf(stderr, "%s\n", traced.error().message().c_str());
        return 125;
    }
    const Trace& trace = traced->trace;
    for (const ProcessImage& p : trace.processes) {
        std::printf("process %lld parent=%lld pid=%d exe=%s status=%d argv=%s\n",
                    static_cast<long long>(p.id), static_cast<long long>(p.parent), p.pid,
                    printable(p.exe).c_str(), p.exit_status.value_or(-1), shell_quoted(p.argv).c_str());
    }
    for (const FileAccess& f : trace.files) {
        std::printf("file %lld %s %s %s x%llu%s%s%s %s\n", static_cast<long long>(f.process),
                    std::string(to_string(f.access)).c_str(), printable(f.path).c_str(),
                    f.result == 0 ? "ok" : errno_name(f.result).c_str(),
                    static_cast<unsigned long long>(f.count), f.directory ? " dir" : "",
                    f.created_by_run ? " created" : "", f.gone_at_end ? " gone" : "",
                    f.requested.empty() ? "" : ("(" + printable(f.requested) + ")").c_str());
    }
    for (const SocketAccess& s : trace.sockets) {
        std::printf("socket %lld %s %s %s:%u %s x%llu %s%s\n", static_cast<long long>(s.process),
                    s.operation.c_str(), s.protocol.c_str(), printable(s.address).c_str(), s.port,
                    s.result == 0 ? "ok" : errno_name(s.result).c_str(),
                    static_cast<unsigned long long>(s.count), printable(s.host).c_str(),
                    printable(join(s.candidates, "|")).c_str());
    }
    for (const NameLookup& n : trace.names) {
        std::printf("name %lld %s %s\n", static_cast<long long>(n.process), printable(n.name).c_str(),
                    printable(join(n.addresses, " ")).c_str());
    }
    for (const Fact& f : trace.facts) {
        std::printf("fact %lld %s %s %s\n", static_cast<long long>(f.process), f.kind.c_str(),
                    printable(f.path).c_str(), printable(f.value).c_str());
    }
    std::map<int64_t, std::string> calls;
    for (const SyscallUse& use : trace.syscalls) {
        calls[use.process] += " " + use.name;
    }
    for (const auto& [process, names] : calls) {
        std::printf("syscalls %lld%s\n", static_cast<long long>(process), names.c_str());
    }
    for (const EnvironmentName& e : trace.environment) {
        std::printf("environment %lld %s%s\n", static_cast<long long>(e.process), printable(e.name).c_str(), e.read ? " read" : "");
    }
    std::printf("run %lld status=%d complete=%d accesses=%llu certificate=%s\n",
                static_cast<long long>(trace.run.id), traced->status, trace.run.complete,
                static_cast<unsigned long long>(trace.run.accesses), trace.run.certificate.c_str());
    for (const std::string& because : trace.run.incomplete_because) {
        std::printf("incomplete: %s\n", because.c_str());
    }
    return traced->status;
}
