#include "collector/process_tree.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "collector/call_table.h"

namespace treadline {
namespace {

constexpr size_t ancestor_limit = 256;

} // namespace

void ProcessTree::Image::end() {
    ended = true;
    exe.clear();
    argv.reset();
}

int64_t ProcessTree::since_start(uint64_t time_ns) const {
    return time_ns > start_ns_ ? static_cast<int64_t>(time_ns - start_ns_) : 0;
}

ProcessTree::Image& ProcessTree::image(const tl_header& header) {
    Image& found = images_[header.image];
    if (found.pid == 0) { // its fork was lost; the loss itself is counted where it happened
        found.pid = static_cast<int32_t>(header.pid);
        found.started_ns = found.process_started_ns = since_start(header.time_ns);
    }
    return found;
}

bool ProcessTree::fork(const tl_fork& record) {
    // Images are numbered as they are made: nothing descends from itself.
    if (record.child_image <= record.header.image) {
        return false;
    }
    const Image& parent = image(record.header);
    Image child;
    child.parent = record.header.image;
    child.pid = static_cast<int32_t>(record.child_pid);
    child.started_ns = child.process_started_ns = since_start(record.header.time_ns);
    child.exe = parent.exe;
    child.argv = parent.argv;
    images_[record.child_image] = std::move(child);
    return true;
}

result<bool> ProcessTree::execute(const ExecEvent& event, const std::string& exe) {
    const tl_header& header = event.fixed.header;
    const uint64_t previous = event.fixed.previous_image;
    if (previous >= header.image) {
        return false;
    }
    if (previous != 0) {
        Image& before = images_[previous];
        before.end();
        if (before.row != 0) {
            TRY(writer_.end_process(before.row, since_start(header.time_ns), std::nullopt));
        }
    }
    Image now;
    now.process_started_ns = since_start(header.time_ns);
    if (const auto before = images_.find(previous); before != images_.end()) {
        now.process_started_ns = before->second.process_started_ns;
    }
    now.parent = previous;
    now.pid = static_cast<int32_t>(header.pid);
    now.started_ns = since_start(header.time_ns);
    now.exe = exe;
    now.argv = std::make_shared<const std::vector<std::string>>(texts_from(event.argv));
    images_[header.image] = std::move(now);
    return true;
}

result<ok> ProcessTree::exit(const tl_exit& record) {
    Image& ending = image(record.header);
    const int64_t row = TRY(row_of(record.header.image));
    const int status = record.status;
    TRY(writer_.end_process(row, since_start(record.header.time_ns),
                            WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)));
    lifetimes_.push_back(
        {ending.process_started_ns, since_start(record.header.time_ns), record.peak_pages, record.cpu_ns});
    ending.end();
    return ok{};
}

template <class Amount>
uint64_t ProcessTree::most_at_a_time(Amount amount) const {
    std::vector<std::pair<int64_t, int64_t>> changes; // when, and by how much
    for (const Lifetime& life : lifetimes_) {
        const auto by = static_cast<int64_t>(amount(life));
        changes.emplace_back(life.started_ns, by);
        changes.emplace_back(life.ended_ns, -by);
    }
    std::sort(changes.begin(), changes.end()); // at one moment ends come first
    int64_t sum = 0;
    int64_t most = 0;
    for (const auto& [when, by] : changes) {
        sum += by;
        most = std::max(most, sum);
    }
    return static_cast<uint64_t>(most);
}

uint64_t ProcessTree::memory_peak() const {
    return most_at_a_time([](const Lifetime& life) { return life.peak_pages; }) *
           static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

uint64_t ProcessTree::processor_peak() const {
    return most_at_a_time([](const Lifetime& life) {
        const auto lived = static_cast<uint64_t>(std::max<int64_t>(life.ended_ns - life.started_ns, 1));
        return life.cpu_ns * 100 / lived;
    });
}

result<ok> ProcessTree::add_calls(const tl_syscalls& record) {
    Image& caller = image(record.header);
    int64_t row = nearest_row(record.header.image);
    for (size_t word = 0; word < TL_SYSCALL_WORDS; ++word) {
        uint64_t fresh = record.words[word] & ~caller.calls[word];
        caller.calls[word] |= fresh;
        for (; fresh != 0; fresh &= fresh - 1) {
            if (row == 0) {
                row = TRY(row_of(record.header.image));
            }
            const int number = static_cast<int>(word * 64) + std::countr_zero(fresh);
            TRY(writer_.add_syscall({row, number, syscall_name(number)}));
        }
    }
    return ok{};
}

bool ProcessTree::is_living(int32_t pid) const {
    return std::any_of(images_.begin(), images_.end(),
                       [&](const auto& entry) { return entry.second.pid == pid && !entry.second.ended; });
}

std::vector<uint64_t> ProcessTree::line_of(uint64_t number) const {
    std::vector<uint64_t> line;
    while (number != 0 && line.size() < ancestor_limit) {
        line.push_back(number);
        const auto found = images_.find(number);
        number = found == images_.end() ? 0 : found->second.parent;
    }
    return line;
}

result<int64_t> ProcessTree::row_of(uint64_t number) {
    Image& found = images_[number];
    if (found.row == 0) {
        ProcessImage process;
        process.parent = nearest_row(found.parent);
        process.pid = found.pid;
        process.exe = found.exe;
        if (found.argv) {
            process.argv = *found.argv;
        }
        process.started_ns = found.started_ns;
        found.row = TRY(writer_.add_process(process));
    }
    return found.row;
}

int64_t ProcessTree::nearest_row(uint64_t number) const {
    while (number != 0) {
        const auto found = images_.find(number);
        if (found == images_.end()) {
            return 0;
        }
        if (found->second.row != 0) {
            return found->second.row;
        }
        number = found->second.parent;
    }
    return 0;
}

result<ok> ProcessTree::store_living() {
    std::vector<uint64_t> living;
    for (const auto& [number, process] : images_) {
        if (!process.ended) {
            living.push_back(number);
        }
    }
    std::sort(living.begin(), living.end());
    for (const uint64_t number : living) {
        TRY(row_of(number));
    }
    return ok{};
}

std::vector<std::string> ProcessTree::still_running() const {
    std::map<int32_t, std::string> names; // by pid: a fixed order
    for (const auto& [number, process] : images_) {
        if (!process.ended) {
            names[process.pid] =
                std::string(file_name(process.exe)) + " (" + std::to_string(process.pid) + ")";
        }
    }
    std::vector<std::string> texts;
    for (auto& [pid, name] : names) {
        texts.push_back(std::move(name));
    }
    return texts;
}

} // namespace treadline
