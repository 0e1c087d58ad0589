#include "base/syscalls.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"

using namespace treadline;
using treadline::test::TemporaryDirectory;

TEST_CASE("an error names the file and the reason", "[syscalls]") {
    const auto fd = sys::open("/nonexistent/x", O_RDONLY);
    REQUIRE_FALSE(fd);
    CHECK(fd.error().message() == "cannot open '/nonexistent/x': No such file or directory");
}

TEST_CASE("every descriptor is closed on exec", "[syscalls]") {
    const unique_fd fd = sys::open("/dev/null", O_RDONLY).value();
    CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    const auto pipe = sys::pipe().value();
    CHECK((::fcntl(pipe.first.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a file is replaced whole, with its mode, and nothing is left beside it", "[syscalls]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("profile.yaml", "old");
    REQUIRE(sys::replace_file(path, "new", 0600));
    CHECK(test::slurp(path) == "new");
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    CHECK(test::run({"ls", "-A", directory.path()}).out == "profile.yaml\n");
}

TEST_CASE("replacing a file in a directory that is not there changes nothing", "[syscalls]") {
    const auto done = sys::replace_file("/nonexistent/x", "new");
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ENOENT);
}

TEST_CASE("directories are made down to the last, and making them again is no error", "[syscalls]") {
    const TemporaryDirectory directory;
    REQUIRE(sys::make_directories(directory / "a/b/c", 0700));
    REQUIRE(sys::make_directories(directory / "a/b/c", 0700));
    CHECK_FALSE(sys::mkdir(directory / "a/b/c", 0700));
}

TEST_CASE("descriptors travel over a socket and arrive closed on exec", "[syscalls]") {
    const auto [left, right] = sys::socketpair(SOCK_SEQPACKET).value();
    const TemporaryDirectory directory;
    const unique_fd file = sys::open(directory.write("x", "hello"), O_RDONLY).value();
    const std::array fds{file.get()};
    REQUIRE(sys::send_fds(left.get(), "start", fds));
    const sys::Message message = sys::receive_fds(right.get()).value();
    CHECK(message.bytes == "start");
    REQUIRE(message.fds.size() == 1);
    CHECK((::fcntl(message.fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(sys::read_all(message.fds[0].get()).value() == "hello");
}

TEST_CASE("a message that is too long is an error, not a shorter message", "[syscalls]") {
    const auto [left, right] = sys::socketpair(SOCK_SEQPACKET).value();
    REQUIRE(sys::send_fds(left.get(), "0123456789", {}));
    CHECK_FALSE(sys::receive_fds(right.get(), 4));
}

TEST_CASE("a path is resolved as libc does it: through links, and missing where something is", "[syscalls]") {
    const TemporaryDirectory directory;
    const std::string root = std::filesystem::canonical(directory.path());
    directory.write("real/deep/file", "");
    std::filesystem::create_directory_symlink("real", root + "/link");
    std::filesystem::create_symlink("nowhere", root + "/dangling");
    std::filesystem::create_symlink("loop", root + "/loop");
    for (const char* name : {"", "/real", "/real/deep/file", "/link", "/link/deep", "/link/deep/file", "/link/..", "/real/../link/./deep", "/real//deep/",
                             "/missing", "/real/missing/more", "/link/missing", "/dangling", "/dangling/x", "/loop", "/real/deep/file/x"}) {
        const std::string path = root + name;
        INFO(path);
        char buffer[PATH_MAX];
        errno = 0;
        const char* expected = ::realpath(path.c_str(), buffer);
        const int code = errno;
        const auto found = sys::realpath(path);
        REQUIRE(found.has_value() == (expected != nullptr));
        if (found) {
            CHECK(*found == expected);
        } else {
            CHECK(found.error().code == code);
        }
    }
    CHECK(*sys::realpath("/") == "/");
    CHECK(*sys::realpath(".") == std::filesystem::current_path());
    CHECK(*sys::realpath("/proc/self") == "/proc/" + std::to_string(::getpid()));
}
