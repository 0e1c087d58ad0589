/*
 * storm KIND THREADS EACH: so many distinct accesses as fast as can be. KIND is open, missing, long (missing,
 * with names of 200 bytes), rename or connect.
 * storm mixed THREADS SECONDS: all kinds and forks for that long; prints how many of each it made.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *kind;
static int each;

/* Datagram sockets: nobody has to listen, and nothing waits. */
static void connect_to(int thread, int i)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1 + i % 60000)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + thread + 256 * (i / 60000));
	connect(fd, (void *)&to, sizeof(to));
	close(fd);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

struct made {
	long missing, created, connects, forks;
};

static void *run_mixed(void *data)
{
	int thread = (int)(long)data;
	struct made *made = calloc(1, sizeof(*made));
	double end = seconds() + each;
	char name[64];
	int i = 0;

	do {
		snprintf(name, sizeof(name), "m%d-%d", thread, i);
		open(name, O_RDONLY);
		made->missing++;
		if (i % 4 == 0) {
			connect_to(thread, i / 4);
			made->connects++;
		}
		if (i % 16 == 0) {
			snprintf(name, sizeof(name), "t%d-%d", thread, i);
			close(open(name, O_WRONLY | O_CREAT, 0600));
			made->created++;
		}
		if (i % 64 == 0) { /* the child's only access counts like the others */
			snprintf(name, sizeof(name), "c%d-%d", thread, i);
			pid_t child = fork();
			if (child == 0) {
				open(name, O_RDONLY);
				_exit(0);
			}
			if (child > 0) {
				waitpid(child, NULL, 0);
				made->forks++;
				made->missing++;
			}
		}
		i++;
	} while (seconds() < end);
	return made;
}

static void *run(void *data)
{
	int thread = (int)(long)data;
	char name[64], next[64];
	int i;

	for (i = 0; i < each; i++) {
		snprintf(name, sizeof(name), "t%d-%d", thread, i);
		if (!strcmp(kind, "open")) {
			close(open(name, O_WRONLY | O_CREAT, 0600));
		} else if (!strcmp(kind, "missing")) {
			open(name, O_RDONLY);
		} else if (!strcmp(kind, "thrice")) {
			for (int again = 0; again < 3; again++)
				open(name, O_RDONLY);
		} else if (!strcmp(kind, "long")) {
			char wide[256];
			snprintf(wide, sizeof(wide), "%0200d-%s", 0, name);
			open(wide, O_RDONLY);
		} else if (!strcmp(kind, "connect")) {
			connect_to(thread, i);
		} else { /* the parent changes its name while a file in it is opened */
			snprintf(next, sizeof(next), "d%d/f", thread);
			snprintf(name, sizeof(name), "d%d", thread);
			mkdir(name, 0700);
			close(open(next, O_WRONLY | O_CREAT, 0600));
			snprintf(next, sizeof(next), "e%d-%d", thread, i % 50);
			rename(name, next);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	struct made all = {0};
	int count, i;

	if (argc != 4)
		return 99;
	kind = argv[1];
	count = atoi(argv[2]);
	each = atoi(argv[3]);
	for (i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, strcmp(kind, "mixed") ? run : run_mixed, (void *)(long)i);
	for (i = 0; i < count; i++) {
		struct made *made = NULL;
		pthread_join(threads[i], (void **)&made);
		if (made) {
			all.missing += made->missing;
			all.created += made->created;
			all.connects += made->connects;
			all.forks += made->forks;
			free(made);
		}
	}
	if (!strcmp(kind, "mixed"))
		printf("%ld missing %ld created %ld connects %ld forks\n", all.missing, all.created, all.connects, all.forks);
	return 0;
}
