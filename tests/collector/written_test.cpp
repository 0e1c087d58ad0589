#include "collector/written.h"

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

TEST_CASE("who wrote a file is known through renames of it and of what it lies in", "[collector][written]") {
    Written written;
    CHECK(written.writer("/a") == nullptr);
    written.wrote("/d/e/f", "/bin/cc");
    written.wrote("/d/e/f", "/bin/ld");
    REQUIRE(written.writer("/d/e/f") != nullptr);
    CHECK(*written.writer("/d/e/f") == "/bin/ld");
    written.renamed("/d/e", "/d/g");
    written.renamed("/d", "/h");
    REQUIRE(written.writer("/h/g/f") != nullptr);
    CHECK(*written.writer("/h/g/f") == "/bin/ld");
    CHECK(written.writer("/h/g/other") == nullptr);
    CHECK(written.writer("/hh/g/f") == nullptr);
    written.renamed("/h/g/f", "/x"); // through both directories
    CHECK(written.writer("/x") != nullptr);
}

TEST_CASE("a file that nobody wrote takes the place of one that was written", "[collector][written]") {
    Written written;
    written.wrote("/a", "/bin/cc");
    written.renamed("/there", "/a");
    CHECK(written.writer("/a") == nullptr);
    written.linked("/there", "/b");
    CHECK(written.writer("/b") == nullptr);
}

TEST_CASE("a second name of a written file is a written file", "[collector][written]") {
    Written written;
    written.wrote("/a", "/bin/cc");
    written.linked("/a", "/b");
    CHECK(written.writer("/b") != nullptr);
    CHECK(written.writer("/a") != nullptr);
}

TEST_CASE("renames without end cost bounded memory", "[collector][written]") {
    Written written;
    written.wrote("/0/f", "/bin/cc");
    for (int i = 0; i < 5000; ++i) {
        written.renamed("/" + std::to_string(i), "/" + std::to_string(i + 1));
    }
    CHECK(written.writer("/5000/f") == nullptr); // longer ago than it remembers
    written.wrote("/5000/g", "/bin/cc");
    written.renamed("/5000", "/last");
    CHECK(written.writer("/last/g") != nullptr);
}
