#include <cerrno>

#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

namespace {

// "connect tcp 127.0.0.1 1 ECONNREFUSED" of every socket row of the tiny program.
std::vector<std::string> contacts(const std::vector<std::string>& arguments,
                                  const std::string& directory = "") {
    std::vector<std::string> argv = {program("sockets")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    TraceOptions options;
    options.directory = directory;
    const Traced run = traced(argv, options);
    CHECK(run.summary.complete);
    std::vector<std::string> rows;
    for (const SocketAccess& access : run.trace.sockets) {
        CHECK(access.count == 1);
        CHECK(access.first_ns > 0);
        CHECK(access.process == run.trace.processes.at(0).id);
        rows.push_back(access.operation + " " + access.protocol + " " + access.address + " " +
                       std::to_string(access.port) + " " + std::to_string(access.result));
    }
    return rows;
}

using Rows = std::vector<std::string>;
const std::string refused = std::to_string(ECONNREFUSED);

} // namespace

TEST_CASE("a connect is recorded with protocol, address, port and result", "[bpf][socket]") {
    CHECK(contacts({"connect", "127.0.0.1", "1"}) == Rows{"connect tcp 127.0.0.1 1 " + refused});
    CHECK(contacts({"connect6", "::1", "1"}) == Rows{"connect tcp ::1 1 " + refused});
    CHECK(contacts({"connect6", "::ffff:127.0.0.1", "1"}) == Rows{"connect tcp 127.0.0.1 1 " + refused});
    CHECK(contacts({"connect-netlink", "x", "0"}) == Rows{"connect netlink  0 0"});
    CHECK(contacts({"dissolve", "127.0.0.1", "1"}).empty()); // AF_UNSPEC contacts nobody
}

TEST_CASE("binding and listening are recorded, a port the kernel picked as 0", "[bpf][socket]") {
    CHECK(contacts({"serve", "127.0.0.1", "0"}) ==
          Rows{"bind tcp 127.0.0.1 0 0", "listen tcp 127.0.0.1 0 0"});
    CHECK(contacts({"serve", "127.0.0.1", "48123"}) ==
          Rows{"bind tcp 127.0.0.1 48123 0", "listen tcp 127.0.0.1 48123 0"});
    CHECK(contacts({"serve6", "::1", "48124"}) == Rows{"bind tcp ::1 48124 0", "listen tcp ::1 48124 0"});
}

TEST_CASE("datagrams that carry an address are recorded, each of a batch", "[bpf][socket]") {
    CHECK(contacts({"sendto", "127.0.0.1", "9"}) == Rows{"send udp 127.0.0.1 9 0"});
    CHECK(contacts({"sendmsg", "127.0.0.1", "9"}) == Rows{"send udp 127.0.0.1 9 0"});
    CHECK(contacts({"sendmmsg", "127.0.0.1", "9"}) ==
          Rows{"send udp 127.0.0.1 9 0", "send udp 127.0.0.1 10 0"});
    CHECK(contacts({"send-connected", "127.0.0.1", "9"}) == Rows{"connect udp 127.0.0.1 9 0"});
}

TEST_CASE("UNIX sockets are recorded by resolved path or abstract name, and paths as file accesses too",
          "[bpf][socket]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "socket";
    CHECK(contacts({"serve-unix", "socket", "0"}, directory.path()) ==
          Rows{"bind unix " + path + " 0 0", "listen unix " + path + " 0 0"});
    CHECK(contacts({"connect-unix", "socket", "0"}, directory.path()) ==
          Rows{"connect unix " + path + " 0 " + refused});
    CHECK(contacts({"connect-abstract", "treadline-nobody", "0"}) ==
          Rows{"connect unix @treadline-nobody 0 " + refused});

    const Traced again = traced({program("sockets"), "connect-unix", path, "0"});
    CHECK(kinds(again.trace, path) == Rows{"connect"});
    CHECK(file(again.trace, path, AccessKind::Connect, ECONNREFUSED));
    const Traced bound = traced({program("sockets"), "serve-unix", directory / "second", "0"});
    CHECK(file(bound.trace, directory / "second", AccessKind::Create)->created_by_run);
    const Traced abstract = traced({program("sockets"), "connect-abstract", "treadline-nobody", "0"});
    for (const FileAccess& access : abstract.trace.files) {
        CHECK(access.access != AccessKind::Connect);
    }
}
