/*
 * Operations made through io_uring, one request at a time, as the system calls of those names make them: the
 * same arguments and results (-1 and errno). ENOSYS where the kernel does not have one.
 */
#ifndef TREADLINE_TESTS_RING_H
#define TREADLINE_TESTS_RING_H

#include <linux/io_uring.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct open_how;

struct ring {
	int fd;
	struct io_uring_params params;
	unsigned char *submissions; /* the shared rings */
	unsigned char *completions;
	struct io_uring_sqe *requests;
	unsigned made; /* requests that were made and not handed over */
};

/* How every ring is set up, and every request is made: for programs that do one thing in several ways. */
extern unsigned ring_entries;	    /* requests that one submission holds */
extern unsigned ring_setup_flags;   /* IORING_SETUP_* */
extern unsigned ring_request_flags; /* IOSQE_* */
extern int ring_fixes_sockets;	    /* they are handed over by a place of the ring */

/* Negative, with errno: refused. A ring lasts as long as the process. */
int ring_open(struct ring *ring);
/* The next request, cleared but for `ring_request_flags`. */
struct io_uring_sqe *ring_request(struct ring *ring, int operation);
/* Hands over what was made, and waits for so many results; negative, with errno: refused. */
int ring_submit(struct ring *ring, unsigned results);
/* One request, and its result as that of a system call. */
int ring_finish(struct ring *ring, int operation);
/* The next result that has arrived; 0: none. */
int ring_result(struct ring *ring, unsigned long long *user_data, int *result);

int ring_openat(int dirfd, const char *path, int flags, unsigned mode);
int ring_openat2(int dirfd, const char *path, struct open_how *how);
/* Into a place of the ring's own instead of a descriptor. */
int ring_openat_direct(int dirfd, const char *path, int flags, unsigned mode);
int ring_unlinkat(int dirfd, const char *path, int flags);
int ring_renameat2(int dirfd, const char *path, int dirfd2, const char *path2, unsigned flags);
int ring_mkdirat(int dirfd, const char *path, unsigned mode);
int ring_symlinkat(const char *content, int dirfd, const char *path);
int ring_linkat(int dirfd, const char *path, int dirfd2, const char *path2, int flags);
int ring_statx(int dirfd, const char *path, int flags, unsigned mask, void *about);
int ring_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int ring_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int ring_getxattr(const char *path, const char *name, void *value, size_t size);
int ring_fgetxattr(int fd, const char *name, void *value, size_t size);
int ring_ftruncate(int fd, long long size);
int ring_connect(int fd, const struct sockaddr *address, socklen_t size);
int ring_bind(int fd, const struct sockaddr *address, socklen_t size);
int ring_listen(int fd, int backlog);
int ring_sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *address,
		socklen_t size);
ssize_t ring_sendmsg(int fd, const struct msghdr *message, int flags);
/* Without copying what is sent. */
int ring_sendto_zc(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *address,
		   socklen_t size);
ssize_t ring_sendmsg_zc(int fd, const struct msghdr *message, int flags);

#endif
