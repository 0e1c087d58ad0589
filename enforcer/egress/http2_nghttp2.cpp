// The other part of the module behind tls.h: http2.h by nghttp2.
#include "enforcer/egress/http2.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace treadline::egress {
namespace {

constexpr size_t part = 16 * 1024;
constexpr size_t field_overhead = 32; // RFC 9113, 6.5.2
constexpr size_t max_fields = 256;
constexpr size_t max_waiting = 256 * 1024; // of heads and trailers that the peer's limits do not let go yet
constexpr unsigned max_continuations = 7; // with HEADERS, 128 KiB in frames of the usual size
constexpr unsigned max_resets = 400;     // within the flood's time
constexpr unsigned max_idle_frames = 2000;
constexpr std::chrono::seconds flood_time{10};
constexpr size_t table_size = 4096; // of HPACK, each way

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

// So many within the time are a flood.
class Rate {
public:
    explicit Rate(unsigned most) : most_(most) {}
    bool exceeded() {
        if (count_++ == 0) {
            since_ = std::chrono::steady_clock::now();
        }
        if (count_ < most_) {
            return false;
        }
        count_ = 0;
        return std::chrono::steady_clock::now() - since_ < flood_time;
    }

private:
    unsigned most_;
    unsigned count_ = 0;
    std::chrono::steady_clock::time_point since_;
};

std::string text(const uint8_t* bytes, size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

std::string text_without_space(const uint8_t* bytes, size_t size) {
    const std::string whole = text(bytes, size);
    const size_t from = whole.find_first_not_of(" \t");
    return from == std::string::npos ? "" : whole.substr(from, whole.find_last_not_of(" \t") - from + 1);
}

std::vector<nghttp2_nv> pairs_of(const Http2Fields& fields) {
    std::vector<nghttp2_nv> pairs;
    pairs.reserve(fields.size());
    const auto bytes = [](const std::string& of) { return reinterpret_cast<uint8_t*>(const_cast<char*>(of.data())); }; // which are only read
    for (const auto& [name, value] : fields) {
        pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return pairs;
}

class Session final : public Http2Session {
public:
    Session(Http2Role role, Http2Events& events, size_t window) : role_(role), events_(events) {
        nghttp2_session* made = nullptr;
        const auto callbacks = make_callbacks();
        const auto options = make_options(role);
        (role == Http2Role::Server ? nghttp2_session_server_new2 : nghttp2_session_client_new2)(&made, callbacks.get(), this, options.get());
        session_.reset(made);
        const auto of_stream = static_cast<uint32_t>(std::max(window / 4, least_http2_window));
        std::vector<nghttp2_settings_entry> settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, of_stream},
                                                        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(most_head())}};
        if (role == Http2Role::Server) {
            settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_http2_streams});
        } else {
            settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
        }
        nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
        nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0, static_cast<int32_t>(std::max(window, least_http2_window)));
    }

    void give(std::string_view from_peer) override {
        if (over_) {
            return;
        }
        const ssize_t used = nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const uint8_t*>(from_peer.data()), from_peer.size());
        if (used < 0) {
            over_ = true; // once what is left has been said
            nghttp2_session_terminate_session(session_.get(), flood_.empty() ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
            events_.on_broken(flood_.empty() ? nghttp2_strerror(static_cast<int>(used)) : flood_);
        }
    }

    std::string take() override {
        std::string bytes;
        while (bytes.size() < part) {
            const uint8_t* data = nullptr;
            const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
            if (size <= 0) {
                over_ = over_ || size < 0;
                break;
            }
            bytes.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
        }
        return bytes;
    }

    [[nodiscard]] bool over() const override {
        return over_ || (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0);
    }

    int32_t begin(const Http2Fields& head, bool ends) override {
        const size_t size = size_of(head);
        if (waiting_ + size > max_waiting) {
            return -1;
        }
        const auto pairs = pairs_of(head);
        const nghttp2_data_provider provider = body();
        const int32_t stream = nghttp2_submit_request(session_.get(), nullptr, pairs.data(), pairs.size(), ends ? nullptr : &provider, nullptr);
        if (stream >= 0) {
            saying_[stream].ends = ends;
            waiting_ += saying_[stream].head_waits = size;
        }
        return stream;
    }

    void answer(int32_t stream, const Http2Fields& head, bool ends) override {
        const auto pairs = pairs_of(head);
        if (head[0].second.starts_with('1')) {
            nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, stream, nullptr, pairs.data(), pairs.size(), nullptr);
            return;
        }
        const nghttp2_data_provider provider = body();
        saying_[stream].ends = ends;
        nghttp2_submit_response(session_.get(), stream, pairs.data(), pairs.size(), ends ? nullptr : &provider);
    }

    void say(int32_t stream, std::string bytes) override {
        if (const auto at = saying_.find(stream); at != saying_.end() && !bytes.empty()) {
            at->second.bytes += bytes;
            nghttp2_session_resume_data(session_.get(), stream);
        }
    }

    void end(int32_t stream, const Http2Fields& trailers) override {
        if (const auto at = saying_.find(stream); at != saying_.end()) {
            const size_t size = size_of(trailers);
            if (waiting_ + size > max_waiting) {
                reset(stream, http2_code::internal_error);
                return;
            }
            waiting_ += at->second.trailers_wait = size;
            at->second.ends = true;
            at->second.trailers = trailers;
            nghttp2_session_resume_data(session_.get(), stream);
        }
    }

    void reset(int32_t stream, uint32_t code) override { nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, code); }

    [[nodiscard]] size_t queued(int32_t stream) const override {
        const auto at = saying_.find(stream);
        return at == saying_.end() ? 0 : at->second.bytes.size();
    }

    void consumed(int32_t stream, size_t bytes) override { nghttp2_session_consume(session_.get(), stream, bytes); }

    void go_away() override {
        nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR, nullptr, 0);
    }

private:
    using Handle = std::unique_ptr<nghttp2_session, Deleter<nghttp2_session_del>>;
    using Callbacks = std::unique_ptr<nghttp2_session_callbacks, Deleter<nghttp2_session_callbacks_del>>;
    using Options = std::unique_ptr<nghttp2_option, Deleter<nghttp2_option_del>>;

    // What we say on a stream.
    struct Saying {
        std::string bytes;
        Http2Fields trailers;
        size_t head_waits = 0; // bytes
        size_t trailers_wait = 0;
        bool ends = false;
    };

    // A block of fields while it comes; there is only one at a time.
    struct Block {
        Http2Fields fields;
        size_t size = 0;
        std::string objection;
    };

    [[nodiscard]] size_t most_head() const { return role_ == Http2Role::Server ? max_http2_request : max_http2_answer; }

    static Session& of(void* user) { return *static_cast<Session*>(user); }

    static Options make_options(Http2Role role) {
        nghttp2_option* made = nullptr;
        nghttp2_option_new(&made);
        Options options(made);
        nghttp2_option_set_no_auto_window_update(made, 1);
        nghttp2_option_set_no_closed_streams(made, 1);
        nghttp2_option_set_max_deflate_dynamic_table_size(made, table_size);
        nghttp2_option_set_max_send_header_block_length(made, 2 * max_http2_answer);
        nghttp2_option_set_max_outbound_ack(made, 100);
        // Some servers leave a space behind a value, which every client of HTTP/1.1 takes off; programs have no excuse.
        nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(made, role == Http2Role::Client ? 1 : 0);
        return options;
    }

    static Callbacks make_callbacks() {
        nghttp2_session_callbacks* made = nullptr;
        nghttp2_session_callbacks_new(&made);
        Callbacks callbacks(made);
        nghttp2_session_callbacks_set_on_begin_frame_callback(
            made, [](nghttp2_session*, const nghttp2_frame_hd* frame, void* user) { return of(user).on_begin_frame(*frame); });
        nghttp2_session_callbacks_set_on_begin_headers_callback(made, [](nghttp2_session*, const nghttp2_frame*, void* user) {
            of(user).block_ = {};
            return 0;
        });
        nghttp2_session_callbacks_set_on_header_callback(made, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                                                                  const uint8_t* value, size_t value_size, uint8_t, void* user) {
            of(user).on_field({text(name, name_size), text_without_space(value, value_size)});
            return 0;
        });
        nghttp2_session_callbacks_set_on_invalid_header_callback(
            made, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size, const uint8_t*, size_t, uint8_t, void* user) {
                of(user).block_.objection = "the header '" + text(name, name_size) + "' has bytes that none may have";
                return 0;
            });
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            of(user).on_frame(*frame);
            return 0;
        });
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, int problem, void* user) {
            of(user).events_.on_malformed(frame->hd.stream_id, nghttp2_strerror(problem));
            return 0;
        });
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
            made, [](nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size, void* user) {
                of(user).events_.on_data(stream, {reinterpret_cast<const char*>(data), size});
                return 0;
            });
        nghttp2_session_callbacks_set_on_frame_send_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            of(user).on_sent(*frame);
            return 0;
        });
        nghttp2_session_callbacks_set_on_frame_not_send_callback(made, [](nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
            if (frame->hd.type == NGHTTP2_HEADERS) {
                of(user).forget(frame->hd.stream_id);
                of(user).events_.on_closed(frame->hd.stream_id, http2_code::refused_stream);
            }
            return 0;
        });
        nghttp2_session_callbacks_set_on_stream_close_callback(made, [](nghttp2_session*, int32_t stream, uint32_t code, void* user) {
            of(user).forget(stream);
            of(user).events_.on_closed(stream, code);
            return 0;
        });
        return callbacks;
    }

    static size_t size_of(const Http2Fields& fields) {
        size_t size = 0;
        for (const auto& [name, value] : fields) {
            size += name.size() + value.size() + field_overhead;
        }
        return size;
    }

    void forget(int32_t stream) {
        if (const auto at = saying_.find(stream); at != saying_.end()) {
            waiting_ -= at->second.head_waits + at->second.trailers_wait;
            saying_.erase(at);
        }
    }

    void on_sent(const nghttp2_frame& frame) {
        const auto at = saying_.find(frame.hd.stream_id);
        if (frame.hd.type != NGHTTP2_HEADERS || at == saying_.end()) {
            return;
        }
        const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        const bool request = frame.headers.cat == NGHTTP2_HCAT_REQUEST;
        waiting_ -= request ? std::exchange(at->second.head_waits, 0) : ends ? std::exchange(at->second.trailers_wait, 0) : 0;
    }

    int on_begin_frame(const nghttp2_frame_hd& frame) {
        switch (frame.type) {
        case NGHTTP2_HEADERS:
            continuations_ = 0;
            return 0;
        case NGHTTP2_CONTINUATION:
            return ++continuations_ > max_continuations ? broken("a flood of CONTINUATION frames") : 0;
        case NGHTTP2_PUSH_PROMISE:
            return role_ == Http2Role::Client ? broken("a push, which nobody asked for") : 0;
        case NGHTTP2_RST_STREAM:
            return role_ == Http2Role::Server && resets_.exceeded() ? broken("a flood of streams that are reset") : 0;
        case NGHTTP2_WINDOW_UPDATE:
            return 0; // one for each part of a body, as a rule
        case NGHTTP2_DATA:
            if (frame.length > 0 || (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
                return 0;
            }
            break;
        default:
            break;
        }
        return idle_frames_.exceeded() ? broken("a flood of frames that say nothing") : 0;
    }

    int broken(std::string why) {
        flood_ = std::move(why);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    void on_field(std::pair<std::string, std::string> field) {
        block_.size += field.first.size() + field.second.size() + field_overhead;
        if (block_.size > most_head() || block_.fields.size() >= max_fields) {
            block_.objection = "its head is larger than " + std::to_string(most_head() / 1024) + " KiB";
            block_.fields.resize(std::min<size_t>(block_.fields.size(), 4)); // what is asked for may be told
            return;
        }
        block_.fields.push_back(std::move(field));
    }

    void on_frame(const nghttp2_frame& frame) {
        const int32_t stream = frame.hd.stream_id;
        const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (frame.hd.type == NGHTTP2_GOAWAY) {
            events_.on_going_away();
        } else if (frame.hd.type == NGHTTP2_HEADERS) {
            Block block = std::move(block_);
            block_ = {};
            // An answer that follows a 1xx is no other kind of block to nghttp2 than trailers are, but these have no pseudo-header.
            const bool head = frame.headers.cat == NGHTTP2_HCAT_REQUEST || frame.headers.cat == NGHTTP2_HCAT_RESPONSE ||
                              (!block.fields.empty() && block.fields[0].first.starts_with(':'));
            if (head) {
                events_.on_head(stream, std::move(block.fields), block.objection, ends);
            } else {
                events_.on_trailers(stream, std::move(block.fields), block.objection);
            }
        }
        if (ends && (frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA)) {
            events_.on_end(stream);
        }
    }

    nghttp2_data_provider body() {
        nghttp2_data_provider provider{};
        provider.source.ptr = this;
        provider.read_callback = [](nghttp2_session*, int32_t stream, uint8_t* into, size_t most, uint32_t* flags, nghttp2_data_source* source, void*) {
            return static_cast<Session*>(source->ptr)->read_body(stream, into, most, *flags);
        };
        return provider;
    }

    ssize_t read_body(int32_t stream, uint8_t* into, size_t most, uint32_t& flags) {
        const auto at = saying_.find(stream);
        if (at == saying_.end()) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        Saying& saying = at->second;
        const size_t size = std::min(most, saying.bytes.size());
        std::memcpy(into, saying.bytes.data(), size);
        saying.bytes.erase(0, size);
        if (saying.bytes.empty() && saying.ends) {
            flags |= NGHTTP2_DATA_FLAG_EOF;
            if (!saying.trailers.empty()) {
                flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                const auto pairs = pairs_of(saying.trailers);
                nghttp2_submit_trailer(session_.get(), stream, pairs.data(), pairs.size());
            }
        } else if (size == 0) {
            return NGHTTP2_ERR_DEFERRED;
        }
        if (size > 0) {
            events_.on_taken(stream);
        }
        return static_cast<ssize_t>(size);
    }

    Http2Role role_;
    Http2Events& events_;
    Handle session_;
    std::map<int32_t, Saying> saying_;
    size_t waiting_ = 0; // see max_waiting
    Block block_;
    unsigned continuations_ = 0;
    Rate resets_{max_resets};
    Rate idle_frames_{max_idle_frames};
    std::string flood_; // why the connection ends
    bool over_ = false;
};

} // namespace

std::unique_ptr<Http2Session> make_http2_session(Http2Role role, Http2Events& events, size_t window) {
    return std::make_unique<Session>(role, events, window);
}

} // namespace treadline::egress
