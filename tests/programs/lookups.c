/* Looks names up and contacts what it finds, in ways that getaddrinfo(3) does not. lookups WAY NAME [PORT];
 * the name server is 127.0.0.1:53. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in server = {.sin_family = AF_INET};
static unsigned char query[512], answer[4096];
static size_t query_size;

static void make_query(const char* name) {
    static const unsigned char header[12] = {0x12, 0x34, 1, 0, 0, 1};
    unsigned char* at = query;

    memcpy(at, header, sizeof header);
    at += sizeof header;
    while (*name) {
        size_t label = strcspn(name, ".");
        *at++ = (unsigned char)label;
        memcpy(at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    memcpy(at, "\0\0\1\0\1", 5);
    query_size = (size_t)(at + 5 - query);
}

static void check(int good, const char* what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

/* The last four bytes: our server puts the only address there. */
static void contact(const unsigned char* address, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memcpy(&to.sin_addr, address, 4);
    connect(fd, (struct sockaddr*)&to, sizeof to);
    close(fd);
}

static ssize_t by_datagram(const char* way) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct iovec parts[2] = {{query, 12}, {query + 12, query_size - 12}};
    struct iovec places[2] = {{answer, 5}, {answer + 5, sizeof answer - 5}};
    struct mmsghdr message = {.msg_hdr = {&server, sizeof server, parts, 2, NULL, 0, 0}};
    struct mmsghdr reply = {.msg_hdr = {.msg_iov = places, .msg_iovlen = 2}};
    ssize_t got = -1;

    if (!strcmp(way, "sendto-recvfrom")) { /* no peer, and does not ask who answered */
        check(sendto(fd, query, query_size, 0, (struct sockaddr*)&server, sizeof server) > 0, "sendto");
        got = recvfrom(fd, answer, sizeof answer, 0, NULL, NULL);
    } else if (!strcmp(way, "sendmsg-recvmsg")) {
        check(sendmsg(fd, &message.msg_hdr, 0) > 0, "sendmsg");
        got = recvmsg(fd, &reply.msg_hdr, 0);
    } else if (!strcmp(way, "sendmmsg-recvmmsg")) {
        check(sendmmsg(fd, &message, 1, 0) == 1, "sendmmsg");
        check(recvmmsg(fd, &reply, 1, 0, NULL) == 1, "recvmmsg");
        got = reply.msg_len;
    } else if (!strcmp(way, "write-read")) {
        check(!connect(fd, (struct sockaddr*)&server, sizeof server), "connect");
        check(write(fd, query, query_size) > 0, "write");
        got = read(fd, answer, sizeof answer);
    } else if (!strcmp(way, "writev-readv")) {
        check(!connect(fd, (struct sockaddr*)&server, sizeof server), "connect");
        check(writev(fd, parts, 2) > 0, "writev");
        got = readv(fd, places, 2);
    } else if (!strcmp(way, "peek")) {
        check(!connect(fd, (struct sockaddr*)&server, sizeof server), "connect");
        check(send(fd, query, query_size, 0) > 0, "send");
        check(recv(fd, answer, sizeof answer, MSG_PEEK) > 0, "peek");
        got = recv(fd, answer, sizeof answer, 0);
    }
    close(fd);
    return got;
}

static ssize_t all(int fd, unsigned char* to, size_t size, size_t piece) {
    size_t got = 0;

    while (got < size) {
        ssize_t more = read(fd, to + got, size - got < piece ? size - got : piece);
        if (more <= 0)
            return -1;
        got += (size_t)more;
    }
    return (ssize_t)got;
}

/* Byte by byte, both ways. */
static ssize_t by_stream(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned char size[2] = {(unsigned char)(query_size >> 8), (unsigned char)query_size};

    check(!connect(fd, (struct sockaddr*)&server, sizeof server), "connect");
    check(write(fd, size, 1) == 1 && write(fd, size + 1, 1) == 1, "write");
    for (size_t i = 0; i < query_size; ++i)
        check(write(fd, query + i, 1) == 1, "write");
    check(all(fd, size, 2, 1) == 2, "read");
    return all(fd, answer, (size_t)(size[0] << 8 | size[1]), 3);
}

static void by_resolved(const char* name, int port) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/resolve/io.systemd.Resolve"};
    unsigned char address[4];
    unsigned bytes[4];
    char* list;
    size_t got = 0;

    query_size = 1 + (size_t)snprintf((char*)query, sizeof query,
                                      "{\"method\":\"io.systemd.Resolve.ResolveHostname\","
                                      "\"parameters\":{\"name\":\"%s\",\"family\":2,\"flags\":0}}",
                                      name);
    check(!connect(fd, (struct sockaddr*)&to, sizeof to), "connect");
    check(send(fd, query, query_size, MSG_NOSIGNAL) == (ssize_t)query_size, "send");
    while (got == 0 || answer[got - 1] != 0) {
        ssize_t more = recv(fd, answer + got, sizeof answer - got, 0);
        check(more > 0, "recv");
        got += (size_t)more;
    }
    list = strstr((char*)answer, "\"address\": [");
    if (!list || sscanf(list, "\"address\": [%u, %u, %u, %u]", bytes, bytes + 1, bytes + 2, bytes + 3) != 4)
        return;
    for (int i = 0; i < 4; ++i)
        address[i] = (unsigned char)bytes[i];
    contact(address, port);
}

int main(int argc, char** argv) {
    int port = argc > 3 ? atoi(argv[3]) : 7;
    ssize_t got;

    if (argc < 3)
        return 2;
    server.sin_port = htons(53);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!strcmp(argv[1], "contact")) { /* without any lookup */
        struct in_addr address;
        check(inet_aton(argv[2], &address), "inet_aton");
        contact((unsigned char*)&address, port);
        return 0;
    }
    if (!strcmp(argv[1], "resolved")) {
        by_resolved(argv[2], port);
        return 0;
    }
    make_query(argv[2]);
    got = !strcmp(argv[1], "stream") ? by_stream() : by_datagram(argv[1]);
    check(got > 16, argv[1]);
    contact(answer + got - 4, port);
    return 0;
}
