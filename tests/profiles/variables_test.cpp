#include "profiles/variables.h"

#include <unistd.h>

#include "profiles/pattern.h"
#include "tests/profiles/example.h"
#include "tests/support/support.h"

using namespace treadline;
using treadline::test::ann;

TEST_CASE("a path is shortened by the longest variable it lies under", "[profiles][variables]") {
    CHECK(ann().shorten("/home/ann/p/src/a.c") == "${project}/src/a.c");
    CHECK(ann().shorten("/home/ann/p") == "${project}");
    CHECK(ann().shorten("/home/ann/.cache/x") == "${cache}/x");
    CHECK(ann().shorten("/home/ann/.bashrc") == "${home}/.bashrc");
    CHECK(ann().shorten("/run/user/1000/bus") == "${runtime}/bus");
}

TEST_CASE("a path that only looks alike is not shortened", "[profiles][variables]") {
    CHECK(ann().shorten("/home/ann2/x") == "/home/ann2/x");
    CHECK(ann().shorten("/home/ann/p2") == "${home}/p2");
    CHECK(ann().shorten("/tmpx/a") == "/tmpx/a");
    CHECK(ann().shorten("/srv/ann/1000") == "/srv/ann/1000");
}

TEST_CASE("the project wins where the home is the same folder, and no variable is ever the root",
          "[profiles][variables]") {
    const Variables same({{"project", "/w"}, {"home", "/w"}, {"tmp", "/"}});
    CHECK(same.shorten("/w/a") == "${project}/a");
    CHECK(same.shorten("/etc/passwd") == "/etc/passwd");
    const Variables root(std::map<std::string, std::string, std::less<>>{{"project", "/"}});
    CHECK(root.expand("${project}/etc").value() == "/etc");
    CHECK(root.expand("${project}").value() == "/");
}

TEST_CASE("expanding a shortened path gives it back, whatever its name", "[profiles][variables]") {
    for (const std::string& path : {std::string("/home/ann/p/${home}/x"), std::string("/home/ann/p/a*b"),
                                    std::string("/home/ann/p/\n: r\n/etc/**"), std::string("/tmp/\xff"),
                                    std::string("/a\\b"), std::string("/")}) {
        INFO(path);
        CHECK(ann().expand(ann().shorten(path)).value() == path);
    }
}

TEST_CASE("a folder whose own name holds a * or ${ stays one folder", "[profiles][variables]") {
    const Variables odd({{"project", "/w/a*b${home}"}, {"home", "/h"}});
    const auto pattern = parse_pattern(odd.expand_pattern("${project}/x").value());
    REQUIRE(pattern);
    CHECK(*pattern == Pattern{"/w/a*b${home}/x", Extent::Exact});
    CHECK_FALSE(pattern->matches("/w/aXb${home}/x"));
    CHECK(odd.shorten("/w/a*b${home}/x") == "${project}/x");
}

TEST_CASE("an unknown or unclosed variable is an error that names it", "[profiles][variables]") {
    CHECK(ann().expand("${nobody}/x").error().what == "'${nobody}/x' names the unknown variable '${nobody}'");
    CHECK_FALSE(ann().expand("${home"));
    CHECK_FALSE(ann().expand_pattern("/a/${env:TOKEN}"));
    CHECK(ann().expand("/run/user/${uid}/bus").value() == "/run/user/1000/bus");
}

TEST_CASE("the XDG directories come from the environment, unless relative", "[profiles][variables]") {
    const UserIdentity user{1000, 1000, "ann", "/nonexistent/ann"};
    const Variables moved = variables_for(
        user, "/nonexistent/p", {{"XDG_CONFIG_HOME", "/nonexistent/c/"}, {"XDG_CACHE_HOME", "relative"}});
    CHECK(moved.get("config") == "/nonexistent/c");
    CHECK(moved.get("cache") == "/nonexistent/ann/.cache");
    CHECK(moved.get("state") == "/nonexistent/ann/.local/state");
    CHECK(moved.get("runtime") == "/run/user/1000");
    CHECK(moved.get("uid") == "1000");
}

TEST_CASE("a project reached by a symbolic link is known by its real path", "[profiles][variables]") {
    const test::TemporaryDirectory folder;
    folder.write("real/file", "");
    REQUIRE(::symlink((folder / "real").c_str(), (folder / "link").c_str()) == 0);
    const Variables variables = variables_for({1000, 1000, "ann", folder / "link"}, folder / "link", {});
    CHECK(variables.get("project") == folder / "real");
    CHECK(variables.get("home") == folder / "real");
}

TEST_CASE("a user who is not in the password database has no identity", "[profiles][variables]") {
    CHECK(identity_of(::getuid()));
    CHECK_FALSE(identity_of(4'000'000'001U));
}
