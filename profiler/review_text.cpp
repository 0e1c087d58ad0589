#include <algorithm>

#include "base/text.h"
#include "profiler/review.h"
#include "profiles/profile_writer.h"

namespace treadline {
namespace {

constexpr size_t rule_column = 2;
constexpr size_t meaning_column = 6;

// Breaks at spaces; a word longer than the line stands alone, so that a path can still be copied.
std::string wrapped(const std::string& text, size_t indent, size_t columns) {
    std::string out;
    size_t column = 0;
    for (const std::string_view word : split(text, ' ')) {
        if (word.empty()) {
            continue;
        }
        if (column > 0 && indent + column + 1 + word.size() > columns) {
            out += '\n';
            column = 0;
        }
        if (column == 0) {
            out.append(indent, ' ');
        } else {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
    }
    return out + "\n";
}

std::string seen(const ReviewLine& line, int stored_runs) {
    const Evidence& evidence = line.evidence;
    if (evidence.runs == 0) {
        return "";
    }
    std::string text = "; ";
    for (size_t i = 0; i < evidence.programs.size(); ++i) {
        text += (i == 0 ? "" : ", ") + printable(evidence.programs[i]);
    }
    if (evidence.processes > 1) {
        text += (evidence.programs.empty() ? "" : ", ") + std::to_string(evidence.processes) + " processes";
    }
    text += (text.size() == 2 ? "seen in " : ", seen in ") + std::to_string(evidence.runs) + " of " +
            std::to_string(stored_runs) + (stored_runs == 1 ? " run" : " runs");
    if (evidence.runs < stored_runs) { // what not every run needs may be rare, or a mistake
        const double bound = wilson_lower_bound(evidence.runs, stored_runs);
        text += " (needed by at least " + std::to_string(static_cast<int>(bound * 100)) + " % of all)";
    }
    return text + (evidence.only_after_untrusted ? ", only after input from outside had arrived" : "");
}

constexpr size_t most_budgets = 8; // on a screen

std::string peaks_text(const Peaks& peaks) {
    constexpr uint64_t megabyte = 1024 * 1024;
    std::string text =
        peaks.memory_bytes
            ? "at most " + std::to_string((*peaks.memory_bytes + megabyte - 1) / megabyte) + " MiB, "
            : "at most ";
    if (peaks.cpu_percent) {
        text += std::to_string(*peaks.cpu_percent) + " % of one processor, ";
    }
    text += std::to_string(peaks.processes) + (peaks.processes == 1 ? " process" : " processes") +
            " at a time and " + std::to_string((peaks.milliseconds + 999) / 1000) +
            " s. To limit it, with room to spare: resources: " + resources_text(with_headroom(peaks));
    return text;
}

std::string headline(const Review& review) {
    std::string text = (review.name.empty() ? "Profile" : "Profile " + printable(review.name)) + " (" +
                       printable(review.file) + ")";
    if (!review.learned) {
        return text + ", written by hand\n";
    }
    const Learned& learned = *review.learned;
    text += "\nLearned from " + std::to_string(learned.runs) + (learned.runs == 1 ? " run" : " runs") +
            " of: " + shell_quoted(learned.command) + "\n";
    return text;
}

} // namespace

std::string to_text(const Review& review, size_t columns) {
    columns = std::max<size_t>(columns, 40);
    std::string text = headline(review);
    if (!review.warnings.empty()) {
        text += "\nIncomplete\n";
        for (const std::string& warning : review.warnings) {
            text += wrapped("! " + printable(warning), rule_column, columns);
        }
    }
    if (review.confidence) {
        for (const std::string& sentence :
             {unseen_sentence(*review.confidence), left_out_sentence(*review.confidence),
              denied_sentence(*review.confidence)}) {
            if (!sentence.empty()) {
                text += wrapped("Seen so far: " + sentence, 0, columns);
            }
        }
    }
    text += review.risks.empty() ? "\nNothing in it stands out as risky.\n" : "\nRisky: read these first\n";
    for (const std::string& risk : review.risks) {
        text += wrapped("! " + risk, rule_column, columns);
    }
    for (const ReviewGroup& group : review.groups) {
        text += "\n" + group.title + "\n";
        for (const ReviewLine& line : group.lines) {
            const std::string said = legible(line.meaning) + seen(line, review.stored_runs);
            const std::string rule = legible(line.rule);
            // On one line where that fits.
            if (rule.size() <= 34 && 38 + said.size() <= columns) {
                text += "  " + rule + std::string(36 - rule.size(), ' ') + said + "\n";
            } else {
                text += "  " + rule + "\n" + wrapped(said, meaning_column, columns);
            }
            if (!line.evidence.examples.empty()) {
                std::vector<std::string> examples;
                for (const std::string& example : line.evidence.examples) {
                    examples.push_back(legible(example));
                }
                text += wrapped("such as " + join(examples, ", "), meaning_column, columns);
            }
        }
    }
    if (review.peaks) {
        text += "\nIt took\n" + wrapped(peaks_text(*review.peaks), rule_column, columns);
    }
    if (!review.budgets.empty()) {
        text += "\nTo limit what it sends in a run, with room to spare, below 'network:'\n  budgets:\n";
        const size_t shown = std::min(review.budgets.size(), most_budgets);
        for (size_t i = 0; i < shown; ++i) {
            text += "    - " + legible(budget_line(review.budgets[i])) + "\n";
        }
        text += shown < review.budgets.size() ? "    and " + std::to_string(review.budgets.size() - shown) + " more with --json\n" : "";
    }
    for (const bool under_review : {false, true}) {
        std::string lines;
        for (const WithheldLine& line : review.withheld) {
            if (line.under_review == under_review) {
                lines += "  line " + std::to_string(line.line) + ": " + legible(line.rule) + "\n" +
                         (line.reason.empty() ? "" : wrapped(legible(line.reason), meaning_column, columns));
            }
        }
        if (!lines.empty()) {
            text += under_review
                        ? "\nUnder 'review:', not allowed. To accept a rule, move it up to its section in "
                        : "\nWithheld: seen while learning, not allowed. To accept one, remove the '#' in "
                          "front of it in ";
            text += printable(review.file) + ".\n" + lines;
        }
    }
    return text;
}

} // namespace treadline
