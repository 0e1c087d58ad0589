// The choice of abstractions against its definition: every possible set of includes is tried, and what each
// costs is computed here once more, from the profiles' text and a fold of its own.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "profiler/coverage.h"
#include "profiler/folding.h"
#include "profiler/include_choice.h"
#include "profiler/include_exposure.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Names = std::vector<std::string>;

struct World {
    std::map<std::string, Profile> abstractions;
    Names shipped{"base"};
    test::Fixture fixture;
    Names variables{"V1", "V2", "V3"};
};

Policy::Loader loader_of(const World& world) {
    return [&world](const std::string& name) -> result<Profile> { return world.abstractions.at(name); };
}

// Programs and files of a few directories; some abstractions bring others along.
World random_world(std::mt19937& random) {
    const auto below = [&](size_t bound) { return static_cast<size_t>(random() % bound); };
    const Names directories{"/usr/bin", "/usr/lib/tool", "${home}/.tool", "${home}/.cache/x", "/etc/app"};
    const auto path = [&] {
        return directories[below(directories.size())] + "/" + static_cast<char>('a' + below(6));
    };
    World world;
    world.abstractions["base"].files.push_back({"/etc/app/a", Mode::Read, {}});
    world.abstractions["base"].files.push_back({"/usr/bin/a", Mode::Read, {}});
    const size_t count = 3 + below(3);
    for (size_t i = 0; i < count; ++i) {
        const std::string name = "n" + std::to_string(i);
        Profile profile;
        std::set<std::string> written;
        for (size_t k = 2 + below(4); k > 0; --k) {
            std::string where = path();
            Modes modes = Mode::Read;
            if (where.starts_with("/usr/bin")) {
                modes |= Mode::Execute;
            } else if (below(3) == 0) {
                where = where.substr(0, where.rfind('/')) + (below(2) == 0 ? "/" : "/**");
                modes |= below(2) == 0 ? Mode::Write | Mode::Create : Modes::none();
            }
            if (written.insert(where).second) {
                profile.files.push_back({where, modes, {}});
            }
        }
        if (i > 0 && below(2) == 0) {
            profile.include.push_back({"n" + std::to_string(below(i)), {}});
        }
        if (below(3) == 0) {
            profile.environment.pass.push_back({"V" + std::to_string(1 + below(3)), {}});
        }
        world.abstractions[name] = profile;
        world.shipped.push_back(name);
    }
    std::string text = "run project=/home/ann/p home=/home/ann\nprocess 1 0 /usr/bin/tool\n";
    const Names accesses{"read", "read", "execute", "write", "create made", "create made gone directory"};
    for (size_t k = 8 + below(12); k > 0; --k) {
        std::string where = path();
        if (where.starts_with("${home}")) {
            where.replace(0, 7, "{home}");
        }
        const std::string access =
            where.starts_with("/usr/bin") ? "execute" : accesses[below(accesses.size())];
        text += "file 1 " + access + " " + where + (below(4) == 0 ? "/sub\n" : "\n");
    }
    for (const char* place : {"/usr/bin", "{home}/.tool", "/etc/app", "{home}/.cache/x"}) {
        text += "disk " + std::string(place) + " a b c d e f" + (below(2) == 0 ? " g h i j/\n" : "\n");
    }
    world.fixture = test::read_fixture(text);
    return world;
}

class Judge {
public:
    explicit Judge(const World& world)
        : world_(world), here_(world.fixture.variables()),
          load_(loader_of(world)), abstractions_{world.shipped, load_, here_},
          set_(collect_accesses(world.fixture.traces, test::fixture_variables)),
          always_(always_included(set_, abstractions_).value()), guards_(here_),
          limits_(set_, here_, guards_) {
        for (const NodeFacts& facts : set_.facts) {
            needs_.push_back(facts.seen);
        }
        left_ = beside(always_.covered);
        survey_ = DiskSurvey(set_, left_, here_, guards_, world.fixture.disk, limits_);
        costs_.emplace(set_, Costs{}, limits_, survey_);
        exposure_.emplace(set_, *costs_, survey_);
    }

    [[nodiscard]] IncludeChoice choose(size_t most_weighed = 1000) const {
        return choose_includes({set_, left_, world_.variables, abstractions_, *costs_, *exposure_,
                                &world_.fixture.disk, most_weighed},
                               always_)
            .value();
    }

    // Nothing for a set that may not be.
    [[nodiscard]] std::optional<MilliLines> cost_of(const Names& named) const {
        const std::set<std::string> all = closure(named);
        MilliLines sum = to_write(all) + costs_->costs().rule * static_cast<MilliLines>(named.size());
        IncludeExposure exposure(costs_->costs(), here_, &world_.fixture.disk);
        IncludeExposure::Sum opened;
        for (const std::string& name : all) {
            for (const FileRule& rule : world_.abstractions.at(name).files) {
                if (!is_used(rule)) {
                    exposure.add(policy_of({{rule.path, rule.modes}}, {}).files().front(), opened);
                }
            }
        }
        for (const std::string& name : named) {
            std::set<std::string> without = all;
            without.erase(name);
            Names others = named;
            std::erase(others, name);
            if (closure(others).count(name) != 0 || !ran_own(name) ||
                to_write(without) - to_write(all) < least_saved_by_include) {
                return std::nullopt;
            }
        }
        return sum + exposure.lines(opened);
    }
    // What is to be granted beside the includes that were chosen.
    [[nodiscard]] std::vector<FoldedRule> fold_beside(const Includes& includes) const {
        return fold(set_, beside(includes.covered), *costs_, *exposure_);
    }

private:
    [[nodiscard]] std::vector<Modes> beside(const std::vector<Modes>& covered) const {
        std::vector<Modes> left = needs_;
        for (size_t node = 0; node < left.size(); ++node) {
            left[node] = left[node].without(covered[node]);
            left[node] |= left[node].has(Mode::Execute) ? Modes(Mode::Read) : Modes::none();
        }
        return left;
    }
    [[nodiscard]] Policy policy_of(const std::map<std::string, Modes>& files, const Names& passed) const {
        Profile profile;
        profile.name = "test";
        for (const auto& [path, modes] : files) {
            profile.files.push_back({path, modes, {}});
        }
        for (const std::string& name : passed) {
            profile.environment.pass.push_back({name, {}});
        }
        return Policy::build(profile, "test", here_, load_).value();
    }
    [[nodiscard]] std::set<std::string> closure(const Names& named) const {
        std::set<std::string> all(named.begin(), named.end());
        for (size_t before = 0; before != all.size();) {
            before = all.size();
            for (const std::string& name : std::set<std::string>(all)) {
                for (const Entry& brought : world_.abstractions.at(name).include) {
                    all.insert(brought.text);
                }
            }
        }
        return all;
    }
    [[nodiscard]] MilliLines to_write(const std::set<std::string>& names) const {
        std::map<std::string, Modes> files;
        Names passed;
        for (const std::string& name : names) {
            for (const FileRule& rule : world_.abstractions.at(name).files) {
                files[rule.path] |= rule.modes;
            }
            for (const auto& variable : world_.abstractions.at(name).environment.pass) {
                passed.push_back(variable.text);
            }
        }
        for (const FileRule& rule : world_.abstractions.at("base").files) {
            files[rule.path] |= rule.modes;
        }
        std::sort(passed.begin(), passed.end());
        passed.erase(std::unique(passed.begin(), passed.end()), passed.end());
        const Policy policy = policy_of(files, passed);
        const Folding folding(set_, beside(coverage(set_, policy).granted), *costs_, *exposure_);
        const auto unpassed =
            std::count_if(world_.variables.begin(), world_.variables.end(), [&](const std::string& name) {
                return !policy.decide(Operation::Environment, name).allowed;
            });
        return folding.cost() + costs_->costs().rule * unpassed;
    }
    [[nodiscard]] bool is_used(const FileRule& rule) const {
        const std::vector<Modes> granted = coverage(set_, policy_of({{rule.path, rule.modes}}, {})).granted;
        for (size_t node = 0; node < granted.size(); ++node) {
            if (left_[node].without(granted[node]) != left_[node]) {
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] bool ran_own(const std::string& name) const {
        bool about_programs = false;
        for (const FileRule& rule : world_.abstractions.at(name).files) {
            const auto node = set_.trie.find(rule.path); // programs are named one by one here
            about_programs = about_programs || rule.modes.has(Mode::Execute);
            if (rule.modes.has(Mode::Execute) && node != PathTrie::none && left_[node].has(Mode::Execute)) {
                return true;
            }
        }
        return !about_programs;
    }

    const World& world_;
    Variables here_;
    Policy::Loader load_;
    Abstractions abstractions_;
    AccessSet set_;
    std::vector<Modes> needs_;
    Includes always_;
    std::vector<Modes> left_;
    Guards guards_;
    HardLimits limits_;
    DiskSurvey survey_;
    std::optional<CostModel> costs_;
    std::optional<Exposure> exposure_;
};

Names names_of(const World& world, unsigned set) {
    Names names;
    for (size_t i = 1; i < world.shipped.size(); ++i) {
        if ((set >> (i - 1) & 1) != 0) {
            names.push_back(world.shipped[i]);
        }
    }
    return names;
}

std::string text_of(const std::vector<FoldedRule>& rules) {
    std::string text;
    for (const FoldedRule& rule : rules) {
        text += std::to_string(rule.node) + " " + std::to_string(static_cast<int>(rule.extent)) + " " +
                to_string(rule.modes) + (rule.private_directory ? " private\n" : "\n");
    }
    return text;
}

} // namespace

TEST_CASE("no set of includes is cheaper, with the rules beside it, than the one that is chosen",
          "[profiler][include]") {
    std::mt19937 random(11);
    std::map<size_t, int> sizes;
    for (int round = 0; round < 25; ++round) {
        const World world = random_world(random);
        const Judge judge(world);
        const IncludeChoice choice = judge.choose();
        const Names chosen(choice.includes.names.begin() + 1, choice.includes.names.end());
        INFO("round " << round);
        REQUIRE(choice.proved);
        REQUIRE(judge.cost_of(chosen) == choice.cost);
        REQUIRE(text_of(judge.fold_beside(choice.includes)) == text_of(choice.rules));
        for (unsigned set = 0; set < 1U << (world.shipped.size() - 1); ++set) {
            const auto cost = judge.cost_of(names_of(world, set));
            INFO("set " << set);
            REQUIRE((!cost || *cost >= choice.cost));
        }
        ++sizes[chosen.size()];
    }
    // Not all alike.
    CHECK(sizes[0] > 0);
    CHECK(sizes[1] > 0);
    CHECK(sizes[2] > 0);
}

TEST_CASE("where the search for includes is cut short, no single step betters what it found",
          "[profiler][include]") {
    std::mt19937 random(12);
    int cut = 0;
    for (int round = 0; round < 25; ++round) {
        const World world = random_world(random);
        const Judge judge(world);
        const IncludeChoice choice = judge.choose(1);
        const Names chosen(choice.includes.names.begin() + 1, choice.includes.names.end());
        cut += !choice.proved;
        REQUIRE(judge.cost_of(chosen) == choice.cost);
        for (size_t i = 1; i < world.shipped.size(); ++i) {
            Names other = chosen;
            if (std::erase(other, world.shipped[i]) == 0) {
                other.push_back(world.shipped[i]);
            }
            const auto cost = judge.cost_of(other);
            REQUIRE((!cost || *cost >= choice.cost));
        }
    }
    CHECK(cut > 0);
}
