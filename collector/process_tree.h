// The processes of one run: who descends from whom, what each executed, and their rows in the store.
//
// A process image is what runs between a fork or an exec and the next exec or the end; `number` is that of
// the records (tl_header::image).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "collector/event_view.h"
#include "collector/trace_writer.h"

namespace treadline {

class ProcessTree {
public:
    // `start_ns`: CLOCK_MONOTONIC at the run's start; the writer has a run begun.
    ProcessTree(TraceWriter& writer, uint64_t start_ns) : writer_(writer), start_ns_(start_ns) {}

    [[nodiscard]] int64_t since_start(uint64_t time_ns) const;

    // Takes note of the image a record is of, should its fork have been lost.
    void meet(const tl_header& header) { image(header); }
    // False if the record cannot be true.
    bool fork(const tl_fork& record);
    result<bool> execute(const ExecEvent& event, const std::string& exe);
    result<ok> exit(const tl_exit& record);
    // The calls that the image made and that are not stored yet.
    result<ok> add_calls(const tl_syscalls& record);

    // The program of the image; "" once it has ended.
    [[nodiscard]] const std::string& exe(const tl_header& header) { return image(header).exe; }
    [[nodiscard]] bool is_living(int32_t pid) const;
    // The image and those it descends from, nearest first; so many at most.
    [[nodiscard]] std::vector<uint64_t> line_of(uint64_t number) const;

    // Stores the image if it is not yet.
    result<int64_t> row_of(uint64_t number);
    // Its own row, or that of the closest ancestor which has one; 0 if there is none.
    [[nodiscard]] int64_t nearest_row(uint64_t number) const;
    // A row for each process that still lives, even if it did nothing worth one.
    result<ok> store_living();
    [[nodiscard]] std::vector<std::string> still_running() const; // "sleep (123)"
    // The most memory that the processes which lived at one time can have held together, in bytes: the sum of
    // what each held at most, with what they share counted for each. Of those that have ended.
    [[nodiscard]] uint64_t memory_peak() const;
    // The most of the processors that they can have used together, in hundredths of one: the sum of what each
    // used on average over its life.
    [[nodiscard]] uint64_t processor_peak() const;

private:
    struct Image {
        int64_t row = 0; // 0: not stored yet; a fork that at once executes something never is
        uint64_t parent = 0;
        int32_t pid = 0;
        bool ended = false;
        int64_t started_ns = 0;
        int64_t process_started_ns = 0;
        std::string exe;
        std::shared_ptr<const std::vector<std::string>> argv;
        std::array<uint64_t, TL_SYSCALL_WORDS> calls{};

        void end();
    };

    struct Lifetime { // of a process
        int64_t started_ns = 0;
        int64_t ended_ns = 0;
        uint64_t peak_pages = 0;
        uint64_t cpu_ns = 0;
    };
    template <class Amount>
    [[nodiscard]] uint64_t most_at_a_time(Amount amount) const;

    Image& image(const tl_header& header);

    TraceWriter& writer_;
    uint64_t start_ns_;
    std::unordered_map<uint64_t, Image> images_;
    std::vector<Lifetime> lifetimes_;
};

} // namespace treadline
