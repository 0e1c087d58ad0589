// The files by which programs in a sandbox with a gateway learn whom to ask for names.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace treadline::egress {

struct InsideFiles {
    std::map<std::string, std::string> content; // /etc/resolv.conf, /etc/hosts
    std::vector<std::string> search;            // domains that resolvers append, canonical
};

// From the host's: the gateway for its resolvers, its search domains, and none of its hosts, whose names are the
// gateway's to look up.
InsideFiles inside_files();
InsideFiles inside_files(std::string_view host_resolv_conf, std::string_view host_name); // the same, of texts

} // namespace treadline::egress
