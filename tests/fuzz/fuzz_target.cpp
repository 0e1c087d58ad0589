// One fuzzer: FUZZ_ENTRY names what it feeds (tests/fuzz/entries.h).
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/entries.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    treadline::fuzz::FUZZ_ENTRY({reinterpret_cast<const char*>(data), size});
    return 0;
}
