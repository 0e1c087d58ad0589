#include "enforcer/egress/http2_link.h"

#include <chrono>
#include <exception>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "enforcer/egress/inspect.h"
#include "enforcer/egress/relay.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::seconds;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr seconds idle_time{60};      // without a stream
constexpr seconds exchange_time{3600}; // for anything to be said while there are some
constexpr seconds block_time{600};    // for what is said to be taken
constexpr unsigned reads_in_turn = 16;

constexpr size_t most_links = 2500;
constexpr size_t few_links = 64; // get more room each: a gateway far from its server else waits for every 64 KiB
constexpr size_t wide_window = 1024 * 1024;
size_t links = 0;

size_t window() {
    return links < few_links ? wide_window : least_http2_window;
}

} // namespace

bool Http2Link::has_room() {
    return links < most_links;
}

Http2Link::Http2Link(std::unique_ptr<Stream> program, std::unique_ptr<Stream> server, std::shared_ptr<const Counted> counted, const Contact& contact,
                     RelayContext& context)
    : context_(context),
      counted_(std::move(counted)),
      rules_(context.decision, context.inspector->substitution(), context.inspector->limits_requests(contact), contact, Wrapping::Tls,
             context.account_of(contact)),
      relay_([&](Http2Role role, Http2Events& events) { return context.inspector->tls().http2(role, events, window()); }, rules_,
             [this](Violation violation) { context_.on_violation(std::move(violation), rules_.contact().dialled); }),
      program_{std::move(program), &relay_.program(), asio::steady_timer(context.io, Until::max())},
      server_{std::move(server), &relay_.server(), asio::steady_timer(context.io, Until::max())},
      taken_(context.io, Until::max()),
      done_(context.io, Until::max()) {
    ++links;
}

Http2Link::~Http2Link() {
    --links;
}

awaitable<void> Http2Link::run() {
    const auto ended = [this](std::exception_ptr) {
        --running_;
        done_.cancel();
    };
    running_ = 4;
    asio::co_spawn(context_.io, read_program(), ended);
    asio::co_spawn(context_.io, read_server(), ended);
    asio::co_spawn(context_.io, write_program(), ended);
    asio::co_spawn(context_.io, write_server(), ended);
    while (running_ > 0) {
        co_await done_.async_wait(token);
    }
    if (counted_->over) {
        context_.on_violation(*counted_->over, rules_.contact().dialled);
    }
    co_return;
}

void Http2Link::wake() {
    program_.wake.cancel();
    server_.wake.cancel();
    taken_.cancel();
}

awaitable<bool> Http2Link::read(Side& from, Side& to, Until until) {
    std::string bytes;
    if (const bool done = co_await from.stream->read(bytes, until); !done || ended_) {
        co_return false;
    }
    from.session->give(bytes);
    wake();
    if (++turns_ % reads_in_turn == 0) {
        co_await asio::post(context_.io, asio::use_awaitable); // others get theirs
    }
    while (to.busy && !ended_) {
        co_await taken_.async_wait(token);
    }
    co_return !ended_ && !from.session->over();
}

// Until there is nothing more to be said to it, or it takes nothing.
awaitable<bool> Http2Link::write(Side& to, Side& from) {
    const std::string bytes = to.session->take();
    to.busy = !bytes.empty();
    if (bytes.empty()) {
        taken_.cancel();
        if (ended_ || to.session->over() || (closing_ && &to == &program_ && (gone_ || relay_.open() == 0))) {
            co_return false;
        }
        co_await to.wake.async_wait(token);
        co_return true;
    }
    from.wake.cancel(); // it may be told that more may come
    const bool done = co_await to.stream->write(bytes, after(block_time));
    to.busy = done;
    co_return done && !ended_;
}

awaitable<void> Http2Link::read_program() {
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await read(program_, server_, after(relay_.open() == 0 ? idle_time : exchange_time));
    }
    program_.session->go_away();
    gone_ = true;
    closing_ = true;
    wake();
    co_return;
}

awaitable<void> Http2Link::read_server() {
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await read(server_, program_, after(exchange_time));
    }
    server_is_gone();
    co_return;
}

awaitable<void> Http2Link::write_server() {
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await write(server_, program_);
    }
    server_is_gone();
    co_return;
}

void Http2Link::server_is_gone() {
    server_.busy = false;
    relay_.server_gone();
    closing_ = true;
    wake();
}

awaitable<void> Http2Link::write_program() {
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await write(program_, server_);
    }
    program_.busy = false;
    co_await program_.stream->finish();
    if (!ended_ && relay_.open() == 0) {
        co_await server_.stream->finish();
    }
    ended_ = true;
    program_.stream->abort();
    server_.stream->abort();
    wake();
    co_return;
}

} // namespace treadline::egress
