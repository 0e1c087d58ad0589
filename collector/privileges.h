// Who asks, whether that may be watched, and giving up every privilege before anything of theirs is touched.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace treadline {

struct Caller {
    uid_t uid = 0; // the caller's own
    gid_t gid = 0;
};

// The user at the other end of the socket, when it was made (unix(7), SO_PEERCRED).
result<Caller> caller_of(int socket);

// Which user the task runs as, by its pidfd. An ordinary user may have only tasks watched whose real,
// effective, saved and file system user are all their own; root any. The task is alive when this returns.
result<uid_t> watched_user(int pidfd, const Caller& caller);

// Which user the collector becomes: the caller; under root the watched user, unless the store is root's.
result<Caller> acting_user(const Caller& caller, uid_t watched, int store);

// Irrevocably: user, groups, capabilities, no_new_privs, not dumpable.
result<ok> drop_privileges(const Caller& become);

// The path of the store's descriptor, checked to be a regular file of `user` that still bears this name.
result<std::string> store_path(int store, uid_t user);

// Out of the terminal's job: its signals are meant for the command.
void leave_terminal();

} // namespace treadline
