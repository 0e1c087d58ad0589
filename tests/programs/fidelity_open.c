/* Opens, with every call that opens. */
#include "fidelity.h"
#include "ring.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

const struct operation open_operations[] = {
	{"read", "read", OPERATION_ALL | OPERATION_FD, "file"},
	{"read through a link", "read", OPERATION_ALL, "link"},
	{"read through a chain of links", "read", 0, "chain"},
	{"read through links on the way", "read", 0, "dirlink/../full/inner"},
	{"read what is missing", "read", OPERATION_ALL, "none"},
	{"read through a dangling link", "read", 0, "dangling"},
	{"read below a file", "read", 0, "file/x"},
	{"read with a trailing slash", "read", 0, "file/"},
	{"read what is forbidden", "read", OPERATION_NOT_ROOT, "secret"},
	{"read in a loop of links", "read", 0, "loop"},
	{"read in a removed directory", "read", OPERATION_REMOVED, "file"},
	{"read no link", "read no link", 0, "link"},
	{"write", "write", OPERATION_FD, "file"},
	{"write what is missing", "write", 0, "none"},
	{"write what is forbidden", "write", OPERATION_NOT_ROOT, "secret"},
	{"read and write", "both", OPERATION_FD, "file"},
	{"create", "create", OPERATION_ALL, "new"},
	{"create what exists", "create", 0, "file"},
	{"create through a dangling link", "create", 0, "dangling"},
	{"create below what is missing", "create", 0, "none/new"},
	{"create where it is forbidden", "create", OPERATION_NOT_ROOT, "sealed/new"},
	{"create what must not exist", "exclusive", OPERATION_ALL, "new"},
	{"create what must not exist, but does", "exclusive", 0, "file"},
	{"create what must not exist, at a link", "exclusive", 0, "dangling"},
	{"make a nameless file", "tmpfile", OPERATION_ALL, "dir"},
	{"make a nameless file in what is missing", "tmpfile", 0, "none"},
	{"list", "list", OPERATION_ALL | OPERATION_FD, "dir"},
	{"list through a link", "list", 0, "dirlink"},
	{"list with a trailing slash", "list", 0, "dirlink/"},
	{"list what is missing", "list", 0, "none"},
	{"list a file", "list", 0, "file"},
	{"point at", "path", 0, "file"},
	{NULL},
};

static int how(const struct target *t, unsigned long long flags, unsigned mode)
{
	struct open_how how = {.flags = flags, .mode = mode};
	return syscall(SYS_openat2, t->dirfd, t->a, &how, sizeof(how));
}

static int how_by_ring(const struct target *t, unsigned long long flags)
{
	struct open_how how = {.flags = flags};
	return ring_openat2(t->dirfd, t->a, &how);
}

/* Opens what a descriptor refers to once more. */
static int again(int fd, int flags)
{
	return openat(AT_FDCWD, descriptor_path(fd), flags);
}

#ifdef SYS_open
#define OPEN(suffix, flags)                                                                                  \
	static int open_##suffix(const struct target *t) { return syscall(SYS_open, t->a, flags, 0600); }
#else
#define OPEN(suffix, flags)                                                                                  \
	static int open_##suffix(const struct target *t) { return openat(AT_FDCWD, t->a, flags, 0600); }
#endif
#define OPENAT(suffix, flags)                                                                                \
	static int openat_##suffix(const struct target *t) { return openat(t->dirfd, t->a, flags, 0600); }
#define OPENAT2(suffix, flags, mode)                                                                         \
	static int openat2_##suffix(const struct target *t) { return how(t, flags, mode); }
#define RING(suffix, flags)                                                                                  \
	static int ring_##suffix(const struct target *t) { return ring_openat(t->dirfd, t->a, flags, 0600); }
#define AGAIN(suffix, flags)                                                                                 \
	static int again_##suffix(const struct target *t) { return again(t->fd, flags); }
#define ALL(suffix, flags, mode)                                                                             \
	OPEN(suffix, flags)                                                                                  \
	OPENAT(suffix, flags)                                                                                \
	OPENAT2(suffix, flags, mode)                                                                         \
	RING(suffix, flags)

ALL(read, O_RDONLY, 0)
OPENAT(read_cloexec, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
OPENAT(read_noatime, O_RDONLY | O_NOATIME)
AGAIN(read, O_RDONLY)
ALL(keep, O_RDONLY | O_NOFOLLOW, 0)
ALL(write, O_WRONLY, 0)
OPENAT(append, O_WRONLY | O_APPEND)
OPENAT(truncate, O_WRONLY | O_TRUNC)
OPENAT(sync, O_WRONLY | O_SYNC)
AGAIN(write, O_WRONLY)
ALL(both, O_RDWR, 0)
OPENAT(both_truncate, O_RDWR | O_TRUNC)
AGAIN(both, O_RDWR)
ALL(create, O_WRONLY | O_CREAT, 0600)
OPENAT(create_truncate, O_WRONLY | O_CREAT | O_TRUNC)
OPENAT(create_append, O_WRONLY | O_CREAT | O_APPEND)
ALL(exclusive, O_WRONLY | O_CREAT | O_EXCL, 0600)
ALL(tmpfile, O_WRONLY | O_TMPFILE, 0600)
OPENAT(tmpfile_exclusive, O_WRONLY | O_TMPFILE | O_EXCL)
ALL(list, O_RDONLY | O_DIRECTORY, 0)
AGAIN(list, O_RDONLY | O_DIRECTORY)
ALL(path, O_PATH, 0)

static int openat2_by_ring(const struct target *t) { return how_by_ring(t, O_RDONLY); }
static int direct_by_ring(const struct target *t) { return ring_openat_direct(t->dirfd, t->a, O_RDONLY, 0); }

static int creat_create(const struct target *t)
{
#ifdef SYS_creat
	return syscall(SYS_creat, t->a, 0600);
#else
	return openat(AT_FDCWD, t->a, O_CREAT | O_WRONLY | O_TRUNC, 0600);
#endif
}

#define FOUR(family, suffix)                                                                                \
	{family, "open", 0, open_##suffix}, {family, "openat", CALL_AT | CALL_ALL, openat_##suffix},             \
	    {family, "openat2", CALL_AT, openat2_##suffix}, {family, "openat by io_uring", CALL_AT | CALL_ALL, ring_##suffix}

const struct call open_calls[] = {
	FOUR("read", read),
	{"read", "openat with other flags", CALL_AT, openat_read_cloexec},
	{"read", "openat O_NOATIME", CALL_AT, openat_read_noatime},
	{"read", "open of /proc/self/fd", CALL_FD, again_read},
	{"read", "openat2 by io_uring", CALL_AT, openat2_by_ring},
	{"read", "openat by io_uring into the ring", CALL_AT, direct_by_ring},
	FOUR("read no link", keep),
	FOUR("write", write),
	{"write", "openat O_APPEND", CALL_AT, openat_append},
	{"write", "openat O_TRUNC", CALL_AT, openat_truncate},
	{"write", "openat O_SYNC", CALL_AT, openat_sync},
	{"write", "open of /proc/self/fd", CALL_FD, again_write},
	FOUR("both", both),
	{"both", "openat O_TRUNC", CALL_AT, openat_both_truncate},
	{"both", "open of /proc/self/fd", CALL_FD, again_both},
	FOUR("create", create),
	{"create", "openat O_TRUNC", CALL_AT, openat_create_truncate},
	{"create", "openat O_APPEND", CALL_AT, openat_create_append},
	{"create", "creat", 0, creat_create},
	FOUR("exclusive", exclusive),
	FOUR("tmpfile", tmpfile),
	{"tmpfile", "openat O_EXCL", CALL_AT, openat_tmpfile_exclusive},
	FOUR("list", list),
	{"list", "open of /proc/self/fd", CALL_FD, again_list},
	FOUR("path", path),
	{NULL},
};
