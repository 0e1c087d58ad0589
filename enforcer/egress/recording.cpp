#include "enforcer/egress/recording.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace treadline::egress {
namespace {

using nlohmann::json;

constexpr size_t rows_in_message = 16; // of less than 2 KiB each

std::string dump(const json& message) {
    return message.dump(-1, ' ', true, json::error_handler_t::replace);
}

json to_json(const RecordedExchange& one) {
    return {one.host, one.address, one.port,   one.protocol, one.server_name, one.problem,
            one.method, one.path,  one.result, one.count,    one.bytes_up,    one.bytes_down};
}

RecordedExchange exchange_from(const json& row) {
    RecordedExchange one;
    row.at(0).get_to(one.host);
    row.at(1).get_to(one.address);
    row.at(2).get_to(one.port);
    row.at(3).get_to(one.protocol);
    row.at(4).get_to(one.server_name);
    row.at(5).get_to(one.problem);
    row.at(6).get_to(one.method);
    row.at(7).get_to(one.path);
    row.at(8).get_to(one.result);
    row.at(9).get_to(one.count);
    row.at(10).get_to(one.bytes_up);
    row.at(11).get_to(one.bytes_down);
    return one;
}

// The items in messages of one key each.
template <class Items, class ToJson>
void add_messages(std::vector<std::string>& messages, const char* key, const Items& items, const ToJson& one_to_json) {
    json rows = json::array();
    for (const auto& item : items) {
        rows.push_back(one_to_json(item));
        if (rows.size() == rows_in_message) {
            messages.push_back(dump({{key, std::exchange(rows, json::array())}}));
        }
    }
    if (!rows.empty()) {
        messages.push_back(dump({{key, rows}}));
    }
}

} // namespace

std::vector<std::string> messages_of(const Recording& recording) {
    std::vector<std::string> messages;
    const auto text = [](const std::string& one) { return json(one); };
    add_messages(messages, "names", recording.names, [](const auto& one) { return json::array({one.first, one.second}); });
    add_messages(messages, "exchanges", recording.exchanges, to_json);
    add_messages(messages, "unanswered", recording.unanswered, text);
    add_messages(messages, "incomplete_because", recording.incomplete_because, text);
    messages.push_back(dump({{"recorded", true}}));
    return messages;
}

bool add_message(Recording& recording, std::string_view message) {
    try {
        const json whole = json::parse(message);
        if (whole.contains("names")) {
            for (const json& row : whole.at("names")) {
                recording.names[row.at(0).get<std::string>()] = row.at(1).get<std::string>();
            }
        } else if (whole.contains("exchanges")) {
            for (const json& row : whole.at("exchanges")) {
                recording.exchanges.push_back(exchange_from(row));
            }
        } else if (whole.contains("unanswered")) {
            for (const json& row : whole.at("unanswered")) {
                recording.unanswered.insert(row.get<std::string>());
            }
        } else if (whole.contains("incomplete_because")) {
            for (const json& row : whole.at("incomplete_because")) {
                recording.incomplete_because.push_back(row.get<std::string>());
            }
        } else if (whole.contains("recorded")) {
            recording.ended = true;
        } else {
            return false;
        }
        return true;
    } catch (const json::exception&) {
        return false;
    }
}

} // namespace treadline::egress
