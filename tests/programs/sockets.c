/* sockets OPERATION …: one thing done with a socket, then exit with 0 or the errno. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define IS(name) (!strcmp(op, name))

static struct sockaddr_in v4(const char *text, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static int modes(const char *op, const char *name, int port)
{
	struct sockaddr_in in = v4(name, port);
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK};
	struct iovec part = {"x", 1};
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1;
	int fd;

	inet_pton(AF_INET6, name, &in6.sin6_addr);
	strncpy(un.sun_path, name, sizeof(un.sun_path) - 1);
	if (IS("connect"))
		return connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&in, sizeof(in));
	if (IS("connect6"))
		return connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&in6, sizeof(in6));
	if (IS("connect-nonblocking"))
		return connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (void *)&in, sizeof(in));
	if (IS("connect-unix"))
		return connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&un, sizeof(un));
	if (IS("connect-abstract")) {
		un.sun_path[0] = 0;
		memcpy(un.sun_path + 1, name, strlen(name));
		return connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&un, size);
	}
	if (IS("connect-netlink"))
		return connect(socket(AF_NETLINK, SOCK_RAW, 0), (void *)&nl, sizeof(nl));
	if (IS("dissolve")) {
		in.sin_family = AF_UNSPEC;
		return connect(socket(AF_INET, SOCK_DGRAM, 0), (void *)&in, sizeof(in));
	}
	if (IS("serve")) { /* bind and listen, as asked */
		int on = 1;
		fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		return bind(fd, (void *)&in, sizeof(in)) || listen(fd, 1) ? -1 : 0;
	}
	if (IS("serve6")) {
		fd = socket(AF_INET6, SOCK_STREAM, 0);
		return bind(fd, (void *)&in6, sizeof(in6)) || listen(fd, 1) ? -1 : 0;
	}
	if (IS("serve-unix")) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		return bind(fd, (void *)&un, size) || listen(fd, 1) ? -1 : 0;
	}
	if (IS("sendto"))
		return sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (void *)&in, sizeof(in));
	if (IS("sendmsg")) {
		struct msghdr message = {.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &part, .msg_iovlen = 1};
		return sendmsg(socket(AF_INET, SOCK_DGRAM, 0), &message, 0);
	}
	if (IS("sendmmsg")) {
		struct sockaddr_in next = v4(name, port + 1);
		struct mmsghdr messages[2] = {
		    {{.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &part, .msg_iovlen = 1}, 0},
		    {{.msg_name = &next, .msg_namelen = sizeof(next), .msg_iov = &part, .msg_iovlen = 1}, 0}};
		return sendmmsg(socket(AF_INET, SOCK_DGRAM, 0), messages, 2, 0);
	}
	if (IS("send-connected")) { /* no address in the call: the connect said it */
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		return connect(fd, (void *)&in, sizeof(in)) ? -1 : (int)send(fd, "x", 1, 0);
	}
	exit(99);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 99;
	return modes(argv[1], argv[2], atoi(argv[3])) < 0 ? errno : 0;
}
