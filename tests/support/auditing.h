// The kernel's audit log, switched on or off for one test and put back as it was; one test of the machine at
// a time. A test that is killed leaves it as it is.
#pragma once

#include <cstdint>

#include "base/unique_fd.h"

namespace treadline::test {

class Auditing {
public:
    explicit Auditing(bool on);
    ~Auditing();
    Auditing(const Auditing&) = delete;
    Auditing& operator=(const Auditing&) = delete;

    // Whether this process may switch it: root of the initial namespaces, and nobody has locked it.
    [[nodiscard]] bool works() const { return works_; }

private:
    unique_fd lock_;
    bool works_ = false;
    uint32_t before_ = 0;
};

} // namespace treadline::test
