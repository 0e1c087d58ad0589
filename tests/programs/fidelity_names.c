/* What makes, removes and changes names. */
#include "fidelity.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

const struct operation name_operations[] = {
	{"unlink", "unlink", OPERATION_ALL, "file"},
	{"unlink a link", "unlink", 0, "link"},
	{"unlink through links on the way", "unlink", 0, "dirlink/../full/inner"},
	{"unlink what is missing", "unlink", OPERATION_ALL, "none"},
	{"unlink a directory", "unlink", 0, "dir"},
	{"unlink where it is forbidden", "unlink", OPERATION_NOT_ROOT, "sealed/file"},
	{"unlink in a removed directory", "unlink", OPERATION_REMOVED, "file"},
	{"rmdir", "rmdir", OPERATION_ALL, "dir"},
	{"rmdir with a trailing slash", "rmdir", 0, "dir/"},
	{"rmdir what is missing", "rmdir", 0, "none"},
	{"rmdir what is full", "rmdir", 0, "full"},
	{"rmdir a file", "rmdir", 0, "file"},
	{"mkdir", "mkdir", OPERATION_ALL, "new"},
	{"mkdir with trailing slashes", "mkdir", 0, "new//"},
	{"mkdir what exists", "mkdir", OPERATION_ALL, "file"},
	{"mkdir at a link", "mkdir", 0, "dangling"},
	{"mkdir below what is missing", "mkdir", 0, "none/new"},
	{"mkdir where it is forbidden", "mkdir", OPERATION_NOT_ROOT, "sealed/new"},
	{"mknod", "mknod", OPERATION_ALL, "new"},
	{"mknod what exists", "mknod", 0, "file"},
	{"symlink", "symlink", OPERATION_ALL, "new"},
	{"symlink what exists", "symlink", 0, "file"},
	{"link", "link", OPERATION_ALL | OPERATION_FD, "file", "new"},
	{"link over what exists", "link", 0, "file", "other"},
	{"link what is missing", "link", 0, "none", "new"},
	{"link a link", "link", 0, "link", "new"},
	{"link what a link points to", "link followed", 0, "link", "new"},
	{"name a nameless file", "name", 0, "dir", "new"},
	{"rename", "rename", OPERATION_ALL, "file", "new"},
	{"rename over what exists", "replace", 0, "file", "other"},
	{"rename a link", "rename", 0, "link", "new"},
	{"rename a directory", "rename", 0, "dir", "new"},
	{"rename what is missing", "rename", OPERATION_ALL, "none", "new"},
	{"rename below what is missing", "rename", 0, "file", "none/new"},
	{"rename a directory over a file", "replace", 0, "dir", "file"},
	{"rename over nothing", "noreplace", 0, "file", "new"},
	{"rename over nothing, but it exists", "noreplace", 0, "file", "other"},
	{"exchange", "exchange", OPERATION_ALL, "file", "other"},
	{"exchange with what is missing", "exchange", 0, "file", "none"},
	{NULL},
};

/* By number: a library makes one call out of another. */
#define MAKE(name, ...)                                                                                      \
	static int name(const struct target *t) { return syscall(__VA_ARGS__); }

MAKE(unlinkat_file, SYS_unlinkat, t->dirfd, t->a, 0)
MAKE(unlinkat_directory, SYS_unlinkat, t->dirfd, t->a, AT_REMOVEDIR)
MAKE(mkdirat_, SYS_mkdirat, t->dirfd, t->a, 0700)
MAKE(mknodat_fifo, SYS_mknodat, t->dirfd, t->a, S_IFIFO | 0600, 0)
MAKE(mknodat_file, SYS_mknodat, t->dirfd, t->a, S_IFREG | 0600, 0)
MAKE(mknodat_socket, SYS_mknodat, t->dirfd, t->a, S_IFSOCK | 0600, 0)
MAKE(symlinkat_, SYS_symlinkat, "/nowhere/at all", t->dirfd, t->a)
MAKE(linkat_, SYS_linkat, t->dirfd, t->a, t->dirfd2, t->b, 0)
MAKE(linkat_followed, SYS_linkat, t->dirfd, t->a, t->dirfd2, t->b, AT_SYMLINK_FOLLOW)
MAKE(renameat2_, SYS_renameat2, t->dirfd, t->a, t->dirfd2, t->b, 0)
MAKE(renameat2_noreplace, SYS_renameat2, t->dirfd, t->a, t->dirfd2, t->b, RENAME_NOREPLACE)
MAKE(renameat2_exchange, SYS_renameat2, t->dirfd, t->a, t->dirfd2, t->b, RENAME_EXCHANGE)
#ifdef SYS_renameat
MAKE(renameat_, SYS_renameat, t->dirfd, t->a, t->dirfd2, t->b)
#endif
#ifdef SYS_open /* an architecture that has the calls without at */
MAKE(unlink_, SYS_unlink, t->a)
MAKE(rmdir_, SYS_rmdir, t->a)
MAKE(mkdir_, SYS_mkdir, t->a, 0700)
MAKE(mknod_, SYS_mknod, t->a, S_IFIFO | 0600, 0)
MAKE(symlink_, SYS_symlink, "/nowhere/at all", t->a)
MAKE(link_, SYS_link, t->a, t->b)
MAKE(rename_, SYS_rename, t->a, t->b)
#endif

#define MAKE_BY_RING(name, expression)                                                                       \
	static int name(const struct target *t) { return expression; }

MAKE_BY_RING(unlinkat_by_ring, ring_unlinkat(t->dirfd, t->a, 0))
MAKE_BY_RING(rmdir_by_ring, ring_unlinkat(t->dirfd, t->a, AT_REMOVEDIR))
MAKE_BY_RING(mkdirat_by_ring, ring_mkdirat(t->dirfd, t->a, 0700))
MAKE_BY_RING(symlinkat_by_ring, ring_symlinkat("/nowhere/at all", t->dirfd, t->a))
MAKE_BY_RING(linkat_by_ring, ring_linkat(t->dirfd, t->a, t->dirfd2, t->b, 0))
MAKE_BY_RING(linkat_followed_by_ring, ring_linkat(t->dirfd, t->a, t->dirfd2, t->b, AT_SYMLINK_FOLLOW))
MAKE_BY_RING(renameat2_by_ring, ring_renameat2(t->dirfd, t->a, t->dirfd2, t->b, 0))
MAKE_BY_RING(noreplace_by_ring, ring_renameat2(t->dirfd, t->a, t->dirfd2, t->b, RENAME_NOREPLACE))
MAKE_BY_RING(exchange_by_ring, ring_renameat2(t->dirfd, t->a, t->dirfd2, t->b, RENAME_EXCHANGE))

static int link_descriptor(const struct target *t)
{
	return syscall(SYS_linkat, AT_FDCWD, descriptor_path(t->fd), t->dirfd2, t->b, AT_SYMLINK_FOLLOW);
}

static int name_nameless(const struct target *t)
{
	struct target named = *t;

	named.fd = openat(t->dirfd, t->a, O_TMPFILE | O_RDWR, 0600);
	return named.fd < 0 ? -1 : link_descriptor(&named);
}

const struct call name_calls[] = {
	{"unlink", "unlinkat", CALL_AT | CALL_ALL, unlinkat_file},
	{"rmdir", "unlinkat AT_REMOVEDIR", CALL_AT | CALL_ALL, unlinkat_directory},
	{"mkdir", "mkdirat", CALL_AT | CALL_ALL, mkdirat_},
	{"mknod", "mknodat", CALL_AT | CALL_ALL, mknodat_fifo},
	{"mknod", "mknodat of a file", CALL_AT, mknodat_file},
	{"mknod", "mknodat of a socket", CALL_AT, mknodat_socket},
	{"symlink", "symlinkat", CALL_AT | CALL_ALL, symlinkat_},
	{"link", "linkat", CALL_AT | CALL_ALL, linkat_},
	{"link", "linkat of /proc/self/fd", CALL_FD, link_descriptor},
	{"link followed", "linkat AT_SYMLINK_FOLLOW", CALL_AT, linkat_followed},
	{"name", "linkat of /proc/self/fd", CALL_AT, name_nameless},
	{"rename", "renameat2", CALL_AT | CALL_ALL, renameat2_},
	{"replace", "renameat2", CALL_AT, renameat2_},
	{"rename", "renameat2 RENAME_NOREPLACE", CALL_AT, renameat2_noreplace},
	{"noreplace", "renameat2 RENAME_NOREPLACE", CALL_AT, renameat2_noreplace},
	{"exchange", "renameat2 RENAME_EXCHANGE", CALL_AT | CALL_ALL, renameat2_exchange},
	{"unlink", "unlinkat by io_uring", CALL_AT | CALL_ALL, unlinkat_by_ring},
	{"rmdir", "unlinkat AT_REMOVEDIR by io_uring", CALL_AT | CALL_ALL, rmdir_by_ring},
	{"mkdir", "mkdirat by io_uring", CALL_AT | CALL_ALL, mkdirat_by_ring},
	{"symlink", "symlinkat by io_uring", CALL_AT | CALL_ALL, symlinkat_by_ring},
	{"link", "linkat by io_uring", CALL_AT | CALL_ALL, linkat_by_ring},
	{"link followed", "linkat AT_SYMLINK_FOLLOW by io_uring", CALL_AT, linkat_followed_by_ring},
	{"rename", "renameat2 by io_uring", CALL_AT | CALL_ALL, renameat2_by_ring},
	{"replace", "renameat2 by io_uring", CALL_AT, renameat2_by_ring},
	{"noreplace", "renameat2 RENAME_NOREPLACE by io_uring", CALL_AT, noreplace_by_ring},
	{"exchange", "renameat2 RENAME_EXCHANGE by io_uring", CALL_AT | CALL_ALL, exchange_by_ring},
#ifdef SYS_renameat
	{"rename", "renameat", CALL_AT, renameat_},
	{"replace", "renameat", CALL_AT, renameat_},
#endif
#ifdef SYS_open
	{"unlink", "unlink", 0, unlink_},
	{"rmdir", "rmdir", 0, rmdir_},
	{"mkdir", "mkdir", 0, mkdir_},
	{"mknod", "mknod", 0, mknod_},
	{"symlink", "symlink", 0, symlink_},
	{"link", "link", 0, link_},
	{"rename", "rename", 0, rename_},
	{"replace", "rename", 0, rename_},
#endif
	{NULL},
};
