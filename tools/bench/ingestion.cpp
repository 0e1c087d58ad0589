// One measurement of tools/bench/ingestion: stores so many distinct accesses one way, and prints what it cost
// as JSON.
//
//   ingestion_bench (treadline|unique|naive|text) ACCESSES DIRECTORY
//
// `treadline`: records as the probes send them, through the decoder, the run recorder and the trace writer.
// The peers get the finished rows (decoding is not in their time): `unique` as schema version 1 stored them,
// paths in a table with a UNIQUE index; `naive`: one table, paths as text; `text`: a line for each access.
// All commit every 50 ms.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <sys/resource.h>

#include "bpf/events.h"
#include "collector/run_recorder.h"
#include "collector/trace_reader.h"
#include "collector/trace_writer.h"

namespace {
std::atomic<uint64_t> allocations{0}; // by C++ code; SQLite's own are not among them
} // namespace

void* operator new(size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size)) {
        return memory;
    }
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
    std::free(memory);
}

using namespace treadline;

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto commit_every = std::chrono::milliseconds(50);
constexpr size_t batch = 4096; // accesses made ready at a time, outside the measured time
constexpr size_t files_in_directory = 14;

template <class T>
T checked(result<T> done) {
    if (!done) {
        throw std::runtime_error(done.error().message());
    }
    return std::move(*done);
}

struct Access {
    std::string path;
    uint64_t process = 0;
    bool write = false;
    int64_t time_ns = 0;
};

// About 60 bytes: a package tree as a package manager unpacks it.
Access access_at(size_t number) {
    static const char* const parts[] = {"lib", "dist", "src", "test", "types", "node_modules", "esm", "cjs"};
    static const char* const names[] = {"index",    "utils",   "constants", "parser",
                                        "internal", "helpers", "stream"};
    const size_t directory = number / files_in_directory;
    const size_t file = number % files_in_directory;
    char text[200];
    std::snprintf(text, sizeof text, "/home/user/project/node_modules/package-%zu/%s/%s-%zu.js",
                  directory / 4, parts[directory % 4 + directory % 5], names[file % 7],
                  directory % 4 * 100 + file);
    return {text, 1 + number / 5000 % 40, file == 3, static_cast<int64_t>(number) * 2000};
}

class Store { // one way to keep accesses
public:
    virtual ~Store() = default;
    virtual void prepare(const std::vector<Access>&) {} // not in the measured time
    virtual void add(const std::vector<Access>& accesses) = 0;
    virtual void commit() = 0;
    virtual void finish() = 0;
};

class Treadline : public Store {
public:
    explicit Treadline(const std::string& path)
        : writer_(checked(TraceWriter::open(path))), run_(begin(writer_)), recorder_(writer_, 1) {}

    void prepare(const std::vector<Access>& accesses) override {
        records_.clear();
        ends_.clear();
        for (const Access& access : accesses) {
            encode(access);
        }
    }
    void add(const std::vector<Access>&) override {
        size_t from = 0;
        for (const size_t end : ends_) {
            checked(recorder_.on_record({records_.data() + from, end - from}));
            from = end;
        }
    }
    void commit() override { checked(writer_.commit()); }
    void finish() override {
        run_.complete = true;
        run_.duration_ms = 1;
        checked(writer_.finish_run(run_));
    }

private:
    static RunInfo begin(TraceWriter& writer) {
        RunInfo run;
        run.command = {"bench"};
        run.id = checked(writer.begin_run(run));
        return run;
    }
    template <class Fixed>
    void put(Fixed& record, uint16_t kind, const Access& access, const std::string& names,
             const std::string& text) {
        record.header.size = static_cast<uint16_t>(sizeof record + names.size() + text.size());
        record.header.kind = kind;
        record.header.image = access.process;
        record.header.pid = record.header.tid = static_cast<uint32_t>(1000 + access.process);
        record.header.time_ns = static_cast<uint64_t>(access.time_ns) + 1;
        records_.append(reinterpret_cast<const char*>(&record), sizeof record);
        records_ += names;
        records_ += text;
        ends_.push_back(records_.size());
    }
    void encode(const Access& access) {
        const size_t last = access.path.rfind('/');
        const std::string directory = access.path.substr(0, last);
        auto& object = directories_[directory];
        if (object == 0) {
            object = ++object_;
            encode(access, directory, object);
        }
        const std::string name = access.path.substr(last + 1);
        tl_path path{};
        path.object = ++object_;
        path.directory = object;
        path.name_size = static_cast<uint8_t>(name.size());
        path.op = TL_OPEN;
        path.flags = TL_PATH_RESOLVED | TL_PATH_FOLLOW | TL_PATH_TEXT;
        path.call_flags = access.write ? O_WRONLY : O_RDONLY;
        path.detail = TL_OPEN | (access.write ? TL_OPENED_WRITE : TL_OPENED_READ);
        path.inode_mode = S_IFREG | 0644;
        path.text_size = static_cast<uint16_t>(access.path.size());
        put(path, TL_PATH, access, name, access.path);
    }
    void encode(const Access& access, const std::string& directory, uint64_t object) {
        std::string names; // from the last one up
        for (size_t end = directory.size(); end > 0;) {
            const size_t slash = directory.rfind('/', end - 1);
            names.append(directory, slash + 1, end - slash - 1);
            names += '\0';
            end = slash;
        }
        tl_name name{};
        name.object = object;
        name.names_size = static_cast<uint16_t>(names.size());
        put(name, TL_NAME, access, names, "");
    }

    TraceWriter writer_;
    RunInfo run_;
    RunRecorder recorder_;
    std::string records_;
    std::vector<size_t> ends_;
    uint64_t object_ = 0;
    std::unordered_map<std::string, uint64_t> directories_; // that were named
};

class Sqlite : public Store {
public:
    Sqlite(const std::string& path, const char* schema) {
        if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) {
            throw std::runtime_error("cannot open " + path);
        }
        execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
        execute(schema);
    }
    ~Sqlite() override {
        for (sqlite3_stmt* statement : statements_) {
            sqlite3_finalize(statement);
        }
        sqlite3_close(database_);
    }
    Sqlite(const Sqlite&) = delete;
    Sqlite& operator=(const Sqlite&) = delete;
    void commit() override {
        if (open_) {
            execute("COMMIT");
            open_ = false;
        }
    }
    void finish() override { commit(); }

protected:
    void begin() {
        if (!open_) {
            execute("BEGIN IMMEDIATE");
            open_ = true;
        }
    }
    void execute(const char* sql) {
        if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
            throw std::runtime_error(sqlite3_errmsg(database_));
        }
    }
    sqlite3_stmt* prepared(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
            SQLITE_OK) {
            throw std::runtime_error(sqlite3_errmsg(database_));
        }
        statements_.push_back(statement);
        return statement;
    }
    void run(sqlite3_stmt* statement) {
        if (sqlite3_step(statement) != SQLITE_DONE) {
            throw std::runtime_error(sqlite3_errmsg(database_));
        }
        sqlite3_reset(statement);
    }
    static void bind(sqlite3_stmt* statement, int first, std::initializer_list<int64_t> values) {
        for (const int64_t value : values) {
            sqlite3_bind_int64(statement, first++, value);
        }
    }
    sqlite3* database_ = nullptr;

private:
    std::vector<sqlite3_stmt*> statements_;
    bool open_ = false;
};

class Unique : public Sqlite {
public:
    explicit Unique(const std::string& path)
        : Sqlite(path,
                 "CREATE TABLE path (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE) STRICT;"
                 "CREATE TABLE file_access (run INTEGER NOT NULL, process INTEGER NOT NULL, path INTEGER NOT "
                 "NULL, "
                 "access INTEGER NOT NULL, result INTEGER NOT NULL, count INTEGER NOT NULL, first_ns INTEGER "
                 "NOT NULL, "
                 "last_ns INTEGER NOT NULL, directory INTEGER NOT NULL, created_by_run INTEGER NOT NULL, "
                 "gone_at_end INTEGER NOT NULL, requested INTEGER, PRIMARY KEY (run, process, path, access, "
                 "result)) "
                 "STRICT, WITHOUT ROWID"),
          path_(prepared("INSERT INTO path (path) VALUES (?1) ON CONFLICT DO NOTHING")),
          find_(prepared("SELECT id FROM path WHERE path = ?1")),
          file_(prepared("INSERT INTO file_access VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, NULL) "
                         "ON CONFLICT DO UPDATE SET count = count + excluded.count")) {}
    void add(const std::vector<Access>& accesses) override {
        begin();
        for (const Access& access : accesses) {
            for (sqlite3_stmt* statement : {path_, find_}) {
                sqlite3_bind_blob(statement, 1, access.path.data(), static_cast<int>(access.path.size()),
                                  SQLITE_TRANSIENT);
            }
            run(path_);
            sqlite3_step(find_);
            const int64_t path = sqlite3_column_int64(find_, 0);
            sqlite3_reset(find_);
            bind(file_, 1,
                 {1, static_cast<int64_t>(access.process), path, access.write ? 1 : 0, 0, 1, access.time_ns,
                  access.time_ns});
            run(file_);
        }
    }

private:
    sqlite3_stmt* path_;
    sqlite3_stmt* find_;
    sqlite3_stmt* file_;
};

class Naive : public Sqlite {
public:
    explicit Naive(const std::string& path)
        : Sqlite(
              path,
              "CREATE TABLE access (run INTEGER, process INTEGER, path TEXT, access INTEGER, result INTEGER, "
              "count INTEGER, first_ns INTEGER, last_ns INTEGER)"),
          insert_(prepared("INSERT INTO access VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")) {}
    void add(const std::vector<Access>& accesses) override {
        begin();
        for (const Access& access : accesses) {
            bind(insert_, 1, {1, static_cast<int64_t>(access.process)});
            sqlite3_bind_text(insert_, 3, access.path.data(), static_cast<int>(access.path.size()),
                              SQLITE_STATIC);
            bind(insert_, 4, {access.write ? 1 : 0, 0, 1, access.time_ns, access.time_ns});
            run(insert_);
        }
    }

private:
    sqlite3_stmt* insert_;
};

class Text : public Store {
public:
    explicit Text(const std::string& path) : file_(std::fopen(path.c_str(), "w")) {}
    ~Text() override { std::fclose(file_); }
    Text(const Text&) = delete;
    Text& operator=(const Text&) = delete;
    void add(const std::vector<Access>& accesses) override {
        for (const Access& access : accesses) {
            std::fprintf(file_, "1 %llu %s %s 0 1 %lld %lld\n",
                         static_cast<unsigned long long>(access.process), access.write ? "write" : "read",
                         access.path.c_str(), static_cast<long long>(access.time_ns),
                         static_cast<long long>(access.time_ns));
        }
    }
    void commit() override { std::fflush(file_); }
    void finish() override { commit(); }

private:
    std::FILE* file_;
};

std::unique_ptr<Store> store_of(const std::string& way, const std::string& path) {
    if (way == "treadline") {
        return std::make_unique<Treadline>(path);
    }
    if (way == "unique") {
        return std::make_unique<Unique>(path);
    }
    if (way == "naive") {
        return std::make_unique<Naive>(path);
    }
    if (way == "text") {
        return std::make_unique<Text>(path);
    }
    throw std::runtime_error("no such way: " + way);
}

double processor_seconds() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double seconds(Clock::duration time) {
    return std::chrono::duration<double>(time).count();
}

nlohmann::json measure(const std::string& way, size_t count, const std::string& path) {
    auto store = store_of(way, path);
    Clock::duration spent{};
    double processor = 0;
    uint64_t allocated = 0;
    uint64_t allocated_late = 0; // in the second half
    size_t bytes_of_paths = 0;
    auto committed = Clock::now();
    std::vector<Access> accesses;
    for (size_t done = 0; done < count;) {
        accesses.clear();
        for (; accesses.size() < batch && done < count; ++done) {
            accesses.push_back(access_at(done));
            bytes_of_paths += accesses.back().path.size();
        }
        store->prepare(accesses);
        const uint64_t before = allocations;
        const double used = processor_seconds();
        const auto from = Clock::now();
        store->add(accesses);
        if (Clock::now() - committed > commit_every) {
            store->commit();
            committed = Clock::now();
        }
        spent += Clock::now() - from;
        processor += processor_seconds() - used;
        allocated += allocations - before;
        allocated_late += done > count / 2 ? allocations - before : 0;
    }
    const double used = processor_seconds();
    const auto from = Clock::now();
    store->finish();
    store.reset(); // folds the WAL in
    spent += Clock::now() - from;
    processor += processor_seconds() - used;
    rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    nlohmann::json figures = {
        {"way", way},
        {"accesses", count},
        {"path_bytes", static_cast<double>(bytes_of_paths) / static_cast<double>(count)},
        {"seconds", seconds(spent)},
        {"processor_seconds", processor},
        {"accesses_per_second", static_cast<double>(count) / seconds(spent)},
        {"bytes_each", static_cast<double>(std::filesystem::file_size(path)) / static_cast<double>(count)},
        {"peak_rss_mb", static_cast<double>(use.ru_maxrss) / 1024.0},
        {"allocations_each", static_cast<double>(allocated) / static_cast<double>(count)},
        {"allocations_each_second_half",
         static_cast<double>(allocated_late) / static_cast<double>(count - count / 2)}};
    if (way == "treadline") {
        const auto reading = Clock::now();
        const Trace trace = checked(checked(TraceReader::open(path)).read(1));
        figures["read_seconds"] = seconds(Clock::now() - reading);
        if (trace.files.size() != count) {
            throw std::runtime_error("stored " + std::to_string(trace.files.size()) + " accesses");
        }
    }
    return figures;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: ingestion_bench (treadline|unique|naive|text) ACCESSES DIRECTORY\n", stderr);
        return 2;
    }
    try {
        const std::string path = std::string(argv[3]) + "/" + argv[1] + ".store";
        std::puts(measure(argv[1], std::stoul(argv[2]), path).dump().c_str());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ingestion_bench: %s\n", error.what());
        return 1;
    }
    return 0;
}
