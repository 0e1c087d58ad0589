// The names of the hosts that a run contacts: lookups as rows of the store, and contacts named by them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "collector/event_view.h"
#include "collector/name_lookups.h"
#include "collector/process_tree.h"
#include "collector/trace_writer.h"

namespace treadline {

class HostNames {
public:
    // The writer has a run begun.
    explicit HostNames(TraceWriter& writer) : writer_(writer) {}

    // What a process and its resolver said to each other. An error is the store's.
    result<ok> learn(const AnswerEvent& event, ProcessTree& tree);
    // Sets the `host` of a contact that the image made, or its `candidates` where several names explain it.
    void name(SocketAccess& access, const ProcessTree& tree, uint64_t image, uint64_t until_ns) const;
    // A row for each name that gave its process no address.
    result<ok> store_failed();

private:
    TraceWriter& writer_;
    ResolverTraffic resolvers_;
    AddressNames names_;
    std::map<std::pair<int64_t, std::string>, bool>
        lookups_; // by process and name: whether it gave an address
};

} // namespace treadline
