// What is kept of exchanges, what is taken out before, and which of them answers a request.
#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/answers.h"
#include "enforcer/egress/keeper.h"

using namespace treadline::egress;

namespace {

const Contact api{"api.test", "", 443, "198.18.1.0:443"};

KeptExchange exchange(const std::string& method, const std::string& target, const std::string& body, const std::string& conditions = "",
                      const std::string& accept = "", const std::string& digest = "") {
    KeptExchange one;
    one.host = "api.test";
    one.port = 443;
    one.secure = true;
    one.method = method;
    one.target = target;
    one.conditions = conditions;
    one.accept = accept;
    one.body_digest = digest;
    one.status = 200;
    one.reason = "OK";
    one.fields = {{"Content-Type", "text/plain"}};
    one.body = body;
    return one;
}

// The body that answers, or why there is none.
std::string answer(Answers& answers, const KeptExchange& asked) {
    const auto found = answers.answer_to(asked);
    return found.answer != nullptr ? found.answer->body : found.why + "|" + found.closest;
}

// One whole exchange goes by.
void passes(Keeper& keeper, const std::string& target, const HttpFields& request, const HttpFields& fields, const std::string& body,
            const std::string& sent = "") {
    auto one = keeper.begin(api, true, sent.empty() ? "GET" : "POST", target, request);
    REQUIRE(one != nullptr);
    if (!sent.empty()) {
        one->request_body(sent);
    }
    one->answer(200, "OK", fields);
    one->body(body);
    one->done();
}

std::string value_of(const HttpFields& fields, const std::string& name) {
    for (const auto& [one, value] : fields) {
        if (lower_case(one) == name) {
            return value;
        }
    }
    return "(none)";
}

} // namespace

TEST_CASE("a target loses what names or looks like a secret, and stays a target that is the same each time", "[egress][replay]") {
    CHECK(redacted_target("/simple/requests/") == "/simple/requests/");
    CHECK(redacted_target("/a/requests-2.31.0-py3-none-any.whl?x=1&page=two#top") == "/a/requests-2.31.0-py3-none-any.whl?x=1&page=two#top");
    CHECK(redacted_target("*") == "*");
    CHECK(redacted_target("/?token=abc&Access_Token=def&api-key=x&password=hunter2&q=v") == "/?token=redacted&Access_Token=redacted&api-key=redacted&password=redacted&q=v");
    CHECK(redacted_target("/x?X-Amz-Signature=0123&X-Amz-Credential=me") == "/x?X-Amz-Signature=redacted&X-Amz-Credential=redacted");
    for (const char* secret : {"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "550e8400-e29b-41d4-a716-446655440000"}) {
        for (const std::string& target : {std::string("/bot/") + secret + "/getMe", std::string("/x?next=") + secret, std::string("/x?") + secret, std::string("/x?") + secret + "=1"}) {
            const std::string redacted = redacted_target(target);
            CAPTURE(target, redacted);
            CHECK(redacted.find(secret) == std::string::npos);
            CHECK(redacted.find("redacted.") != std::string::npos);
            CHECK(redacted_target(redacted) == redacted);
            CHECK(redacted_target(target + "x") != redacted);
        }
    }
}

TEST_CASE("an answer's fields lose cookies, secrets and users' names, and those of the connection are not kept", "[egress][replay]") {
    const HttpFields kept = redacted_fields({{"Set-Cookie", "sid=SECRET; Path=/; Secure"}, {"X-Auth-Token", "SECRET"}, {"WWW-Authenticate", "Bearer realm=\"x\""},
                                             {"Location", "https://me:SECRET@other.test/next?code=SECRET"}, {"Connection", "keep-alive"}, {"Transfer-Encoding", "chunked"},
                                             {"ETag", "\"abc\""}, {"Alt-Svc", "h3"}});
    CHECK(to_lines(kept).find("SECRET") == std::string::npos);
    CHECK(value_of(kept, "set-cookie") == "sid=redacted; Path=/; Secure");
    CHECK(value_of(kept, "x-auth-token") == "redacted");
    CHECK(value_of(kept, "www-authenticate") == "Bearer realm=\"x\"");
    CHECK(value_of(kept, "location") == "https://other.test/next?code=redacted");
    CHECK(value_of(redacted_fields({{"Location", "//me:SECRET@other.test/x"}}), "location") == "//other.test/x");
    CHECK(value_of(redacted_fields({{"Link", "<https://me:SECRET@a.test/x?token=SECRET&page=2>; rel=\"next\", </first?page=1>; rel=first"}}), "link") ==
          "<https://a.test/x?token=redacted&page=2>; rel=\"next\", </first?page=1>; rel=first");
    CHECK(value_of(redacted_fields({{"Refresh", "5; url=/x?token=SECRET"}}), "refresh") == "5; url=/x?token=redacted");
    CHECK(value_of(kept, "etag") == "\"abc\"");
    CHECK(value_of(kept, "connection") == "(none)");
    CHECK(value_of(kept, "transfer-encoding") == "(none)");
}

TEST_CASE("an exchange is kept without what the command sent as a secret, in whatever form it comes back, before or after", "[egress][replay]") {
    const std::string secret = "tok/Secret-Value_123";
    const HttpFields request = {{"Host", "api.test"}, {"Authorization", "Bearer " + secret}, {"Cookie", "a=b; id=cookie-value-9"}, {"X-Api-Key", "another-key-77"}};
    Keeper keeper;
    passes(keeper, "/login", {}, {}, "{\"access\":\"" + secret + "\"}"); // before it was sent
    passes(keeper, "/plain", request, {}, "nothing of it");
    passes(keeper, "/base64", {}, {}, base64("x" + secret + "y"));
    passes(keeper, "/escaped", {}, {}, "tok%2fSecret-Value_123");
    passes(keeper, "/json", {}, {}, "tok\\/Secret-Value_123");
    passes(keeper, "/header", {}, {{"X-Echo", secret}}, "");
    passes(keeper, "/cookie", {}, {}, "cookie-value-9");
    passes(keeper, "/key", {}, {}, "another-key-77");
    passes(keeper, "/gzip", {}, {{"Content-Encoding", "gzip"}}, "\x1f\x8b...");
    passes(keeper, "/a/" + secret, {}, {}, "");
    passes(keeper, "/q?token=parameter-value", {}, {}, "parameter-value");
    const std::vector<KeptExchange> kept = keeper.take().exchanges;
    std::string usable;
    for (const KeptExchange& one : kept) {
        usable += one.unusable.empty() ? one.target + " " : "";
        CHECK(one.unusable.empty() == (one.target == "/plain"));
        CHECK(objection_to(one).empty());
    }
    CHECK(usable == "/plain ");
    CHECK(kept.size() == 10); // what was asked for held it, too: not kept at all
    const std::string bytes = to_bytes(kept);
    for (const std::string& text : {secret, std::string("cookie-value-9"), std::string("another-key-77"), std::string("parameter-value"), base64("x" + secret + "y")}) {
        CHECK(bytes.find(text) == std::string::npos);
    }
}

TEST_CASE("what is known to be a secret is not kept, though the command never sent it as one", "[egress][replay]") {
    Keeper keeper({"value-of-a-variable", "short"});
    passes(keeper, "/", {}, {}, "it has value-of-a-variable in it");
    passes(keeper, "/none", {}, {}, "short");
    const auto kept = keeper.take().exchanges;
    REQUIRE(kept.size() == 2);
    CHECK_FALSE(kept[0].unusable.empty());
    CHECK(kept[1].unusable.empty());
}

TEST_CASE("a compressed answer is kept where no secret was sent, and a short word is none", "[egress][replay]") {
    Keeper keeper;
    passes(keeper, "/gzip", {{"Cookie", "lang=en"}}, {{"Content-Encoding", "gzip"}}, "\x1f\x8b...");
    const auto kept = keeper.take().exchanges;
    REQUIRE(kept.size() == 1);
    CHECK(kept[0].unusable.empty());
}

TEST_CASE("what was cut, broken off or too much is told and has no answer", "[egress][replay]") {
    Keeper keeper;
    const std::string block(1 << 20, 'x');
    {
        auto one = keeper.begin(api, true, "GET", "/large", {});
        one->answer(200, "OK", {});
        for (size_t size = 0; size <= max_kept_body; size += block.size()) {
            one->body(block);
        }
        one->done();
        auto off = keeper.begin(api, true, "GET", "/off", {});
        off->answer(200, "OK", {{"A", "b"}});
        off->body("half");
    }
    for (size_t all = 0; all <= max_kept_bytes; all += max_kept_body) {
        auto one = keeper.begin(api, true, "GET", "/many", {});
        one->answer(200, "OK", {});
        for (size_t size = 0; size < max_kept_body; size += block.size()) {
            one->body(block);
        }
        one->done();
    }
    const auto kept = keeper.take().exchanges;
    REQUIRE(kept.size() == 2 + max_kept_bytes / max_kept_body + 1);
    CHECK(kept[0].unusable.find("larger than 16 MiB") != std::string::npos);
    CHECK(kept[1].unusable.find("broken off") != std::string::npos);
    CHECK(kept[1].body.empty());
    CHECK(kept[2].unusable.empty());
    CHECK(kept.back().unusable.find("larger than 128 MiB") != std::string::npos);
    Keeper many;
    for (size_t number = 0; number < max_kept_exchanges; ++number) {
        REQUIRE(many.begin(api, true, "GET", "/", {}) != nullptr);
    }
    CHECK(many.begin(api, true, "GET", "/", {}) == nullptr);
    const KeptRun most = many.take();
    CHECK(most.exchanges.size() == max_kept_exchanges);
    CHECK(most.left_out == 1); // told, not forgotten
}

TEST_CASE("what a run kept is taken for whole only with its end, and says how much was left out", "[egress][replay]") {
    Keeper keeper;
    passes(keeper, "/treadline:%20that%20is%20all", {}, {}, "treadline: that is all, but for 9\n");
    passes(keeper, "/?token=a-secret-that-was-sent", {}, {}, "");
    passes(keeper, "/a-secret-that-was-sent", {}, {}, "");
    const KeptRun run = keeper.take();
    CHECK(run.exchanges.size() == 2);
    CHECK(run.left_out == 1);
    const std::string bytes = to_bytes(run);
    const auto back = kept_run_from(bytes);
    REQUIRE(back);
    CHECK(back->exchanges == run.exchanges);
    CHECK(back->left_out == 1);
    for (size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(kept_run_from(std::string_view(bytes).substr(0, size)));
    }
}

TEST_CASE("a request is answered by the same request only: host, port, TLS, method, address and body", "[egress][replay]") {
    Keeper keeper;
    passes(keeper, "/a?x=1", {}, {}, "got");
    passes(keeper, "/a?x=1", {}, {}, "posted", "body");
    Answers answers(keeper.take().exchanges);
    const auto asked = [](const Contact& contact, bool secure, const std::string& method, const std::string& target, const std::string& body = "") {
        KeptExchange one = asked_for(contact, secure, method, target, {{"Host", "x"}, {"Authorization", "Bearer other-than-then"}});
        one.body_digest = body.empty() ? "" : treadline::sha256_hex(body);
        return one;
    };
    CHECK(answer(answers, asked(api, true, "GET", "/a?x=1")) == "got");
    CHECK(answer(answers, asked(api, true, "POST", "/a?x=1", "body")) == "posted");
    const std::string none = "nothing like it was captured|";
    CHECK(answer(answers, asked(api, true, "POST", "/a?x=1", "other")) == none + "POST https://api.test/a?x=1 with another body");
    CHECK(answer(answers, asked(api, true, "GET", "/a?x=2")) == none + "GET https://api.test/a?x=1");
    CHECK(answer(answers, asked(api, false, "GET", "/a?x=1")).starts_with(none));
    CHECK(answer(answers, asked(api, true, "PUT", "/a?x=1")).starts_with(none));
    CHECK(answer(answers, asked({"api.test", "", 8443, ""}, true, "GET", "/a?x=1")).starts_with(none));
    CHECK(answer(answers, asked({"other.test", "", 443, ""}, true, "GET", "/a?x=1")) == none); // tells nothing of other hosts
}

TEST_CASE("several answers to one request come in order, and the last one stays", "[egress][replay]") {
    Answers answers({exchange("GET", "/", "one"), exchange("GET", "/other", "other"), exchange("GET", "/", "two")});
    const KeptExchange asked = exchange("GET", "/", "");
    CHECK(answer(answers, asked) == "one");
    CHECK(answer(answers, asked) == "two");
    CHECK(answer(answers, asked) == "two");
}

TEST_CASE("conditions and Accept choose among the answers, and a part is never the answer to who did not ask for one", "[egress][replay]") {
    const std::string etag = "if-none-match: \"1\"\n";
    Answers answers({exchange("GET", "/", "html", "", "text/html"), exchange("GET", "/", "json", "", "application/json"), exchange("GET", "/", "unchanged", etag),
                     exchange("GET", "/part", "part", "range: bytes=0-3\n")});
    CHECK(answer(answers, exchange("GET", "/", "", "", "application/json")) == "json");
    CHECK(answer(answers, exchange("GET", "/", "", "", "text/html")) == "html");
    CHECK(answer(answers, exchange("GET", "/", "", etag)) == "unchanged");
    CHECK(answer(answers, exchange("GET", "/", "", "if-none-match: \"2\"\n", "text/html")) == "html"); // as a server answers that has something new
    CHECK(answer(answers, exchange("GET", "/part", "")).starts_with("it was captured with other conditions only"));
    CHECK(answer(answers, exchange("GET", "/part", "", "range: bytes=0-3\n")) == "part");
    CHECK(answer(answers, exchange("GET", "/", "", "", "image/png")) == "json"); // none of its own, all given: the last
}

TEST_CASE("exchanges arrive as they were sent, and whatever is no exchange is refused", "[egress][replay]") {
    KeptExchange odd = exchange("GET", "/a", std::string("\0\r\n\xff body", 9), "range: bytes=0-1\n", "*/*", treadline::sha256_hex("x"));
    odd.fields = {{"X-Odd", "caf\xe9 \t."}, {"X-Empty", ""}};
    KeptExchange none = exchange("GET", "/b", "");
    none.status = 0;
    none.fields.clear();
    none.unusable = "its answer was broken off";
    const std::vector<KeptExchange> both = {odd, none};
    const auto back = exchanges_from(to_bytes(both));
    REQUIRE(back);
    CHECK(*back == both);
    const std::string bytes = to_bytes(both);
    for (size_t size = 1; size < bytes.size(); ++size) {
        if (size != to_bytes({odd}).size()) {
            CHECK_FALSE(exchanges_from(bytes.substr(0, size)));
        }
    }
    const auto refused = [&](auto change) {
        KeptExchange one = exchange("GET", "/a", "x");
        change(one);
        return !objection_to(one).empty() && !exchanges_from(to_bytes({one}));
    };
    CHECK_FALSE(refused([](KeptExchange&) {}));
    CHECK(refused([](KeptExchange& one) { one.fields.emplace_back("X", "a\r\nSet-Cookie: b"); }));
    CHECK(refused([](KeptExchange& one) { one.fields.emplace_back("X: y\r\nZ", "a"); }));
    CHECK(refused([](KeptExchange& one) { one.fields.emplace_back("Content-Length", "1"); }));
    CHECK(refused([](KeptExchange& one) { one.fields.emplace_back("transfer-encoding", "chunked"); }));
    CHECK(refused([](KeptExchange& one) { one.reason = "OK\r\nX: y"; }));
    CHECK(refused([](KeptExchange& one) { one.reason = std::string("a\0b", 3); }));
    CHECK(refused([](KeptExchange& one) { one.target = "/a b"; }));
    CHECK(refused([](KeptExchange& one) { one.target = "http://other.test/"; }));
    CHECK(refused([](KeptExchange& one) { one.host = "API.test"; }));
    CHECK(refused([](KeptExchange& one) { one.host = "api.test/x"; }));
    CHECK(refused([](KeptExchange& one) { one.method = "GET /"; }));
    CHECK(refused([](KeptExchange& one) { one.port = 0; }));
    CHECK(refused([](KeptExchange& one) { one.status = 101; }));
    CHECK(refused([](KeptExchange& one) { one.status = 600; }));
    CHECK(refused([](KeptExchange& one) { one.unusable = "no"; }));
    CHECK(refused([](KeptExchange& one) { one.body_digest = "abc"; }));
    CHECK(refused([](KeptExchange& one) { one.conditions = "range: a\nx\n"; }));
    CHECK(refused([](KeptExchange& one) { one.body.resize(max_kept_body + 1); }));
}
