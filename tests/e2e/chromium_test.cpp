// Only built where there is a chromium (CMakeLists.txt): too much to fetch for every machine that tests.
#include <algorithm>

#include "tests/e2e/egress_world.h"
#include "tests/e2e/learned_loop.h"

using namespace treadline::test;

namespace {

const std::string chromium = "chromium --headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run "
                             "--no-default-browser-check ";

} // namespace

TEST_CASE("headless Chromium renders a page under its profile, once what it writes about its own processes is accepted", "[e2e][keeps][chromium]") {
    const Loop loop;
    loop.write("page.html", "<!doctype html><p id=x>no</p><script>document.getElementById('x').textContent = 'it ' + 'works'</script>\n");
    keeps_working(loop, "XDG_CONFIG_HOME=$PWD/config " + chromium + "--user-data-dir=$PWD/data --host-resolver-rules='MAP * ~NOTFOUND' "
                        "--dump-dom file://$PWD/page.html > dom 2> log; grep -q '<p id=\"x\">it works' dom",
                  "", accepting({"/proc/self/clear_refs: w", "/proc/self/oom_score_adj: w"}));
}

TEST_CASE("headless Chromium shows a page by HTTPS through the gateway without its decoys of encrypted hellos, and with them is told why not",
          "[e2e][egress][clients][chromium]") {
    const EgressWorld world;
    const std::vector<std::string> web = {"web.test:%https", "127.0.0.1:%https"};
    const std::string rules = "  /proc/**: r\n  /proc/self/clear_refs: w\n  /proc/self/oom_score_adj: w\n  /sys/**: r\n  /dev/**: rw\n  /opt/**: rx\n";
    const auto show = [](const std::string& state) {
        return "mkdir -p /tmp/c/data; printf '" + state + "' > '/tmp/c/data/Local State'; XDG_CONFIG_HOME=/tmp/c timeout 60 " + chromium + "--user-data-dir=/tmp/c/data --ignore-certificate-errors "
               "--dump-dom https://web.test:%https/ 2> log; tail -n 3 log >&2";
    };
    const Gated shown = world.run(web, show("{\"ssl\":{\"ech_enabled\":false}}"), "", rules);
    INFO(shown.err);
    CHECK(shown.out.find("hello") != std::string::npos);
    CHECK(shown.about(world.filled("web.test:%https")).empty());
    CHECK(shown.about(world.filled("_%https._https.web.test")).empty()); // asked for before; it is the name's
    (void)world.observed();
    const Gated refused = world.run(web, show("{}"), "", rules);
    CHECK(refused.out.find("hello\n") == std::string::npos);
    REQUIRE(refused.about(world.filled("web.test:%https")).size() == 1);
    CHECK(refused.about(world.filled("web.test:%https"))[0].at("reason").get<std::string>().find("encrypted_client_hello") != std::string::npos);
    CHECK(world.observed().empty());
}
