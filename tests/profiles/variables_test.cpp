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

TEST_CASE("a name that tells whose it is holds for another user, in places where names do",
          "[profiles][variables]") {
    const auto user = [](const std::string& name, const std::string& uid) {
        return Variables({{"project", "/home/" + name + "/p"},
                          {"home", "/home/" + name},
                          {"tmp", "/tmp"},
                          {"runtime", "/run/user/" + uid},
                          {"user", name},
                          {"uid", uid}});
    };
    const Variables bob = user("bob", "1001");
    const std::pair<const char*, const char*> pairs[] = {
        {"/tmp/tsx-1000/a", "/tmp/tsx-1001/a"},         {"/tmp/ann-cache", "/tmp/bob-cache"},
        {"/tmp/x/1000.lock", "/tmp/x/1001.lock"},       {"/var/mail/ann", "/var/mail/bob"},
        {"/run/screen/S-ann/4", "/run/screen/S-bob/4"}, {"/tmp/ann-1000*", "/tmp/bob-1001*"},
    };
    for (const auto& [anns, bobs] : pairs) {
        const std::string written = user("ann", "1000").shorten(anns);
        INFO(written);
        CHECK(bob.expand(written).value() == bobs);
        CHECK(user("ann", "1000").expand(written).value() == anns);
    }
    CHECK(user("ann", "1000").shorten("/tmp/tsx-1000/a") == "${tmp}/tsx-${uid}/a");
    // A part of a word, another place, a user of the system, and a name that programs use for themselves.
    CHECK(user("ann", "1000").shorten("/tmp/hanna-10000") == "${tmp}/hanna-10000");
    CHECK(user("ann", "1000").shorten("/home/ann/p/ann/1000") == "${project}/ann/1000");
    CHECK(user("ann", "1000").shorten("/srv/ann-1000") == "/srv/ann-1000");
    CHECK(user("ann", "0").shorten("/tmp/ann-0") == "${tmp}/ann-0");
    CHECK(user("node", "1000").shorten("/tmp/node-1000") == "${tmp}/node-${uid}");
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
