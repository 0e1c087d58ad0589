// Reads a trace store; never writes. Safe beside a running collector (WAL).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/trace.h"

struct sqlite3;

namespace treadline {

class TraceReader {
public:
    // A store that is missing, damaged, no trace store at all, or written by a newer Treadline is an error
    // that says which and what to do.
    // One of an earlier version is read as if it were of this one. `patience`: for somebody else's lock.
    static result<TraceReader> open(const std::string& path,
                                    std::chrono::milliseconds patience = std::chrono::seconds(10));
    TraceReader(TraceReader&&) noexcept;
    TraceReader& operator=(TraceReader&&) noexcept;
    ~TraceReader();

    [[nodiscard]] result<std::vector<RunInfo>> runs() const; // oldest first
    // The whole run, rows in a fixed order (the same store gives the same vectors). AsRows: for the
    // reduction, which goes through a million accesses; they come in Trace::rows and paths, in the order they
    // were stored, and files stays empty.
    enum class Files : uint8_t { AsTexts, AsRows };
    [[nodiscard]] result<Trace> read(int64_t run, Files form = Files::AsTexts) const;

private:
    struct Close {
        void operator()(sqlite3* database) const;
    };
    explicit TraceReader(std::unique_ptr<sqlite3, Close> database);
    std::unique_ptr<sqlite3, Close> database_;
};

} // namespace treadline
