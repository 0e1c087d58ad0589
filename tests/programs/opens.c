/* opens MODE PATH: one open, then exit with 0 or the errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int modes(const char *mode, const char *path)
{
	struct open_how how = {.flags = O_RDONLY};
	char again[64];
	int fd, i;

	if (!strcmp(mode, "read"))
		return open(path, O_RDONLY);
	if (!strcmp(mode, "write"))
		return open(path, O_WRONLY | O_TRUNC);
	if (!strcmp(mode, "both"))
		return open(path, O_RDWR);
	if (!strcmp(mode, "create"))
		return open(path, O_WRONLY | O_CREAT, 0600);
	if (!strcmp(mode, "creat"))
		return creat(path, 0600);
	if (!strcmp(mode, "list"))
		return open(path, O_RDONLY | O_DIRECTORY);
	if (!strcmp(mode, "path"))
		return open(path, O_PATH);
	if (!strcmp(mode, "openat2"))
		return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (!strcmp(mode, "tmpfile"))
		return open(path, O_TMPFILE | O_RDWR, 0600);
	if (!strcmp(mode, "nofollow"))
		return open(path, O_RDONLY | O_NOFOLLOW);
	if (!strcmp(mode, "ask")) { /* thrice about a descriptor, then about the path, with one call */
		struct stat about;

		fd = open("/dev/null", O_RDONLY);
		for (i = 0; i < 3; i++)
			if (syscall(SYS_newfstatat, fd, "", &about, AT_EMPTY_PATH))
				return -1;
		return syscall(SYS_newfstatat, AT_FDCWD, path, &about, AT_EMPTY_PATH);
	}
	if (!strcmp(mode, "many")) {
		for (i = 0; i < 1000; i++)
			close(open(path, O_RDONLY));
		return 0;
	}
	if (!strcmp(mode, "at")) { /* relative to a directory descriptor */
		fd = open(path, O_PATH | O_DIRECTORY);
		return openat(fd, "file", O_RDONLY);
	}
	if (!strcmp(mode, "unlinked")) { /* again through /proc, after its name has gone */
		fd = open(path, O_RDWR | O_CREAT, 0600);
		unlink(path);
		snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
		return open(again, O_RDONLY);
	}
	if (!strcmp(mode, "memfd")) {
		fd = memfd_create("nothing", 0);
		snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
		return open(again, O_RDONLY);
	}
	if (!strcmp(mode, "deep")) { /* 20 times a name of 250 bytes: longer than PATH_MAX when absolute */
		char name[251];
		memset(name, 'd', 250);
		name[250] = 0;
		if (chdir(path))
			return -1;
		for (i = 0; i < 20; i++)
			if ((mkdir(name, 0700) && errno != EEXIST) || chdir(name))
				return -1;
		return open("bottom", O_WRONLY | O_CREAT, 0600);
	}
	if (!strcmp(mode, "many-names")) { /* a/a/a/…: as many names as one path can have */
		char text[4095];
		for (i = 0; i < 4094; i++)
			text[i] = i % 2 ? '/' : 'a';
		text[4094] = 0;
		return open(text, O_RDONLY);
	}
	exit(99);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 99;
	return modes(argv[1], argv[2]) < 0 ? errno : 0;
}
