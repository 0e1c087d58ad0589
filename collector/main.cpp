// treadline-collector: the one program that needs privilege. Started by `treadline learn`, never by hand.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "collector/collector.h"
#include "collector/probe_set.h"

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--canary") == 0) {
        return 0; // its own execution is what the probes are checked with
    }
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::puts("treadline-collector " TREADLINE_VERSION);
        return 0;
    }
    if (argc == 2 && std::strcmp(argv[1], "--probes") == 0) { // for `treadline doctor`
        const treadline::ProbeChoice choice = treadline::choose_probe_set();
        std::printf("%s\n%s\n", treadline::to_string(choice.set).c_str(), choice.because.c_str());
        return 0;
    }
    if (argc != 1) {
        std::fputs("treadline-collector is started by `treadline learn` and takes no arguments\n", stderr);
        return 125;
    }
    const auto served = treadline::serve(0);
    if (!served && served.error().code == EPIPE) {
        return 125; // the caller is gone, and has said why itself
    }
    if (!served) {
        std::fprintf(stderr, "treadline-collector: %s\n", served.error().message().c_str());
        return 125;
    }
    return 0;
}
