#include "enforcer/egress/observer.h"

#include <memory>
#include <utility>

#include <boost/beast/core/buffer_traits.hpp>
#include <boost/beast/http/parser.hpp>

#include "enforcer/egress/client_hello.h"
#include "enforcer/egress/http_request.h"

namespace treadline::egress {
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace {

constexpr std::string_view end_of_head = "\r\n\r\n";
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n";

// A body that is read to find its end, and not kept.
struct PassingBody {
    struct value_type {};
    struct reader {
        template <bool Request, class Fields>
        reader(http::header<Request, Fields>& /*head*/, value_type& /*body*/) {}
        void init(const boost::optional<std::uint64_t>& /*length*/, beast::error_code& problem) { problem = {}; }
        template <class Buffers>
        size_t put(const Buffers& buffers, beast::error_code& problem) {
            problem = {};
            return beast::buffer_bytes(buffers);
        }
        void finish(beast::error_code& problem) { problem = {}; }
    };
};

std::string_view problem_of(Differs differs) {
    switch (differs) {
    case Differs::No:
        return "";
    case Differs::NoServerName:
        return "TLS names no server";
    case Differs::OtherServerName:
        return "TLS asks for another name than was looked up";
    case Differs::HiddenServerName:
        return "TLS encrypts the name it asks for";
    case Differs::OtherHost:
        return "HTTP asks for another host than was looked up";
    case Differs::Upgrade:
        return "HTTP asks for another protocol (Upgrade)";
    }
    return "";
}

constexpr std::string_view ambiguous = "the HTTP request cannot be read in one way only";

} // namespace

// The requests of a connection, one after the other. What they say does not depend on how their bytes are cut: a head is
// read when all of it is there (before, the parser tells some mistakes early), by itself (the fields behind a chunked body
// would join it), and of a body the same part is looked at each time. Bodies are not copied.
class Observer::Requests {
public:
    // False from where they cannot be read any more.
    template <class OnRequest>
    bool read(std::string_view bytes, const OnRequest& on_request) {
        const std::string joined = rest_.empty() ? std::string() : std::exchange(rest_, "").append(bytes);
        std::string_view left = joined.empty() ? bytes : joined;
        for (bool goes_on = true; goes_on;) {
            const size_t before = left.size();
            if (!(parser_ ? read_body(left) : read_head(left, on_request))) {
                return false;
            }
            goes_on = left.size() < before;
        }
        rest_ = left;
        return true;
    }

private:
    template <class OnRequest>
    bool read_head(std::string_view& left, const OnRequest& on_request) {
        while (left.starts_with("\r\n")) { // RFC 9112, 2.2
            left.remove_prefix(2);
        }
        const size_t end = left.substr(0, max_http_head).find(end_of_head);
        if (end == std::string_view::npos) {
            return left.size() < max_http_head;
        }
        const size_t size = end + end_of_head.size();
        parser_ = std::make_unique<http::request_parser<PassingBody>>();
        parser_->header_limit(max_http_head);
        parser_->body_limit(boost::none);
        beast::error_code problem;
        parser_->put(boost::asio::const_buffer(left.data(), size), problem);
        if (problem || !parser_->is_header_done() || !on_request(parser_->get())) {
            return false;
        }
        left.remove_prefix(size);
        if (parser_->is_done()) {
            parser_.reset();
        }
        return true;
    }

    bool read_body(std::string_view& left) {
        const std::string_view part = left.substr(0, max_http_head); // the line of a chunk is no longer
        beast::error_code problem;
        const size_t used = part.empty() ? 0 : parser_->put(boost::asio::const_buffer(part.data(), part.size()), problem);
        left.remove_prefix(used);
        if ((problem && problem != http::error::need_more) || (used == 0 && part.size() == max_http_head)) {
            return false;
        }
        if (parser_->is_done()) {
            parser_.reset();
        }
        return true;
    }

    std::unique_ptr<http::request_parser<PassingBody>> parser_; // of the request whose body is being read
    std::string rest_;                                          // a head, or the line of a chunk, that has not come to its end
};

Observer::Observer(const Decision& decision, const Contact& contact, Recorder::Connection& connection)
    : decision_(decision), contact_(contact), connection_(connection) {}
Observer::~Observer() = default;

void Observer::is_other() {
    connection_.about().protocol = "other";
    reading_ = Reading::Nothing;
    std::string().swap(opening_);
}

// The first difference is the connection's. An address was dialled by itself: a rule for it lets anything pass.
void Observer::differs(const Verdict& verdict) {
    std::string& problem = connection_.about().problem;
    if (problem.empty() && !contact_.name.empty()) {
        problem = problem_of(verdict.differs);
    }
}

void Observer::read_hello() {
    const HelloReading hello = read_client_hello(opening_);
    if (hello.state == HelloReading::State::Incomplete && opening_.size() < 2 * max_hello) {
        return;
    }
    if (hello.state != HelloReading::State::Complete) {
        is_other(); // as the gateway would see it
        return;
    }
    RecordedExchange& about = connection_.about();
    about.protocol = "tls";
    about.server_name = hello.hello.server_name ? canonical_host(*hello.hello.server_name).value_or("") : "";
    differs(decision_.tls(contact_, hello.hello));
    reading_ = Reading::Nothing;
    std::string().swap(opening_);
}

void Observer::read_opening() {
    if (opening_[0] == 22) {
        reading_ = Reading::Hello;
        read_hello();
        return;
    }
    const auto is_http = looks_like_http(opening_);
    if (opening_.size() < http2_preface.size() && http2_preface.starts_with(opening_)) {
        return; // not known yet
    }
    if (is_http && (!*is_http || opening_.starts_with(http2_preface))) {
        is_other();
    } else if (is_http) {
        connection_.about().protocol = "http";
        reading_ = Reading::Requests;
        requests_ = std::make_unique<Requests>();
        const std::string bytes = std::move(opening_);
        up(bytes);
    }
}

void Observer::up(std::string_view bytes) {
    switch (reading_) {
    case Reading::Nothing:
        return;
    case Reading::Opening:
        opening_.append(bytes);
        read_opening();
        return;
    case Reading::Hello:
        opening_.append(bytes);
        read_hello();
        return;
    case Reading::Requests:
        break;
    }
    bool upgrade = false;
    const bool readable = requests_->read(bytes, [&](const auto& head) {
        const HttpRequest request = facts_of(head);
        connection_.request(request.method, request.target);
        if (!ambiguity_of(head).empty()) {
            return false;
        }
        differs(decision_.http(contact_, request));
        upgrade = request.upgrade || request.method == "CONNECT"; // what follows is another protocol's
        return !upgrade;
    });
    if (readable) {
        return;
    }
    if (!upgrade && connection_.about().problem.empty() && !contact_.name.empty()) {
        connection_.about().problem = ambiguous;
    }
    requests_.reset();
    reading_ = Reading::Nothing;
}

// A server that speaks first has a protocol that is neither TLS nor HTTP.
void Observer::down(std::string_view bytes) {
    if (!bytes.empty() && reading_ == Reading::Opening && opening_.empty()) {
        is_other();
    }
}

} // namespace treadline::egress
