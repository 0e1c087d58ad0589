#include "tests/attacks/corpus.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline::test {
namespace fs = std::filesystem;

namespace {

constexpr int inherited_number = 9;
const std::string marker = "SECRET"; // in every file that is not to be read

std::string attributes_of(const std::string& path) {
    std::string names(4096, '\0');
    const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
    std::string all;
    for (size_t at = 0; size > 0 && at < static_cast<size_t>(size); at += std::strlen(&names[at]) + 1) {
        std::string value(1024, '\0');
        const ssize_t length = ::lgetxattr(path.c_str(), &names[at], value.data(), value.size());
        value.resize(static_cast<size_t>(std::max<ssize_t>(length, 0)));
        all += std::string(&names[at]) + "=" + value + ";";
    }
    return all;
}

std::string describe(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return "";
    }
    std::string text = std::to_string(status.st_mode) + " " + std::to_string(status.st_uid) + " " + attributes_of(path);
    if (S_ISDIR(status.st_mode)) {
        return text;
    }
    for (const auto number : {static_cast<unsigned long>(status.st_ino), static_cast<unsigned long>(status.st_nlink),
                              static_cast<unsigned long>(status.st_size), static_cast<unsigned long>(status.st_blocks)}) {
        text += " " + std::to_string(number);
    }
    for (const timespec& time : {status.st_mtim, status.st_ctim}) {
        text += " " + std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec);
    }
    if (S_ISLNK(status.st_mode)) {
        return text + " " + fs::read_symlink(path).string();
    }
    return S_ISREG(status.st_mode) ? text + " " + slurp(path) : text;
}

void append(std::string& text, const std::string& section, const std::vector<std::string>& lines, const char* before) {
    text += lines.empty() ? "" : section + ":\n";
    for (const std::string& line : lines) {
        text += before + line + "\n";
    }
}

std::vector<std::string> quoted(const std::vector<std::string>& words) {
    std::vector<std::string> out;
    for (const std::string& word : words) {
        out.push_back(nlohmann::json(word).dump()); // JSON's strings are YAML's, too
    }
    return out;
}

} // namespace

Rules Rules::with(const std::string& section, const std::string& rule) const {
    Rules more = *this;
    const std::map<std::string, std::vector<std::string> Rules::*> sections = {
        {"files", &Rules::files},     {"private", &Rules::private_directories}, {"deny", &Rules::deny},
        {"syscalls", &Rules::syscalls}, {"unix", &Rules::unix_sockets},         {"network.listen", &Rules::listen},
        {"environment.pass", &Rules::pass}, {"resources", &Rules::resources}};
    INFO("section '" << section << "', rule '" << rule << "'");
    REQUIRE(sections.contains(section));
    (more.*sections.at(section)).push_back(rule);
    return more;
}

std::string Rules::yaml() const {
    std::string text = "treadline: 1\nname: attacked\ninclude: [base, shell, git]\nfiles:\n  " HOSTILE ": rx\n";
    // A rule that is reported extends the profile's own for that path.
    std::map<std::string, std::string> by_path;
    for (const std::string& rule : files) {
        const size_t colon = rule.rfind(": ");
        by_path[rule.substr(0, colon)] += rule.substr(colon + 2);
    }
    for (const auto& [path, modes] : by_path) {
        std::string once;
        for (const char mode : std::string("rwcx")) {
            once += modes.find(mode) != std::string::npos ? std::string(1, mode) : "";
        }
        text += "  " + path + ": " + once + "\n";
    }
    append(text, "private", quoted(private_directories), "  - ");
    append(text, "deny", quoted(deny), "  - ");
    append(text, "syscalls", quoted(syscalls), "  - ");
    append(text, "unix", unix_sockets, "  - ");
    append(text, "resources", resources, "  ");
    text += listen.empty() ? "" : "network:\n";
    append(text, "  listen", listen, "    - ");
    text += pass.empty() ? "" : "environment:\n";
    append(text, "  pass", pass, "    - ");
    return text;
}

Rules tests_rules() {
    Rules rules;
    rules.files = {"${project}/**: r", "${project}/out/**: rwc"};
    rules.private_directories = {"${tmp}"};
    return rules;
}

Rules agent_rules() {
    Rules rules;
    rules.files = {"${project}/**: rwcx"};
    rules.private_directories = {"${tmp}"};
    return rules;
}

Rules whole_home_rules() {
    Rules rules;
    rules.files = {"${home}/**: rwc"};
    rules.private_directories = {"${tmp}"};
    return rules;
}

World::World() : home_(root_ / "home"), project_(home_ + "/project") {
    fs::create_directories(root_ / "tmp");
    for (const char* directory : {"./out", "./.git/hooks", "./.git/objects/info", "./.git/refs/heads", "./src", "~/.config", "~/.local/state"}) {
        fs::create_directories(place(directory));
    }
    write("~/.ssh/id_ed25519", marker + " ssh\n", 0600);
    write("~/.aws/credentials", marker + " aws\n", 0600);
    write("~/.netrc", marker + " netrc\n", 0600);
    write("~/.npmrc", marker + " npm\n", 0600);
    write("~/.config/gh/hosts.yml", marker + " gh\n", 0600);
    write("~/diary", marker + " diary\n", 0600); // no credential, only nobody's business
    write("~/.bashrc", "# start-up\n");
    write("~/.gitconfig", "[user]\n\tname = t\n\temail = t@example.org\n");
    write("./.env", marker + " env\n");
    write("./src/main.c", "int main(void) { return 0; }\n");
    write("./Makefile", "all:\n");
    write("./.git/hooks/README", "none\n");
    write("./.git/HEAD", "ref: refs/heads/main\n");
    write("./.git/config", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n");
    write("./.treadline/profile.yaml", "");
}

World::~World() {
    if (bystander_ > 0) {
        ::kill(bystander_, SIGKILL);
        ::waitpid(bystander_, nullptr, 0);
    }
    for (const int fd : {inherited_, listener_}) {
        if (fd >= 0) {
            ::close(fd);
        }
    }
    // Attacks take rights away.
    std::error_code error;
    for (fs::recursive_directory_iterator at(root_.path(), error), end; !error && at != end; at.increment(error)) {
        if (at->symlink_status(error).type() == fs::file_type::directory) {
            ::chmod(at->path().c_str(), 0700);
        }
    }
}

std::string World::place(const std::string& name) const {
    if (name.starts_with("~/")) {
        return home_ + name.substr(1);
    }
    return name.starts_with("./") ? project_ + name.substr(1) : name;
}

std::string World::write(const std::string& name, const std::string& text, unsigned mode) const {
    return root_.write(fs::path(place(name)).lexically_relative(root_.path()).string(), text, mode);
}

RunOptions World::options() const {
    RunOptions options{project_,
                       {{"HOME", home_},
                        {"TMPDIR", root_ / "tmp"},
                        {"PATH", "/usr/bin:/bin"},
                        {"XDG_STATE_HOME", home_ + "/.local/state"},
                        {"LC_ALL", "C.UTF-8"}},
                       60};
    options.environment.insert(environment.begin(), environment.end());
    return options;
}

void World::expand(std::vector<std::string>& argv) const {
    for (std::string& word : argv) {
        word = word == "hostile" ? HOSTILE : word.starts_with("~/") ? place(word) : word;
    }
}

Finished World::run(std::vector<std::string> argv) const {
    expand(argv);
    return test::run(argv, options());
}

Enforced World::enforce(const Rules& rules, std::vector<std::string> argv) const {
    expand(argv);
    const std::string profile = place("./.treadline/profile.yaml");
    REQUIRE(fs::exists(profile));
    const std::string report = root_ / "report.json";
    argv.insert(argv.begin(), {TREADLINE, "enforce", "--report", "json:" + report, "--"});
    Enforced enforced;
    enforced.run = test::run(argv, options());
    INFO(rules.yaml() << enforced.run.out << enforced.run.err);
    REQUIRE(enforced.run.status != 125);
    REQUIRE(enforced.run.status != 126);
    const auto json = nlohmann::json::parse(slurp(report));
    for (const auto& violation : json.at("violations")) {
        const auto text = [&](const char* key) {
            return violation.at(key).is_null() ? "" : violation.at(key).get<std::string>();
        };
        Denial denial{text("layer"), text("object"), std::nullopt, text("section")};
        if (denial.layer == "environment" && !environment.contains(denial.object)) {
            continue; // of whoever runs the tests
        }
        if (!violation.at("rule").is_null()) {
            denial.rule = text("rule");
        }
        enforced.denials.push_back(std::move(denial));
    }
    return enforced;
}

pid_t World::bystander(const std::vector<std::string>& open_files, const std::string& directory) {
    auto ready = sys::pipe().value();
    bystander_ = ::fork();
    if (bystander_ == 0) {
        int number = 20;
        for (const std::string& name : open_files) {
            ::dup2(::open(place(name).c_str(), O_RDONLY), number++);
        }
        if (::chdir(place(directory).c_str()) == 0 && ::write(ready.second.get(), "x", 1) == 1) {
            ::pause();
        }
        ::_exit(1);
    }
    ready.second.reset();
    char byte = 0;
    REQUIRE(::read(ready.first.get(), &byte, 1) == 1);
    return bystander_;
}

void World::inherit(const std::string& name) {
    const int file = ::open(place(name).c_str(), O_RDONLY);
    REQUIRE(file >= 0);
    inherited_ = ::dup2(file, inherited_number);
    if (file != inherited_number) {
        ::close(file);
    }
}

void World::listen(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, place(name).c_str(), sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
}

std::string World::handle(const std::string& name) const {
    alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> memory{};
    auto* handle = reinterpret_cast<file_handle*>(memory.data());
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount = 0;
    REQUIRE(::name_to_handle_at(AT_FDCWD, place(name).c_str(), handle, &mount, 0) == 0);
    std::string hex = fmt::format("{:02x}", handle->handle_type);
    for (unsigned at = 0; at < handle->handle_bytes; ++at) {
        hex += fmt::format("{:02x}", handle->f_handle[at]);
    }
    return hex;
}

World::Picture World::picture() const {
    Picture all;
    const std::set<std::string> passed_over = {project_ + "/out", home_ + "/.local/state"};
    std::error_code error; // all of it may be gone
    for (fs::recursive_directory_iterator at(home_, fs::directory_options::skip_permission_denied, error), end; !error && at != end; at.increment(error)) {
        const std::string path = at->path();
        if (passed_over.contains(path)) {
            at.disable_recursion_pending();
            continue;
        }
        all[path] = describe(path);
    }
    return all;
}

void World::remember() {
    before_ = picture();
}

std::vector<std::string> World::changes() const {
    std::vector<std::string> found;
    const Picture now = picture();
    for (const auto& [path, what] : now) {
        const auto old = before_.find(path);
        if (old == before_.end()) {
            found.push_back("made " + path);
        } else if (old->second != what) {
            found.push_back("changed " + path + " from '" + old->second + "' to '" + what + "'");
        }
    }
    for (const auto& [path, what] : before_) {
        if (!now.contains(path)) {
            found.push_back("removed " + path);
        }
    }
    return found;
}

bool World::changed(const std::string& name) const {
    const std::string path = place(name);
    const Picture now = picture();
    const auto below = [&](const Picture& all) {
        Picture some;
        std::copy_if(all.begin(), all.end(), std::inserter(some, some.end()),
                     [&](const auto& entry) { return is_within(entry.first, path); });
        return some;
    };
    return below(now) != below(before_);
}

Success prints_a_secret() {
    return [](const World&, const Finished& run) { return run.out.find(marker) != std::string::npos; };
}

Success ends_well() {
    return [](const World&, const Finished& run) { return run.status == 0; };
}

Success changes(const std::string& name) {
    return [name](const World& world, const Finished&) { return world.changed(name); };
}

namespace {

// In a fresh world, with the profile in its place: it is there without Treadline, too.
std::vector<std::string> prepare(World& world, const Attack& attack, const Rules& rules) {
    world.write("./.treadline/profile.yaml", rules.yaml());
    const auto words = attack.prepare ? attack.prepare(world) : std::vector<std::string>{};
    world.remember();
    return words;
}

std::vector<std::string> joined(std::vector<std::string> all, const std::vector<std::string>& more) {
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

} // namespace

void hold(const Attack& attack) {
    INFO("attack: " << attack.name);
    {
        World world;
        const auto words = prepare(world, attack, attack.rules);
        const Finished free = world.run(joined(joined(attack.free_prefix, attack.argv), words));
        INFO("without Treadline, status " << free.status << "\n" << free.out << free.err);
        CHECK(attack.success(world, free));
    }
    Rules opened = attack.rules;
    {
        World world;
        const auto words = prepare(world, attack, attack.rules);
        const Enforced held = world.enforce(attack.rules, joined(attack.argv, words));
        INFO("held, status " << held.run.status << "\n" << held.run.out << held.run.err);
        CHECK_FALSE(attack.success(world, held.run));
        CHECK((held.run.out + held.run.err).find(marker) == std::string::npos);
        CHECK(world.changes() == std::vector<std::string>{});
        std::vector<Denial> expected = attack.denials;
        for (Denial& denial : expected) {
            denial.object = denial.object.ends_with("$1") ? denial.object.substr(0, denial.object.size() - 2) + words.at(0) : world.place(denial.object);
        }
        const auto text = [](const std::vector<Denial>& denials) {
            std::string all;
            for (const Denial& denial : denials) {
                all += denial.layer + " " + denial.object + " -> " + denial.section + ": " + denial.rule.value_or("none") + "\n";
            }
            return all;
        };
        INFO("denied:\n" << text(held.denials) << "expected:\n" << text(expected));
        if (attack.races) {
            for (const Denial& denial : held.denials) {
                CHECK(std::find(expected.begin(), expected.end(), denial) != expected.end());
            }
        } else {
            CHECK(held.denials == expected);
        }
        for (const Denial& denial : held.denials) {
            if (denial.rule) {
                opened = opened.with(denial.section, *denial.rule);
            }
        }
    }
    const bool can_be_allowed = std::all_of(attack.denials.begin(), attack.denials.end(), [](const auto& denial) { return denial.rule.has_value(); });
    if (!can_be_allowed || attack.denials.empty() || !attack.never.empty()) {
        return;
    }
    for (const auto& [section, rule] : attack.also) {
        opened = opened.with(section, rule);
    }
    World world;
    const auto words = prepare(world, attack, opened);
    const Enforced allowed = world.enforce(opened, joined(attack.argv, words));
    INFO("with the reported rule, status " << allowed.run.status << "\n" << allowed.run.out << allowed.run.err << opened.yaml());
    CHECK(attack.success(world, allowed.run));
}

} // namespace treadline::test
