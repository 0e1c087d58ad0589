#include "enforcer/egress/inside_files.h"

#include <array>

#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/egress/decision.h"
#include "enforcer/egress/name_table.h"

namespace treadline::egress {
namespace {

std::vector<std::string> words(std::string_view line) {
    std::vector<std::string> out;
    for (const std::string_view by_tab : split(line, '\t')) {
        for (const std::string_view word : split(by_tab, ' ')) {
            if (!word.empty()) {
                out.emplace_back(word);
            }
        }
    }
    return out;
}

} // namespace

// resolv.conf(5): of `search` and `domain` the last one counts. Of the options only what changes which names are tried is kept.
InsideFiles inside_files(std::string_view host_resolv_conf, std::string_view host_name) {
    InsideFiles files;
    std::string options;
    for (const std::string_view line : split(host_resolv_conf, '\n')) {
        const auto parts = words(line);
        if (parts.size() > 1 && (parts[0] == "search" || parts[0] == "domain")) {
            files.search.clear();
            for (size_t i = 1; i < parts.size(); ++i) {
                if (auto domain = canonical_host(parts[i])) {
                    files.search.push_back(std::move(*domain));
                }
            }
        }
        for (size_t i = 1; i < parts.size() && parts[0] == "options"; ++i) {
            if (parts[i].starts_with("ndots:")) {
                options = "options " + parts[i] + "\n";
            }
        }
    }
    const std::string search = files.search.empty() ? "" : "search " + join(files.search, " ") + "\n";
    files.content["/etc/resolv.conf"] = "nameserver " + std::string(resolver_v4) + "\n" + search + options;
    const std::string own = canonical_host(host_name) ? " " + std::string(host_name) : "";
    files.content["/etc/hosts"] = "127.0.0.1 localhost" + own + "\n::1 localhost ip6-localhost ip6-loopback\n";
    return files;
}

InsideFiles inside_files() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) {
        name[0] = '\0';
    }
    return inside_files(sys::read_file("/etc/resolv.conf").value_or(""), name.data());
}

} // namespace treadline::egress
