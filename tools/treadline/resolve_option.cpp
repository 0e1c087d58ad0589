#include "tools/treadline/resolve_option.h"

#include <string_view>

#include "base/addresses.h"
#include "base/text.h"
#include "enforcer/egress/decision.h"

namespace treadline {

void add_resolve_option(CLI::App* command, std::vector<std::string>& given, const std::string& besides) {
    command->add_option("--resolve", given, "look this name up here rather than outside" + besides)
        ->type_name("NAME=ADDRESS[,ADDRESS]")
        ->allow_extra_args(false);
}

result<std::map<std::string, std::vector<std::string>>> given_addresses(const std::vector<std::string>& given) {
    std::map<std::string, std::vector<std::string>> addresses;
    for (const std::string& one : given) {
        const size_t equals = one.find('=');
        const auto name = egress::canonical_host(one.substr(0, equals));
        if (equals == std::string::npos || !name) {
            return fail("--resolve takes NAME=ADDRESS, as in --resolve packages.example.org=192.0.2.7");
        }
        for (const std::string_view text : split(std::string_view(one).substr(equals + 1), ',')) {
            const Address address = parse_address(text);
            if (!address.valid) {
                return fail("--resolve: '" + printable(text) + "' is no address");
            }
            addresses[*name].push_back(to_text(address));
        }
    }
    return addresses;
}

} // namespace treadline
