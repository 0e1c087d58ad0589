/*
 * The guest's first process: makes the host's file tree (9p, read only) a system that tests can run in, runs one
 * command there, leaves its wait status in the shared directory and turns the machine off.
 *
 * Static, so that the initramfs holds this file and kernel modules only. What it does comes from /job (see boot):
 * lines "KEY VALUE", in order: keep DIR, hide DIR, user UID GID, directory DIR, env NAME=VALUE, arg TEXT (with
 * newlines as \n and backslashes as \\).
 *
 * On the host, `init tsc` prints how fast the time stamp counter runs, in kHz.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MANY 256

static void stop(void)
{
	int level = open("/proc/sys/kernel/printk", O_WRONLY);

	if (level >= 0 && write(level, "0", 1) == 1) /* "Restarting system" is no news */
		close(level);
	sync();
	reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot */
	for (;;)
		pause();
}

static void die(const char *doing, const char *what)
{
	printf("treadline-vm: cannot %s %s: %s\n", doing, what, strerror(errno));
	stop();
}

static void load_modules(void)
{
	char path[256];
	FILE *list = fopen("/modules/order", "re");

	while (list && fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
			die("load", path);
		close(fd);
	}
	if (list)
		fclose(list);
}

static void make_directories(const char *path)
{
	char part[4096];

	snprintf(part, sizeof(part), "%s", path);
	for (char *at = part + 1; *at; at++) {
		if (*at == '/') {
			*at = 0;
			mkdir(part, 0755);
			*at = '/';
		}
	}
	mkdir(part, 0755);
}

static void mount_on(const char *type, const char *source, const char *target, unsigned long flags, const char *data)
{
	if (mount(source, target, type, flags, data) != 0)
		die("mount", target);
}

/* Some kernels lack some of these: a test that needs one says so itself. */
static void mount_if_known(const char *type, const char *target)
{
	mount(type, target, type, 0, NULL);
}

static void bring_up_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		die("bring up", "lo");
	close(fd);
}

static char *hidden[MANY], *kept[MANY], *environment[MANY], *arguments[MANY];
static int hidden_count, kept_count, environment_count, argument_count;
static char *directory = "/";
static unsigned uid, gid;

static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '\\' && text[1] != 0)
			*to++ = *++text == 'n' ? '\n' : *text;
		else
			*to++ = *text;
	}
	*to = 0;
}

static void add(char **list, int *count, char *value)
{
	if (*count >= MANY - 1) {
		errno = E2BIG;
		die("keep", value);
	}
	list[(*count)++] = value;
}

static void read_job(void)
{
	char *line = NULL;
	size_t room = 0;
	FILE *job = fopen("/job", "re");

	if (!job)
		die("read", "/job");
	while (getline(&line, &room, job) > 0) {
		line[strcspn(line, "\n")] = 0;
		char *value = strchr(line, ' ');
		if (!value)
			continue;
		*value++ = 0;
		unescape(value);
		if (!strcmp(line, "keep"))
			add(kept, &kept_count, strdup(value));
		else if (!strcmp(line, "hide"))
			add(hidden, &hidden_count, strdup(value));
		else if (!strcmp(line, "env"))
			add(environment, &environment_count, strdup(value));
		else if (!strcmp(line, "arg"))
			add(arguments, &argument_count, strdup(value));
		else if (!strcmp(line, "directory"))
			directory = strdup(value);
		else if (!strcmp(line, "user"))
			sscanf(value, "%u %u", &uid, &gid);
	}
	free(line);
	fclose(job);
}

static int is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return !strncmp(path, top, length) && path[length] == '/';
}

/* An empty, writable directory in place of the host's; directories that are kept stay visible in it. */
static void hide(const char *top, const char *mode)
{
	int opened[MANY];
	char link[64];

	for (int i = 0; i < kept_count; i++)
		opened[i] = is_below(kept[i], top) ? open(kept[i], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	mount_on("tmpfs", "tmpfs", top, 0, mode); /* file capabilities must work there: over 9p they do not */
	for (int i = 0; i < kept_count; i++) {
		if (opened[i] < 0)
			continue;
		make_directories(kept[i]);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", opened[i]);
		mount_on(NULL, link, kept[i], MS_BIND, NULL);
		close(opened[i]);
	}
}

static void enter_host_tree(void)
{
	const char *tree = "/tree";
	const char *nine = "trans=virtio,version=9p2000.L,msize=507904,cache=loose,access=client";
	const char *nine_share = "trans=virtio,version=9p2000.L,msize=65536,cache=none,access=any";

	mkdir(tree, 0755);
	mount_on("9p", "root", tree, MS_RDONLY, nine);
	if (chdir(tree) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0)
		die("enter", tree);
	mount_on("proc", "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_on("sysfs", "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_on("devtmpfs", "devtmpfs", "/dev", MS_NOSUID, NULL);
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 01777);
	mount_on("devpts", "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666");
	mount_on("tmpfs", "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	mount_if_known("securityfs", "/sys/kernel/security");
	mount_if_known("tracefs", "/sys/kernel/tracing");
	mount_if_known("bpf", "/sys/fs/bpf");
	mount_if_known("cgroup2", "/sys/fs/cgroup");
	for (int i = 0; i < hidden_count; i++) {
		int shared = !strcmp(hidden[i], "/tmp") || !strcmp(hidden[i], "/var/tmp");
		hide(hidden[i], shared ? "mode=1777" : "mode=0755");
		if (!shared && strcmp(hidden[i], "/run") != 0 && strcmp(hidden[i], "/root") != 0 &&
		    chown(hidden[i], uid, gid) != 0)
			die("own", hidden[i]);
	}
	mkdir("/run/vm", 0755);
	mount_on("9p", "share", "/run/vm", MS_NOSUID | MS_NODEV, nine_share);
}

static void run_command(void)
{
	struct rlimit memory = {RLIM_INFINITY, RLIM_INFINITY};
	int serial = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	int nothing = open("/dev/null", O_RDONLY);

	if (serial < 0 || nothing < 0)
		die("open", "/dev/ttyS0");
	dup2(nothing, 0);
	dup2(serial, 1);
	dup2(serial, 2);
	close(serial);
	close(nothing);
	setsid();
	setrlimit(RLIMIT_CORE, &memory);
	if (setgroups(1, (gid_t[]){gid}) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		die("become", "the user");
	if (chdir(directory) != 0)
		die("enter", directory);
	clearenv();
	for (int i = 0; i < environment_count; i++)
		putenv(environment[i]);
	execvp(arguments[0], arguments);
	printf("treadline-vm: cannot run %s: %s\n", arguments[0], strerror(errno));
	fflush(stdout);
	_exit(127);
}

static double nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static int print_tsc_khz(void)
{
	double begin = nanoseconds();
	unsigned long long ticks = __rdtsc();

	usleep(50000);
	ticks = __rdtsc() - ticks;
	printf("%.0f\n", ticks * 1e6 / (nanoseconds() - begin));
	return 0;
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc == 2 && !strcmp(argv[1], "tsc"))
		return print_tsc_khz();

	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/proc", 0755);
	load_modules();
	read_job();
	enter_host_tree();
	bring_up_loopback();
	sethostname("treadline-vm", 12);
	pid_t command = fork();
	if (command == 0)
		run_command();
	for (;;) {
		pid_t ended = wait(&status);
		if (ended == command || (ended < 0 && errno != EINTR))
			break;
	}
	FILE *answer = fopen("/run/vm/status", "we");
	if (!answer || fprintf(answer, "%d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)) < 0 ||
	    fclose(answer) != 0)
		die("write", "/run/vm/status");
	stop();
}
