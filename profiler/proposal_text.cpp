#include "profiler/proposal_text.h"

#include <algorithm>
#include <charconv>

#include "base/invisible.h"
#include "base/text.h"
#include "profiler/rule_text.h"
#include "profiles/pattern.h"
#include "profiles/profile_reader.h"
#include "profiles/text_layout.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

constexpr size_t longest_line = 100; // of a list in brackets

// A project's folder may be called anything; what nobody could see is written out.
std::string visible_name(const std::string& name) {
    return has_invisible(name) ? escape_path(name) : name;
}

class Writer {
public:
    explicit Writer(const Proposal& proposal) : proposal_(proposal) {}

    std::string text(const std::string& name);

private:
    [[nodiscard]] std::vector<const ProposedRule*> rules(Section section) const {
        std::vector<const ProposedRule*> chosen;
        for (const ProposedRule& rule : proposal_.rules) {
            if (rule.section == section && rule.review.empty() != under_review_) {
                chosen.push_back(&rule);
            }
        }
        return chosen;
    }
    static bool all_withheld(const std::vector<const ProposedRule*>& rules) {
        return std::all_of(rules.begin(), rules.end(),
                           [](const ProposedRule* rule) { return !rule->withheld.empty(); });
    }
    // `key:` with one rule a line below it. A withheld one loses only its '#' to be accepted; a key with
    // nothing else below it is a comment, too.
    void block(const std::string& indent, const std::string& key, Section section, bool list);
    // `key: [a, b]`, where nothing is withheld.
    void list(const std::string& indent, const std::string& key, Section section);
    void header(const std::string& name);
    void review();

    const Proposal& proposal_;
    bool under_review_ = false; // which rules are written
    std::string out_;
};

void Writer::block(const std::string& indent, const std::string& key, Section section, bool list) {
    const auto chosen = rules(section);
    if (chosen.empty()) {
        return;
    }
    out_ += (all_withheld(chosen) ? "#" : "") + indent + key + ":\n";
    for (const ProposedRule* rule : chosen) {
        out_ += with_comment((rule->withheld.empty() ? "" : "#") + indent + "  " + (list ? "- " : "") +
                                 yaml_line(*rule),
                             rule_comment(*rule));
    }
}

void Writer::list(const std::string& indent, const std::string& key, Section section) {
    const auto chosen = rules(section);
    std::vector<std::string> words;
    bool withheld = false;
    for (const ProposedRule* rule : chosen) {
        words.push_back(section == Section::Listen ? rule->text : yaml_scalar(rule->text, YamlContext::Flow));
        withheld = withheld || !rule->withheld.empty();
    }
    if (withheld) {
        block(indent, key, section, true);
    } else if (!chosen.empty()) {
        out_ += wrapped_list(indent + key + ": [", words, longest_line) + "\n";
    }
}

void Writer::header(const std::string& name) {
    const Learned& learned = proposal_.learned;
    out_ += "treadline: 1\n";
    out_ += "name: " + yaml_scalar(visible_name(name), YamlContext::Block) + "\n";
    out_ += "learned:\n  command: [";
    for (const std::string& word : learned.command) {
        out_ += (&word == &learned.command.front() ? "" : ", ") + yaml_scalar(word, YamlContext::Flow);
    }
    out_ += "]\n  runs: " + std::to_string(learned.runs) + "\n";
    out_ += std::string("  complete: ") + (learned.complete ? "true" : "false") + "\n";
    if (!learned.certificate.empty()) {
        out_ += "  certificate: " + yaml_scalar(learned.certificate, YamlContext::Block) + "\n";
    }
    list("", "include", Section::Include);
}

std::string Writer::text(const std::string& name) {
    header(name);
    out_ += "\n";
    block("", "files", Section::Files, false);
    list("", "private", Section::Private);
    block("", "deny", Section::Deny, true);

    const auto connects = rules(Section::Connect);
    const auto listens = rules(Section::Listen);
    if (!connects.empty() || !listens.empty()) {
        out_ += "\n";
        out_ += all_withheld(connects) && listens.empty() ? "#network:\n" : "network:\n";
        block("  ", "connect", Section::Connect, true);
        list("  ", "listen", Section::Listen);
    }
    list("", "unix", Section::Unix);
    if (!rules(Section::Syscalls).empty()) {
        out_ += "\n";
        list("", "syscalls", Section::Syscalls);
    }
    const auto variables = rules(Section::Environment);
    if (!variables.empty()) {
        out_ += all_withheld(variables) ? "#environment:\n" : "environment:\n";
        list("  ", "pass", Section::Environment);
    }
    review();
    return out_;
}

// What only waits: each with its reason behind it.
void Writer::review() {
    under_review_ = true;
    const bool connects = !rules(Section::Connect).empty();
    const bool listens = !rules(Section::Listen).empty();
    if (!connects && !listens && rules(Section::Files).empty() && rules(Section::Unix).empty()) {
        return;
    }
    out_ += "\nreview: # allows nothing; move a line up to its section to accept it\n";
    block("  ", "files", Section::Files, false);
    if (connects || listens) {
        out_ += "  network:\n";
        block("    ", "connect", Section::Connect, true);
        block("    ", "listen", Section::Listen, true);
    }
    block("  ", "unix", Section::Unix, true);
}

} // namespace

Profile profile_from(const Proposal& proposal, const std::string& name) {
    Profile profile;
    profile.name = visible_name(name);
    profile.learned = proposal.learned;
    for (const ProposedRule& rule : proposal.rules) {
        if (!rule.withheld.empty()) {
            continue;
        }
        ProfileRules& rules = rule.review.empty() ? profile : profile.review;
        switch (rule.section) {
        case Section::Deny:
            profile.deny.push_back({rule.text, {}});
            break;
        case Section::Include:
            rules.include.push_back({rule.text, {}});
            break;
        case Section::Files: {
            auto [path, modes] = file_rule_parts(rule.text);
            rules.files.push_back({std::move(path), modes, {}});
            break;
        }
        case Section::Private:
            rules.private_directories.push_back({rule.text, {}});
            break;
        case Section::Connect:
            rules.network.connect.push_back({rule.text, {}});
            break;
        case Section::Listen: {
            uint16_t port = 0;
            std::from_chars(rule.text.data(), rule.text.data() + rule.text.size(), port);
            rules.network.listen.push_back({port, {}});
            break;
        }
        case Section::Unix:
            rules.unix_sockets.push_back({rule.text, {}});
            break;
        case Section::Syscalls:
            rules.syscalls.push_back({rule.text, {}});
            break;
        case Section::Environment:
            rules.environment.pass.push_back({rule.text, {}});
            break;
        }
    }
    return profile;
}

result<std::string> proposal_text(const Proposal& proposal, const std::string& name) {
    std::string text = Writer(proposal).text(name);
    const Profile read = TRY(read_profile(text, "proposal"));
    if (!(read == profile_from(proposal, name))) {
        return fail("the proposed profile does not read back as it was meant");
    }
    return text;
}

} // namespace treadline
