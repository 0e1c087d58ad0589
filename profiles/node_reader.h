// What every part of a profile's reader is made of: nodes of a YAML text in, values or complaints with their place out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "profiles/profile.h"
#include "profiles/yaml_tree.h"

namespace treadline {

// In decimal, without a sign or leading zeros.
std::optional<uint64_t> parse_number(std::string_view text);

// For messages: printable, and not the whole of a hostile megabyte.
std::string excerpt(std::string_view text);

class NodeReader {
public:
    explicit NodeReader(const std::string& file) : file_(file) {} // for messages, and has to outlive this

protected:
    using Complaint = std::function<std::string(std::string_view)>; // a phrase behind the quoted entry; "" for none
    using Handler = std::pair<std::string_view, std::function<result<ok>(const YamlNode&)>>;
    using Handlers = std::vector<Handler>;

    [[nodiscard]] failure complain(Position at, const std::string& sentence) const;
    result<ok> want_map(const YamlNode& node, const std::string& what) const;
    result<ok> want_list(const YamlNode& node, const std::string& what) const;
    result<std::string> text(const YamlNode& node, const std::string& what) const;

    // Every key of the map has to be one of these.
    result<ok> keys(const YamlNode& map, const Handlers& handlers) const;
    // A list of texts, each once.
    result<ok> entries(const YamlNode& node, std::vector<Entry>& out, const Complaint& complaint) const;

    Handler line(const char* key, std::string& out) const; // of text, not empty
    Handler texts(const char* key, std::vector<std::string>& out, const Complaint& complaint) const; // at least one

    [[nodiscard]] const std::string& file() const { return file_; }

private:
    const std::string& file_;
};

} // namespace treadline
