// What a connection that nobody judges says, read beside it as it passes: TLS or HTTP or something else, and whether a rule
// for its host and port would carry it. What cannot be read is passed on all the same.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "enforcer/egress/decision.h"
#include "enforcer/egress/recorder.h"

namespace treadline::egress {

class Observer {
public:
    // `decision` is a recording one; all three outlive it.
    Observer(const Decision& decision, const Contact& contact, Recorder::Connection& connection);
    ~Observer();

    void up(std::string_view bytes);   // from the program
    void down(std::string_view bytes); // from the server

private:
    class Requests;
    enum class Reading : uint8_t { Opening, Hello, Requests, Nothing };

    void read_opening();
    void read_hello();
    void is_other();
    void differs(const Verdict& verdict);

    const Decision& decision_;
    const Contact& contact_;
    Recorder::Connection& connection_;
    Reading reading_ = Reading::Opening;
    std::string opening_;
    std::unique_ptr<Requests> requests_;
};

} // namespace treadline::egress
