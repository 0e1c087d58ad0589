// `diff` against the decision function, on random small profiles and every path of a small world.
#include <random>

#include "profiler/containment.h"
#include "profiler/diff.h"
#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

constexpr const char* names[] = {"a", "b", ".env"};
constexpr std::pair<Operation, Mode> operations[] = {{Operation::Read, Mode::Read},
                                                     {Operation::Write, Mode::Write},
                                                     {Operation::Create, Mode::Create},
                                                     {Operation::Execute, Mode::Execute}};

class World {
public:
    explicit World(unsigned seed) : random_(seed) {}

    size_t below(size_t bound) { return random_() % bound; }

    // /p is the project; /q is not.
    std::string directory() {
        const char* const roots[] = {"/p", "/q", "/p", "/p/.git", "/p/.git/hooks"};
        std::string path = roots[below(std::size(roots))];
        if (path.size() == 2 && below(2) == 0) {
            path += std::string("/") + names[below(std::size(names))];
        }
        return path;
    }
    std::string pattern() {
        const std::string at = directory();
        switch (below(6)) {
        case 0:
            return at;
        case 1:
            return at + "/";
        case 2:
            return at + "/**";
        case 3:
            return at + "/*";
        case 4:
            return at + "/a*";
        default:
            return "/p/*/b";
        }
    }

    // What a person could write; no rule twice.
    Profile profile(bool with_deny) {
        Profile made;
        for (size_t rule = 1 + below(4); rule > 0; --rule) {
            add_file(made);
        }
        for (size_t i = below(3); i > 0; --i) { // one below the other, too
            add(made.private_directories, directory() + (below(3) == 0 ? "/a" : ""));
        }
        for (size_t i = with_deny ? below(3) : 0; i > 0; --i) {
            add(made.deny, pattern());
        }
        const std::string hosts[] = {"a.example.org:443", "*.example.org:443", "b.a.example.org:443",
                                     "127.0.0.1:80"};
        if (below(2) == 0) {
            add(made.network.connect, hosts[below(std::size(hosts))]);
        }
        const std::string variables[] = {"NODE_ENV", "NODE_*", "NODE_TOKEN"};
        if (below(2) == 0) {
            add(made.environment.pass, variables[below(std::size(variables))]);
        }
        if (below(3) == 0) {
            add(made.unix_sockets, below(2) == 0 ? directory() : directory() + "/*");
        }
        return made;
    }
    void add_file(Profile& made) {
        const std::string path = pattern();
        Modes modes;
        for (const auto& [operation, mode] : operations) {
            if (below(3) == 0 && !(mode == Mode::Create && has_wildcard(path) && !path.ends_with("/**"))) {
                modes |= mode;
            }
        }
        modes = modes.empty() ? Modes(Mode::Read) : modes;
        const bool there = std::any_of(made.files.begin(), made.files.end(),
                                       [&](const FileRule& rule) { return rule.path == path; });
        if (!there) {
            made.files.push_back({path, modes, {}});
        }
    }

private:
    template <class Texts>
    static void add(std::vector<Texts>& entries, const std::string& text) {
        if (std::find(entries.begin(), entries.end(), Texts{text, {}}) == entries.end()) {
            entries.push_back({text, {}});
        }
    }
    std::mt19937 random_;
};

Policy policy_of(const Profile& profile) {
    static const Variables variables = test::read_fixture("run project=/p home=/home/ann\n").variables();
    auto policy = Policy::build(profile, "profile.yaml", variables, test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    return std::move(*policy);
}

// Every path of the names above and two that no rule has, at most four deep.
const std::vector<std::string>& paths() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> made = {"/", "/p", "/q"}; // the first is not gone below
        for (size_t level = 0, from = 1; level < 3; ++level) {
            const size_t until = made.size();
            for (; from < until; ++from) {
                for (const char* name : {"a", "b", ".env", "ax", "other", ".git"}) {
                    made.push_back(made[from] + "/" + name);
                }
            }
        }
        for (const char* hook : {"", "/a", "/other", "/a/b"}) {
            made.push_back("/p/.git/hooks" + std::string(hook));
        }
        return made;
    }();
    return all;
}

// What is allowed at a path, apart for the host's files and for private ones.
struct At {
    Modes host;
    Modes own;
};
At at(const Policy& policy, const std::string& path) {
    Modes modes;
    for (const auto& [operation, mode] : operations) {
        if (policy.decide(operation, path).allowed) {
            modes |= mode;
        }
    }
    return policy.in_private(path) ? At{{}, modes} : At{modes, {}};
}

// A path, host or variable that `newer` allows and `older` does not; "" if the world has none.
std::string more_in(const Policy& newer, const Policy& older) {
    for (const std::string& path : paths()) {
        const At here = at(newer, path);
        const At there = at(older, path);
        if (!there.host.covers(here.host) || !(there.host | there.own).covers(here.own)) {
            return path;
        }
        // A socket in a private directory is the command's own.
        if (newer.decide(Operation::UnixConnect, path).allowed && !newer.in_private(path) &&
            !older.decide(Operation::UnixConnect, path).allowed) {
            return "socket " + path;
        }
    }
    for (const char* host :
         {"a.example.org:443", "c.example.org:443", "b.a.example.org:443", "127.0.0.1:80"}) {
        if (newer.decide(Operation::Connect, host).allowed &&
            !older.decide(Operation::Connect, host).allowed) {
            return host;
        }
    }
    for (const char* name : {"NODE_ENV", "NODE_OTHER", "NODE_TOKEN"}) {
        if (newer.decide(Operation::Environment, name).allowed &&
            !older.decide(Operation::Environment, name).allowed) {
            return name;
        }
    }
    return "";
}

std::string texts_of(const Profile& first, const Profile& second) {
    return "older:\n" + write_profile(first) + "newer:\n" + write_profile(second);
}

} // namespace

TEST_CASE("where diff sees no widening, nothing is allowed that was not", "[profiler][diff]") {
    size_t silent = 0;
    for (unsigned seed = 0; seed < 150; ++seed) {
        World world(seed);
        const Profile first = world.profile(true);
        Profile second = seed % 2 == 0 ? world.profile(true) : first;
        if (seed % 2 == 1) { // close to each other: one rule more, one less
            world.add_file(second);
            if (!second.files.empty() && world.below(2) == 0) {
                second.files.erase(second.files.begin());
            }
            if (!second.private_directories.empty() && world.below(3) == 0) {
                second.private_directories.clear();
            }
        }
        const Policy older = policy_of(first);
        const Policy newer = policy_of(second);
        const ProfileDiff difference = diff(older, newer);
        if (!difference.widens()) {
            ++silent;
            INFO("seed " << seed << "\n" << to_text(difference) << texts_of(first, second));
            CHECK(more_in(newer, older).empty());
        }
        if (difference.removed.empty()) {
            INFO("seed " << seed << "\n" << to_text(difference) << texts_of(first, second));
            CHECK(more_in(older, newer).empty());
        }
    }
    CHECK(silent > 10); // or nothing was shown
}

TEST_CASE("without guards and deny, diff sees a widening only where there is one", "[profiler][diff]") {
    size_t wider = 0;
    for (unsigned seed = 0; seed < 120; ++seed) {
        World world(seed);
        Profile profiles[2];
        for (Profile& profile : profiles) {
            profile = world.profile(false);
            std::erase_if(profile.files, [](const FileRule& rule) {
                return rule.path.find(".env") != std::string::npos ||
                       rule.path.find(".git") != std::string::npos;
            });
            profile.unix_sockets.clear();
            profile.environment.pass.clear();
            profile.network.connect.clear();
        }
        const Policy older = policy_of(profiles[0]);
        const Policy newer = policy_of(profiles[1]);
        const ProfileDiff difference = diff(older, newer);
        wider += difference.widens() ? 1 : 0;
        INFO("seed " << seed << "\n" << to_text(difference) << texts_of(profiles[0], profiles[1]));
        CHECK(difference.widens() == !more_in(newer, older).empty());
    }
    CHECK(wider > 20);
    CHECK(wider < 120);
}

TEST_CASE("a grant that is added to a profile is always seen", "[profiler][diff]") {
    size_t added = 0;
    for (unsigned seed = 0; seed < 120; ++seed) {
        World world(seed);
        const Profile first = world.profile(true);
        Profile second = first;
        world.add_file(second);
        const Policy older = policy_of(first);
        const Policy newer = policy_of(second);
        const std::string more = more_in(newer, older);
        added += more.empty() ? 0 : 1;
        INFO("seed " << seed << ": " << more);
        CHECK((more.empty() || diff(older, newer).widens()));
    }
    CHECK(added > 40);
}

TEST_CASE("a name that no rule has is found even where rules use almost every byte", "[profiler][diff]") {
    Profile older;
    for (int byte = 1; byte < 256; ++byte) {
        if (byte != '/' && byte != '.') {
            older.files.push_back(
                {"/p/" + escape_path(std::string(1, static_cast<char>(byte))) + "*", Mode::Read, {}});
        }
    }
    Profile newer = older;
    newer.files.push_back({"/p/**", Mode::Read, {}});
    CHECK(diff(policy_of(older), policy_of(newer)).widens());
    // No byte is left to make a name of, so that nothing wide counts as held by anything.
    CHECK(diff(policy_of(older), policy_of(older)).widens());
}

TEST_CASE("a private directory holds nothing of the host's", "[profiler][diff]") {
    Profile profile;
    profile.private_directories = {{"/q", {}}};
    profile.files = {{"/q/a/", Mode::Read, {}}};
    const Policy policy = policy_of(profile);
    const Containment contained(policy);
    CHECK(contained.granted_throughout({"/q/b", Extent::Exact}).empty());
    CHECK(contained.granted_throughout({"/q/a/b", Extent::Exact}) == Mode::Read);
    CHECK(contained.usable_throughout({"/q/b", Extent::Subtree}) ==
          (Mode::Read | Mode::Write | Mode::Create));
    CHECK(contained.usable_throughout({"/q", Extent::Subtree}).empty() == false);
    CHECK(contained.granted_throughout({"/q", Extent::Subtree}).empty());
}
