#include "collector/run_recorder.h"

#include <cstring>

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>

#include "collector/trace_writer.h"

using namespace treadline;

namespace {

template <class Fixed>
std::string record(Fixed fixed, uint16_t kind, const std::string& parts) {
    fixed.header.kind = kind;
    fixed.header.image = 1;
    fixed.header.pid = fixed.header.tid = 100;
    fixed.header.size = static_cast<uint16_t>(sizeof fixed + parts.size());
    std::string bytes(sizeof fixed, '\0');
    std::memcpy(bytes.data(), &fixed, sizeof fixed);
    return bytes + parts;
}

std::string named(uint64_t object, const std::string& names) {
    tl_name fixed{};
    fixed.object = object;
    fixed.names_size = static_cast<uint16_t>(names.size());
    return record(fixed, TL_NAME, names);
}

// An open for reading; in no directory: of what was named before.
std::string opened(uint64_t object, uint64_t directory = 0, const std::string& name = "") {
    tl_path fixed{};
    fixed.object = object;
    fixed.directory = directory;
    fixed.name_size = static_cast<uint8_t>(name.size());
    fixed.op = TL_OPEN;
    fixed.flags = TL_PATH_RESOLVED;
    fixed.detail = TL_OPEN | TL_OPENED_READ;
    fixed.inode_mode = S_IFREG | 0644;
    return record(fixed, TL_PATH, name);
}

struct Recording {
    TraceWriter writer = std::move(*TraceWriter::open(":memory:"));
    RunRecorder recorder;

    Recording() : recorder((static_cast<void>(writer.begin_run({}).value()), writer), 1) {}
    void take(const std::string& bytes) { REQUIRE(recorder.on_record(bytes)); }
    [[nodiscard]] bool knows(const std::string& directory, const std::string& name) {
        const int64_t known = writer.path_id(directory).value();
        return writer.paths().find_below(static_cast<uint32_t>(known), name) != 0;
    }
};

} // namespace

TEST_CASE("an opened file is named by its directory, for this record and later ones", "[collector][recorder]") {
    Recording run;
    run.take(named(7, std::string("src\0home\0", 9)));
    run.take(opened(8, 7, "main.c"));
    run.take(opened(9, 8, "odd")); // what lies in it
    run.take(opened(8));
    CHECK(run.knows("/home/src", "main.c"));
    CHECK(run.knows("/home/src/main.c", "odd"));
    CHECK(run.recorder.lost().empty());
}

TEST_CASE("what lies in a directory whose name never came is lost, not guessed", "[collector][recorder]") {
    Recording run;
    run.take(opened(8, 7, "main.c"));
    CHECK(run.writer.paths().size() == 0);
    CHECK(run.recorder.lost() == std::map<std::string, uint64_t>{{"name of a path", 1}});
    run.take(opened(8));
    CHECK(run.recorder.lost() == std::map<std::string, uint64_t>{{"name of a path", 2}});
}
