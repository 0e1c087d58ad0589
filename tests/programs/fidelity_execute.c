/* Programs and scripts executed. */
#include "fidelity.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const struct operation execute_operations[] = {
	{"execute", "execute", OPERATION_ALL | OPERATION_FD, "program"},
	{"execute through a link", "execute", 0, "programlink"},
	{"execute through links on the way", "execute", 0, "dirlink/../program"},
	{"execute what is missing", "execute", OPERATION_ALL, "none"},
	{"execute what is no program", "execute", 0, "text"},
	{"execute what is not executable", "execute", 0, "file"},
	{"execute a directory", "execute", 0, "dir"},
	{"execute in a removed directory", "execute", OPERATION_REMOVED, "none"},
	{"execute a script", "execute", OPERATION_FD, "script"},
	{"execute a script through a link", "execute", 0, "scriptlink"},
	{"execute a script of a script", "execute", OPERATION_FD, "second"},
	{"execute a script without interpreter", "execute", 0, "broken"},
	{"execute by search", "search", 0, "program"},
	{"execute a script by search", "search", 0, "script"},
	{NULL},
};

static int put(int at, const char *name, const char *text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL, 0755);

	return fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) ? -1 : 0;
}

/* Interpreters are named by whole paths, and the kernel reads 256 bytes of a script. */
int make_programs(int at, const char *path, const char *program)
{
	char script[PATH_BUFFER], second[PATH_BUFFER];

	snprintf(script, sizeof(script), "#!%.4000s/interpreter an argument\n", path);
	snprintf(second, sizeof(second), "#! \t%.4000s/script\n", path);
	return linkat(AT_FDCWD, program, at, "program", 0) || linkat(AT_FDCWD, program, at, "interpreter", 0) ||
	       put(at, "text", "neither\n") || put(at, "broken", "#!/nowhere/at/all\n") ||
	       put(at, "script", script) || put(at, "second", second) || symlinkat("program", at, "programlink") ||
	       symlinkat("script", at, "scriptlink");
}

static char *const arguments[] = {"program", NULL};
static char *const nothing[] = {NULL};

/* What a process of its own returned. */
static int ended(pid_t child)
{
	int status = 0;

	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -1;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
	return errno ? -1 : 0;
}

static int execve_(const struct target *t)
{
	return execve(t->a, arguments, nothing);
}

static int execveat_(const struct target *t)
{
	return syscall(SYS_execveat, t->dirfd, t->a, arguments, nothing, 0);
}

static int execveat_descriptor(const struct target *t)
{
	return syscall(SYS_execveat, t->fd, "", arguments, nothing, AT_EMPTY_PATH);
}

static int execve_descriptor(const struct target *t)
{
	return execve(descriptor_path(t->fd), arguments, nothing);
}

static int fexecve_(const struct target *t)
{
	return fexecve(t->fd, arguments, nothing);
}

static int posix_spawn_(const struct target *t)
{
	pid_t child = -1;
	int problem = posix_spawn(&child, t->a, NULL, NULL, arguments, nothing);

	errno = problem;
	return problem ? -1 : ended(child);
}

static int vfork_(const struct target *t)
{
	pid_t child = vfork();

	if (child == 0) {
		execve(t->a, arguments, nothing);
		_exit(errno);
	}
	return ended(child);
}

static int fork_(const struct target *t)
{
	pid_t child = fork();

	if (child == 0) {
		execve(t->a, arguments, nothing);
		_exit(errno);
	}
	return ended(child);
}

static int run_clone(void *data)
{
	const struct target *t = data;

	execve(t->a, arguments, nothing);
	return errno;
}

static int clone_(const struct target *t)
{
	static char stack[65536] __attribute__((aligned(16)));

	return ended(clone(run_clone, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)t));
}

/* The directory is the second of the search path; the first has no such program. */
static const char *to_search(const struct target *t)
{
	char path[PATH_BUFFER];
	const char *slash = strrchr(t->a, '/');

	snprintf(path, sizeof(path), "%.*s/dir:%.*s", (int)(slash - t->a), t->a, (int)(slash - t->a), t->a);
	setenv("PATH", path, 1);
	return slash + 1;
}

static int search(const struct target *t)
{
	return execvp(to_search(t), arguments);
}

static int search_spawn(const struct target *t)
{
	pid_t child = -1;
	int problem = posix_spawnp(&child, to_search(t), NULL, NULL, arguments, nothing);

	errno = problem;
	return problem ? -1 : ended(child);
}

const struct call execute_calls[] = {
	{"execute", "execve", 0, execve_},
	{"execute", "execveat", CALL_AT | CALL_ALL, execveat_},
	{"execute", "execveat AT_EMPTY_PATH", CALL_FD, execveat_descriptor},
	{"execute", "execve of /proc/self/fd", CALL_FD, execve_descriptor},
	{"execute", "fexecve", CALL_FD, fexecve_},
	{"execute", "posix_spawn", 0, posix_spawn_},
	{"execute", "vfork", 0, vfork_},
	{"execute", "fork", 0, fork_},
	{"execute", "clone", 0, clone_},
	{"search", "execvp", 0, search},
	{"search", "posix_spawnp", 0, search_spawn},
	{NULL},
};
