#include "profiler/poison_guard.h"

#include <algorithm>

namespace treadline {
namespace {

bool is_personal(PathClass path_class) {
    return path_class == PathClass::Home || path_class == PathClass::OtherUser ||
           path_class == PathClass::OtherProject || path_class == PathClass::Elsewhere;
}

bool only(const Evidence& evidence, std::initializer_list<Role> roles) {
    return !evidence.roles.empty() &&
           std::all_of(evidence.roles.begin(), evidence.roles.end(),
                       [&](Role role) { return std::find(roles.begin(), roles.end(), role) != roles.end(); });
}

std::string why_untrusted(const Evidence& evidence) {
    if (!evidence.only_after_untrusted) {
        return "";
    }
    return only(evidence, {Role::InstallScript}) ? "only an install script needed it"
                                                 : "needed only after input from outside had arrived";
}

// A link in the project makes whoever reads the project read something else.
std::string why_led(const Evidence& evidence) {
    return evidence.only_through_made_links ? "reached only by a symbolic link that the run had made" : "";
}

// One run is no sample: what a single run needed is all there is.
std::string why_rare(const Evidence& evidence) {
    return evidence.runs == 1 && evidence.of_runs > 1
               ? "only 1 of " + std::to_string(evidence.of_runs) + " runs needed it"
               : "";
}

std::string either(std::string a, std::string b) {
    return a.empty() ? b : a;
}

} // namespace

std::string why_review_file(PathClass path_class, Modes modes, const Evidence& evidence) {
    if (!is_personal(path_class)) {
        return "";
    }
    const bool changes = modes.has(Mode::Write) || modes.has(Mode::Create);
    if (path_class == PathClass::OtherUser) {
        return "another user's";
    }
    if (path_class == PathClass::OtherProject && (changes || modes.has(Mode::Execute))) {
        return changes ? "changes another project" : "runs another project's program";
    }
    if (changes && modes.has(Mode::Execute)) {
        return "changes a program outside the project, and runs it";
    }
    return either(why_untrusted(evidence), either(why_led(evidence), why_rare(evidence)));
}

std::string why_review_contact(const Evidence& evidence) {
    // With its cache filled a package manager asks nobody: one run of several is what to expect.
    const bool fetches = only(evidence, {Role::PackageManager, Role::VersionControl});
    return either(why_untrusted(evidence), fetches ? "" : why_rare(evidence));
}

} // namespace treadline
