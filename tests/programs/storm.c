/* storm KIND THREADS EACH: so many distinct accesses as fast as can be. KIND is open, missing, rename or connect. */
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
#include <unistd.h>

static const char *kind;
static int each;

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
		} else if (!strcmp(kind, "connect")) {
			struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1 + i % 60000)};
			int fd = socket(AF_INET, SOCK_DGRAM, 0);
			to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + thread + 256 * (i / 60000));
			connect(fd, (void *)&to, sizeof(to));
			close(fd);
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
	int count, i;

	if (argc != 4)
		return 99;
	kind = argv[1];
	count = atoi(argv[2]);
	each = atoi(argv[3]);
	for (i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, run, (void *)(long)i);
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
