// What a person meets whose trace store is old, broken, in the way, or has no room: one sentence, and nothing lost.
#include <algorithm>
#include <filesystem>

#include <catch2/matchers/catch_matchers_string.hpp>
#include <unistd.h>

#include "tests/e2e/loop.h"

using namespace treadline::test;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// A copy in the home, which no test writes to but through treadline.
std::string fixture(const Loop& loop, const std::string& name) {
    const std::string to = loop.home() + "/trace.db";
    fs::copy_file(fs::path(TREADLINE_FIXTURES) / name, to);
    fs::permissions(to, fs::perms::owner_read | fs::perms::owner_write);
    return to;
}

json shown(const Loop& loop, const std::string& store, int run) {
    const Finished done = loop.treadline({"show", "--store", store, std::to_string(run), "--json"});
    INFO(done.err);
    REQUIRE(done.status == 0);
    return json::parse(done.out);
}

size_t runs_in(const Loop& loop, const std::string& store) {
    const Finished done = loop.treadline({"runs", "--store", store, "--json"});
    INFO(done.err);
    REQUIRE(done.status == 0);
    return json::parse(done.out).size();
}

void check_one_sentence(const Finished& done, const std::string& part) {
    INFO(done.out << done.err);
    CHECK(done.status != 0);
    CHECK(done.status < 128);
    CHECK_THAT(done.err, ContainsSubstring(part));
    CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);
    CHECK(done.out.empty());
}

} // namespace

TEST_CASE("a store of version 1 is shown and profiled as it is, and learned into", "[e2e][store]") {
    const Loop loop;
    const std::string store = fixture(loop, "store-v1.db");
    const std::string bytes = slurp(store);
    CHECK(runs_in(loop, store) == 2);
    const json first = shown(loop, store, 1);
    CHECK(first.at("files").size() + first.at("connections").size() + first.at("listens").size() == 389);
    CHECK(first.at("processes").at(14).at("parent") == first.at("processes").at(0).at("pid"));
    CHECK(first.at("facts").at(0).at("kind") == "executed without a path");
    CHECK(loop.treadline({"profile", "--store", store, "--run", "2"}).status == 0);
    CHECK_THAT(loop.profile(), ContainsSubstring("/etc/hostname"));
    CHECK(slurp(store) == bytes);

    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Finished learned = loop.treadline({"learn", "--store", store, "--", "cat", "/etc/hostname"});
    INFO(learned.err);
    CHECK(learned.status == 0);
    CHECK(runs_in(loop, store) == 3);
    CHECK(shown(loop, store, 1) == first);
}

TEST_CASE("what is no usable store is refused in one sentence by every command, and left as it is", "[e2e][store]") {
    const Loop loop;
    const std::string store = fixture(loop, "store-v1.db");
    std::string part;
    SECTION("cut off") {
        fs::resize_file(store, 30'000);
        part = "is damaged; move it away and run `treadline learn` again";
    }
    SECTION("of a newer version") {
        REQUIRE(loop.shell("sqlite3 ~/trace.db 'PRAGMA user_version = 99'").status == 0);
        part = "was written by a newer Treadline (store version 99, this one knows 4); update Treadline";
    }
    SECTION("no database") {
        REQUIRE(loop.shell("seq 10000 > ~/trace.db").status == 0);
        part = "is not a trace store (not a database); name another file with --store";
    }
    SECTION("somebody else's database") {
        REQUIRE(loop.shell("rm ~/trace.db; sqlite3 ~/trace.db 'CREATE TABLE t (a)'").status == 0);
        part = "is a database, but no trace store; name another file with --store";
    }
    const std::string bytes = slurp(store);
    check_one_sentence(loop.treadline({"runs", "--store", store}), part);
    check_one_sentence(loop.treadline({"show", "--store", store, "1"}), part);
    check_one_sentence(loop.treadline({"profile", "--store", store}), part);
    if (can_trace()) {
        check_one_sentence(loop.treadline({"learn", "--store", store, "--", "touch", "ran"}), part);
        CHECK_FALSE(fs::exists(loop.project() + "/ran"));
    }
    CHECK(slurp(store) == bytes);
}

TEST_CASE("a directory or a pipe given as a store is refused, and nobody waits for it", "[e2e][store]") {
    const Loop loop;
    REQUIRE(loop.shell("mkdir ~/folder; mkfifo ~/pipe").status == 0);
    for (const std::string name : {"/folder", "/pipe"}) {
        const std::string store = loop.home() + name;
        check_one_sentence(loop.treadline({"runs", "--store", store}), "is not a regular file");
        check_one_sentence(loop.treadline({"profile", "--store", store}), "is not a regular file");
    }
}

TEST_CASE("a store that may not grow while learning leaves the command alone and the run partial", "[e2e][store]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    const std::string store = loop.home() + "/trace.db";
    REQUIRE(loop.treadline({"learn", "--store", store, "--", "cat", "/etc/hostname"}).status == 0);
    const json before = shown(loop, store, 1);
    loop.write("many.sh", "i=0; while [ $i -lt 20000 ]; do test -e /none/with-a-rather-long-name-$i; i=$((i + 1)); done\n"
                          "sleep 0.3; echo done > finished; exit 5\n");
    const Finished full = loop.shell("ulimit -f 500; treadline learn --store ~/trace.db -- sh many.sh"); // blocks of 512 bytes
    INFO(full.err);
    CHECK(full.status == 5);
    CHECK(slurp(loop.project() + "/finished") == "done\n");
    CHECK_THAT(full.err, ContainsSubstring("the trace is partial: cannot write the trace store"));
    CHECK_THAT(full.err, ContainsSubstring("its disk is full, or its size has reached a limit; make room and learn again"));
    const json partial = shown(loop, store, 2);
    CHECK(partial.at("info").at("complete") == false);
    CHECK(partial.at("metadata").size() > 100); // what was committed before
    CHECK(shown(loop, store, 1) == before);
    CHECK(loop.treadline({"learn", "--store", store, "--", "cat", "/etc/hostname"}).status == 0);
    CHECK(shown(loop, store, 3).at("info").at("complete") == true);
}

TEST_CASE("a run that ends takes nothing from one that lasts in the same store", "[e2e][store]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    const Finished both = loop.shell("treadline learn -p a.yaml --store ~/both.db -- sh -c 'touch begun; while [ ! -e over ]; do sleep 0.05; done; cat /etc/hostname' & "
                                     "while [ ! -e begun ]; do sleep 0.05; done; sleep 0.3; treadline learn -p b.yaml --store ~/both.db -- true; touch over; wait $!");
    INFO(both.err);
    REQUIRE(both.status == 0);
    CHECK(both.err.find("is incomplete") == std::string::npos); // as either found the store when it had ended
    const json runs = json::parse(loop.treadline({"runs", "--store", loop.home() + "/both.db", "--json"}).out);
    REQUIRE(runs.size() == 2);
    CHECK(runs.at(0).at("complete") == true);
    CHECK(runs.at(1).at("complete") == true);
    CHECK(runs.at(0).at("accesses").get<int>() > 5);
}
