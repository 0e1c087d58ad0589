/* Content cut off, attributes, working directory. */
#include "fidelity.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

/* The same number on every architecture; older headers lack them. */
#define NR_FCHMODAT2 452	 /* Linux 6.6 */
#define NR_SETXATTRAT 463	 /* Linux 6.13 */
#define NR_REMOVEXATTRAT 466 /* Linux 6.13 */

const struct operation attribute_operations[] = {
	{"truncate", "truncate", OPERATION_ALL | OPERATION_FD, "file"},
	{"truncate through a link", "truncate", 0, "link"},
	{"truncate what is missing", "truncate", 0, "none"},
	{"truncate a directory", "truncate", 0, "dir"},
	{"change attributes", "attributes", OPERATION_ALL | OPERATION_FD, "file"},
	{"change attributes of a directory", "attributes", OPERATION_FD, "dir"},
	{"change attributes through a link", "attributes", 0, "chain"},
	{"change attributes of what is missing", "attributes", 0, "none"},
	{"change attributes below a file", "attributes", 0, "file/x"},
	{"change attributes in a removed directory", "attributes", OPERATION_REMOVED, "file"},
	{"change attributes of a link", "link attributes", OPERATION_ALL, "link"},
	{"change attributes of a missing link", "link attributes", 0, "none"},
	{"change attributes of no link", "own attributes", 0, "file"},
	{"set an extended attribute of a link", "own extended attributes", 0, "link"},
	{"enter", "chdir", OPERATION_ALL | OPERATION_FD, "dir"},
	{"enter through a link", "chdir", 0, "dirlink"},
	{"enter what is missing", "chdir", 0, "none"},
	{"enter a file", "chdir", 0, "file"},
	{NULL},
};

static const char name[] = "user.treadline";
static const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};

static int setxattrat_(int dirfd, const char *path, unsigned flags)
{
	struct xattr_args args = {.value = (uintptr_t) "x", .size = 1};
	return syscall(NR_SETXATTRAT, dirfd, path, flags, name, &args, sizeof(args));
}

#define MAKE(function, expression)                                                                           \
	static int function(const struct target *t) { return expression; }

MAKE(truncate_, syscall(SYS_truncate, t->a, 0))
MAKE(ftruncate_, syscall(SYS_ftruncate, t->fd, 0))
MAKE(fchmodat_, syscall(SYS_fchmodat, t->dirfd, t->a, 0700))
MAKE(fchmodat2_, syscall(NR_FCHMODAT2, t->dirfd, t->a, 0700, 0))
MAKE(fchmodat2_descriptor, syscall(NR_FCHMODAT2, t->fd, "", 0700, AT_EMPTY_PATH))
MAKE(fchmod_, syscall(SYS_fchmod, t->fd, 0700))
MAKE(fchownat_, syscall(SYS_fchownat, t->dirfd, t->a, -1, -1, 0))
MAKE(fchownat_link, syscall(SYS_fchownat, t->dirfd, t->a, -1, -1, AT_SYMLINK_NOFOLLOW))
MAKE(fchownat_descriptor, syscall(SYS_fchownat, t->fd, "", -1, -1, AT_EMPTY_PATH))
MAKE(fchown_, syscall(SYS_fchown, t->fd, -1, -1))
MAKE(utimensat_, syscall(SYS_utimensat, t->dirfd, t->a, times, 0))
MAKE(utimensat_now, syscall(SYS_utimensat, t->dirfd, t->a, NULL, 0))
MAKE(utimensat_link, syscall(SYS_utimensat, t->dirfd, t->a, times, AT_SYMLINK_NOFOLLOW))
MAKE(utimensat_descriptor, syscall(SYS_utimensat, t->fd, NULL, times, 0))
MAKE(setxattr_, syscall(SYS_setxattr, t->a, name, "x", 1, 0))
MAKE(fsetxattr_, syscall(SYS_fsetxattr, t->fd, name, "x", 1, 0))
MAKE(setxattrat_path, setxattrat_(t->dirfd, t->a, 0))
MAKE(setxattrat_descriptor, setxattrat_(t->fd, "", AT_EMPTY_PATH))
MAKE(removexattr_, syscall(SYS_removexattr, t->a, name))
MAKE(lsetxattr_, syscall(SYS_lsetxattr, t->a, name, "x", 1, 0))
MAKE(lremovexattr_, syscall(SYS_lremovexattr, t->a, name))
MAKE(fchmodat2_link, syscall(NR_FCHMODAT2, t->dirfd, t->a, 0700, AT_SYMLINK_NOFOLLOW))
MAKE(setxattrat_link, setxattrat_(t->dirfd, t->a, AT_SYMLINK_NOFOLLOW))
MAKE(fremovexattr_, syscall(SYS_fremovexattr, t->fd, name))
MAKE(removexattrat_, syscall(NR_REMOVEXATTRAT, t->dirfd, t->a, 0, name))
MAKE(chdir_, syscall(SYS_chdir, t->a))
MAKE(fchdir_, syscall(SYS_fchdir, t->fd))

MAKE(ftruncate_by_ring, ring_ftruncate(t->fd, 0))
MAKE(setxattr_by_ring, ring_setxattr(t->a, name, "x", 1, 0))
MAKE(fsetxattr_by_ring, ring_fsetxattr(t->fd, name, "x", 1, 0))

/* As a C library without fchmodat2 does it. */
MAKE(chmod_descriptor_path, syscall(SYS_fchmodat, AT_FDCWD, descriptor_path(t->fd), 0700))

#ifdef SYS_open
MAKE(chmod_, syscall(SYS_chmod, t->a, 0700))
MAKE(chown_, syscall(SYS_chown, t->a, -1, -1))
MAKE(lchown_, syscall(SYS_lchown, t->a, -1, -1))
MAKE(utime_, syscall(SYS_utime, t->a, NULL))
MAKE(utimes_, syscall(SYS_utimes, t->a, NULL))
MAKE(futimesat_, syscall(SYS_futimesat, t->dirfd, t->a, NULL))
#endif

const struct call attribute_calls[] = {
	{"truncate", "truncate", CALL_ALL, truncate_},
	{"truncate", "ftruncate", CALL_FD, ftruncate_},
	{"truncate", "ftruncate by io_uring", CALL_FD, ftruncate_by_ring},
	{"attributes", "fchmodat", CALL_AT | CALL_ALL, fchmodat_},
	{"attributes", "fchmodat2", CALL_AT, fchmodat2_},
	{"attributes", "fchmodat2 AT_EMPTY_PATH", CALL_FD, fchmodat2_descriptor},
	{"attributes", "fchmod", CALL_FD, fchmod_},
	{"attributes", "fchmodat of /proc/self/fd", CALL_FD, chmod_descriptor_path},
	{"attributes", "fchownat", CALL_AT, fchownat_},
	{"attributes", "fchownat AT_EMPTY_PATH", CALL_FD, fchownat_descriptor},
	{"attributes", "fchown", CALL_FD, fchown_},
	{"attributes", "utimensat", CALL_AT, utimensat_},
	{"attributes", "utimensat now", CALL_AT, utimensat_now},
	{"attributes", "utimensat of a descriptor", CALL_FD, utimensat_descriptor},
	{"attributes", "setxattr", CALL_ALL, setxattr_},
	{"attributes", "fsetxattr", CALL_FD, fsetxattr_},
	{"attributes", "setxattr by io_uring", CALL_ALL, setxattr_by_ring},
	{"attributes", "fsetxattr by io_uring", CALL_FD, fsetxattr_by_ring},
	{"attributes", "setxattrat", CALL_AT, setxattrat_path},
	{"attributes", "setxattrat AT_EMPTY_PATH", CALL_FD, setxattrat_descriptor},
	{"attributes", "removexattr", 0, removexattr_},
	{"attributes", "fremovexattr", CALL_FD, fremovexattr_},
	{"attributes", "removexattrat", CALL_AT, removexattrat_},
	{"link attributes", "fchownat AT_SYMLINK_NOFOLLOW", CALL_AT | CALL_ALL, fchownat_link},
	{"link attributes", "utimensat AT_SYMLINK_NOFOLLOW", CALL_AT, utimensat_link},
	{"own attributes", "lsetxattr", 0, lsetxattr_},
	{"own attributes", "lremovexattr", 0, lremovexattr_},
	{"own attributes", "fchmodat2 AT_SYMLINK_NOFOLLOW", CALL_AT, fchmodat2_link},
	{"own attributes", "setxattrat AT_SYMLINK_NOFOLLOW", CALL_AT, setxattrat_link},
	{"own attributes", "fchownat AT_SYMLINK_NOFOLLOW", CALL_AT, fchownat_link},
	{"own extended attributes", "lsetxattr", 0, lsetxattr_},
	{"own extended attributes", "lremovexattr", 0, lremovexattr_},
	{"own extended attributes", "setxattrat AT_SYMLINK_NOFOLLOW", CALL_AT, setxattrat_link},
	{"chdir", "chdir", CALL_ALL, chdir_},
	{"chdir", "fchdir", CALL_FD, fchdir_},
#ifdef SYS_open
	{"attributes", "chmod", 0, chmod_},
	{"attributes", "chown", 0, chown_},
	{"attributes", "utime", 0, utime_},
	{"attributes", "utimes", 0, utimes_},
	{"attributes", "futimesat", CALL_AT, futimesat_},
	{"link attributes", "lchown", 0, lchown_},
#endif
	{NULL},
};
