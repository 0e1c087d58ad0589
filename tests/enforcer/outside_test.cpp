// What runs make outside and take back, without a sandbox around it.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include <catch2/catch_test_macros.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/outside.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;
namespace fs = std::filesystem;

namespace {

// A run that has made what its plan says, as far as the host is concerned.
class Overlapping {
public:
    Overlapping(const Arena& arena, std::vector<std::string> directories, std::optional<ProjectLock> lock = std::nullopt) {
        plan_.policy = arena.policy("files:\n");
        plan_.command = arena.command({"true"});
        plan_.make_directories = std::move(directories);
        const std::string before = children();
        outside_.emplace(std::move(Outside::begin(plan_, lock ? std::move(*lock) : ProjectLock::share(arena.project())).value()));
        REQUIRE(outside_->await(plan_).has_value());
        std::istringstream now(children());
        for (std::string child; now >> child;) {
            janitor_ = before.find(child + " ") == std::string::npos ? std::atoi(child.c_str()) : janitor_;
        }
    }
    [[nodiscard]] pid_t janitor() const { return janitor_; }
    void end() { outside_.reset(); }

private:
    static std::string children() { return slurp("/proc/thread-self/children"); }
    Plan plan_;
    std::optional<Outside> outside_;
    pid_t janitor_ = 0;
};

bool goes(const std::string& path) {
    for (int i = 0; i < 500 && fs::exists(path); ++i) {
        ::usleep(10'000);
    }
    return !fs::exists(path);
}

} // namespace

TEST_CASE("a directory goes although its maker is alone before another run has taken back what it made in it", "[enforcer][outside]") {
    const Arena arena;
    const std::string directory = arena.project("made");
    Overlapping outer(arena, {directory});
    Overlapping inner(arena, {directory, directory + "/deep"});
    Overlapping last(arena, {arena.project("other")}); // so that neither is alone at its end
    REQUIRE(fs::exists(directory + "/deep"));
    REQUIRE(inner.janitor() > 0);
    ::kill(inner.janitor(), SIGSTOP);
    inner.end();
    outer.end();
    last.end();
    ::usleep(100'000); // the maker's janitor is alone, and finds that it cannot
    CHECK(fs::exists(directory + "/deep"));
    ::kill(inner.janitor(), SIGCONT);
    CHECK(goes(directory));
    for (const Overlapping* run : {&outer, &inner}) {
        CHECK(::waitpid(run->janitor(), nullptr, 0) == run->janitor()); // none stays behind
    }
}

TEST_CASE("what another run made is not taken back while a plan is made with it in sight", "[enforcer][outside]") {
    const Arena arena;
    const std::string directory = arena.project("made");
    Overlapping earlier(arena, {directory});
    ProjectLock lock = ProjectLock::share(arena.project()); // from here on the later run looks at the disk
    earlier.end();
    ::usleep(50'000); // time to be wrong in
    CHECK(fs::exists(directory));
    Overlapping later(arena, {directory}, std::move(lock));
    CHECK(fs::exists(directory));
    later.end();
    CHECK(goes(directory));
    ::waitpid(earlier.janitor(), nullptr, 0);
}

TEST_CASE("a run that would make something waits for a project that is locked, and is refused if that lasts", "[enforcer][outside]") {
    const Arena arena;
    ProjectLock owner = ProjectLock::share(arena.project());
    REQUIRE(owner.alone()); // and is the only one from now on
    const pid_t waiting = ::fork();
    if (waiting == 0) {
        const ProjectLock lock = ProjectLock::share(arena.project());
        ::_exit(lock.held().has_value() ? 0 : 1);
    }
    ::usleep(100'000);
    CHECK(::waitpid(waiting, nullptr, WNOHANG) == 0);
    owner.give_up();
    int status = -1;
    ::waitpid(waiting, &status, 0);
    CHECK(status == 0);

    REQUIRE(owner.alone());
    const ProjectLock late = ProjectLock::share(arena.project(), std::chrono::milliseconds(50));
    REQUIRE_FALSE(late.held().has_value());
    CHECK(late.held().error().message().find("keeps '" + arena.project() + "' locked") != std::string::npos);
}

TEST_CASE("nobody waits for a directory that somebody has put a file into", "[enforcer][outside]") {
    const Arena arena;
    const std::string directory = arena.project("made");
    Overlapping run(arena, {directory});
    arena.write("project/made/deep/file", "");
    run.end();
    CHECK(fs::exists(directory + "/deep/file"));
    CHECK(::waitpid(run.janitor(), nullptr, WNOHANG) == -1); // it has been waited for already
}
