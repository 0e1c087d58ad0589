// What a profile means to the person who has to accept it: what it allows in plain words, why each line is
// there, what is risky, and what is withheld.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/trace.h"
#include "profiler/confidence.h"
#include "profiler/reduce.h"
#include "profiler/resource_peaks.h"
#include "profiles/policy.h"

namespace treadline {

struct ReviewInput {
    const Profile& profile;
    const Policy& policy;             // of that profile
    std::string_view text;            // of that profile, for what stands in it as comments
    std::string file;                 // its name, as the person knows it
    const std::vector<Trace>& traces; // stored runs; may be empty
    std::function<Variables(const RunInfo&)> variables;
};

struct ReviewLine {
    std::string rule;    // "${project}/**"
    std::string meaning; // "everything below: read"
    Evidence evidence;   // no runs: no stored run needed it
    int line = 0;        // in the file
};

struct ReviewGroup {
    std::string title; // "It may read"
    std::vector<ReviewLine> lines;
};

struct WithheldLine {
    int line = 0;
    std::string rule;
    std::string reason;
    bool under_review = false; // stands under `review:`, not in a comment
};

struct Review {
    std::string name;
    std::string file;
    std::optional<Learned> learned;
    int stored_runs = 0;
    std::vector<int64_t> started_unix_ms; // of the stored runs, by position
    std::vector<ReviewGroup> groups;
    std::vector<std::string> risks; // sentences
    std::vector<WithheldLine> withheld;
    std::vector<std::string> warnings; // why the evidence is not all there is
    std::optional<Peaks> peaks;        // of the stored runs
    std::vector<Budget> budgets;       // that would have held them with room to spare, where the profile has none for the host
    std::optional<Confidence>
        confidence; // of the runs of one command; left to the caller, it costs reductions
};

Review review(const ReviewInput& input);

// The sentences for what a person should not overlook. Also for reports about a single policy.
std::vector<std::string> risks_of(const Policy& policy);
// One of them: private data, untrusted input and a way out in one profile; "" where one is missing.
std::string leak_in(const Policy& policy);

// Rules that stand in the text as comments, with the reason behind them.
std::vector<WithheldLine> withheld_in(std::string_view text);
// Rules under `review:`, with the comment behind them.
std::vector<WithheldLine> under_review(const ProfileRules& review, std::string_view text);

// {name, file, stored_runs, risks: [text], rules: [{group, rule, meaning, line, runs, of_runs, at_least,
// processes, programs, roles, only_after_untrusted, only_through_made_links (of files), first_seen_unix_ms,
// last_seen_unix_ms (null: never), examples}],
// withheld: [{line, rule, reason, under_review}], warnings: [text], confidence: {runs, unseen, left_out:
// {runs, denied_runs, denied_share, examples} or null} or null,
// budgets: [text], resources: {peak_memory, peak_cpu_percent, peak_processes, longest_ms, suggested: text} or null}
std::string to_json(const Review& review);
// For a terminal of that many columns; every name is printable().
std::string to_text(const Review& review, size_t columns = 100);

} // namespace treadline
