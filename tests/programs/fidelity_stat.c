/* What is looked at without being opened. */
#include "fidelity.h"
#include "ring.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_faccessat2
#define SYS_faccessat2 439 /* Linux 5.8 */
#endif
#define NR_GETXATTRAT 464  /* Linux 6.13 */
#define NR_LISTXATTRAT 465 /* Linux 6.13 */

const struct operation stat_operations[] = {
	{"look at", "stat", OPERATION_ALL, "file"},
	{"look at what is missing", "stat", OPERATION_ALL, "none"},
	{"look through a chain of links", "stat", 0, "chain"},
	{"look through a dangling link", "stat", 0, "dangling"},
	{"look at a directory", "stat", 0, "dir"},
	{"look below a file", "stat", 0, "file/x"},
	{"look at a link", "lstat", OPERATION_ALL, "link"},
	{"look at a missing link", "lstat", 0, "none"},
	{"read a link", "readlink", OPERATION_ALL, "link"},
	{"read a missing link", "readlink", 0, "none"},
	{NULL},
};

static char about[4096];

static int getxattrat_(int dirfd, const char *path, unsigned flags)
{
	struct xattr_args args = {.value = (uintptr_t)about, .size = sizeof(about)};
	return syscall(NR_GETXATTRAT, dirfd, path, flags, "user.treadline", &args, sizeof(args));
}

#define MAKE(function, expression)                                                                           \
	static int function(const struct target *t) { return expression; }

MAKE(newfstatat_, syscall(SYS_newfstatat, t->dirfd, t->a, about, 0))
MAKE(newfstatat_link, syscall(SYS_newfstatat, t->dirfd, t->a, about, AT_SYMLINK_NOFOLLOW))
MAKE(statx_, syscall(SYS_statx, t->dirfd, t->a, 0, STATX_BASIC_STATS, about))
MAKE(statx_link, syscall(SYS_statx, t->dirfd, t->a, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, about))
MAKE(faccessat_, syscall(SYS_faccessat, t->dirfd, t->a, R_OK))
MAKE(faccessat2_, syscall(SYS_faccessat2, t->dirfd, t->a, F_OK, AT_EACCESS))
MAKE(faccessat2_link, syscall(SYS_faccessat2, t->dirfd, t->a, F_OK, AT_SYMLINK_NOFOLLOW))
MAKE(statfs_, syscall(SYS_statfs, t->a, about))
MAKE(getxattr_, syscall(SYS_getxattr, t->a, "user.treadline", about, sizeof(about)))
MAKE(listxattr_, syscall(SYS_listxattr, t->a, about, sizeof(about)))
MAKE(llistxattr_, syscall(SYS_llistxattr, t->a, about, sizeof(about)))
MAKE(getxattrat_path, getxattrat_(t->dirfd, t->a, 0))
MAKE(listxattrat_, syscall(NR_LISTXATTRAT, t->dirfd, t->a, 0, about, sizeof(about)))
MAKE(openat_path, openat(t->dirfd, t->a, O_PATH))
MAKE(readlinkat_, syscall(SYS_readlinkat, t->dirfd, t->a, about, sizeof(about)))
MAKE(statx_by_ring, ring_statx(t->dirfd, t->a, 0, STATX_BASIC_STATS, about))
MAKE(statx_link_by_ring, ring_statx(t->dirfd, t->a, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, about))
MAKE(getxattr_by_ring, ring_getxattr(t->a, "user.treadline", about, sizeof(about)))
#ifdef SYS_stat
MAKE(stat_, syscall(SYS_stat, t->a, about))
MAKE(lstat_, syscall(SYS_lstat, t->a, about))
MAKE(access_, syscall(SYS_access, t->a, F_OK))
MAKE(readlink_, syscall(SYS_readlink, t->a, about, sizeof(about)))
#endif

const struct call stat_calls[] = {
	{"stat", "newfstatat", CALL_AT | CALL_ALL, newfstatat_},
	{"stat", "statx", CALL_AT, statx_},
	{"stat", "faccessat", CALL_AT, faccessat_},
	{"stat", "faccessat2", CALL_AT, faccessat2_},
	{"stat", "statfs", 0, statfs_},
	{"stat", "getxattr", 0, getxattr_},
	{"stat", "listxattr", 0, listxattr_},
	{"stat", "getxattrat", CALL_AT, getxattrat_path},
	{"stat", "listxattrat", CALL_AT, listxattrat_},
	{"stat", "openat O_PATH", CALL_AT, openat_path},
	{"lstat", "newfstatat AT_SYMLINK_NOFOLLOW", CALL_AT | CALL_ALL, newfstatat_link},
	{"lstat", "statx AT_SYMLINK_NOFOLLOW", CALL_AT, statx_link},
	{"lstat", "faccessat2 AT_SYMLINK_NOFOLLOW", CALL_AT, faccessat2_link},
	{"lstat", "llistxattr", 0, llistxattr_},
	{"readlink", "readlinkat", CALL_AT | CALL_ALL, readlinkat_},
	{"stat", "statx by io_uring", CALL_AT | CALL_ALL, statx_by_ring},
	{"stat", "getxattr by io_uring", 0, getxattr_by_ring},
	{"lstat", "statx AT_SYMLINK_NOFOLLOW by io_uring", CALL_AT | CALL_ALL, statx_link_by_ring},
#ifdef SYS_stat
	{"stat", "stat", 0, stat_},
	{"stat", "access", 0, access_},
	{"lstat", "lstat", 0, lstat_},
	{"readlink", "readlink", 0, readlink_},
#endif
	{NULL},
};
