#include "collector/event_view.h"

#include <cstring>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

namespace {

template <class Fixed>
std::string record(Fixed fixed, uint16_t kind, const std::string& parts = "") {
    fixed.header.kind = kind;
    fixed.header.size = static_cast<uint16_t>(sizeof fixed + parts.size());
    std::string bytes(sizeof fixed, '\0');
    std::memcpy(bytes.data(), &fixed, sizeof fixed);
    return bytes + parts;
}

std::string path_record() {
    tl_path fixed{};
    fixed.header.time_ns = 11;
    fixed.header.image = 22;
    fixed.header.pid = 33;
    fixed.header.tid = 44;
    fixed.object = 55;
    fixed.result = 13;
    fixed.op = TL_RENAME_OLD;
    fixed.call_flags = 2;
    fixed.base = 66;
    fixed.directory = 77;
    fixed.name_size = 2;
    fixed.text_size = 3;
    return record(fixed, TL_PATH, "nmtxt");
}

} // namespace

TEST_CASE("a path record is read field by field", "[collector][event]") {
    const std::string bytes = path_record();
    const auto event = parse_event(bytes);
    REQUIRE(event);
    const auto& path = std::get<PathEvent>(*event);
    CHECK(path.fixed.header.time_ns == 11);
    CHECK(path.fixed.header.image == 22);
    CHECK(path.fixed.header.pid == 33);
    CHECK(path.fixed.header.tid == 44);
    CHECK(path.fixed.object == 55);
    CHECK(path.fixed.result == 13);
    CHECK(path.fixed.op == TL_RENAME_OLD);
    CHECK(path.fixed.call_flags == 2);
    CHECK(path.fixed.base == 66);
    CHECK(path.fixed.directory == 77);
    CHECK(path.name == "nm");
    CHECK(path.text == "txt");
}

TEST_CASE("an object is named by a name and the directory it lies in, or not at all", "[collector][event]") {
    const auto named = [](uint64_t directory, const std::string& name) {
        tl_path fixed{};
        fixed.object = 55;
        fixed.directory = directory;
        fixed.name_size = static_cast<uint8_t>(name.size());
        return parse_event(record(fixed, TL_PATH, name)).has_value();
    };
    CHECK(named(77, "a"));
    CHECK(named(77, "..."));
    CHECK(named(0, ""));
    CHECK_FALSE(named(0, "a"));
    CHECK_FALSE(named(77, ""));
    CHECK_FALSE(named(77, "a/b"));
    CHECK_FALSE(named(77, std::string("a\0b", 3)));
}

TEST_CASE("every kind of record is read", "[collector][event]") {
    tl_fork fork{};
    fork.child_image = 7;
    const std::string fork_bytes = record(fork, TL_FORK);
    CHECK(std::get<ForkEvent>(parse_event(fork_bytes).value()).fixed.child_image == 7);
    tl_name name{};
    name.object = 9;
    name.names_size = 4;
    const std::string name_bytes = record(name, TL_NAME, std::string("b\0a\0", 4));
    const auto named = parse_event(name_bytes);
    CHECK(std::get<NameEvent>(named.value()).fixed.object == 9);
    CHECK(path_from_names(std::get<NameEvent>(named.value()).names) == "/a/b");
    tl_other_task other{};
    other.number = 15;
    const std::string other_bytes = record(other, TL_OTHER_TASK);
    CHECK(std::get<OtherTaskEvent>(parse_event(other_bytes).value()).fixed.number == 15);
    tl_exec exec{};
    exec.program = 77;
    exec.name_size = 2;
    exec.filename_size = 4;
    exec.argv_size = 4;
    const std::string exec_bytes = record(exec, TL_EXEC, std::string("sh./xxa\0b\0", 10));
    const auto parsed = parse_event(exec_bytes);
    const auto& executed = std::get<ExecEvent>(parsed.value());
    CHECK(executed.fixed.program == 77);
    CHECK(executed.name == "sh");
    CHECK(executed.filename == "./xx");
    CHECK(texts_from(executed.argv) == std::vector<std::string>{"a", "b"});
    tl_exit exit{};
    exit.status = 256;
    const std::string exit_bytes = record(exit, TL_EXIT);
    CHECK(std::get<ExitEvent>(parse_event(exit_bytes).value()).fixed.status == 256);
    tl_socket socket{};
    socket.address_size = 2;
    const std::string socket_bytes = record(socket, TL_SOCKET, "xy");
    CHECK(std::get<SocketEvent>(parse_event(socket_bytes).value()).address == "xy");
    tl_syscalls calls{};
    calls.words[7] = 1;
    const std::string calls_bytes = record(calls, TL_SYSCALLS);
    CHECK(std::get<SyscallsEvent>(parse_event(calls_bytes).value()).fixed.words[7] == 1);
    tl_environment environment{};
    environment.names_size = 5;
    const std::string environment_bytes = record(environment, TL_ENVIRONMENT, std::string("PATH\0", 5));
    CHECK(std::get<EnvironmentEvent>(parse_event(environment_bytes).value()).names.size() == 5);
}

TEST_CASE("a record cut off anywhere is refused", "[collector][event]") {
    const std::string whole = path_record();
    for (size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        std::string cut = whole.substr(0, size);
        CHECK_FALSE(parse_event(cut));
        if (size >= sizeof(uint16_t)) { // nor may it lie about its size
            const auto claimed = static_cast<uint16_t>(size);
            std::memcpy(cut.data(), &claimed, sizeof claimed);
            CHECK_FALSE(parse_event(cut));
        }
    }
}

TEST_CASE("a record with parts that do not add up is refused", "[collector][event]") {
    std::string longer = path_record() + "x";
    CHECK_FALSE(parse_event(longer));
    const auto size = static_cast<uint16_t>(longer.size());
    std::memcpy(longer.data(), &size, sizeof size);
    const auto refused = parse_event(longer);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what == "a record of kind 4 does not add up to its size");
}

TEST_CASE("a record of an unknown kind is refused", "[collector][event]") {
    for (const int kind : {0, 64, 65535}) {
        const std::string bytes = record(tl_exit{}, static_cast<uint16_t>(kind));
        const auto refused = parse_event(bytes);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().what == "a record is of the unknown kind " + std::to_string(kind));
    }
}

TEST_CASE("names from the kernel become a path", "[collector][event]") {
    CHECK(path_from_names("") == "/");
    CHECK(path_from_names(std::string("a\0", 2)) == "/a");
    CHECK(path_from_names(std::string("c\0b\0a\0", 6)) == "/a/b/c");
    CHECK(path_from_names(std::string("new\nline\0\xff\0", 11)) == "/\xff/new\nline");
}

TEST_CASE("arguments that were cut off keep their last part", "[collector][event]") {
    CHECK(texts_from("").empty());
    CHECK(texts_from(std::string("a\0\0b", 4)) == std::vector<std::string>{"a", "", "b"});
}
