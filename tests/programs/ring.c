#include "ring.h"

#include <errno.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the oldest headers this builds with. */
#define OP_FTRUNCATE 55 /* Linux 6.9 */
#define OP_BIND 56	/* Linux 6.11 */
#define OP_LISTEN 57

unsigned ring_entries = 8;
unsigned ring_setup_flags;
unsigned ring_request_flags;
int ring_fixes_sockets;

static int register_with(struct ring *ring, unsigned what, void *argument, unsigned count)
{
	return syscall(SYS_io_uring_register, ring->fd, what, argument, count);
}

int ring_open(struct ring *ring)
{
	struct io_uring_params *p = &ring->params;
	size_t size = 0;
	int places[2] = {-1, -1};

	memset(ring, 0, sizeof(*ring));
	p->flags = ring_setup_flags;
	p->sq_thread_idle = 1000;
	ring->fd = syscall(SYS_io_uring_setup, ring_entries, p);
	if (ring->fd < 0)
		return -1;
	size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	ring->submissions =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->completions =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_CQ_RING);
	size = p->sq_entries * sizeof(struct io_uring_sqe);
	ring->requests = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->submissions == MAP_FAILED || ring->completions == MAP_FAILED ||
	    ring->requests == MAP_FAILED)
		return -1;
	return register_with(ring, IORING_REGISTER_FILES, places, 2);
}

static unsigned *at(unsigned char *shared, unsigned offset) { return (unsigned *)(shared + offset); }

struct io_uring_sqe *ring_request(struct ring *ring, int operation)
{
	const struct io_sqring_offsets *o = &ring->params.sq_off;
	unsigned *tail = at(ring->submissions, o->tail);
	unsigned index = (*tail + ring->made) & *at(ring->submissions, o->ring_mask);
	struct io_uring_sqe *request = &ring->requests[index];

	at(ring->submissions, o->array)[index] = index;
	ring->made++;
	memset(request, 0, sizeof(*request));
	request->opcode = operation;
	request->flags = ring_request_flags;
	request->fd = -1;
	return request;
}

int ring_submit(struct ring *ring, unsigned results)
{
	const struct io_sqring_offsets *o = &ring->params.sq_off;
	unsigned *tail = at(ring->submissions, o->tail);
	unsigned made = ring->made, flags = results ? IORING_ENTER_GETEVENTS : 0;

	ring->made = 0;
	__atomic_store_n(tail, *tail + made, __ATOMIC_SEQ_CST);
	if (ring->params.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	return syscall(SYS_io_uring_enter, ring->fd, made, results, flags, NULL, 0);
}

int ring_result(struct ring *ring, unsigned long long *user_data, int *result)
{
	const struct io_cqring_offsets *o = &ring->params.cq_off;
	unsigned *head = at(ring->completions, o->head);
	struct io_uring_cqe *all = (struct io_uring_cqe *)(ring->completions + o->cqes);
	struct io_uring_cqe *one = &all[*head & *at(ring->completions, o->ring_mask)];

	if (*head == __atomic_load_n(at(ring->completions, o->tail), __ATOMIC_ACQUIRE))
		return 0;
	*user_data = one->user_data;
	*result = one->res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return 1;
}

/* What stands for the socket in a request. */
static void set_socket(struct ring *ring, struct io_uring_sqe *request, int fd)
{
	struct io_uring_files_update first = {.fds = (uintptr_t)&fd};

	request->fd = fd;
	if (ring_fixes_sockets && register_with(ring, IORING_REGISTER_FILES_UPDATE, &first, 1) == 1) {
		request->fd = 0;
		request->flags |= IOSQE_FIXED_FILE;
	}
}

static int is_known(struct ring *ring, int operation)
{
	struct {
		struct io_uring_probe probe;
		struct io_uring_probe_op operations[256];
	} known;

	memset(&known, 0, sizeof(known));
	return register_with(ring, IORING_REGISTER_PROBE, &known, 256) == 0 &&
	       operation <= known.probe.last_op;
}

int ring_finish(struct ring *ring, int operation)
{
	unsigned long long which;
	int result = 0;

	if (!is_known(ring, operation)) {
		errno = ENOSYS;
		return -1;
	}
	if (ring_submit(ring, 1) < 0)
		return -1;
	if (!ring_result(ring, &which, &result)) {
		errno = ETIME;
		return -1;
	}
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

#define BEGIN(operation)                                                                                     \
	struct ring ring;                                                                                    \
	struct io_uring_sqe *request;                                                                        \
	const int which = operation;                                                                         \
	if (ring_open(&ring))                                                                                \
		return -1;                                                                                   \
	request = ring_request(&ring, which)
#define END return ring_finish(&ring, which)

int ring_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	BEGIN(IORING_OP_OPENAT);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->open_flags = flags;
	request->len = mode;
	END;
}

int ring_openat2(int dirfd, const char *path, struct open_how *how)
{
	BEGIN(IORING_OP_OPENAT2);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->addr2 = (uintptr_t)how;
	request->len = sizeof(*how);
	END;
}

int ring_openat_direct(int dirfd, const char *path, int flags, unsigned mode)
{
	BEGIN(IORING_OP_OPENAT);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->open_flags = flags;
	request->len = mode;
	request->file_index = 2; /* the second place */
	END;
}

int ring_unlinkat(int dirfd, const char *path, int flags)
{
	BEGIN(IORING_OP_UNLINKAT);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->unlink_flags = flags;
	END;
}

int ring_renameat2(int dirfd, const char *path, int dirfd2, const char *path2, unsigned flags)
{
	BEGIN(IORING_OP_RENAMEAT);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->len = dirfd2;
	request->addr2 = (uintptr_t)path2;
	request->rename_flags = flags;
	END;
}

int ring_mkdirat(int dirfd, const char *path, unsigned mode)
{
	BEGIN(IORING_OP_MKDIRAT);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->len = mode;
	END;
}

int ring_symlinkat(const char *content, int dirfd, const char *path)
{
	BEGIN(IORING_OP_SYMLINKAT);
	request->fd = dirfd;
	request->addr = (uintptr_t)content;
	request->addr2 = (uintptr_t)path;
	END;
}

int ring_linkat(int dirfd, const char *path, int dirfd2, const char *path2, int flags)
{
	BEGIN(IORING_OP_LINKAT);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->len = dirfd2;
	request->addr2 = (uintptr_t)path2;
	request->hardlink_flags = flags;
	END;
}

int ring_statx(int dirfd, const char *path, int flags, unsigned mask, void *about)
{
	BEGIN(IORING_OP_STATX);
	request->fd = dirfd;
	request->addr = (uintptr_t)path;
	request->len = mask;
	request->addr2 = (uintptr_t)about;
	request->statx_flags = flags;
	END;
}

static void name_attribute(struct io_uring_sqe *request, const char *name, const void *value, size_t size)
{
	request->addr = (uintptr_t)name;
	request->addr2 = (uintptr_t)value;
	request->len = size;
}

int ring_setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	BEGIN(IORING_OP_SETXATTR);
	name_attribute(request, name, value, size);
	request->addr3 = (uintptr_t)path;
	request->xattr_flags = flags;
	END;
}

int ring_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	BEGIN(IORING_OP_FSETXATTR);
	name_attribute(request, name, value, size);
	request->fd = fd;
	request->xattr_flags = flags;
	END;
}

int ring_getxattr(const char *path, const char *name, void *value, size_t size)
{
	BEGIN(IORING_OP_GETXATTR);
	name_attribute(request, name, value, size);
	request->addr3 = (uintptr_t)path;
	END;
}

int ring_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	BEGIN(IORING_OP_FGETXATTR);
	name_attribute(request, name, value, size);
	request->fd = fd;
	END;
}

int ring_ftruncate(int fd, long long size)
{
	BEGIN(OP_FTRUNCATE);
	request->fd = fd;
	request->off = size;
	END;
}

int ring_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	BEGIN(IORING_OP_CONNECT);
	set_socket(&ring, request, fd);
	request->addr = (uintptr_t)address;
	request->off = size;
	END;
}

int ring_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	BEGIN(OP_BIND);
	set_socket(&ring, request, fd);
	request->addr = (uintptr_t)address;
	request->addr2 = size;
	END;
}

int ring_listen(int fd, int backlog)
{
	BEGIN(OP_LISTEN);
	set_socket(&ring, request, fd);
	request->len = backlog;
	END;
}

static int send_with(int operation, int fd, const void *bytes, size_t count, int flags,
		     const struct sockaddr *address, socklen_t size)
{
	BEGIN(operation);
	set_socket(&ring, request, fd);
	request->addr = (uintptr_t)bytes;
	request->len = count;
	request->msg_flags = flags;
	request->addr2 = (uintptr_t)address;
	request->addr_len = size;
	END;
}

int ring_sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *address,
		socklen_t size)
{
	return send_with(IORING_OP_SEND, fd, bytes, count, flags, address, size);
}

int ring_sendto_zc(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *address,
		   socklen_t size)
{
	return send_with(IORING_OP_SEND_ZC, fd, bytes, count, flags, address, size);
}

static int send_message(int operation, int fd, const struct msghdr *message, int flags)
{
	BEGIN(operation);
	set_socket(&ring, request, fd);
	request->addr = (uintptr_t)message;
	request->len = 1;
	request->msg_flags = flags;
	END;
}

ssize_t ring_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return send_message(IORING_OP_SENDMSG, fd, message, flags);
}

ssize_t ring_sendmsg_zc(int fd, const struct msghdr *message, int flags)
{
	return send_message(IORING_OP_SENDMSG_ZC, fd, message, flags);
}
