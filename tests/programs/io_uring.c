/*
 * io_uring HOW OPERATION...: each operation in the directory of its name, if there is one, in a process that
 * ends with 0 or the errno. HOW is "plain" for system calls, one of several ways to make requests, or "alone"
 * for what has no system call. file, other, dir/inside, empty/, link -> file, secret (may not be opened)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ring.h"

#define IS(name) (!strcmp(operation, name))
/* The same arguments for the request and for the system call. */
#define EITHER(name, ...) (plain ? (int)syscall(SYS_##name, __VA_ARGS__) : ring_##name(__VA_ARGS__))

static int plain, is_alone;
static char about[4096];

static int opens(const char *operation)
{
	struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600, .resolve = RESOLVE_NO_SYMLINKS};
	char text[2048] = "";
	int dirfd, i;

	if (IS("read"))
		return EITHER(openat, AT_FDCWD, "file", O_RDONLY, 0);
	if (IS("truncate-open"))
		return EITHER(openat, AT_FDCWD, "file", O_WRONLY | O_TRUNC, 0);
	if (IS("create"))
		return EITHER(openat, AT_FDCWD, "new", O_WRONLY | O_CREAT, 0600);
	if (IS("create-there"))
		return EITHER(openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);
	if (IS("exclusive"))
		return EITHER(openat, AT_FDCWD, "file", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (IS("openat2"))
		return plain ? (int)syscall(SYS_openat2, AT_FDCWD, "new", &how, sizeof(how))
			     : ring_openat2(AT_FDCWD, "new", &how);
	if (IS("openat2-refused"))
		return plain ? (int)syscall(SYS_openat2, AT_FDCWD, "link", &how, sizeof(how))
			     : ring_openat2(AT_FDCWD, "link", &how);
	if (IS("list"))
		return EITHER(openat, AT_FDCWD, "dir", O_RDONLY | O_DIRECTORY, 0);
	if (IS("point"))
		return EITHER(openat, AT_FDCWD, "file", O_PATH, 0);
	if (IS("nameless"))
		return EITHER(openat, AT_FDCWD, "dir", O_TMPFILE | O_RDWR, 0600);
	if (IS("missing"))
		return EITHER(openat, AT_FDCWD, "none", O_RDONLY, 0);
	if (IS("missing-write"))
		return EITHER(openat, AT_FDCWD, "none/new", O_WRONLY | O_CREAT, 0600);
	if (IS("forbidden"))
		return EITHER(openat, AT_FDCWD, "secret", O_RDONLY, 0);
	if (IS("through-link"))
		return EITHER(openat, AT_FDCWD, "link", O_RDONLY, 0);
	if (IS("no-link"))
		return EITHER(openat, AT_FDCWD, "link", O_RDONLY | O_NOFOLLOW, 0);
	if (IS("empty"))
		return EITHER(openat, AT_FDCWD, "", O_RDONLY, 0);
	if (IS("bad-descriptor"))
		return EITHER(openat, 77, "file", O_RDONLY, 0);
	if (IS("proc-cwd"))
		return EITHER(openat, AT_FDCWD, "/proc/self/cwd/file", O_RDONLY, 0);
	if (IS("proc-cwd-itself"))
		return EITHER(openat, AT_FDCWD, "/proc/self/cwd", O_RDONLY | O_DIRECTORY, 0);
	if (IS("long") || IS("long-missing")) {
		for (i = 0; i < 900; i++)
			strcat(text, "./");
		return EITHER(openat, AT_FDCWD, strcat(text, IS("long") ? "file" : "none"), O_RDONLY, 0);
	}
	dirfd = open("dir", O_PATH | O_DIRECTORY);
	if (IS("at"))
		return EITHER(openat, dirfd, "inside", O_RDONLY, 0);
	if (IS("at-missing"))
		return EITHER(openat, dirfd, "../none", O_RDONLY, 0);
	if (IS("direct"))
		return plain ? openat(dirfd, "inside", O_RDWR)
			     : ring_openat_direct(dirfd, "inside", O_RDWR, 0);
	return -2;
}

static int names(const char *operation)
{
	int dirfd = open("dir", O_PATH | O_DIRECTORY);

	if (IS("unlink"))
		return EITHER(unlinkat, AT_FDCWD, "file", 0);
	if (IS("unlink-at"))
		return EITHER(unlinkat, dirfd, "inside", 0);
	if (IS("unlink-missing"))
		return EITHER(unlinkat, AT_FDCWD, "none", 0);
	if (IS("unlink-directory"))
		return EITHER(unlinkat, AT_FDCWD, "dir", 0);
	if (IS("rmdir"))
		return EITHER(unlinkat, AT_FDCWD, "empty", AT_REMOVEDIR);
	if (IS("rmdir-full"))
		return EITHER(unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR);
	if (IS("rename"))
		return EITHER(renameat2, AT_FDCWD, "file", dirfd, "moved", 0);
	if (IS("rename-directory"))
		return EITHER(renameat2, AT_FDCWD, "dir", AT_FDCWD, "moved", 0);
	if (IS("rename-missing"))
		return EITHER(renameat2, AT_FDCWD, "none", AT_FDCWD, "moved", 0);
	if (IS("exchange"))
		return EITHER(renameat2, AT_FDCWD, "file", AT_FDCWD, "other", 2);
	if (IS("noreplace"))
		return EITHER(renameat2, AT_FDCWD, "file", AT_FDCWD, "other", 1);
	if (IS("mkdir"))
		return EITHER(mkdirat, dirfd, "new", 0700);
	if (IS("mkdir-there"))
		return EITHER(mkdirat, AT_FDCWD, "dir", 0700);
	if (IS("symlink"))
		return EITHER(symlinkat, "/nowhere", dirfd, "new");
	if (IS("symlink-there"))
		return EITHER(symlinkat, "/nowhere", AT_FDCWD, "file");
	if (IS("link"))
		return EITHER(linkat, AT_FDCWD, "file", dirfd, "new", 0);
	if (IS("link-followed"))
		return EITHER(linkat, AT_FDCWD, "link", AT_FDCWD, "new", AT_SYMLINK_FOLLOW);
	if (IS("link-missing"))
		return EITHER(linkat, AT_FDCWD, "none", AT_FDCWD, "new", 0);
	return -2;
}

static int attributes(const char *operation)
{
	int fd;

	if (IS("statx"))
		return EITHER(statx, AT_FDCWD, "link", 0, STATX_BASIC_STATS, about);
	if (IS("statx-link"))
		return EITHER(statx, AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, about);
	if (IS("statx-missing"))
		return EITHER(statx, AT_FDCWD, "none", 0, STATX_BASIC_STATS, about);
	if (IS("setxattr"))
		return EITHER(setxattr, "link", "user.treadline", "x", 1, 0);
	if (IS("setxattr-missing"))
		return EITHER(setxattr, "none", "user.treadline", "x", 1, 0);
	if (IS("getxattr"))
		return EITHER(getxattr, "link", "user.nothing", about, sizeof(about));
	if (IS("getxattr-missing"))
		return EITHER(getxattr, "none", "user.nothing", about, sizeof(about));
	fd = open("file", O_RDWR);
	if (IS("statx-descriptor"))
		return EITHER(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, about);
	if (IS("fsetxattr"))
		return EITHER(fsetxattr, fd, "user.treadline", "x", 1, 0);
	if (IS("fgetxattr"))
		return EITHER(fgetxattr, fd, "user.nothing", about, sizeof(about));
	if (IS("ftruncate"))
		return EITHER(ftruncate, fd, 1LL);
	return -2;
}

static int to_in(const char *operation, int flags)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct iovec part = {"x", 1};
	struct msghdr message = {
	    .msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &part, .msg_iovlen = 1};
	const struct sockaddr *any = (void *)&in;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (IS("send"))
		return EITHER(sendto, fd, "x", 1ul, flags, any, sizeof(in));
	if (IS("sendmsg"))
		return EITHER(sendmsg, fd, &message, flags);
	if (IS("send-zc"))
		return plain ? sendto(fd, "x", 1, flags, any, sizeof(in))
			     : ring_sendto_zc(fd, "x", 1, flags, any, sizeof(in));
	if (IS("sendmsg-zc"))
		return plain ? sendmsg(fd, &message, flags) : ring_sendmsg_zc(fd, &message, flags);
	if (IS("send-connected"))
		return connect(fd, any, sizeof(in)) ? -1 : EITHER(sendto, fd, "x", 1ul, flags, NULL, 0u);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	in.sin_port = htons(1);
	if (IS("connect"))
		return EITHER(connect, fd, any, sizeof(in));
	in.sin_port = 0;
	if (IS("bind"))
		return EITHER(bind, fd, any, sizeof(in));
	if (IS("listen"))
		return bind(fd, any, sizeof(in)) ? -1 : EITHER(listen, fd, 1);
	if (IS("connect-no-socket"))
		return EITHER(connect, open("/dev/null", O_RDONLY), any, sizeof(in));
	return -2;
}

static int to_unix(const char *operation)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "dir/socket"};
	const struct sockaddr *any = (void *)&un;
	int fd = socket(AF_UNIX, IS("send-unix") ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (IS("connect-unix"))
		return EITHER(connect, fd, any, sizeof(un));
	if (IS("bind-unix"))
		return EITHER(bind, fd, any, sizeof(un));
	if (IS("send-unix"))
		return EITHER(sendto, fd, "x", 1ul, 0, any, sizeof(un));
	memcpy(un.sun_path, "\0treadline-nobody", 17);
	if (IS("connect-abstract"))
		return EITHER(connect, fd, any, offsetof(struct sockaddr_un, sun_path) + 17);
	return -2;
}

/* Makes a file when the request before it has succeeded: one for its directory, or for what is missing. */
static int linked(struct ring *ring, int operation)
{
	unsigned long long which;
	struct io_uring_sqe *request = ring_request(ring, operation);
	int i, result, last = 0;

	request->fd = AT_FDCWD;
	request->addr = (uintptr_t)(operation == IORING_OP_MKDIRAT ? "new" : "none");
	request->len = 0700;
	request->flags |= IOSQE_IO_LINK;
	request = ring_request(ring, IORING_OP_OPENAT);
	request->fd = AT_FDCWD;
	request->addr = (uintptr_t) "new/made";
	request->open_flags = O_WRONLY | O_CREAT;
	request->len = 0600;
	request->user_data = 1;
	if (ring_submit(ring, 2) != 2)
		return -1;
	for (i = 0; i < 2 && ring_result(ring, &which, &result); i++)
		last = which ? result : last;
	errno = -last;
	return last < 0 ? -1 : 0;
}

static struct io_uring_sqe *named(struct ring *ring, int operation, const char *path, int flags)
{
	struct io_uring_sqe *request = ring_request(ring, operation);

	request->fd = AT_FDCWD;
	request->addr = (uintptr_t)path;
	request->len = operation == IORING_OP_MKDIRAT ? 0700 : 0;
	request->flags |= flags;
	return request;
}

/* Until there is such a path, or no more. */
static void wait_for(const char *path, int there)
{
	int i;

	for (i = 0; i < 500 && (access(path, F_OK) == 0) != there; i++)
		usleep(10 * 1000);
}

/* Requests of whose success nobody is told, and at last one that is told of. */
static int silent(struct ring *ring)
{
	struct io_uring_sqe *request;

	named(ring, IORING_OP_MKDIRAT, "new", IOSQE_CQE_SKIP_SUCCESS);
	named(ring, IORING_OP_UNLINKAT, "none", IOSQE_CQE_SKIP_SUCCESS);
	named(ring, IORING_OP_UNLINKAT, "file", IOSQE_CQE_SKIP_SUCCESS);
	request = named(ring, IORING_OP_OPENAT, "other", IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK);
	request->file_index = 1;
	request = ring_request(ring, IORING_OP_READ);
	request->fd = 0;
	request->addr = (uintptr_t)about;
	request->len = 1;
	request->flags |= IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	request = ring_request(ring, IORING_OP_CLOSE);
	request->file_index = 1;
	request->fd = 0;
	request->flags |= IOSQE_CQE_SKIP_SUCCESS;
	if (ring_submit(ring, 1) != 6)
		return -1;
	wait_for("file", 0);
	usleep(100 * 1000);
	ring_request(ring, IORING_OP_NOP);
	return ring_submit(ring, 1);
}

/* More of them than the probes look for when the program ends, all on their way when the last is submitted. */
static int crowd(void)
{
	static char names[250][8];
	struct ring ring;
	int i;

	ring_entries = 256;
	if (ring_open(&ring))
		return -1;
	for (i = 0; i < 250; i++) {
		snprintf(names[i], sizeof(names[i]), "new%d", i);
		named(&ring, IORING_OP_MKDIRAT, names[i], IOSQE_CQE_SKIP_SUCCESS | IOSQE_ASYNC);
	}
	if (ring_submit(&ring, 0) != 250)
		return -1;
	for (i = 0; i < 250; i++)
		wait_for(names[i], 1);
	return 0;
}

/* More results than there is room for, and nobody takes them. */
static int overflowing(struct ring *ring)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct io_uring_sqe *request;
	char names[24][8];
	int i, fd = socket(AF_INET, SOCK_DGRAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < 23; i++) {
		snprintf(names[i], sizeof(names[i]), "new%d", i);
		named(ring, IORING_OP_MKDIRAT, names[i], 0);
		if (i % 8 == 7)
			ring_submit(ring, 0);
	}
	request = ring_request(ring, IORING_OP_SEND);
	request->fd = fd;
	request->addr = (uintptr_t)about;
	request->len = 1;
	request->addr2 = (uintptr_t)&in;
	request->addr_len = sizeof(in);
	request->user_data = 1;
	ring_submit(ring, 0);
	wait_for("new22", 1);
	return 0;
}

/* What has no system call to be compared with. */
static int alone(const char *operation)
{
	struct ring ring;
	struct io_uring_sqe *request;
	int status, fds[2];

	if (IS("crowd"))
		return crowd();
	if (ring_open(&ring))
		return -1;
	if (IS("command") || IS("unknown")) {
		request = ring_request(&ring, IS("command") ? IORING_OP_URING_CMD : 200);
		request->fd = open("/dev/null", O_RDONLY);
		ring_submit(&ring, 1);
		return 0;
	}
	if (IS("transfer")) {
		if (pipe(fds))
			return -1;
		request = ring_request(&ring, IORING_OP_WRITE);
		request->fd = fds[1];
		request->addr = (uintptr_t)about;
		request->len = 1;
		return ring_finish(&ring, IORING_OP_WRITE);
	}
	if (IS("silent"))
		return silent(&ring);
	if (IS("overflowing"))
		return overflowing(&ring);
	if (IS("linked"))
		return linked(&ring, IORING_OP_MKDIRAT);
	if (IS("cancelled"))
		return linked(&ring, IORING_OP_OPENAT);
	if (IS("inherited")) { /* a ring of the parent's */
		if (fork()) {
			wait(&status);
			return 0;
		}
		request = ring_request(&ring, IORING_OP_OPENAT);
		request->fd = AT_FDCWD;
		request->addr = (uintptr_t) "file";
		_exit(ring_finish(&ring, IORING_OP_OPENAT) < 0);
	}
	return -2;
}

static int any_operation(const char *operation)
{
	int result = is_alone ? alone(operation) : opens(operation);

	if (result == -2)
		result = names(operation);
	if (result == -2)
		result = attributes(operation);
	if (result == -2)
		result = to_in(operation, 0);
	if (result == -2)
		result = to_unix(operation);
	if (result == -2)
		exit(99);
	return result < 0 ? errno : 0;
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		return 99;
	if (!strcmp(argv[1], "plain"))
		plain = 1;
	else if (!strcmp(argv[1], "async"))
		ring_request_flags = IOSQE_ASYNC;
	else if (!strcmp(argv[1], "polled"))
		ring_setup_flags = IORING_SETUP_SQPOLL;
	else if (!strcmp(argv[1], "deferred"))
		ring_setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	else if (!strcmp(argv[1], "fixed"))
		ring_fixes_sockets = 1;
	else if (!strcmp(argv[1], "alone"))
		is_alone = 1;
	else if (strcmp(argv[1], "request"))
		return 99;
	for (i = 2; i < argc; i++) {
		pid_t child = fork();

		if (!child)
			_exit(chdir(argv[i]) && errno != ENOENT ? 99 : any_operation(argv[i]));
		waitpid(child, NULL, 0);
	}
	return 0;
}
