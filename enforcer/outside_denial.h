// Denials that nobody makes: processes, System V objects, message queues, abstract sockets and shared memory of programs
// outside are in other namespaces, so a call that names one fails as if it were not there. That it was tried is told here;
// no rule could allow it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <linux/seccomp.h>
#include <sys/types.h>

#include "enforcer/inside_view.h"
#include "enforcer/violation.h"

namespace treadline {

// Of calls that reach for something by its number, key or name. What the command has made itself under the same key is its own.
class OutsideDenials {
public:
    // `name`: one that is_reaching_syscall() names.
    std::optional<Violation> of_call(const InsideView& view, pid_t task, const std::string& name, const seccomp_data& data);

private:
    std::set<std::string> made_inside_;
};

// Of `name`, as it stands in a sockaddr_un: with a zero byte first.
std::optional<Violation> abstract_socket_denial(pid_t task, std::string_view name);

Violation outside_denial(std::string layer, std::string operation, std::string object, std::string reason);

} // namespace treadline
