#include "enforcer/egress/gateway_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <set>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include "base/addresses.h"
#include "base/syscalls.h"
#include "enforcer/egress/answers.h"
#include "enforcer/egress/confinement.h"
#include "enforcer/egress/dns_datagrams.h"
#include "enforcer/egress/keeper.h"
#include "enforcer/egress/loopback_mirror.h"
#include "enforcer/egress/loopback_relay.h"
#include "enforcer/egress/recording_relay.h"
#include "enforcer/egress/refused_datagrams.h"
#include "enforcer/egress/relay.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr size_t max_connections = 10'000; // each has two descriptors
constexpr size_t max_waiting = 1'000;      // reports the supervisor has not taken yet; the same ones are counted together
constexpr std::chrono::seconds refused_pause{1};
constexpr size_t max_word = 256;            // of the supervisor's
constexpr int last_words_ms = 2000;        // for the supervisor to take each message at the end

std::vector<std::string> own_addresses() {
    std::vector<std::string> addresses;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
        return addresses;
    }
    for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (at->ifa_addr != nullptr && at->ifa_addr->sa_family == AF_INET) {
            ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(at->ifa_addr)->sin_addr, text.data(), text.size());
        } else if (at->ifa_addr != nullptr && at->ifa_addr->sa_family == AF_INET6) {
            ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(at->ifa_addr)->sin6_addr, text.data(), text.size());
        }
        if (text[0] != '\0') {
            addresses.push_back(treadline::to_text(parse_address(text.data())));
        }
    }
    ::freeifaddrs(list);
    return addresses;
}

// Sends each violation to the supervisor; while that is busy, the same ones are counted together.
class Reports {
public:
    Reports(asio::io_context& io, unique_fd socket) : socket_(io, socket.release()) {
        error_code ignored;
        socket_.non_blocking(true, ignored);
    }

    void add(Violation violation, const std::string& dialled) {
        const std::string key = violation.operation + '\n' + violation.object + '\n' + violation.reason;
        const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& one) { return one.first == key; });
        if (found != waiting_.end()) {
            ++found->second.violation.count;
            return;
        }
        if (waiting_.size() >= max_waiting) {
            ++waiting_.back().second.violation.count; // it will be one of too many different ones there, too
            return;
        }
        waiting_.emplace_back(key, Report{std::move(violation), dialled});
        flush();
    }

    void add(RefusedDatagrams& refused) {
        for (const std::string& endpoint : refused.news()) {
            Violation violation = refusal("connect", endpoint, no_way_out);
            violation.count = 0; // the supervisor may have seen, and told, the call
            add(std::move(violation), endpoint);
        }
    }

    void flush() {
        while (!waiting_.empty()) {
            const Violation& one = waiting_.front().second.violation;
            const nlohmann::json json = {{"operation", one.operation}, {"object", one.object.substr(0, 4096)}, {"section", one.section},
                                         {"rule", one.rule},           {"reason", one.reason.substr(0, 4096)}, {"risk", one.risk},
                                         {"review", one.review},       {"count", one.count},
                                         {"dialled", waiting_.front().second.dialled}};
            const std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
            if (::send(socket_.native_handle(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
                (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) {
                wait();
                return;
            }
            waiting_.pop_front();
        }
    }

    // At the end, when nothing else is to be done: these wait for the supervisor.
    void drain() {
        for (flush(); !waiting_.empty(); flush()) {
            pollfd room{socket_.native_handle(), POLLOUT, 0};
            if (::poll(&room, 1, last_words_ms) <= 0) {
                return;
            }
        }
    }
    void say_last(const std::vector<std::string>& messages) {
        for (const std::string& text : messages) {
            pollfd room{socket_.native_handle(), POLLOUT, 0};
            if (::poll(&room, 1, last_words_ms) <= 0 || ::send(socket_.native_handle(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
                return; // without the last one the recording counts as lost
            }
        }
    }

    // What the supervisor hands over (Gateway::hand_over), until it has closed its end.
    awaitable<void> listen(std::function<void(unique_fd connection, std::string destination)> on_connection) {
        for (;;) {
            const auto [problem] = co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, token);
            auto message = problem ? sys::Message() : sys::receive_fds(socket_.native_handle(), max_word);
            if (!message && (message.error().code == EAGAIN || message.error().code == EMSGSIZE)) {
                continue; // without room for a descriptor that connection is reset
            }
            if (!message || message->bytes.empty()) {
                co_return;
            }
            if (message->fds.size() == 1) {
                on_connection(std::move(message->fds[0]), message->bytes.substr(1));
            }
        }
    }

private:
    void wait() {
        if (!std::exchange(writing_, true)) {
            socket_.async_wait(asio::posix::stream_descriptor::wait_write, [this](error_code problem) {
                writing_ = false;
                if (!problem) {
                    flush();
                }
            });
        }
    }

    asio::posix::stream_descriptor socket_;
    std::deque<std::pair<std::string, Report>> waiting_;
    bool writing_ = false;
};

// Programs learn at once that they may not; whoever watches the run, within a moment.
awaitable<void> report_refused(asio::io_context& io, RefusedDatagrams& refused, Reports& reports) {
    asio::steady_timer pause(io);
    for (;;) {
        pause.expires_after(refused_pause);
        co_await pause.async_wait(token);
        reports.add(refused);
    }
}

class Acceptance {
public:
    using Serve = std::function<awaitable<void>(tcp::socket)>;
    Acceptance(asio::io_context& io, size_t most) : io_(io), room_(io), most_(most) { room_.expires_at(asio::steady_timer::time_point::max()); }

    // What is over the limit waits in the listener's queue, and its program with it.
    awaitable<void> accept(tcp::acceptor& acceptor, Serve serve) {
        for (;;) {
            while (open_ >= most_) {
                co_await room_.async_wait(token);
            }
            auto [problem, peer] = co_await acceptor.async_accept(token);
            if (problem == asio::error::no_descriptors || problem == asio::error::no_memory) {
                asio::steady_timer pause(io_, std::chrono::milliseconds(100));
                co_await pause.async_wait(token);
                continue;
            }
            if (problem == asio::error::operation_aborted || problem == asio::error::bad_descriptor) {
                co_return;
            }
            if (problem) {
                continue; // that one connection's
            }
            begin(serve(std::move(peer)));
        }
    }

    [[nodiscard]] bool has_room() const { return open_ < most_; }

    void begin(awaitable<void> serving) {
        ++open_;
        asio::co_spawn(io_, std::move(serving), [this](std::exception_ptr) {
            --open_;
            room_.cancel();
        });
    }

private:
    asio::io_context& io_;
    asio::steady_timer room_;
    size_t open_ = 0;
    size_t most_;
};

size_t raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 2 * max_connections + 256);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const size_t have = limit.rlim_cur;
    return std::clamp<size_t>(have < 256 ? 1 : (have - 128) / 2, 1, max_connections);
}

struct Published {
    uint16_t port = 0;
    unique_fd listener;
};

result<std::vector<Published>> publish(const Policy& policy) {
    std::vector<Published> published;
    for (const PolicyPort& rule : policy.publish()) {
        if (std::none_of(published.begin(), published.end(), [&](const Published& one) { return one.port == rule.port; })) {
            published.push_back({rule.port, TRY(listen_for_published(rule.port))});
        }
    }
    return published;
}

// Before anything is given up: the library, whom this machine trusts, and the run's own key.
result<std::unique_ptr<TlsEngine>> begin_tls(const RunAuthority* authority) {
    if (authority == nullptr) {
        return std::unique_ptr<TlsEngine>();
    }
    const std::string key = TRY(sys::read_all(authority->key.get()));
    TlsLibrary* library = TRY(load_tls());
    return library->make_engine({authority->certificate, key});
}

void serve_until_closed(const GatewayConfig& config, Captured captured, std::vector<Published> published,
                        std::optional<LoopbackServices> host_services, unique_fd reports_socket, std::unique_ptr<TlsEngine> tls, int kept) {
    Recorder recorder; // these outlive what io still holds at the end
    Keeper keeper(config.known_secrets);
    std::optional<Answers> answers;
    asio::io_context io(1);
    Reports reports(io, std::move(reports_socket));
    const auto on_violation = [&](Violation violation, const std::string& dialled) { reports.add(std::move(violation), dialled); };
    const bool recording = config.policy == nullptr;
    const Decision decision = recording ? Decision::recording() : Decision(config.policy, own_addresses());
    NameTable names;
    DnsResponder dns(decision, names, config.search, [&](Violation violation) {
        if (!recording) { // while learning nothing is denied; what is no host name has no address anywhere
            reports.add(std::move(violation), ":53");
        }
    });
    Lookups lookups(io);
    const auto secrets = config.secrets != nullptr ? config.secrets : std::make_shared<const Secrets>();
    const auto inspector = tls != nullptr || config.capture ? std::make_unique<Inspector>(config.policy, secrets, std::move(tls)) : nullptr;
    Budgets budgets(config.policy);
    RelayContext context{io, decision, names, dns, lookups, config.resolve, on_violation, inspector.get(), recording ? nullptr : &budgets};
    if (config.capture) {
        context.keeper = &keeper;
    }
    if (config.replay != nullptr) {
        context.answers = &answers.emplace(config.replay->exchanges);
        context.replayed_run = config.replay->run;
    }
    RecordingContext recorded{context, names, recorder};
    Acceptance acceptance(io, raise_descriptor_limit());
    std::optional<InsideSockets> inside_sockets;
    if (captured.inside_sockets) {
        inside_sockets.emplace(io, std::move(captured.inside_sockets));
    }
    std::deque<tcp::acceptor> acceptors;
    std::deque<asio::ip::udp::socket> resolvers;
    const auto nothing = [](std::exception_ptr) {};
    const auto accept = [&](tcp family, unique_fd& listener, Acceptance::Serve serve_one) {
        if (listener) {
            acceptors.emplace_back(io, family, listener.release());
            asio::co_spawn(io, acceptance.accept(acceptors.back(), std::move(serve_one)), nothing);
        }
    };
    const auto resolve = [&](asio::ip::udp family, unique_fd& datagrams) {
        if (datagrams) {
            resolvers.emplace_back(io, family, datagrams.release());
            asio::co_spawn(io, recording ? serve_datagrams_recorded(resolvers.back(), recorded) : serve_datagrams(resolvers.back(), dns), nothing);
        }
    };
    const auto captured_one = [&](tcp::socket inside) {
        return recording ? serve_recorded(std::move(inside), recorded) : serve(std::move(inside), context);
    };
    accept(tcp::v4(), captured.tcp_v4, captured_one);
    accept(tcp::v6(), captured.tcp_v6, captured_one);
    resolve(asio::ip::udp::v4(), captured.dns_v4);
    resolve(asio::ip::udp::v6(), captured.dns_v6);
    for (HostService& service : captured.host_services) {
        const auto to_host = [port = service.port, &context](tcp::socket inside) { return serve_host_service(std::move(inside), port, context); };
        const auto to_nobody = [&, port = std::to_string(service.port)](tcp::socket inside) -> awaitable<void> {
            reports.add(refusal("connect", "host:" + port, "with --replay nothing is reached, this machine's services neither"), "127.0.0.1:" + port);
            reset(inside);
            co_return;
        };
        const Acceptance::Serve serve_one = recording ? Acceptance::Serve(captured_one) : context.answers != nullptr ? Acceptance::Serve(to_nobody) : to_host;
        accept(tcp::v4(), service.v4, serve_one);
        accept(tcp::v6(), service.v6, serve_one);
    }
    for (Published& one : published) {
        accept(tcp::v4(), one.listener,
               [port = one.port, &inside_sockets](tcp::socket outside) { return serve_published(std::move(outside), port, *inside_sockets); });
    }
    std::optional<LoopbackMirror> mirror;
    if (recording) {
        std::set<uint16_t> services;
        for (const HostService& service : captured.host_services) {
            services.insert(service.port);
        }
        const auto accept_outside = [&](tcp::acceptor& acceptor, uint16_t port) {
            const auto into = [port, &inside_sockets](tcp::socket outside) { return serve_published(std::move(outside), port, *inside_sockets); };
            asio::co_spawn(io, acceptance.accept(acceptor, into), nothing);
        };
        const auto accept_inside = [&](tcp::acceptor& acceptor, uint16_t) { asio::co_spawn(io, acceptance.accept(acceptor, captured_one), nothing); };
        mirror.emplace(LoopbackServices(std::move(captured.services)), std::move(*host_services), std::move(services), *inside_sockets, accept_outside,
                       accept_inside);
        asio::co_spawn(io, mirror->run(), nothing);
    }
    RefusedDatagrams refused(std::move(captured.firewall));
    if (!recording && !config.bridged) { // the collector sees them
        asio::co_spawn(io, report_refused(io, refused, reports), nothing);
    }
    const auto handed_over = [&](unique_fd connection, const std::string& destination) {
        if (!acceptance.has_room()) {
            return; // reset: who waits here makes everybody wait
        }
        error_code problem;
        tcp::socket inside(io);
        inside.assign(tcp::v4(), connection.get(), problem);
        if (!problem) {
            static_cast<void>(connection.release());
            acceptance.begin(destination.empty() ? serve_proxied(std::move(inside), context) : serve_bound_for(std::move(inside), destination, context));
        }
    };
    asio::co_spawn(io, reports.listen(handed_over), [&](std::exception_ptr) { io.stop(); });
    io.run();
    if (!recording) {
        reports.add(refused);
    }
    reports.drain();
    if (recording) {
        reports.say_last(messages_of(recorder.recording(names)));
    }
    if (config.capture) { // what cannot be written is missed by the supervisor
        const auto written = sys::write_all(kept, to_bytes(keeper.take()));
        static_cast<void>(written);
    }
    ::_exit(0); // the supervisor is not kept waiting for lookups that last
}

} // namespace

void run_gateway(const GatewayConfig& config, Captured captured, int kept_exchanges, HelperStart start) {
    // Out of the terminal's reach, and of everybody's who may not trace the supervisor.
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // again: becoming the user has cleared it
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::prctl(PR_SET_NAME, "treadline-gate", 0, 0, 0);
    ::signal(SIGPIPE, SIG_IGN);
    // Without a namespace what listens inside is at this machine's loopback already.
    auto published = config.policy != nullptr && !config.bridged ? publish(*config.policy) : std::vector<Published>();
    if (!published) {
        start.failed(published.error());
        return;
    }
    std::vector<int> kept = {start.socket(), kept_exchanges, captured.firewall.get(), captured.tcp_v4.get(), captured.dns_v4.get()};
    for (const unique_fd* fd : {&captured.tcp_v6, &captured.dns_v6, &captured.inside_sockets, &captured.services}) {
        kept.push_back(fd->get());
    }
    for (const HostService& service : captured.host_services) {
        kept.push_back(service.v4.get());
        kept.push_back(service.v6.get());
    }
    for (const Published& one : *published) {
        kept.push_back(one.listener.get());
    }
    auto tls = begin_tls(config.authority);
    if (!tls) {
        start.failed(tls.error());
        return;
    }
    if (::getppid() == 1 || !let_go_of_all_but(kept)) {
        start.failed({errno, "cannot let the egress gateway go of the supervisor's files"});
        return;
    }
    const MayReach reach = config.replay == nullptr ? MayReach::Outside : published->empty() ? MayReach::Nothing : MayReach::Inside;
    if (const auto confined = confine_gateway(config.policy == nullptr ? MayListen::Yes : MayListen::No, reach); !confined) {
        start.failed(confined.error());
        return;
    }
    std::optional<LoopbackServices> host_services;
    if (config.policy == nullptr) {
        auto services = LoopbackServices::open();
        if (!services) {
            start.failed(services.error());
            return;
        }
        host_services = std::move(*services);
    }
    start.ready();
    serve_until_closed(config, std::move(captured), std::move(*published), std::move(host_services), start.take_socket(), std::move(*tls),
                       kept_exchanges);
}

} // namespace treadline::egress
