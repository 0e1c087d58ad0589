// As the kernel writes set elements (net/netfilter/nf_tables_api.c, nf_tables_fill_setelem).
#include "enforcer/egress/refused_datagrams.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <catch2/catch_test_macros.hpp>

using namespace treadline::egress;

namespace {

std::string attribute(uint16_t type, const std::string& value) {
    const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + value.size()), type};
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    bytes += value;
    bytes.resize((bytes.size() + 3) / 4 * 4);
    return bytes;
}

std::string nested(uint16_t type, const std::string& value) { return attribute(NLA_F_NESTED | type, value); }

std::string element(const std::string& key) {
    return nested(NFTA_LIST_ELEM, nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, key)));
}

const std::string v4("\x09\x09\x09\x09\x01\xbb\0\0", 8);
const std::string v6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x35\0\0", 20);

} // namespace

TEST_CASE("a refused datagram's address and port are read from the firewall's set", "[unit][egress]") {
    const std::string list = attribute(NFTA_SET_ELEM_LIST_TABLE, std::string("treadline", 10)) +
                             nested(NFTA_SET_ELEM_LIST_ELEMENTS, element(v4) + element(v6));
    CHECK(refused_in(list) == std::vector<std::string>{"9.9.9.9:443", "[2001:db8::1]:53"});
}

TEST_CASE("what is no address and port in a firewall's set is passed over", "[unit][egress]") {
    CHECK(refused_in("").empty());
    CHECK(refused_in(nested(NFTA_SET_ELEM_LIST_ELEMENTS, element("\x01") + element(v4))) == std::vector<std::string>{"9.9.9.9:443"});
    const std::string whole = nested(NFTA_SET_ELEM_LIST_ELEMENTS, element(v4));
    for (size_t size = 0; size < whole.size(); ++size) {
        CHECK(refused_in(std::string_view(whole).substr(0, size)).empty());
    }
}
