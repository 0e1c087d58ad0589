/* processes MODE [ARGUMENT]: one shape of process tree. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define IS(name) (!strcmp(mode, name))

static char *const true_argv[] = {"true", "from", "a thread", NULL};

static void *execute(void *unused)
{
	(void)unused;
	execv("/usr/bin/true", true_argv);
	return NULL;
}

static void handle(int number) { (void)number; }

static void *read_file(void *path)
{
	close(open(path, O_RDONLY));
	return NULL;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	const char *argument = argc > 2 ? argv[2] : "";
	pthread_t thread;
	int i, fd;

	if (IS("fork")) { /* a child that executes nothing, reads and ends with 7 */
		if (!fork()) {
			close(open(argument, O_RDONLY));
			_exit(7);
		}
		wait(NULL);
		return 0;
	}
	if (IS("signal"))
		raise(SIGTERM);
	if (IS("thread-exec")) {
		pthread_create(&thread, NULL, execute, NULL);
		pause();
	}
	if (IS("killed")) { /* a child that is killed in a call */
		pid_t child = fork();
		if (!child) {
			pause();
			_exit(0);
		}
		usleep(100 * 1000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		return 0;
	}
	if (IS("handler")) {
		signal(SIGUSR1, handle);
		return raise(SIGUSR1);
	}
	if (IS("fexecve"))
		return fexecve(open("/usr/bin/true", O_RDONLY), true_argv, environ);
	if (IS("execveat")) /* needs no descriptor */
		return syscall(SYS_execveat, AT_FDCWD, "/usr/bin/true", true_argv, environ, 0);
	if (IS("thread-open")) {
		pthread_create(&thread, NULL, read_file, (void *)argument);
		pthread_join(thread, NULL);
		return 0;
	}
	if (IS("vfork-storm")) {
		for (i = 0; i < 300; i++) {
			pid_t child = vfork();
			if (!child) {
				execv("/usr/bin/true", true_argv);
				_exit(127);
			}
			waitpid(child, NULL, 0);
		}
		return 0;
	}
	if (IS("daemon")) { /* out of the session and the parent, and only then the access */
		if (fork())
			return 0;
		setsid();
		if (fork())
			_exit(0);
		usleep(50 * 1000);
		close(open(argument, O_RDONLY));
		_exit(0);
	}
	if (IS("stay")) { /* a process that outlives the command */
		if (!fork()) {
			sleep(3);
			_exit(0);
		}
		return 0;
	}
	if (IS("memfd-exec")) {
		char buffer[65536];
		ssize_t size;
		int program = open("/usr/bin/true", O_RDONLY);
		fd = memfd_create("hidden", MFD_CLOEXEC);
		while ((size = read(program, buffer, sizeof(buffer))) > 0)
			if (write(fd, buffer, size) != size)
				return 1;
		fexecve(fd, true_argv, environ);
		return 1;
	}
	if (IS("become")) { /* another user, then an access */
		if (setresuid(atoi(argument), atoi(argument), atoi(argument)))
			return 1;
		close(open("/etc/passwd", O_RDONLY));
		return 0;
	}
	if (IS("compat")) { /* getpid by the 32-bit entry */
#ifdef __x86_64__
		long result;
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
		return result <= 0;
#endif
	}
	if (IS("getcpu"))
		return syscall(SYS_getcpu, NULL, NULL, NULL) != 0;
	return 0;
}
