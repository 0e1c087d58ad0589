/* Sockets: by path, by abstract name, over IPv4 and IPv6. */
#include "fidelity.h"
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NO_IPV6 CANNOT_PREPARE

const struct operation socket_operations[] = {
	{"connect to a path", "connect", OPERATION_ALL | OPERATION_SHORT | OPERATION_SOCKET, "socket", NULL, SOCK_STREAM},
	{"connect to a path through a link", "connect", OPERATION_SOCKET, "socketlink", NULL, SOCK_STREAM},
	{"connect to a missing path", "connect", OPERATION_ALL | OPERATION_SHORT, "none"},
	{"connect to a file", "connect", 0, "file"},
	{"connect datagrams to a path", "connect datagrams", OPERATION_SOCKET, "socket", NULL, SOCK_DGRAM},
	{"send to a path", "send", OPERATION_ALL | OPERATION_SHORT | OPERATION_SOCKET, "socket", NULL, SOCK_DGRAM},
	{"send to a missing path", "send", 0, "none"},
	{"bind to a path", "bind", OPERATION_ALL | OPERATION_SHORT, "new"},
	{"bind to a path that exists", "bind", 0, "file"},
	{"bind to a dangling link", "bind", 0, "dangling"},
	{"bind below what is missing", "bind", 0, "none/new"},
	{"listen at a path", "listen", 0, "new"},
	{"meet at an abstract name", "meet abstract", 0, "-"},
	{"connect to nobody's abstract name", "connect abstract", 0, "-"},
	{"meet over IPv4", "meet IPv4", 0, "-"},
	{"meet over IPv6", "meet IPv6", 0, "-"},
	{"connect where nobody listens, IPv4", "refused IPv4", 0, "-"},
	{"connect where nobody listens, IPv6", "refused IPv6", 0, "-"},
	{"send over IPv4", "send IPv4", 0, "-"},
	{"send over IPv6", "send IPv6", 0, "-"},
	{"send connected over IPv4", "connected IPv4", 0, "-"},
	{"send where it is forbidden", "broadcast", 0, "-"},
	{"bind to an address of somebody else", "bind elsewhere", 0, "-"},
	{"listen for datagrams", "listen datagrams", 0, "-"},
	{NULL},
};

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t size;
};

static struct address path_address(const char *path)
{
	struct address a = {.un = {.sun_family = AF_UNIX}, .size = sizeof(a.un)};

	strncpy(a.un.sun_path, path, sizeof(a.un.sun_path));
	return a;
}

static struct address abstract_address(const char *name)
{
	struct address a = {.un = {.sun_family = AF_UNIX}};

	a.size = offsetof(struct sockaddr_un, sun_path) + 1 +
		 snprintf(a.un.sun_path + 1, sizeof(a.un.sun_path) - 1, "%s", name);
	return a;
}

static struct address v4(const char *text, int port)
{
	struct address a = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}, .size = sizeof(a.in)};

	inet_pton(AF_INET, text, &a.in.sin_addr);
	return a;
}

static struct address v6(const char *text, int port)
{
	struct address a = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}, .size = sizeof(a.in6)};

	inet_pton(AF_INET6, text, &a.in6.sin6_addr);
	return a;
}

int make_listener(const char *path, int type)
{
	struct address a = path_address(path);
	int fd = socket(AF_UNIX, type, 0);

	return fd < 0 || bind(fd, &a.any, a.size) || (type == SOCK_STREAM && listen(fd, 8)) ? -1 : 0;
}

static int contact(int type, struct address a)
{
	int result, fd = socket(a.any.sa_family, type, 0);

	result = connect(fd, &a.any, a.size);
	return result < 0 && errno == EINPROGRESS ? 0 : result;
}

static int by_sendto(int fd, const struct address *a)
{
	return sendto(fd, "x", 1, MSG_NOSIGNAL, a ? &a->any : NULL, a ? a->size : 0);
}

typedef ssize_t message_sender(int fd, const struct msghdr *message, int flags);

static int send_message(message_sender *send, int fd, const struct address *a)
{
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (a) {
		message.msg_name = (void *)&a->any;
		message.msg_namelen = a->size;
	}
	return send(fd, &message, 0);
}

static int by_sendmsg(int fd, const struct address *a) { return send_message(sendmsg, fd, a); }
static int by_ring_sendmsg(int fd, const struct address *a) { return send_message(ring_sendmsg, fd, a); }
static int by_ring_sendmsg_zc(int fd, const struct address *a) { return send_message(ring_sendmsg_zc, fd, a); }

static int by_ring_sendto(int fd, const struct address *a)
{
	return ring_sendto(fd, "x", 1, 0, a ? &a->any : NULL, a ? a->size : 0);
}

static int by_ring_sendto_zc(int fd, const struct address *a)
{
	return ring_sendto_zc(fd, "x", 1, 0, a ? &a->any : NULL, a ? a->size : 0);
}

static int by_ring_connect(int fd, const struct address *a) { return ring_connect(fd, &a->any, a->size); }

static int by_sendmmsg(int fd, const struct address *a)
{
	struct iovec part = {"x", 1};
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};

	if (a) {
		messages[0].msg_hdr.msg_name = (void *)&a->any;
		messages[0].msg_hdr.msg_namelen = a->size;
	}
	messages[1] = messages[0];
	return sendmmsg(fd, messages, 2, 0);
}

static int by_write(int fd, const struct address *a)
{
	(void)a;
	return write(fd, "x", 1);
}

typedef int sender(int fd, const struct address *a);

static int transmit(sender *send, struct address a)
{
	return send(socket(a.any.sa_family, SOCK_DGRAM, 0), &a);
}

/* An IPv6 socket takes an address in IPv4's form; libc's getaddrinfo sorts addresses this way. */
static int transmit_by_v6(sender *send, struct address a)
{
	return send(socket(AF_INET6, SOCK_DGRAM, 0), &a);
}

static int transmit_connected_by_v6(sender *send, struct address a)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	return connect(fd, &a.any, a.size) ? -1 : send(fd, NULL);
}

static int transmit_connected(sender *send, struct address a)
{
	int fd = socket(a.any.sa_family, SOCK_DGRAM, 0);

	return connect(fd, &a.any, a.size) ? -1 : send(fd, NULL);
}

static int serve(int type, struct address a)
{
	int fd = socket(a.any.sa_family, type, 0);

	return fd < 0 || bind(fd, &a.any, a.size) || (type != SOCK_DGRAM && listen(fd, 1)) ? -1 : fd;
}

/* A listener with a port of the kernel's choice, and a connection to it from `as`. */
static int meet(struct address here, int type, struct address as, sender *send)
{
	int fd = serve(SOCK_STREAM, here);

	if (fd < 0 || getsockname(fd, &here.any, &here.size)) {
		if (here.any.sa_family == AF_INET6)
			errno = NO_IPV6;
		return -1;
	}
	if (as.size)
		as.in6.sin6_port = here.in6.sin6_port;
	else
		as = here;
	if (send)
		return send(socket(as.any.sa_family, SOCK_STREAM, 0), &as);
	return contact(type, as);
}

static int contact_by_ring(int type, struct address a)
{
	return ring_connect(socket(a.any.sa_family, type, 0), &a.any, a.size);
}

static int bind_by_ring(struct address a)
{
	return ring_bind(socket(a.any.sa_family, SOCK_DGRAM, 0), &a.any, a.size);
}

static int serve_by_ring(struct address a)
{
	int fd = socket(a.any.sa_family, SOCK_STREAM, 0);

	return ring_bind(fd, &a.any, a.size) ? -1 : ring_listen(fd, 1);
}

#define MAKE(function, expression)                                                                           \
	static int function(const struct target *t) { return expression; }
#define NOT_MAPPED ((struct address){.size = 0})
#define NOBODY abstract_address("treadline-fidelity-nobody")

MAKE(connect_path, contact(SOCK_STREAM, path_address(t->a)))
MAKE(connect_path_later, contact(SOCK_STREAM | SOCK_NONBLOCK, path_address(t->a)))
MAKE(connect_datagrams, contact(SOCK_DGRAM, path_address(t->a)))
MAKE(connect_datagrams_send, transmit_connected(by_sendto, path_address(t->a)))
MAKE(connect_datagrams_message, transmit_connected(by_sendmsg, path_address(t->a)))
MAKE(sendto_path, transmit(by_sendto, path_address(t->a)))
MAKE(sendmsg_path, transmit(by_sendmsg, path_address(t->a)))
MAKE(sendmmsg_path, transmit(by_sendmmsg, path_address(t->a)))
MAKE(bind_path, serve(SOCK_DGRAM, path_address(t->a)))
MAKE(listen_stream, serve(SOCK_STREAM, path_address(t->a)))
MAKE(listen_packets, serve(SOCK_SEQPACKET, path_address(t->a)))
MAKE(meet_abstract, meet(NOBODY, SOCK_STREAM, NOBODY, NULL))
MAKE(meet_abstract_later, meet(NOBODY, SOCK_STREAM | SOCK_NONBLOCK, NOBODY, NULL))
MAKE(connect_abstract, contact(SOCK_STREAM, NOBODY))
MAKE(connect_abstract_later, contact(SOCK_STREAM | SOCK_NONBLOCK, NOBODY))
MAKE(meet_v4, meet(v4("127.0.0.1", 0), SOCK_STREAM, NOT_MAPPED, NULL))
MAKE(meet_v4_later, meet(v4("127.0.0.1", 0), SOCK_STREAM | SOCK_NONBLOCK, NOT_MAPPED, NULL))
MAKE(meet_v4_mapped, meet(v4("127.0.0.1", 0), SOCK_STREAM, v6("::ffff:127.0.0.1", 0), NULL))
MAKE(meet_v6, meet(v6("::1", 0), SOCK_STREAM, NOT_MAPPED, NULL))
MAKE(meet_v6_later, meet(v6("::1", 0), SOCK_STREAM | SOCK_NONBLOCK, NOT_MAPPED, NULL))
MAKE(refused_v4, contact(SOCK_STREAM, v4("127.0.0.1", 1)))
MAKE(refused_v4_mapped, contact(SOCK_STREAM, v6("::ffff:127.0.0.1", 1)))
MAKE(refused_v6, contact(SOCK_STREAM, v6("::1", 1)))
MAKE(sendto_v4, transmit(by_sendto, v4("127.0.0.1", 9)))
MAKE(sendmsg_v4, transmit(by_sendmsg, v4("127.0.0.1", 9)))
MAKE(sendmmsg_v4, transmit(by_sendmmsg, v4("127.0.0.1", 9)))
MAKE(sendto_v4_mapped, transmit(by_sendto, v6("::ffff:127.0.0.1", 9)))
MAKE(sendto_v4_of_v6, transmit_by_v6(by_sendto, v4("127.0.0.1", 9)))
MAKE(sendmsg_v4_of_v6, transmit_by_v6(by_sendmsg, v4("127.0.0.1", 9)))
MAKE(connected_of_v6, transmit_connected_by_v6(by_sendto, v4("127.0.0.1", 9)))
MAKE(sendto_v6, transmit(by_sendto, v6("::1", 9)))
MAKE(sendmsg_v6, transmit(by_sendmsg, v6("::1", 9)))
MAKE(sendmmsg_v6, transmit(by_sendmmsg, v6("::1", 9)))
MAKE(connected_sendto, transmit_connected(by_sendto, v4("127.0.0.1", 9)))
MAKE(connected_sendmsg, transmit_connected(by_sendmsg, v4("127.0.0.1", 9)))
MAKE(connected_sendmmsg, transmit_connected(by_sendmmsg, v4("127.0.0.1", 9)))
MAKE(connected_write, transmit_connected(by_write, v4("127.0.0.1", 9)))
/* Of the loopback network: there without any route. */
MAKE(broadcast_sendto, transmit(by_sendto, v4("127.255.255.255", 9)))
MAKE(broadcast_sendmsg, transmit(by_sendmsg, v4("127.255.255.255", 9)))
MAKE(broadcast_sendmmsg, transmit(by_sendmmsg, v4("127.255.255.255", 9)))
MAKE(bind_elsewhere, serve(SOCK_DGRAM, v4("203.0.113.1", 0)))
MAKE(listen_datagrams, listen(socket(AF_INET, SOCK_DGRAM, 0), 1))

MAKE(connect_path_by_ring, contact_by_ring(SOCK_STREAM, path_address(t->a)))
MAKE(connect_datagrams_by_ring, contact_by_ring(SOCK_DGRAM, path_address(t->a)))
MAKE(sendto_path_by_ring, transmit(by_ring_sendto, path_address(t->a)))
MAKE(sendmsg_path_by_ring, transmit(by_ring_sendmsg, path_address(t->a)))
MAKE(bind_path_by_ring, bind_by_ring(path_address(t->a)))
MAKE(listen_by_ring, serve_by_ring(path_address(t->a)))
MAKE(meet_abstract_by_ring, meet(NOBODY, SOCK_STREAM, NOBODY, by_ring_connect))
MAKE(connect_abstract_by_ring, contact_by_ring(SOCK_STREAM, NOBODY))
MAKE(meet_v4_by_ring, meet(v4("127.0.0.1", 0), SOCK_STREAM, NOT_MAPPED, by_ring_connect))
MAKE(meet_v6_by_ring, meet(v6("::1", 0), SOCK_STREAM, NOT_MAPPED, by_ring_connect))
MAKE(refused_v4_by_ring, contact_by_ring(SOCK_STREAM, v4("127.0.0.1", 1)))
MAKE(refused_v6_by_ring, contact_by_ring(SOCK_STREAM, v6("::1", 1)))
MAKE(sendto_v4_by_ring, transmit(by_ring_sendto, v4("127.0.0.1", 9)))
MAKE(sendmsg_v4_by_ring, transmit(by_ring_sendmsg, v4("127.0.0.1", 9)))
MAKE(sendto_v4_zc, transmit(by_ring_sendto_zc, v4("127.0.0.1", 9)))
MAKE(sendmsg_v4_zc, transmit(by_ring_sendmsg_zc, v4("127.0.0.1", 9)))
MAKE(sendto_v4_mapped_by_ring, transmit(by_ring_sendto, v6("::ffff:127.0.0.1", 9)))
MAKE(sendto_v6_by_ring, transmit(by_ring_sendto, v6("::1", 9)))
MAKE(connected_by_ring, transmit_connected(by_ring_sendto, v4("127.0.0.1", 9)))
MAKE(connected_message_by_ring, transmit_connected(by_ring_sendmsg, v4("127.0.0.1", 9)))
MAKE(broadcast_by_ring, transmit(by_ring_sendto, v4("127.255.255.255", 9)))
MAKE(bind_elsewhere_by_ring, bind_by_ring(v4("203.0.113.1", 0)))
MAKE(listen_datagrams_by_ring, ring_listen(socket(AF_INET, SOCK_DGRAM, 0), 1))

static int fast_open(int fd, const struct address *a)
{
	return sendto(fd, "x", 1, MSG_FASTOPEN, &a->any, a->size);
}
MAKE(meet_v4_fast, meet(v4("127.0.0.1", 0), SOCK_STREAM, NOT_MAPPED, fast_open))

const struct call socket_calls[] = {
	{"connect", "connect", CALL_ALL, connect_path},
	{"connect", "connect, not blocking", 0, connect_path_later},
	{"connect datagrams", "connect", 0, connect_datagrams},
	{"connect datagrams", "connect and send", 0, connect_datagrams_send},
	{"connect datagrams", "connect and sendmsg", 0, connect_datagrams_message},
	{"send", "sendto", CALL_ALL, sendto_path},
	{"send", "sendmsg", 0, sendmsg_path},
	{"send", "sendmmsg", 0, sendmmsg_path},
	{"bind", "bind", CALL_ALL, bind_path},
	{"listen", "bind and listen", 0, listen_stream},
	{"listen", "bind and listen for packets", 0, listen_packets},
	{"meet abstract", "connect", 0, meet_abstract},
	{"meet abstract", "connect, not blocking", 0, meet_abstract_later},
	{"connect abstract", "connect", 0, connect_abstract},
	{"connect abstract", "connect, not blocking", 0, connect_abstract_later},
	{"meet IPv4", "connect", 0, meet_v4},
	{"meet IPv4", "connect, not blocking", 0, meet_v4_later},
	{"meet IPv4", "connect to a mapped address", 0, meet_v4_mapped},
	{"meet IPv4", "sendto MSG_FASTOPEN", 0, meet_v4_fast},
	{"meet IPv6", "connect", 0, meet_v6},
	{"meet IPv6", "connect, not blocking", 0, meet_v6_later},
	{"refused IPv4", "connect", 0, refused_v4},
	{"refused IPv4", "connect to a mapped address", 0, refused_v4_mapped},
	{"refused IPv6", "connect", 0, refused_v6},
	{"send IPv4", "sendto", 0, sendto_v4},
	{"send IPv4", "sendmsg", 0, sendmsg_v4},
	{"send IPv4", "sendmmsg", 0, sendmmsg_v4},
	{"send IPv4", "sendto of a mapped address", 0, sendto_v4_mapped},
	{"send IPv4", "sendto, IPv4 by an IPv6 socket", 0, sendto_v4_of_v6},
	{"send IPv4", "sendmsg, IPv4 by an IPv6 socket", 0, sendmsg_v4_of_v6},
	{"send IPv6", "sendto", 0, sendto_v6},
	{"send IPv6", "sendmsg", 0, sendmsg_v6},
	{"send IPv6", "sendmmsg", 0, sendmmsg_v6},
	{"connected IPv4", "sendto", 0, connected_sendto},
	{"connected IPv4", "connect and sendto, IPv4 by an IPv6 socket", 0, connected_of_v6},
	{"connected IPv4", "sendmsg", 0, connected_sendmsg},
	{"connected IPv4", "sendmmsg", 0, connected_sendmmsg},
	{"connected IPv4", "write", 0, connected_write},
	{"broadcast", "sendto", 0, broadcast_sendto},
	{"broadcast", "sendmsg", 0, broadcast_sendmsg},
	{"broadcast", "sendmmsg", 0, broadcast_sendmmsg},
	{"bind elsewhere", "bind", 0, bind_elsewhere},
	{"listen datagrams", "listen", 0, listen_datagrams},
	{"connect", "connect by io_uring", CALL_ALL, connect_path_by_ring},
	{"connect datagrams", "connect by io_uring", 0, connect_datagrams_by_ring},
	{"send", "sendto by io_uring", CALL_ALL, sendto_path_by_ring},
	{"send", "sendmsg by io_uring", 0, sendmsg_path_by_ring},
	{"bind", "bind by io_uring", CALL_ALL, bind_path_by_ring},
	{"listen", "bind and listen by io_uring", 0, listen_by_ring},
	{"meet abstract", "connect by io_uring", 0, meet_abstract_by_ring},
	{"connect abstract", "connect by io_uring", 0, connect_abstract_by_ring},
	{"meet IPv4", "connect by io_uring", 0, meet_v4_by_ring},
	{"meet IPv6", "connect by io_uring", 0, meet_v6_by_ring},
	{"refused IPv4", "connect by io_uring", 0, refused_v4_by_ring},
	{"refused IPv6", "connect by io_uring", 0, refused_v6_by_ring},
	{"send IPv4", "sendto by io_uring", 0, sendto_v4_by_ring},
	{"send IPv4", "sendmsg by io_uring", 0, sendmsg_v4_by_ring},
	{"send IPv4", "sendto by io_uring, not copied", 0, sendto_v4_zc},
	{"send IPv4", "sendmsg by io_uring, not copied", 0, sendmsg_v4_zc},
	{"send IPv4", "sendto of a mapped address by io_uring", 0, sendto_v4_mapped_by_ring},
	{"send IPv6", "sendto by io_uring", 0, sendto_v6_by_ring},
	{"connected IPv4", "sendto by io_uring", 0, connected_by_ring},
	{"connected IPv4", "sendmsg by io_uring", 0, connected_message_by_ring},
	{"broadcast", "sendto by io_uring", 0, broadcast_by_ring},
	{"bind elsewhere", "bind by io_uring", 0, bind_elsewhere_by_ring},
	{"listen datagrams", "listen by io_uring", 0, listen_datagrams_by_ring},
	{NULL},
};
