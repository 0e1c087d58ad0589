#include "collector/name_lookups.h"

#include <algorithm>

#include "collector/varlink_message.h"

namespace treadline {
namespace {

// More sockets than a program has open to its resolvers at a time; the oldest are forgotten.
constexpr size_t max_sockets = 1024;
constexpr size_t max_questions = 128; // unanswered on one socket
constexpr size_t max_varlink_message = 64 * 1024;
constexpr size_t max_known = 100'000;
constexpr size_t max_per_address = 1000;

} // namespace

ResolverTraffic::Socket::Socket(Protocol protocol)
    : out(protocol == Protocol::Varlink ? MessageFrames::Kind::Nul : MessageFrames::Kind::Length,
          protocol == Protocol::Varlink ? max_varlink_message : max_dns_message),
      in(out) {}

ResolverTraffic::Socket& ResolverTraffic::socket(uint64_t number, Protocol protocol) {
    const auto [found, fresh] = sockets_.try_emplace(number, protocol);
    if (fresh) {
        order_.push_back(number);
        if (order_.size() > max_sockets) {
            sockets_.erase(order_.front());
            order_.pop_front();
        }
    }
    return found->second;
}

void ResolverTraffic::note_dns(Socket& from, std::string_view message) {
    auto parsed = parse_dns(message);
    if (!parsed || parsed->response) {
        ++unreadable_;
        return;
    }
    if (!parsed->asks_for_addresses()) {
        return;
    }
    from.asked.push_back({parsed->id, parsed->type, std::move(parsed->name)});
    if (from.asked.size() > max_questions) {
        from.asked.pop_front();
    }
}

void ResolverTraffic::answer_dns(Socket& at, std::string_view message, std::vector<NameAnswer>& answers) {
    auto parsed = parse_dns(message);
    if (!parsed || !parsed->response) {
        ++unreadable_;
        return;
    }
    const auto question = std::find_if(at.asked.begin(), at.asked.end(), [&](const Question& asked) {
        return asked.id == parsed->id && asked.type == parsed->type && asked.name == parsed->name;
    });
    if (question == at.asked.end()) {
        return; // nobody asked, or it was answered
    }
    at.asked.erase(question);
    answers.push_back({std::move(parsed->name), std::move(parsed->addresses), parsed->truncated});
}

void ResolverTraffic::note_varlink(Socket& from, std::string_view message) {
    auto call = parse_varlink_call(message);
    if (!call) {
        // Which answer belongs to which call cannot be told any more.
        ++unreadable_;
        from.in.lose();
        return;
    }
    if (call->answered) {
        from.asked.push_back({0, 0, std::move(call->name)});
        if (from.asked.size() > max_questions) {
            from.in.lose();
        }
    }
}

void ResolverTraffic::answer_varlink(Socket& at, std::string_view message, std::vector<NameAnswer>& answers) {
    auto reply = parse_varlink_reply(message);
    if (!reply || at.asked.empty()) {
        ++unreadable_;
        at.in.lose();
        return;
    }
    if (!at.asked.front().name.empty()) {
        answers.push_back({at.asked.front().name, std::move(reply->addresses), false});
    }
    if (!reply->continues) {
        at.asked.pop_front();
    }
}

void ResolverTraffic::sent(uint64_t number, Protocol protocol, std::string_view bytes, bool whole) {
    Socket& from = socket(number, protocol);
    if (protocol == Protocol::Datagram) {
        if (whole) {
            note_dns(from, bytes);
        }
        return;
    }
    from.out.add(bytes);
    while (const auto message = from.out.next()) {
        protocol == Protocol::Stream ? note_dns(from, *message) : note_varlink(from, *message);
    }
    if (!whole) {
        from.out.lose();
    }
    if (from.out.broken() && protocol == Protocol::Varlink) {
        from.in.lose();
    }
}

std::vector<NameAnswer> ResolverTraffic::received(uint64_t number, Protocol protocol, std::string_view bytes,
                                                  bool whole) {
    std::vector<NameAnswer> answers;
    Socket& at = socket(number, protocol);
    if (protocol == Protocol::Datagram) {
        if (whole) {
            answer_dns(at, bytes, answers);
        }
        return answers;
    }
    at.in.add(bytes);
    while (const auto message = at.in.next()) {
        protocol == Protocol::Stream ? answer_dns(at, *message, answers)
                                     : answer_varlink(at, *message, answers);
    }
    if (!whole) {
        at.in.lose();
    }
    return answers;
}

bool AddressNames::learn(uint64_t image, const std::string& name, const std::string& address,
                         uint64_t time_ns) {
    if (known_ == max_known) {
        return false;
    }
    std::vector<Known>& known = by_address_[address];
    const bool there = std::any_of(known.begin(), known.end(), [&](const Known& entry) {
        return entry.image == image && entry.name == name;
    });
    if (there) {
        return true;
    }
    if (known.size() == max_per_address) {
        return false;
    }
    ++known_;
    known.push_back({image, time_ns, name});
    return true;
}

std::vector<std::string> AddressNames::find(std::span<const uint64_t> line, const std::string& address,
                                            uint64_t until_ns) const {
    const auto found = by_address_.find(address);
    if (found == by_address_.end() || line.empty()) {
        return {};
    }
    const auto named_by = [&](const auto& wanted) {
        std::vector<std::string> names;
        for (const Known& known : found->second) {
            if (known.time_ns <= until_ns && wanted(known.image)) {
                names.push_back(known.name);
            }
        }
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        return names;
    };
    auto names = named_by([&](uint64_t image) { return image == line.front(); });
    if (names.empty()) {
        names = named_by(
            [&](uint64_t image) { return std::find(line.begin(), line.end(), image) != line.end(); });
    }
    if (names.empty()) {
        names = named_by([](uint64_t) { return true; });
    }
    return names;
}

} // namespace treadline
