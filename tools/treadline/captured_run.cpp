#include "tools/treadline/captured_run.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "collector/captured_rows.h"

namespace treadline {
namespace {

CapturedExchange row_of(const egress::KeptExchange& one) {
    CapturedExchange row;
    row.host = one.host;
    row.port = one.port;
    row.secure = one.secure;
    row.method = one.method;
    row.target = one.target;
    row.conditions = one.conditions;
    row.accept = one.accept;
    row.body_digest = one.body_digest;
    row.status = one.status;
    row.reason = one.reason;
    row.fields = egress::to_lines(one.fields);
    row.body = one.body;
    row.unusable = one.unusable;
    return row;
}

result<egress::KeptExchange> exchange_of(const CapturedExchange& row) {
    egress::KeptExchange one;
    one.host = row.host;
    one.port = row.port;
    one.secure = row.secure;
    one.method = row.method;
    one.target = row.target;
    one.conditions = row.conditions;
    one.accept = row.accept;
    one.body_digest = row.body_digest;
    one.status = row.status;
    one.reason = row.reason;
    one.fields = egress::fields_from(row.fields);
    one.body = row.body;
    one.unusable = row.unusable;
    const std::string objection = egress::to_lines(one.fields) != row.fields ? "a header that is none" : egress::objection_to(one);
    if (!objection.empty()) {
        return fail("an exchange holds " + objection);
    }
    return one;
}

} // namespace

result<std::shared_ptr<const egress::Replay>> load_replay(const Context& context, int64_t run) {
    if (::access(context.store.c_str(), F_OK) != 0) {
        return fail(fmt::format("there are no stored runs for {} (no {}); run 'treadline enforce --capture -- COMMAND' first", context.project,
                                context.store));
    }
    const CapturedRun captured = TRY(read_captured(context.store, run));
    if (captured.run.uid != context.user.uid) {
        return fail(fmt::format("run {} is another user's (uid {}); capture one of your own", run, captured.run.uid));
    }
    auto replay = std::make_shared<egress::Replay>();
    replay->run = run;
    size_t bytes = 0;
    for (const CapturedExchange& row : captured.exchanges) {
        auto one = exchange_of(row);
        if (!one) {
            return fail(fmt::format("run {} cannot be served back: {}", run, one.error().message()));
        }
        bytes += one->body.size();
        if (bytes > egress::max_kept_bytes || replay->exchanges.size() >= egress::max_kept_exchanges) {
            return fail(fmt::format("run {} cannot be served back: it holds more than a run may", run));
        }
        replay->exchanges.push_back(std::move(*one));
    }
    return std::shared_ptr<const egress::Replay>(std::move(replay));
}

result<ok> store_kept(const Context& context, const RunInfo& run, const result<egress::KeptRun>& kept) {
    if (!kept) {
        return failure(kept.error());
    }
    std::vector<CapturedExchange> rows;
    for (const egress::KeptExchange& one : kept->exchanges) {
        rows.push_back(row_of(one));
    }
    if (kept->left_out > 0) {
        say(fmt::format("{} exchange{} not captured: there is room for {} and for {} MiB, and none is kept whose address holds a secret", kept->left_out,
                        kept->left_out == 1 ? " was" : "s were", egress::max_kept_exchanges, egress::max_kept_bytes >> 20));
    }
    if (rows.empty()) {
        say("nothing was captured: what the gateway looks into is plain HTTP, and hosts under `inspect` or `credentials`");
        return ok{};
    }
    TRY(sys::make_directories(std::string(parent_path(context.store)), 0700));
    const int64_t id = TRY(store_captured(context.store, run, rows));
    const auto unusable = std::count_if(rows.begin(), rows.end(), [](const CapturedExchange& one) { return !one.unusable.empty(); });
    say(fmt::format("captured {} exchange{} as run {}{}; serve them back with 'treadline enforce --replay {} -- …'", rows.size(), rows.size() == 1 ? "" : "s", id,
                    unusable == 0 ? "" : fmt::format(", {} of which cannot be served back ('treadline show {}' says why)", unusable, id), id));
    return ok{};
}

} // namespace treadline
