#include "profiler/subjects.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "base/path.h"
#include "base/addresses.h"

namespace treadline {
namespace {

struct NamedRole {
    std::string_view program;
    Role role;
};

// By file name, of an executable or of the script that an interpreter runs.
constexpr NamedRole roles[] = {
    {"claude", Role::Agent},
    {"codex", Role::Agent},
    {"gemini", Role::Agent},
    {"aider", Role::Agent},
    {"opencode", Role::Agent},
    {"goose", Role::Agent},
    {"cursor-agent", Role::Agent},
    {"sh", Role::Shell},
    {"ash", Role::Shell},
    {"dash", Role::Shell},
    {"bash", Role::Shell},
    {"zsh", Role::Shell},
    {"ksh", Role::Shell},
    {"fish", Role::Shell},
    {"npm", Role::PackageManager},
    {"npm-cli.js", Role::PackageManager},
    {"npx", Role::PackageManager},
    {"npx-cli.js", Role::PackageManager},
    {"pnpm", Role::PackageManager},
    {"pnpm.cjs", Role::PackageManager},
    {"yarn", Role::PackageManager},
    {"yarn.js", Role::PackageManager},
    {"yarnpkg", Role::PackageManager},
    {"pip", Role::PackageManager},
    {"pip3", Role::PackageManager},
    {"pipx", Role::PackageManager},
    {"uv", Role::PackageManager},
    {"poetry", Role::PackageManager},
    {"cargo", Role::PackageManager},
    {"gem", Role::PackageManager},
    {"bundle", Role::PackageManager},
    {"composer", Role::PackageManager},
    {"apt", Role::PackageManager},
    {"apt-get", Role::PackageManager},
    {"dpkg", Role::PackageManager},
    {"gcc", Role::Compiler},
    {"g++", Role::Compiler},
    {"cc", Role::Compiler},
    {"c++", Role::Compiler},
    {"cpp", Role::Compiler},
    {"clang", Role::Compiler},
    {"clang++", Role::Compiler},
    {"cc1", Role::Compiler},
    {"cc1plus", Role::Compiler},
    {"lto1", Role::Compiler},
    {"lto-wrapper", Role::Compiler},
    {"collect2", Role::Compiler},
    {"as", Role::Compiler},
    {"ar", Role::Compiler},
    {"ranlib", Role::Compiler},
    {"ld", Role::Compiler},
    {"ld.bfd", Role::Compiler},
    {"ld.gold", Role::Compiler},
    {"lld", Role::Compiler},
    {"ld.lld", Role::Compiler},
    {"rustc", Role::Compiler},
    {"javac", Role::Compiler},
    {"make", Role::BuildTool},
    {"gmake", Role::BuildTool},
    {"ninja", Role::BuildTool},
    {"cmake", Role::BuildTool},
    {"ctest", Role::BuildTool},
    {"meson", Role::BuildTool},
    {"go", Role::BuildTool},
    {"gradle", Role::BuildTool},
    {"mvn", Role::BuildTool},
    {"git", Role::VersionControl},
    {"hg", Role::VersionControl},
    {"svn", Role::VersionControl},
    {"curl", Role::NetworkClient},
    {"wget", Role::NetworkClient},
    {"ssh", Role::NetworkClient},
    {"scp", Role::NetworkClient},
    {"rsync", Role::NetworkClient},
};

Role role_named(std::string_view program) {
    for (const NamedRole& known : roles) {
        if (known.program == program) {
            return known.role;
        }
    }
    if (program.starts_with("build-script-")) { // of a crate, as cargo calls it
        return Role::InstallScript;
    }
    return program.starts_with("git-") ? Role::VersionControl : Role::Other;
}

// "x86_64-linux-gnu-gcc-12" and "python3.11" without what differs between machines.
std::string_view bare_name(std::string_view program) {
    if (const size_t version = program.find_last_not_of("0123456789.-"); version != std::string_view::npos) {
        program = program.substr(0, version + 1);
    }
    constexpr std::string_view triplet = "-linux-gnu-";
    const size_t at = program.find(triplet);
    return at == std::string_view::npos ? program : program.substr(at + triplet.size());
}

bool is_interpreter(std::string_view bare) {
    constexpr std::string_view names[] = {"node", "nodejs", "python", "pypy", "ruby", "perl", "php"};
    return std::find(std::begin(names), std::end(names), bare) != std::end(names);
}

struct Itself {
    Role role = Role::Other;
    std::vector<std::string> words; // its arguments
};

// What the image is, whoever started it. With an option in front of the script something else may run first.
Itself by_itself(const ProcessImage& image) {
    const std::string_view program = file_name(image.exe);
    Itself itself{role_named(program), {}};
    if (itself.role == Role::Other) {
        itself.role = role_named(bare_name(program));
    }
    size_t script = 0;
    if (itself.role == Role::Other && is_interpreter(bare_name(program)) && image.argv.size() > 1) {
        script = 1;
        const bool module = image.argv[1] == "-m" && image.argv.size() > 2; // python -m pip
        if (module) {
            script = 2;
        }
        itself.role = role_named(file_name(image.argv[script]));
    }
    if (image.argv.size() > script) {
        itself.words.assign(image.argv.begin() + static_cast<long>(script) + 1, image.argv.end());
    }
    return itself;
}

bool installs(const Itself& itself) {
    constexpr std::string_view verbs[] = {"ci",      "install",   "i",    "add",   "update",
                                          "rebuild", "reinstall", "sync", "wheel", "upgrade"};
    if (itself.role != Role::PackageManager) {
        return false;
    }
    for (const std::string& word : itself.words) {
        if (!word.empty() && word.front() != '-') { // the first word is the verb
            return std::find(std::begin(verbs), std::end(verbs), word) != std::end(verbs);
        }
    }
    return itself.words.empty(); // a bare `yarn` installs
}

// When each image first talked to another machine, other than to ask for a name.
std::unordered_map<int64_t, int64_t> first_contacts(const Trace& trace) {
    constexpr uint16_t dns_port = 53;
    std::unordered_map<int64_t, int64_t> first;
    for (const SocketAccess& socket : trace.sockets) {
        const bool contact = (socket.operation == "connect" || socket.operation == "send") &&
                             socket.result == 0 && socket.port != 0 && socket.port != dns_port;
        const Address address = parse_address(socket.address);
        if (contact && address.valid && !is_loopback(address)) {
            const auto [at, added] = first.try_emplace(socket.process, socket.first_ns);
            at->second = std::min(at->second, socket.first_ns);
        }
    }
    return first;
}

struct Inherited { // by what an image starts
    bool untrusted = false;
    bool installing = false;
    int64_t contact_ns = INT64_MAX; // the first of any above
};

} // namespace

std::string_view to_string(Role role) {
    switch (role) {
    case Role::Other:
        break;
    case Role::Agent:
        return "agent";
    case Role::Shell:
        return "shell";
    case Role::PackageManager:
        return "package manager";
    case Role::InstallScript:
        return "install script";
    case Role::Compiler:
        return "compiler";
    case Role::BuildTool:
        return "build tool";
    case Role::VersionControl:
        return "version control";
    case Role::NetworkClient:
        return "network client";
    }
    return "";
}

Subjects::Subjects(const Trace& trace) {
    const auto contacts = first_contacts(trace);
    std::unordered_map<int64_t, Inherited> left;
    for (const ProcessImage& image : trace.processes) { // a parent comes before what it started
        const auto parent = left.find(image.parent);
        const Inherited above = parent == left.end() ? Inherited{} : parent->second;
        const Itself itself = by_itself(image);
        Subject subject{program_name(image), itself.role,
                        above.untrusted || above.contact_ns < image.started_ns};
        if (itself.role == Role::InstallScript || (above.installing && itself.role != Role::PackageManager)) {
            subject.after_untrusted = true;
            if (itself.role == Role::Other || itself.role == Role::Shell) {
                subject.role = Role::InstallScript;
            }
        }
        Inherited& below = left[image.id];
        below.untrusted = subject.after_untrusted;
        below.installing = above.installing || installs(itself);
        const auto contact = contacts.find(image.id);
        below.contact_ns =
            std::min(above.contact_ns, contact == contacts.end() ? INT64_MAX : contact->second);
        by_image_.emplace(image.id, std::move(subject));
    }
    mark_those_who_run_what_the_marked_wrote(trace);
}

// What a marked process wrote, and what then ran it. Marks are handed down, and on, until none is new.
void Subjects::mark_those_who_run_what_the_marked_wrote(const Trace& trace) {
    struct Program {
        std::set<int64_t> writers;
        std::set<int64_t> run_by;
    };
    std::map<std::string, Program, std::less<>> programs; // by path
    std::set<std::string, std::less<>> names;             // of these files: few rows have to be spelled out
    for (const Fact& fact : trace.facts) {
        if (fact.kind == "written then executed" || fact.kind == "written then loaded") {
            programs[fact.path].run_by.insert(fact.process);
            names.emplace(file_name(fact.path));
        }
    }
    if (programs.empty()) {
        return;
    }
    const auto add = [&](std::string_view path, const auto& access) {
        const auto at = programs.find(path);
        if (at == programs.end() || access.result != 0) {
            return;
        }
        if (access.access == AccessKind::Write || access.access == AccessKind::Create) {
            at->second.writers.insert(access.process);
        } else if (access.access == AccessKind::Execute) {
            at->second.run_by.insert(access.process);
        }
    };
    for (const FileAccess& access : trace.files) {
        add(access.path, access);
    }
    std::vector<bool> wanted(size_t{trace.paths.size()} + 1, false);
    for (uint32_t number = 1; number <= trace.paths.size(); ++number) {
        wanted[number] = names.contains(file_name(trace.paths.name(number)));
    }
    for (const AccessRow& access : trace.rows) {
        if (access.path != 0 && wanted[access.path]) {
            add(trace.paths.text(access.path), access);
        }
    }
    const auto is_marked = [&](int64_t process) { return of(process).after_untrusted; };
    for (bool changed = true; changed;) {
        changed = false;
        const auto mark = [&](int64_t process) {
            const auto at = by_image_.find(process);
            if (at != by_image_.end() && !at->second.after_untrusted) {
                at->second.after_untrusted = changed = true;
            }
        };
        for (const auto& [path, program] : programs) {
            if (std::any_of(program.writers.begin(), program.writers.end(), is_marked)) {
                std::for_each(program.run_by.begin(), program.run_by.end(), mark);
            }
        }
        for (const ProcessImage& image : trace.processes) {
            if (changed && is_marked(image.parent)) {
                mark(image.id);
            }
        }
    }
}

const Subject& Subjects::of(int64_t process) const {
    static const Subject nobody;
    const auto at = by_image_.find(process);
    return at == by_image_.end() ? nobody : at->second;
}

std::string program_name(const ProcessImage& image) {
    return std::string(file_name(image.exe));
}

} // namespace treadline
