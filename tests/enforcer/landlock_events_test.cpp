// What the kernel's audit records say of refusals of Landlock's. The texts are Linux 6.18's.
#include "enforcer/landlock_events.h"

#include <catch2/catch_test_macros.hpp>

#include "enforcer/landlock_denial.h"
#include "enforcer/unseen.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

constexpr pid_t command = 4711;

std::string stamped(int serial, const std::string& fields) {
    return "audit(1796022487.718:" + std::to_string(serial) + "): " + fields;
}

// Those of one run, whose domain is 1801aaab2.
class Log {
public:
    Log() { start(); }
    explicit Log(std::nullptr_t) {}

    void start() {
        access("blockers=fs.change_topology path=\"/\" dev=\"vda\" ino=2");
        domain(
            "status=allocated mode=enforcing pid=4711 uid=0 exe=\"/usr/bin/treadline\" comm=\"treadline\"");
    }
    void access(const std::string& fields, const std::string& domain = "1801aaab2") {
        events.take(audit_landlock_access, stamped(++serial_, "domain=" + domain + " " + fields));
    }
    void domain(const std::string& fields, const std::string& domain = "1801aaab2") {
        events.take(audit_landlock_domain, stamped(serial_, "domain=" + domain + " " + fields));
    }
    void call(const std::string& exe) {
        events.take(
            audit_syscall,
            stamped(serial_,
                    "arch=c000003e syscall=257 success=no exit=-13 pid=4712 tty=(none) comm=\"x\" exe=" +
                        exe + " key=(null)"));
    }
    // Of a single refusal.
    LandlockRefusal only() {
        auto all = events.rest();
        REQUIRE(all.size() == 1);
        return all[0];
    }

    LandlockEvents events{command};

private:
    int serial_ = 0;
};

std::optional<Violation> judged(const std::string& rules, LandlockRefusal refusal, const Arena& arena = {}) {
    Plan plan;
    plan.policy = arena.policy(rules);
    plan.landlock_abi = 7;
    plan.command.uid = 65534;
    refusal.exe = "/usr/bin/cat";
    return landlock_denial(plan, refusal);
}

LandlockRefusal refused(std::vector<std::string> blockers, const std::string& path) {
    LandlockRefusal refusal;
    refusal.blockers = std::move(blockers);
    refusal.path = path;
    return refusal;
}

} // namespace

TEST_CASE("a record's fields are read by name, quoted, in hexadecimal digits or bare",
          "[enforcer][audit-records]") {
    const auto record = AuditRecord::parse("audit(1796022487.718:19): domain=1801aaab2 path=\"/tmp/a\" "
                                           "name=2F746D702F78227920643D31 ino=26 exe=(null) even=AB odd=ABC");
    REQUIRE(record);
    CHECK(record->event() == "1796022487.718:19");
    CHECK(record->value("domain") == "1801aaab2");
    CHECK(record->text("path") == "/tmp/a");
    CHECK(record->text("name") == "/tmp/x\"y d=1");
    CHECK(record->text("exe") == "(null)");
    CHECK(record->text("odd") == "ABC");
    CHECK(record->number("ino") == 26);
    CHECK_FALSE(record->number("domain"));
    CHECK(record->value("main").empty()); // the end of a key is none
    CHECK(record->value("dev").empty());
}

TEST_CASE("what is no record, or was cut off, is not believed", "[enforcer][audit-records]") {
    for (const char* text :
         {"", "audit(", "audit(1:2)", "audit(1:2):", "domain=1 blockers=fs.execute", "x audit(1:2): domain=1",
          "audit(1:2): domain=1 path=\"/tmp/a", "audit(1:2): domain=1 path=\""}) {
        CAPTURE(text);
        CHECK_FALSE(AuditRecord::parse(text));
    }
    Log log;
    log.events.take(audit_landlock_access,
                    "audit(1:9): domain=1801aaab2 blockers=fs.read_file path=\"/tmp/a");
    CHECK(log.events.rest().empty());
}

TEST_CASE("a refusal is told with all of its blockers and the program that the call's record names",
          "[enforcer][audit-records]") {
    Log log;
    log.access("blockers=fs.remove_file,fs.refer path=\"/work\" dev=\"vda\" ino=7");
    CHECK(log.events.told().empty()); // its call's record is still to come
    log.call("\"/usr/bin/mv\"");
    const auto told = log.events.told();
    REQUIRE(told.size() == 1);
    CHECK(told[0].blockers == std::vector<std::string>{"fs.remove_file", "fs.refer"});
    CHECK(told[0].path == "/work");
    CHECK(told[0].exe == "/usr/bin/mv");
    CHECK(log.events.told().empty());
}

TEST_CASE("both refusals of one call are told, and those whose call is not logged without the program",
          "[enforcer][audit-records]") {
    Log log;
    log.access("blockers=fs.remove_file path=\"/a\"");
    log.events.take(audit_landlock_access, stamped(2, "domain=1801aaab2 blockers=fs.make_reg path=\"/b\""));
    log.call("\"/usr/bin/mv\"");
    CHECK(log.events.told().size() == 2);
    for (int i = 0; i < 1000; ++i) {
        log.access("blockers=fs.read_file path=\"/a\"");
    }
    CHECK(log.events.told().size() > 900); // few are kept back
    const auto rest = log.events.rest();
    CHECK(rest.size() < 100);
    CHECK(rest.back().exe.empty());
}

TEST_CASE("ports, sockets, signals and processes are read, too", "[enforcer][audit-records]") {
    Log log;
    SECTION("bind") {
        log.access("blockers=net.bind_tcp saddr=127.0.0.1 src=4444");
        const LandlockRefusal one = log.only();
        CHECK(one.host == "127.0.0.1");
        CHECK(one.port == 4444);
    }
    SECTION("connect") {
        log.access("blockers=net.connect_tcp daddr=::1 dest=4445");
        const LandlockRefusal one = log.only();
        CHECK(one.host == "::1");
        CHECK(one.port == 4445);
    }
    SECTION("an abstract socket") {
        log.access("blockers=scope.abstract_unix_socket path=0070726F62652D782079");
        CHECK(log.only().path == std::string("\0probe-x y", 10));
    }
    SECTION("a signal") {
        log.access("blockers=scope.signal opid=1 ocomm=\"init\"");
        const LandlockRefusal one = log.only();
        CHECK(one.process == 1);
        CHECK(one.program == "init");
    }
}

TEST_CASE("no name that a program chose is taken for another field", "[enforcer][audit-records]") {
    Log log;
    // `/tmp/" domain=1 blockers=fs.execute path="/etc/shadow`, as the kernel writes it.
    log.access("blockers=fs.read_file "
               "path="
               "2F746D702F2220646F6D61696E3D3120626C6F636B6572733D66732E6578656375746520706174683D222F6574632"
               "F736861646F77 dev=\"vda\" ino=7");
    log.call("2F746D702F612062");
    const LandlockRefusal one = log.only();
    CHECK(one.blockers == std::vector<std::string>{"fs.read_file"});
    CHECK(one.path == "/tmp/\" domain=1 blockers=fs.execute path=\"/etc/shadow");
    CHECK(one.exe == "/tmp/a b");
    // Its own sandboxes inside are none of ours, nor what is refused in them.
    log.domain("status=allocated mode=enforcing pid=4711 uid=0 exe=\"/usr/bin/treadline\" comm=\"treadline\"",
               "1801aaab5");
    log.access("blockers=fs.read_file path=\"/etc/shadow\"", "1801aaab5");
    log.access("blockers=fs.change_topology path=\"/\"", "1801aaab5");
    CHECK(log.events.rest().empty());
}

TEST_CASE("what other processes' domains refuse is not told", "[enforcer][audit-records]") {
    Log log(nullptr);
    log.access("blockers=fs.read_file path=\"/etc/shadow\"", "77");
    log.domain("status=allocated mode=enforcing pid=4712 uid=0 exe=\"/usr/bin/other\" comm=\"other\"", "77");
    log.access("blockers=fs.change_topology path=\"/\"", "77");
    CHECK_FALSE(log.events.started());
    log.start();
    CHECK(log.events.started());
    log.access("blockers=fs.read_file path=\"/etc/shadow\"", "77");
    log.domain("status=deallocated denials=9", "77");
    CHECK(log.events.rest().empty());
    CHECK_FALSE(log.events.ended());
    log.access("blockers=fs.read_file path=\"/a\"");
    CHECK(log.only().path == "/a");
}

TEST_CASE("what the self-test was refused before the command started is not told",
          "[enforcer][audit-records]") {
    Log log(nullptr);
    log.access("blockers=fs.read_file path=\"/secret\"");
    log.domain(
        "status=allocated mode=enforcing pid=4711 uid=0 exe=\"/usr/bin/treadline\" comm=\"treadline\"");
    log.access("blockers=fs.write_file path=\"/profile\"");
    CHECK_FALSE(log.events.started());
    log.access("blockers=fs.change_topology path=\"/\"");
    log.access("blockers=fs.read_file path=\"/a\"");
    CHECK(log.only().path == "/a");
    log.domain("status=deallocated denials=4");
    CHECK(log.events.lost() == 0);
}

TEST_CASE("at its end the kernel's own count says what was lost", "[enforcer][audit-records]") {
    Log log;
    log.access("blockers=fs.read_file path=\"/a\"");
    CHECK_FALSE(log.events.lost());
    log.domain("status=deallocated denials=5");
    CHECK(log.events.ended());
    CHECK(log.events.lost() == 3);
}

TEST_CASE("many domains of others cost no memory", "[enforcer][audit-records]") {
    Log log(nullptr);
    for (int i = 0; i < 100'000; ++i) {
        log.access("blockers=fs.change_topology path=\"/\"", std::to_string(i));
    }
    log.start();
    CHECK(log.events.started());
}

TEST_CASE("what Landlock refused is judged by the policy, with the rule that would allow it",
          "[enforcer][audit-records]") {
    const Arena arena;
    const std::string rules = "files:\n  ${project}/a: r\n  ${project}/out/**: rwc\n";
    const auto read = judged(rules, refused({"fs.read_file"}, arena.project("b")), arena);
    REQUIRE(read);
    CHECK(read->layer == "landlock");
    CHECK(read->operation == "read");
    CHECK(read->object == arena.project("b"));
    CHECK(read->exe == "/usr/bin/cat");
    CHECK(read->section == "files");
    CHECK(read->rule == "${project}/b: r");
    CHECK(judged(rules, refused({"fs.read_dir"}, arena.project("d")), arena)->operation == "list");
    CHECK(judged(rules, refused({"fs.execute", "fs.read_file"}, arena.project("a")), arena)->operation ==
          "execute");
    CHECK(judged(rules, refused({"fs.truncate"}, arena.project("a")), arena)->operation == "write");
    CHECK(judged(rules, refused({"fs.write_file", "fs.read_file"}, arena.project("a")), arena)->operation ==
          "write");
    CHECK(judged(rules, refused({"fs.read_file"}, arena.home(".ssh/id_rsa")), arena)->risk.find("SSH") !=
          std::string::npos);
}

TEST_CASE("of a name that is made or removed the record tells the directory only",
          "[enforcer][audit-records]") {
    const Arena arena;
    const auto made = judged("files:\n  ${project}/a: r\n", refused({"fs.make_reg"}, arena.project()), arena);
    REQUIRE(made);
    CHECK(made->operation == "create");
    CHECK(made->object == arena.project());
    CHECK(made->rule == "${project}/: c");
    CHECK(
        judged("files:\n  ${project}/a: r\n", refused({"fs.remove_file", "fs.refer"}, arena.project()), arena)
            ->operation == "delete");
    const auto usual = judged("", refused({"fs.make_dir"}, "/usr/lib"), arena);
    CHECK(usual->expected.find("own rights") != std::string::npos);
}

TEST_CASE("what the policy allows and Landlock refused has no rule, and a reason",
          "[enforcer][audit-records]") {
    const Arena arena;
    const std::string rules = "files:\n  ${project}/**: rwc\n";
    for (const auto& refusal :
         {refused({"fs.read_file"}, arena.project("a")), refused({"fs.make_reg"}, arena.project()),
          refused({"fs.ioctl_dev"}, "/dev/zero"),
          refused({"fs.read_file"}, arena.project("a") + " (deleted)"), refused({"fs.read_file"}, ""),
          refused({"fs.new_right"}, "/a"), refused({"unknown"}, ""), refused({"fs.change_topology"}, "/")}) {
        CAPTURE(refusal.blockers, refusal.path);
        const auto violation = judged(rules, refusal, arena);
        REQUIRE(violation);
        CHECK(violation->layer == "landlock");
        CHECK(violation->rule.empty());
        CHECK(violation->reason.find(refusal.blockers[0]) != std::string::npos);
        CHECK(violation->expected.empty());
    }
    CHECK_FALSE(judged(rules, refused({"fs.refer"}, arena.project()), arena)
                    ->expected.empty()); // as between file systems
}

TEST_CASE("ports, signals and sockets of others are violations, too", "[enforcer][audit-records]") {
    LandlockRefusal port = refused({"net.bind_tcp"}, "");
    port.port = 4444;
    CHECK(judged("network: {listen: [3000]}\n", port)->rule == "4444");
    CHECK(judged("network: {listen: [4444]}\n", port)->rule.empty());
    port.blockers = {"net.connect_tcp"};
    port.host = "::1";
    CHECK(judged("", port)->object == "[::1]:4444");
    CHECK(judged("", port)->layer == "landlock");
    port.blockers = {"net.connect_send_udp"};
    CHECK(judged("", port)->object == "[::1]:4444");
    const auto server = judged("", refused({"fs.resolve_unix"}, "/run/agent"));
    CHECK(server->operation == "connect");
    CHECK(server->section == "unix");
    CHECK(server->rule.find("/run/agent") != std::string::npos);
    CHECK(judged("unix: [/run/agent]\n", refused({"fs.resolve_unix"}, "/run/agent"))->rule.empty());
    LandlockRefusal signal = refused({"scope.signal"}, "");
    signal.process = 12;
    signal.program = "init";
    CHECK(judged("", signal)->object == "process 12 (init)");
    CHECK(judged("", signal)->operation == "signal");
    CHECK(judged("", refused({"scope.abstract_unix_socket"}, std::string("\0bus", 4)))->object == "@bus");
}

TEST_CASE("what only Landlock's records could tell is named where they were not read",
          "[enforcer][audit-records]") {
    Plan plan;
    plan.landlock_abi = 7;
    plan.network = NetworkMode::Gateway;
    CHECK(unseen_denials(plan, "").empty());
    const auto gaps = unseen_denials(plan, "auditing is off");
    REQUIRE(gaps.size() == 2);
    CHECK(gaps[0].find("ioctl on a device") != std::string::npos);
    CHECK(gaps[1].ends_with("auditing is off"));
    plan.landlock_abi = 6; // which logs nothing
    CHECK(unseen_denials(plan, "").size() == 1);
    plan.network = NetworkMode::None;
    plan.landlock_abi = 7;
    CHECK(unseen_denials(plan, "")[0].find("ioctl") == std::string::npos);
}
