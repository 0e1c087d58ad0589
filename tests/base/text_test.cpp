#include "base/text.h"

#include <cerrno>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

TEST_CASE("a hostile file name cannot drive the terminal", "[text]") {
    CHECK(printable("plain name.txt") == "plain name.txt");
    CHECK(printable("a\033[31mb") == "a\\x1B[31mb");
    CHECK(printable("a\nb\r") == "a\\x0Ab\\x0D");
    CHECK(printable("\xC2\x9B"
                    "31m") == "\\xC2\\x9B31m"); // U+009B, an escape sequence in one character
    CHECK(printable("back\\slash") == "back\\\\slash");
}

TEST_CASE("a name cannot turn the line around, break it, or hide in it", "[text]") {
    CHECK(printable("gpj\xE2\x80\xAE.sh") == "gpj\\xE2\\x80\\xAE.sh"); // U+202E, right to left from here
    CHECK(printable("a\xE2\x81\xA6z") == "a\\xE2\\x81\\xA6z");         // U+2066, an isolate
    CHECK(printable("a\xE2\x80\xA8z") == "a\\xE2\\x80\\xA8z");         // U+2028, a line separator
    CHECK(printable("a\xE2\x80\x8Bz") == "a\\xE2\\x80\\x8Bz");         // U+200B, no width
    CHECK(printable("\xEF\xBB\xBFz") == "\\xEF\\xBB\\xBFz");           // U+FEFF, a byte order mark
    CHECK(printable("\xE2\x80\x90") == "\xE2\x80\x90");                // U+2010, a hyphen like any other
}

TEST_CASE("valid UTF-8 is printed, bytes that are none are escaped", "[text]") {
    CHECK(printable("h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\x89") == "h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\x89");
    CHECK(printable("\xFF") == "\\xFF");
    CHECK(printable("\xC0\xAF") == "\\xC0\\xAF");          // overlong '/'
    CHECK(printable("\xED\xA0\x80") == "\\xED\\xA0\\x80"); // surrogate
    CHECK(printable("\xE2\x82") == "\\xE2\\x82");          // cut short
}

TEST_CASE("a command can be pasted back into a shell", "[text]") {
    CHECK(shell_quoted({"npm", "test"}) == "npm test");
    CHECK(shell_quoted({"sh", "-c", "echo 'hi' > x"}) == "sh -c 'echo '\\''hi'\\'' > x'");
    CHECK(shell_quoted({""}) == "''");
    CHECK(shell_quoted({"printf", "a\\nb"}) == "printf 'a\\nb'");
    CHECK(shell_quoted({"a\nb", "it's\\\x1B"}) == "$'a\\x0Ab' $'it\\'s\\\\\\x1B'");
}

TEST_CASE("a text is changed only where a person would not see all of it", "[text]") {
    CHECK(legible("a\\b") == "a\\b");
    CHECK(legible("a\\b\x1B") == "a\\\\b\\x1B");
}

TEST_CASE("text is split, trimmed and joined", "[text]") {
    CHECK(split("a:b::c", ':') == std::vector<std::string_view>{"a", "b", "", "c"});
    CHECK(split("", ':') == std::vector<std::string_view>{""});
    CHECK(trimmed("  a b \n") == "a b");
    CHECK(trimmed(" \t").empty());
    CHECK(join({"a", "b"}, ", ") == "a, b");
    CHECK(join({"", "b"}, ",") == ",b");
}

TEST_CASE("an errno is named as the manual names it", "[text]") {
    CHECK(errno_name(EACCES) == "EACCES");
    CHECK(errno_name(4000) == "E4000");
}
