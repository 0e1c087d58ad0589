#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

namespace {

using Texts = std::vector<std::string>;

// "path value" of the facts of one kind.
Texts facts(const Trace& trace, const std::string& kind) {
    Texts found;
    for (const Fact& fact : trace.facts) {
        if (fact.kind == kind) {
            found.push_back(fact.path + " " + fact.value);
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

Trace shell(const TemporaryDirectory& directory, const std::string& script) {
    TraceOptions options;
    options.directory = directory.path();
    Traced run = traced({"/bin/sh", "-ec", script}, options);
    CHECK(run.status == 0);
    CHECK(run.summary.complete);
    return std::move(run.trace);
}

bool contains(const Texts& texts, const std::string& wanted) {
    return std::find(texts.begin(), texts.end(), wanted) != texts.end();
}

std::string exe(const std::string& program) {
    return run({"readlink", "-f", "/bin/" + program}).out;
}

// The program as it is named in facts.
std::string by(const std::string& program) {
    const std::string resolved = exe(program);
    return "by " + resolved.substr(0, resolved.find('\n'));
}

} // namespace

TEST_CASE("a program that the run wrote and then executed is a fact, with who wrote it",
          "[bpf][provenance]") {
    const TemporaryDirectory directory;
    const Trace trace = shell(directory, "cp /bin/true made; ./made; ./made; cp /bin/true unused; /bin/true");
    CHECK(facts(trace, "written then executed") == Texts{directory / "made " + by("cp")});
}

TEST_CASE("what was there before the run is executed without a fact", "[bpf][provenance]") {
    const TemporaryDirectory directory;
    REQUIRE(run({"cp", "/bin/true", directory / "there"}).status == 0);
    CHECK(facts(shell(directory,
                      "./there; mv there moved; ./moved; ln moved twin; ./twin; chmod 700 twin; ./twin"),
                "written then executed")
              .empty());
    CHECK(facts(shell(directory, "cp /bin/true moved; ./moved"), "written then executed").size() == 1);
}

TEST_CASE("what was written is known under the names it is renamed or linked to", "[bpf][provenance]") {
    const TemporaryDirectory directory;
    const Texts renamed =
        facts(shell(directory, "cp /bin/true a.tmp; mv a.tmp a; ./a; ln a b; ./b"), "written then executed");
    CHECK(renamed == Texts{directory / "a " + by("cp"), directory / "b " + by("cp")});
    const Texts moved =
        facts(shell(directory, "mkdir -p new/bin; cp /bin/true new/bin/x; mv new current; current/bin/x"),
              "written then executed");
    CHECK(moved == Texts{directory / "current/bin/x " + by("cp")});
}

TEST_CASE("what lies in a renamed directory was made by the run if it was before", "[bpf][provenance]") {
    const TemporaryDirectory directory;
    directory.write("old/there", "x");
    const Trace trace =
        shell(directory, "echo x > old/made; mv old moved; cat moved/made moved/there > /dev/null");
    const auto made = file(trace, directory / "moved/made", AccessKind::Read);
    const auto there = file(trace, directory / "moved/there", AccessKind::Read);
    REQUIRE(made);
    REQUIRE(there);
    CHECK(made->created_by_run);
    CHECK_FALSE(there->created_by_run);
    const auto old_name = file(trace, directory / "old", AccessKind::Delete);
    REQUIRE(old_name);
    CHECK(old_name->directory);
}

TEST_CASE("a script that the run wrote and then executed is a fact, its interpreter is not",
          "[bpf][provenance]") {
    const TemporaryDirectory directory;
    const Trace trace = shell(directory, "printf '#!/bin/sh\\ntrue\\n' > s; chmod +x s; ./s");
    CHECK(facts(trace, "written then executed") == Texts{directory / "s " + by("sh")});
}

TEST_CASE("a file that the run wrote and then mapped to execute it is a fact, mapped as data it is not",
          "[bpf][provenance]") {
    for (const char* way : {"mmap", "mprotect"}) {
        INFO(way);
        const TemporaryDirectory directory;
        const std::string loads = program("loads") + " ";
        const Trace trace =
            shell(directory, "cp " + program("loads") + " library; cp library data; " + loads + way +
                                 " library; " + loads + "data data; " + loads + way + " /bin/true");
        CHECK(facts(trace, "written then loaded") == Texts{directory / "library " + by("cp")});
    }
}

TEST_CASE("descriptors that were open when the command started are facts: number, mode, kind, file",
          "[bpf][provenance]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("open", "text");
    const unique_fd file(::open(path.c_str(), O_RDWR));
    const unique_fd closed(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const unique_fd in(ends[0]);
    const unique_fd out(ends[1]);
    const Texts inherited = facts(traced({"/bin/true"}).trace, "inherited descriptor");
    CHECK(contains(inherited, path + " " + std::to_string(file.get()) + " read-write file"));
    CHECK(contains(inherited, " " + std::to_string(in.get()) + " read pipe"));
    CHECK(contains(inherited, " " + std::to_string(out.get()) + " write pipe"));
    CHECK(std::none_of(inherited.begin(), inherited.end(), [&](const std::string& fact) {
        return fact.find(" " + std::to_string(closed.get()) + " ") != std::string::npos;
    }));
    // What the command opens and hands on itself is not from outside.
    const Texts own = facts(shell(directory, "exec 9< open; /bin/true"), "inherited descriptor");
    CHECK(std::none_of(own.begin(), own.end(),
                       [](const std::string& fact) { return fact.find(" 9 ") != std::string::npos; }));
}

TEST_CASE("an access by way of a symbolic link is told from others if the run made the link",
          "[bpf][provenance]") {
    const TemporaryDirectory directory;
    directory.write("far/a", "x");
    directory.write("far/b", "x");
    directory.write("far/c", "x");
    REQUIRE(run({"ln", "-s", "far", directory / "there"}).status == 0);
    const Trace trace =
        shell(directory, "ln -s far made; ln -s far/c name; cat made/a; cat there/b; cat name");
    for (const auto& [name, led] : {std::pair("a", true), {"b", false}, {"c", true}}) {
        INFO(name);
        const auto read = file(trace, directory / ("far/" + std::string(name)), AccessKind::Read);
        REQUIRE(read);
        CHECK(read->through_made_link == led);
    }
}

TEST_CASE("a file made by a call that takes no name which is there is told from others",
          "[bpf][provenance]") {
    const TemporaryDirectory directory;
    const Trace trace =
        shell(directory, "mktemp ./drawn-XXXXXX > name; echo x > given; mkdir folder; set -C; echo x > lock");
    const std::string drawn = slurp(directory / "name");
    const auto exclusive = [&](const std::string& name) {
        const auto made = file(trace, directory / name, AccessKind::Create);
        REQUIRE(made);
        return made->exclusive;
    };
    CHECK(exclusive(drawn.substr(2, drawn.size() - 3)));
    CHECK_FALSE(exclusive("given"));
    CHECK(exclusive("folder"));
    CHECK(exclusive("lock"));
}
