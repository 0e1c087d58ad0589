// result<T>: a value, or an error that says what was being done to what.
//
// Only names that std::expected shares are used, so that it can take over once g++ 12 is gone.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace treadline {

// `code` is an errno value, or 0 when no system call is to blame. `what` is a sentence for a person, without
// the errno text and without a full stop: "cannot open '/x'".
struct error {
    int code = 0;
    std::string what;

    // "cannot open '/x': No such file or directory"
    [[nodiscard]] std::string message() const;
};

// The value of a result that carries none.
struct ok {};

template <class T>
class [[nodiscard]] result : public tl::expected<T, error> {
public:
    using tl::expected<T, error>::expected;
};

using failure = tl::unexpected<error>;

// An error from input or state, not from a system call.
inline failure fail(std::string what) {
    return failure(error{0, std::move(what)});
}

// An error from a system call that has just failed; reads errno.
inline failure fail_errno(std::string what) {
    return failure(error{errno, std::move(what)});
}

inline failure fail_code(int code, std::string what) {
    return failure(error{code, std::move(what)});
}

} // namespace treadline

// TRY(expr): the value of expr, or return its error from the enclosing function. A GNU statement
// expression, which g++ and clang both have. Not for coroutines.
#define TRY(...)                                                                                             \
    ({                                                                                                       \
        auto&& try_result_ = (__VA_ARGS__);                                                                  \
        if (!try_result_) {                                                                                  \
            return ::treadline::failure(std::move(try_result_).error());                                     \
        }                                                                                                    \
        std::move(*try_result_);                                                                             \
    })
