// Which project, profile and store a command means.
#include "tools/treadline/context.h"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"

using namespace treadline;
using treadline::test::TemporaryDirectory;

namespace {

class Within { // changes the directory, and back
public:
    explicit Within(const std::string& directory) : before_(std::filesystem::current_path()) {
        std::filesystem::current_path(directory);
    }
    ~Within() { std::filesystem::current_path(before_); }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;

private:
    std::filesystem::path before_;
};

} // namespace

TEST_CASE("a profile is found upwards, and its folder's parent is the project", "[context]") {
    const TemporaryDirectory top;
    top.write("p/.treadline/profile.yaml", "treadline: 1\n");
    std::filesystem::create_directories(top / "p/src/deep");
    const Within within(top / "p/src/deep");
    const Context context = make_context({}).value();
    CHECK(context.project == top / "p");
    CHECK(context.profile == top / "p/.treadline/profile.yaml");
    CHECK(context.profile_exists);
    CHECK(context.directory == top / "p/src/deep");
}

TEST_CASE("without a profile the current directory is the project", "[context]") {
    const TemporaryDirectory top;
    const Within within(top.path());
    const Context context = make_context({}).value();
    CHECK(context.project == top.path());
    CHECK(context.profile == top / ".treadline/profile.yaml");
    CHECK_FALSE(context.profile_exists);
}

TEST_CASE("a profile anybody could have written is not picked up from above", "[context]") {
    const TemporaryDirectory top;
    const std::string profile = top.write(".treadline/profile.yaml", "treadline: 1\n");
    ::chmod(profile.c_str(), 0666);
    std::filesystem::create_directories(top / "work");
    const Within within(top / "work");
    const Context context = make_context({}).value();
    CHECK(context.project == top / "work");
    CHECK_FALSE(context.profile_exists);
}

TEST_CASE("a profile named with -p is used where it is; outside a .treadline folder the project stays here", "[context]") {
    const TemporaryDirectory top;
    top.write("shared/ci.yaml", "treadline: 1\n");
    top.write("p/.treadline/other.yaml", "treadline: 1\n");
    std::filesystem::create_directories(top / "work");
    const Within within(top / "work");
    Options options;
    options.profile = "../shared/ci.yaml";
    const Context elsewhere = make_context(options).value();
    CHECK(elsewhere.profile == top / "shared/ci.yaml");
    CHECK(elsewhere.project == top / "work");
    options.profile = "../p/.treadline/other.yaml";
    CHECK(make_context(options).value().project == top / "p");
}

TEST_CASE("two checkouts of one name have stores of their own", "[context]") {
    const TemporaryDirectory top;
    std::filesystem::create_directories(top / "a/app");
    std::filesystem::create_directories(top / "b/app");
    std::string first;
    {
        const Within within(top / "a/app");
        first = make_context({}).value().store;
    }
    const Within within(top / "b/app");
    const std::string second = make_context({}).value().store;
    CHECK(first != second);
    CHECK(first.ends_with("/trace.db"));
    CHECK(first.find("/app-") != std::string::npos);
}

TEST_CASE("a missing profile says how to make one", "[context]") {
    const TemporaryDirectory top;
    const Within within(top.path());
    const auto policy = load_context_policy(make_context({}).value());
    REQUIRE_FALSE(policy);
    CHECK(policy.error().message().find("treadline learn") != std::string::npos);
}
