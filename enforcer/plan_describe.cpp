#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "enforcer/landlock_ruleset.h"
#include "enforcer/plan.h"
#include "enforcer/supervised_sockets.h"

namespace treadline {
namespace {

std::string_view name_of(MountStep::Kind kind) {
    switch (kind) {
    case MountStep::Kind::Directory:
        return "directory";
    case MountStep::Kind::Symlink:
        return "link";
    case MountStep::Kind::Tmpfs:
        return "empty";
    case MountStep::Kind::Bind:
        return "host";
    case MountStep::Kind::Device:
        return "device";
    case MountStep::Kind::Proc:
        return "proc";
    case MountStep::Kind::Devices:
        return "devices";
    case MountStep::Kind::File:
    case MountStep::Kind::TrustBundle:
    case MountStep::Kind::JavaTrust:
        return "file";
    case MountStep::Kind::Decoy:
    case MountStep::Kind::MaskFile:
    case MountStep::Kind::MaskDirectory:
        return "mask";
    }
    return "";
}

void line(std::string& out, const std::string& text) {
    out += "  " + text + "\n";
}

std::string describe_mount(const MountStep& step) {
    std::string text = std::string(name_of(step.kind)) + " " + printable(step.target);
    if (step.kind == MountStep::Kind::Symlink) {
        text += " -> " + printable(step.source);
    }
    const bool has_content = step.kind == MountStep::Kind::Tmpfs || step.kind == MountStep::Kind::Bind;
    if (has_content) {
        text += step.writable ? " (writable" : " (read-only";
        text += step.executable ? ")" : ", noexec)";
    }
    return text + "   # " + printable(step.why);
}

// What the run changes outside, and what this machine cannot hold.
void describe_outside(std::string& out, const Plan& plan) {
    if (!plan.placeholders.empty() || !plan.make_directories.empty() || !plan.temporary.empty()) {
        out += "Made on the host for the run\n";
        for (const std::string& path : plan.make_directories) {
            line(out, "directory " + printable(path) + "   # removed afterwards if empty");
        }
        if (!plan.temporary.empty()) {
            line(out, "directory " + printable(plan.temporary) + "   # TMPDIR; removed afterwards with what is in it");
        }
        for (const Placeholder& placeholder : plan.placeholders) {
            line(out, "placeholder " + printable(placeholder.path) + "   # " + printable(placeholder.why) +
                          "; removed afterwards");
        }
    }
    if (!plan.degraded.empty()) {
        out += "Not held here\n";
        for (const std::string& gap : plan.degraded) {
            line(out, gap);
        }
    }
}

} // namespace

std::string describe(const Plan& plan, Detail detail) {
    // Rules of the abstractions, by the include they came with.
    std::map<std::string, std::string> included;
    std::map<std::string, size_t> counts;
    if (plan.policy != nullptr && detail == Detail::OwnRules) {
        for (const PolicyRule& rule : plan.policy->files()) {
            if (rule.origin.source.starts_with("include ") && included.emplace(rule.text, rule.origin.source).second) {
                ++counts[rule.origin.source];
            }
        }
        for (const PolicyRule& rule : plan.policy->files()) {
            if (!rule.origin.source.starts_with("include ")) {
                included.erase(rule.text);
            }
        }
    }
    std::string out = "Rules and what holds them\n";
    for (const Enforcement& rule : plan.enforcement) {
        if (!included.contains(rule.rule)) {
            line(out, printable(rule.rule) + "   # " + rule.mechanism +
                          (rule.wider.empty() ? "" : "; note: " + printable(rule.wider)));
        }
    }
    for (const auto& [include, count] : counts) {
        line(out, printable(include) + "   # " + std::to_string(count) + " rules, held in the same ways");
    }
    if (detail == Detail::OwnRules) {
        describe_outside(out, plan);
        return out;
    }
    out += "Mounts, in order\n";
    for (const MountStep& step : plan.mounts) {
        if (step.kind != MountStep::Kind::Directory) {
            line(out, describe_mount(step));
        }
    }
    if (plan.landlock_abi > 0) {
        out += "Landlock, ABI " + std::to_string(plan.landlock_abi) + "\n";
        for (const LandlockRule& rule : plan.landlock_rules) {
            line(out, printable(rule.path) + " " + describe_landlock_rights(rule.rights) + "   # " +
                          printable(rule.why));
        }
        for (const uint16_t port : supervises_sockets(plan) ? std::vector<uint16_t>() : plan.bind_ports) { // there it holds all
            line(out, "bind tcp " + std::to_string(port));
        }
    }
    if (plan.syscalls) {
        out += "System calls\n";
        line(out, std::to_string(plan.syscalls->size()) + " allowed; the others fail with EPERM" +
                      (plan.notify ? " and are reported" : ""));
    }
    out += "Environment\n";
    for (const auto& [name, value] : plan.command.environment) {
        line(out, printable(name)); // values may be secrets
    }
    describe_outside(out, plan);
    return out;
}

} // namespace treadline
