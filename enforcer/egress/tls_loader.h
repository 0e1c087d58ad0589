// Loads the module behind tls.h, and makes the run's certificate authority with it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/egress/tls.h"

namespace treadline::egress {

// For good. Not in the supervisor, which every run has: in processes that need it.
result<TlsLibrary*> load_tls();

// What the supervisor holds of it: what is public, and a pipe in which the key waits for the gateway.
struct RunAuthority {
    std::string certificate; // PEM
    std::string java_store;  // the one given, with the certificate; "" where none was, or it is of another form
    unique_fd key;
};

// In a process of its own, which is gone when this returns.
result<RunAuthority> make_run_authority(const std::vector<std::string>& hosts, const std::string& java_store);

} // namespace treadline::egress
