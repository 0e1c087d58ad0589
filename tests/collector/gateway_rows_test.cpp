// What the gateway recorded, in the store and bound to what the probes saw.
#include <algorithm>

#include "collector/gateway_rows.h"
#include "collector/trace_reader.h"
#include "tests/collector/store_fixture.h"

using namespace treadline;
using namespace treadline::test;

namespace {

SocketAccess contact(int64_t process, const std::string& address, uint16_t port, const std::string& host = "") {
    SocketAccess access;
    access.process = process;
    access.operation = "connect";
    access.protocol = "tcp";
    access.address = address;
    access.port = port;
    access.host = host;
    return access;
}

Exchange exchange(const std::string& host, const std::string& address, uint16_t port) {
    Exchange exchange;
    exchange.host = host;
    exchange.address = address;
    exchange.port = port;
    exchange.protocol = "tls";
    exchange.server_name = host;
    exchange.count = 3;
    exchange.bytes_up = 10;
    exchange.bytes_down = 5'000'000'000;
    return exchange;
}

// A run with these contacts of two processes, and what a gateway recorded of it.
Trace recorded(const std::string& network, const std::vector<SocketAccess>& contacts, const GatewayRecord& record) {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    auto writer = TraceWriter::open(store).value();
    RunInfo about = sample_run();
    about.network = network;
    const int64_t run = writer.begin_run(about).value();
    ProcessImage process;
    process.exe = "/usr/bin/node";
    REQUIRE(writer.add_process(process).value() == 1);
    REQUIRE(writer.add_process(process).value() == 2);
    for (const SocketAccess& access : contacts) {
        REQUIRE(writer.add_socket(access));
    }
    REQUIRE(writer.commit());
    REQUIRE(store_gateway_record(store, run, record)); // beside the collector, which goes on
    REQUIRE(writer.add_fact(0, "later", 0, ""));
    REQUIRE(writer.finish_run(about));
    return TraceReader::open(store).value().read(run).value();
}

} // namespace

TEST_CASE("a contact has the name its address stood for, whatever else was seen of lookups", "[collector][store][gateway]") {
    const GatewayRecord record{{{"198.18.1.0", "a.example.org"}, {"fd74:7265:6164::1:0:1", "a.example.org"}, {"198.18.1.1", "b.example.org"}}, {}};
    const Trace trace = recorded("gateway", {contact(1, "198.18.1.0", 443, "forged.example.org"), contact(2, "fd74:7265:6164::1:0:1", 443),
                                             contact(2, "198.18.1.1", 80), contact(1, "198.18.1.9", 443, "forged.example.org"),
                                             contact(1, "203.0.113.7", 443, "forged.example.org")},
                                 record);
    const auto host = [&](const std::string& address) {
        return std::find_if(trace.sockets.begin(), trace.sockets.end(), [&](const auto& one) { return one.address == address; })->host;
    };
    CHECK(trace.run.network == "gateway");
    CHECK(host("198.18.1.0") == "a.example.org");
    CHECK(host("fd74:7265:6164::1:0:1") == "a.example.org");
    CHECK(host("198.18.1.1") == "b.example.org");
    CHECK(host("198.18.1.9").empty());  // stood for nothing
    CHECK(host("203.0.113.7").empty()); // was dialled as an address
}

TEST_CASE("an exchange is the process's that alone contacted its endpoint, and else nobody's", "[collector][store][gateway]") {
    GatewayRecord record{{{"198.18.1.0", "a.example.org"}, {"198.18.1.1", "b.example.org"}},
                         {exchange("a.example.org", "203.0.113.7", 443), exchange("b.example.org", "203.0.113.7", 443),
                          exchange("", "127.0.0.1", 5432), exchange("", "203.0.113.9", 22)}};
    const Trace trace = recorded("gateway", {contact(1, "198.18.1.0", 443), contact(2, "198.18.1.0", 443), contact(2, "198.18.1.1", 443),
                                             contact(1, "127.0.0.1", 5432)},
                                 record);
    REQUIRE(trace.exchanges.size() == 4);
    CHECK(trace.exchanges[0].address == "203.0.113.9");
    CHECK(trace.exchanges[0].process == 0); // nobody was seen to
    CHECK(trace.exchanges[1].address == "127.0.0.1");
    CHECK(trace.exchanges[1].process == 1);
    CHECK(trace.exchanges[2].host == "a.example.org");
    CHECK(trace.exchanges[2].process == 0); // two did
    Exchange b = record.exchanges[1];
    b.process = 2;
    CHECK(trace.exchanges[3] == b); // field by field
}

TEST_CASE("a run on the host's network keeps the names that lookups gave", "[collector][store][gateway]") {
    const Trace trace = recorded("host", {contact(1, "203.0.113.7", 443, "seen.example.org")}, {});
    CHECK(trace.sockets.at(0).host == "seen.example.org");
    CHECK(trace.exchanges.empty());
}

TEST_CASE("bytes that are no text do not keep a record from being stored", "[collector][store][gateway]") {
    Exchange odd = exchange("a.example.org", "203.0.113.7", 80);
    odd.server_name = "\xff\n'); DROP TABLE run; --";
    odd.path = std::string("/\0x", 3);
    const Trace trace = recorded("gateway", {}, {{}, {odd}});
    CHECK(trace.exchanges.at(0).server_name == "\uFFFD\n'); DROP TABLE run; --");
}
