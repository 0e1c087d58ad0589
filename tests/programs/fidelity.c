/* Goes through the corpus; fidelity.h says how. */
#include "fidelity.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const struct {
	const struct operation *operations;
	const struct call *calls;
} families[] = {
	{open_operations, open_calls},
	{name_operations, name_calls},
	{attribute_operations, attribute_calls},
	{execute_operations, execute_calls},
	{socket_operations, socket_calls},
	{stat_operations, stat_calls},
};
#define FAMILIES (sizeof(families) / sizeof(*families))

struct variant {
	const struct operation *operation;
	const struct call *call;
	const struct naming *naming;
	char directory[1024];
};

static const char *root;
static char self[PATH_BUFFER];
static int failures; /* of making the variants */

static int applies(const struct operation *o, const struct call *c, const struct naming *n)
{
	if (strcmp(o->family, c->family) || (o->flags & OPERATION_NOT_ROOT && geteuid() == 0))
		return 0;
	if (!strcmp(o->a, "-")) /* no path at all */
		return n == namings;
	if (o->flags & OPERATION_REMOVED ? !(n->flags & NAMING_REMOVED) : n->flags & NAMING_REMOVED)
		return 0;
	if (c->flags & CALL_FD ? !(n->flags & NAMING_FD && o->flags & OPERATION_FD) : n->flags & NAMING_FD)
		return 0;
	if (n->flags & NAMING_AT && !(c->flags & CALL_AT))
		return 0;
	if (n->flags & NAMING_TWO && !o->b)
		return 0;
	if (o->flags & OPERATION_SHORT && !(n->flags & NAMING_SHORT))
		return 0;
	if (n->flags & (NAMING_BASIC | NAMING_REMOVED))
		return 1;
	if (n->flags & NAMING_FD)
		return o->flags & OPERATION_ALL;
	return o->flags & OPERATION_ALL && c->flags & CALL_ALL;
}

static void for_each_variant(void (*visit)(const struct variant *))
{
	const struct operation *o;
	const struct call *c;
	const struct naming *n;
	size_t family, other;
	int number = 0;

	for (family = 0; family < FAMILIES; family++)
		for (o = families[family].operations; o->name; o++)
			for (other = 0; other < FAMILIES; other++)
				for (c = families[other].calls; c->name; c++)
					for (n = namings; n->name; n++) {
						struct variant v = {o, c, n, ""};

						if (!applies(o, c, n))
							continue;
						snprintf(v.directory, sizeof(v.directory), "%.900s/%d", root, number++);
						visit(&v);
					}
}

/* Setting up */

static int make_directories(int at, const char *path)
{
	char names[PATH_BUFFER], *name, *rest = names;

	snprintf(names, sizeof(names), "%s", path);
	while ((name = strsep(&rest, "/"))) {
		int next;

		if ((mkdirat(at, name, 0700) && errno != EEXIST) ||
		    (next = openat(at, name, O_RDONLY | O_DIRECTORY)) < 0)
			return -1;
		close(at);
		at = next;
	}
	return at;
}

static int make_file(int at, const char *name, int mode)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL, mode);

	if (fd < 0 || write(fd, "x", 1) != 1)
		return -1;
	fsetxattr(fd, "user.treadline", "x", 1, 0); /* where the file system has such: to be removed */
	return close(fd);
}

static int make_directory(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) || (fd = openat(at, name, O_RDONLY | O_DIRECTORY)) < 0)
		return -1;
	fsetxattr(fd, "user.treadline", "x", 1, 0);
	return close(fd);
}

/* Only what an operation names: thousands of variants are made. */
static int make_objects(int at, const struct operation *o)
{
	static const struct {
		const char *name, *target;
	} links[] = {
		{"link", "file"}, {"chain", "./link"}, {"dirlink", "dir"}, {"dangling", "absent"}, {"loop", "loop"},
		{"socketlink", "socket"},
	};
	size_t i;
#define NAMED(text) (strstr(o->a, text) || (o->b && strstr(o->b, text)))

	if (make_directory(at, "dir") || make_file(at, "file", 0644) ||
	    (NAMED("other") && make_file(at, "other", 0644)) || (NAMED("secret") && make_file(at, "secret", 0)))
		return -1;
	if (NAMED("full") && (mkdirat(at, "full", 0700) || make_file(at, "full/inner", 0644)))
		return -1;
	if (NAMED("sealed") && (mkdirat(at, "sealed", 0700) || make_file(at, "sealed/file", 0644) ||
				fchmodat(at, "sealed", 0500, 0)))
		return -1;
	for (i = 0; i < sizeof(links) / sizeof(*links); i++)
		if ((NAMED(links[i].name) || (i == 0 && NAMED("chain"))) &&
		    symlinkat(links[i].target, at, links[i].name))
			return -1;
	return 0;
}

/* Directories, each of one name. */
static int make_beside(int at, const char *names)
{
	char name[64];
	int size;

	for (; names && sscanf(names, "%63s%n", name, &size) == 1; names += size)
		if (mkdirat(at, name, 0700))
			return -1;
	return 0;
}

static int is_execution(const struct operation *operation)
{
	const struct operation *o;

	for (o = execute_operations; o->name; o++)
		if (o == operation)
			return 1;
	return 0;
}

static int listen_in(int directory, int type)
{
	return fchdir(directory) || make_listener("socket", type) ? -1 : 0;
}

static void make_variant(const struct variant *v)
{
	char made[PATH_BUFFER], real[PATH_BUFFER], path[2 * PATH_BUFFER];
	const char *directory = made_directory(v->naming, v->directory, made);
	int top, at = -1;

	if (mkdir(v->directory, 0700) || (top = open(v->directory, O_RDONLY | O_DIRECTORY)) < 0 ||
	    make_beside(top, v->naming->beside) || (at = make_directories(top, directory)) < 0 || make_objects(at, v->operation)) {
		perror(v->directory);
		failures++;
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", v->directory, directory);
	snprintf(real, sizeof(real), "%.900s/program", root);
	if (is_execution(v->operation) && make_programs(at, path, real)) {
		perror(path);
		failures++;
	}
	if (v->operation->flags & OPERATION_SOCKET && listen_in(at, v->operation->socket_type)) {
		perror("listening");
		failures++;
	}
	close(at);
	printf("%s\t%s, %s\t%s\t%s%c", v->operation->name, v->call->name, v->naming->name, v->directory,
	       real_directory(v->naming, v->directory, real), 0);
}

/* Performing */

const char *descriptor_path(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

struct work {
	const struct call *call;
	struct target target;
	int result; /* 0 or errno */
};

static void *perform(void *data)
{
	struct work *w = data;

	w->result = w->call->make(&w->target) < 0 ? errno : 0;
	return NULL;
}

static int act(const struct call *call, const struct naming *naming, const struct target *target)
{
	struct work w = {call, *target, 0};
	pthread_t thread;

	if (naming->flags & NAMING_THREAD) {
		if (pthread_create(&thread, NULL, perform, &w))
			return CANNOT_PREPARE;
		pthread_join(thread, NULL);
	} else {
		perform(&w);
	}
	return w.result;
}

int finished(pid_t child)
{
	int status = 0;

	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return CANNOT_PREPARE;
	return WEXITSTATUS(status);
}

/* "act CALL A B" in a new image: calls are known by their number among all. */
static int act_by_number(int number, const char *a, const char *b)
{
	const struct target target = {AT_FDCWD, AT_FDCWD, a, b, -1};
	size_t family;
	const struct call *c;

	for (family = 0; family < FAMILIES; family++)
		for (c = families[family].calls; c->name; c++)
			if (number-- == 0)
				return act(c, namings, &target);
	return CANNOT_PREPARE;
}

static int act_after_exec(const struct call *call, const struct target *target)
{
	char number[16];
	size_t family;
	const struct call *c;
	int i = 0;

	for (family = 0; family < FAMILIES; family++)
		for (c = families[family].calls; c->name; c++, i++)
			if (c == call)
				snprintf(number, sizeof(number), "%d", i);
	execl(self, self, "act", number, target->a, target->b, NULL);
	return CANNOT_PREPARE;
}

/* The object itself: for writing where that goes, so that every call on descriptors is possible. */
static int open_object(const struct variant *v, const char *path)
{
	int fd = is_execution(v->operation) ? -1 : open(path, O_RDWR);

	if (fd < 0)
		fd = open(path, O_RDONLY);
	return fd;
}

static int prepare_and_act(const struct variant *v)
{
	static struct place place;
	static char a[2 * PATH_BUFFER], b[2 * PATH_BUFFER];
	struct target target = {.fd = -1, .a = a, .b = b};
	pid_t child;

	alarm(30);
	memset(&place, 0, sizeof(place));
	place.dirfd = place.dirfd2 = AT_FDCWD;
	if (chdir(v->directory) || v->naming->prepare(v->directory, &place))
		return CANNOT_PREPARE;
	target.dirfd = place.dirfd;
	target.dirfd2 = place.dirfd2;
	snprintf(a, sizeof(a), "%s%s", place.first, v->operation->a);
	snprintf(b, sizeof(b), "%s%s", place.second, v->operation->b ? v->operation->b : "");
	if (v->call->flags & CALL_FD && (target.fd = open_object(v, a)) < 0)
		return CANNOT_PREPARE;
	child = fork();
	if (child)
		return finished(child);
	if (v->naming->flags & NAMING_FORK && (child = fork()))
		_exit(finished(child));
	_exit(v->naming->flags & NAMING_EXEC ? act_after_exec(v->call, &target) : act(v->call, v->naming, &target));
}

static int the_end[2]; /* a pipe that is closed then */

/* As a container's first process: what lies behind its mounts can be looked at as long as somebody is there. */
static int prepare_act_and_stay(const struct variant *v)
{
	unsigned char status = CANNOT_PREPARE;
	int answer[2];
	pid_t child;

	if (pipe2(answer, O_CLOEXEC) || (child = fork()) < 0)
		return CANNOT_PREPARE;
	if (child == 0) {
		close(answer[0]);
		close(the_end[1]);
		status = prepare_and_act(v);
		alarm(0);
		if (write(answer[1], &status, 1) == 1)
			close(answer[1]);
		_exit(read(the_end[0], &status, 1) != 0);
	}
	close(answer[1]);
	if (read(answer[0], &status, 1) != 1)
		status = CANNOT_PREPARE;
	close(answer[0]);
	return status;
}

static void perform_variant(const struct variant *v)
{
	pid_t child;

	fflush(stdout);
	if (v->naming->flags & NAMING_MOUNTS) {
		printf("%d\n", prepare_act_and_stay(v));
		return;
	}
	child = fork();
	if (child == 0)
		_exit(prepare_and_act(v));
	printf("%d\n", finished(child));
}

static int perform_all(void)
{
	if (pipe2(the_end, O_CLOEXEC))
		return 95;
	for_each_variant(perform_variant);
	fflush(stdout);
	close(the_end[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}

static int copy_program(void)
{
	char from[PATH_BUFFER], to[PATH_BUFFER], buffer[65536];
	ssize_t size;
	int in, out;

	snprintf(from, sizeof(from), "%.4000s-nothing", self);
	snprintf(to, sizeof(to), "%.4000s/program", root);
	in = open(from, O_RDONLY);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	while ((size = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, size) != size)
			return -1;
	/* Whatever is still open for writing cannot be executed. */
	return in < 0 || size < 0 || close(in) || close(out) ? -1 : 0;
}

/* What listens must be there before the run: a process of its own keeps it, until its end is wanted. */
static int keep_listening(void)
{
	pid_t child = fork();

	if (child == 0) {
		alarm(600);
		freopen("/dev/null", "w", stdout);
		freopen("/dev/null", "w", stderr);
		for (;;)
			pause();
	}
	printf("%d", (int)child);
	return child < 0 ? 96 : 0;
}

int main(int argc, char **argv)
{
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (size < 0 || argc < 3)
		return 99;
	if (!strcmp(argv[1], "act") && argc >= 4)
		return act_by_number(atoi(argv[2]), argv[3], argc > 4 ? argv[4] : "");
	root = argv[2];
	if (!strcmp(argv[1], "setup")) {
		if (copy_program())
			return 98;
		for_each_variant(make_variant);
		fflush(stdout);
		return failures ? 97 : keep_listening();
	}
	if (!strcmp(argv[1], "run"))
		return perform_all();
	return 99;
}
