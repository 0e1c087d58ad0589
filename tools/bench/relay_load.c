// What a relay is measured with: a server that takes as little as it can, and programs that load it. One thread, epoll.
//
//   relay_load serve                    prints its port; whatever comes first on a connection is a request:
//                                       "GIVE n\n" -> n bytes, "TAKE n\n" -> reads n bytes, then "k"; else -> 128 bytes.
//                                       Then it closes.
//   relay_load give|take HOST PORT CONNECTIONS BYTES     each of them that many bytes
//   relay_load connects HOST PORT AT_ONCE COUNT          each one sends a ClientHello for up.test and waits for the answer
//   relay_load hold HOST PORT COUNT                      opens them, says so, and holds them until its input ends
//
// Prints JSON: {"seconds": …, "failed": …}.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most = 32768, block = 256 * 1024 };
enum state { CONNECTING, ASKING, GIVING, TAKING, WAITING };

struct connection {
    int fd;
    enum state state;
    long left;
};

static struct connection connections[most];
static char bytes[block];
static char hello[512];
static size_t hello_size;

static void die(const char* what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static char* put16(char* at, size_t value) {
    *at++ = (char)(value >> 8);
    *at++ = (char)value;
    return at;
}

// RFC 8446, 4.1.2, with one server name.
static void make_hello(const char* name) {
    const size_t length = strlen(name);
    const size_t extensions = 4 + 5 + length + 4 + 3; // server_name, supported_versions
    char* at = hello;
    *at++ = 22, *at++ = 3, *at++ = 1;
    at = put16(at, 4 + 2 + 32 + 1 + 4 + 2 + 2 + extensions);
    *at++ = 1, *at++ = 0;
    at = put16(at, 2 + 32 + 1 + 4 + 2 + 2 + extensions);
    *at++ = 3, *at++ = 3;
    memset(at, 7, 32), at += 32;
    *at++ = 0;
    at = put16(at, 2), at = put16(at, 0x1301);
    *at++ = 1, *at++ = 0;
    at = put16(at, extensions);
    at = put16(at, 0), at = put16(at, 5 + length), at = put16(at, 3 + length);
    *at++ = 0;
    at = put16(at, length), memcpy(at, name, length), at += length;
    at = put16(at, 43), at = put16(at, 3), *at++ = 2, at = put16(at, 0x0304);
    hello_size = (size_t)(at - hello);
}

static void raise_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void watch(int epoll, struct connection* connection, int how, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll, how, connection->fd, &event) != 0) die("epoll_ctl");
}

static void serve_ready(int epoll, struct connection* connection) {
    for (;;) {
        ssize_t size = 0;
        switch (connection->state) {
        case ASKING:
            size = recv(connection->fd, bytes, 512, 0);
            if (size <= 0) break;
            if (strncmp(bytes, "GIVE ", 5) == 0) {
                connection->left = atol(bytes + 5), connection->state = GIVING;
                watch(epoll, connection, EPOLL_CTL_MOD, EPOLLOUT);
            } else if (strncmp(bytes, "TAKE ", 5) == 0) {
                const char* end = memchr(bytes, '\n', (size_t)size);
                connection->left = atol(bytes + 5) - (end == NULL ? 0 : size - (end + 1 - bytes)), connection->state = TAKING;
            } else if (strncmp(bytes, "HOLD", 4) == 0) {
                connection->left = 1 << 30, connection->state = TAKING;
                send(connection->fd, "k", 1, MSG_NOSIGNAL);
            } else {
                send(connection->fd, hello, 128, MSG_NOSIGNAL);
                size = 0;
            }
            break;
        case GIVING:
            size = send(connection->fd, bytes, connection->left < block ? (size_t)connection->left : block, MSG_NOSIGNAL);
            if (size > 0) connection->left -= size;
            if (connection->left == 0) size = 0;
            break;
        default:
            size = recv(connection->fd, bytes, block, 0);
            if (size > 0) connection->left -= size;
            if (size > 0 && connection->left <= 0) send(connection->fd, "k", 1, MSG_NOSIGNAL), size = 0;
        }
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            close(connection->fd);
            free(connection);
            return;
        }
    }
}

static _Noreturn void serve(void) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr*)&address, size) != 0 || listen(listener, 4096) != 0) die("listen");
    getsockname(listener, (struct sockaddr*)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    const int epoll = epoll_create1(0);
    struct connection self = {.fd = listener};
    watch(epoll, &self, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event events[256];
        const int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            if (events[i].data.ptr != &self) {
                serve_ready(epoll, events[i].data.ptr);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                struct connection* connection = malloc(sizeof *connection);
                *connection = (struct connection){.fd = fd, .state = ASKING};
                watch(epoll, connection, EPOLL_CTL_ADD, EPOLLIN);
            }
        }
    }
}

static struct addrinfo* find(const char* host, const char* port) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo* found = NULL;
    const int problem = getaddrinfo(host, port, &hints, &found);
    if (problem != 0) {
        fprintf(stderr, "relay_load: %s: %s\n", host, gai_strerror(problem));
        exit(1);
    }
    return found;
}

static void open_one(int epoll, struct connection* connection, const struct addrinfo* to) {
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connection->fd < 0) die("socket");
    const int yes = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->state = CONNECTING;
    if (connect(connection->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) die("connect");
    watch(epoll, connection, EPOLL_CTL_ADD, EPOLLOUT);
}

// `what`: "give", "take", "connects", "hold". Each slot does one connection after another, until `count` have been made.
static int load(const char* what, const struct addrinfo* to, long at_once, long count, long size) {
    const int epoll = epoll_create1(0);
    char request[64];
    const int request_size = snprintf(request, sizeof request, what[0] == 'g' ? "GIVE %ld\n" : what[0] == 't' ? "TAKE %ld\n" : "HOLD\n", size);
    const double begin = now();
    long begun = 0, ended = 0, failed = 0;
    for (; begun < at_once && begun < count; ++begun) open_one(epoll, &connections[begun], to);
    while (ended < count) {
        struct epoll_event events[256];
        const int ready = epoll_wait(epoll, events, 256, 30000);
        if (ready <= 0) break;
        for (int i = 0; i < ready; ++i) {
            struct connection* connection = events[i].data.ptr;
            ssize_t moved = 1;
            int over = 0;
            if (connection->state == CONNECTING) {
                moved = what[0] == 'c' ? send(connection->fd, hello, hello_size, MSG_NOSIGNAL)
                                       : send(connection->fd, request, (size_t)request_size, MSG_NOSIGNAL);
                connection->left = what[0] == 'g' || what[0] == 't' ? size : 0;
                connection->state = what[0] == 't' ? GIVING : WAITING;
                if (moved > 0 && connection->state == WAITING) watch(epoll, connection, EPOLL_CTL_MOD, EPOLLIN);
            } else if (connection->state == GIVING) {
                moved = send(connection->fd, bytes, connection->left < block ? (size_t)connection->left : block, MSG_NOSIGNAL);
                if (moved > 0 && (connection->left -= moved) == 0) {
                    connection->state = WAITING;
                    watch(epoll, connection, EPOLL_CTL_MOD, EPOLLIN);
                }
            } else {
                moved = recv(connection->fd, bytes, block, 0);
                if (moved > 0) connection->left -= what[0] == 'g' ? moved : -moved;
                if (moved > 0 && what[0] == 'h') {
                    watch(epoll, connection, EPOLL_CTL_MOD, 0);
                    over = 1;
                }
            }
            if (moved < 0 && errno == EAGAIN) continue;
            if (moved <= 0) {
                over = 1;
                failed += moved < 0 || (what[0] == 'g' ? connection->left != 0 : what[0] == 't' ? connection->left != 1 : connection->left != 128);
                close(connection->fd);
                if (begun < count) ++begun, open_one(epoll, connection, to);
            }
            ended += over;
        }
    }
    printf("{\"seconds\": %.6f, \"failed\": %ld}\n", now() - begin, failed + count - ended);
    fflush(stdout);
    if (what[0] == 'h') {
        while (read(STDIN_FILENO, bytes, 1) > 0) {}
    }
    return 0;
}

int main(int argc, char** argv) {
    raise_limit();
    if (argc == 2 && strcmp(argv[1], "serve") == 0) serve();
    if (argc < 5) {
        fprintf(stderr, "usage: relay_load serve | give|take|connects|hold HOST PORT NUMBER [NUMBER]\n");
        return 2;
    }
    make_hello("up.test");
    const struct addrinfo* to = find(argv[2], argv[3]);
    const long first = atol(argv[4]);
    const long second = argc > 5 ? atol(argv[5]) : 0;
    if (first < 1 || first > most) return 2;
    if (argv[1][0] == 'c') return load(argv[1], to, first, second, 0);
    return load(argv[1], to, first, first, second);
}
