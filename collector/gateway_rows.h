// What the egress gateway recorded of a run, as rows of the store, and bound to what the probes saw.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/trace.h"

struct sqlite3;

namespace treadline {

struct GatewayRecord {
    std::map<std::string, std::string> names; // by the address that stood for them
    std::vector<Exchange> exchanges;          // `process` is not looked at
};

// All of it or nothing, in the store the collector is writing. The run need not be at its end.
result<ok> store_gateway_record(const std::string& store, int64_t run, const GatewayRecord& record);

// Adds the exchanges to a trace whose sockets are there, and gives each contact the name that its address stood for. That
// is the gateway's word, so what else was seen of lookups does not count; an address that stood for nothing has no name.
result<ok> read_gateway_rows(sqlite3* database, Trace& trace);

} // namespace treadline
