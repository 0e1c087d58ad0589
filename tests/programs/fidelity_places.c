/* The ways to name a directory: by text, by descriptor, through links and mounts, from within. */
#include "fidelity.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ODD "new\nline\ttab\r*?[a]{b}$'\"\\ \x01\x1b[31m\xff\xfe\xc3("
#define LONG_NAME                                                                                            \
	"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"  \
	"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"  \
	"000000000000000000000000000000000000000000000000000000000"
_Static_assert(sizeof(LONG_NAME) == 256, "NAME_MAX");
#define NEAR "near PATH_MAX"
#define BEYOND "beyond PATH_MAX"
#define LONGEST_NAME 32 /* of what operations name in the directory */

static int put(char *buffer, const char *first, const char *second)
{
	return snprintf(buffer, PATH_BUFFER, "%s%s", first, second) < PATH_BUFFER ? 0 : -1;
}

/* Names of 200 bytes, until the whole path is as long as it may be, or longer. */
static const char *deep(const char *variant, size_t length, char *buffer)
{
	size_t size = 0, before = strlen(variant) + 1;

	while (before + size < length) {
		size_t left = length - before - size, name = left < 200 ? left : 200;

		if (size)
			buffer[size++] = '/';
		memset(buffer + size, 'n', name);
		size += name;
	}
	buffer[size] = 0;
	return buffer;
}

static const char *expand(const char *directory, const char *variant, char *buffer)
{
	if (!directory)
		return "d";
	if (!strcmp(directory, NEAR))
		return deep(variant, 4095 - LONGEST_NAME - 1, buffer);
	if (!strcmp(directory, BEYOND))
		return deep(variant, 5000, buffer);
	return directory;
}

const char *made_directory(const struct naming *naming, const char *variant, char *buffer)
{
	return expand(naming->made, variant, buffer);
}

const char *real_directory(const struct naming *naming, const char *variant, char *buffer)
{
	return expand(naming->real, variant, buffer);
}

/* Step by step, since a whole path may be too long. */
static int enter(const char *directory)
{
	char names[PATH_BUFFER], *name, *rest = names;

	if (put(names, directory, ""))
		return -1;
	while ((name = strsep(&rest, "/")))
		if (*name && chdir(name))
			return -1;
	return 0;
}

static int by_text(struct place *place, const char *text)
{
	return put(place->first, text, "") || put(place->second, text, "") ? -1 : 0;
}

#define TEXT(function, text)                                                                                 \
	static int function(const char *variant, struct place *place)                                        \
	{                                                                                                    \
		return by_text(place, text);                                                                 \
	}
TEXT(relative, "d/")
TEXT(dots, "./d/././")
TEXT(upwards, "d/../d/")
TEXT(slashes, "d///")
TEXT(odd, ODD "/")
TEXT(long_name, LONG_NAME "/")

static int absolute(const char *variant, struct place *place)
{
	char text[PATH_BUFFER];
	return put(text, variant, "/d/") || by_text(place, text);
}

static int absolute_slashes(const char *variant, struct place *place)
{
	char text[PATH_BUFFER];

	snprintf(text, sizeof(text), "//%.1000s//d/.//", variant);
	return by_text(place, text);
}

static int near(const char *variant, struct place *place)
{
	char text[PATH_BUFFER], buffer[PATH_BUFFER];

	snprintf(text, sizeof(text), "%.1000s/%.5000s/", variant, deep(variant, 4095 - LONGEST_NAME - 1, buffer));
	return by_text(place, text);
}

static int beyond(const char *variant, struct place *place)
{
	char buffer[PATH_BUFFER];
	return enter(deep(variant, 5000, buffer));
}

static int beyond_descriptor(const char *variant, struct place *place)
{
	if (beyond(variant, place))
		return -1;
	place->dirfd = place->dirfd2 = open(".", O_RDONLY | O_DIRECTORY);
	return place->dirfd < 0 || chdir("/") ? -1 : 0;
}

static int inside(const char *variant, struct place *place)
{
	return chdir("d");
}

static int inside_descriptor(const char *variant, struct place *place)
{
	return fchdir(open("d", O_RDONLY | O_DIRECTORY));
}

static int from_below(const char *variant, struct place *place)
{
	return chdir("d/dir") ? -1 : by_text(place, "../");
}

static int descriptor(const char *variant, struct place *place)
{
	place->dirfd = place->dirfd2 = open("d", O_RDONLY | O_DIRECTORY);
	return place->dirfd < 0 || chdir("/") ? -1 : 0;
}

static int path_descriptor(const char *variant, struct place *place)
{
	place->dirfd = place->dirfd2 = open("d", O_PATH);
	return place->dirfd < 0 || chdir("/") ? -1 : 0;
}

static int descriptor_above(const char *variant, struct place *place)
{
	place->dirfd = place->dirfd2 = open(".", O_PATH);
	return place->dirfd < 0 || chdir("/") ? -1 : by_text(place, "d/");
}

static int descriptor_ignored(const char *variant, struct place *place)
{
	place->dirfd = place->dirfd2 = -1;
	return absolute(variant, place);
}

static int two_descriptors(const char *variant, struct place *place)
{
	place->dirfd = open("d", O_PATH);
	place->dirfd2 = open(".", O_RDONLY);
	return put(place->second, "d/", "");
}

static int descriptor_and_text(const char *variant, struct place *place)
{
	char text[PATH_BUFFER];
	return put(text, variant, "/d/") || descriptor_above(variant, place) || put(place->second, text, "");
}

static int link_relative(const char *variant, struct place *place)
{
	return symlink("d", "way") ? -1 : by_text(place, "way/");
}

static int link_absolute(const char *variant, struct place *place)
{
	char text[PATH_BUFFER];
	return put(text, variant, "/d") || symlink(text, "way") ? -1 : by_text(place, "way/");
}

static int link_chain(const char *variant, struct place *place)
{
	if (link_absolute(variant, place) || symlink("../way", "aside/way"))
		return -1;
	return symlink("aside/way", "third") ? -1 : by_text(place, "./third/dir/../");
}

/* What follows a link's `..` is not what its text says. */
static int link_and_back(const char *variant, struct place *place)
{
	return symlink("d/dir", "way") ? -1 : by_text(place, "way/../");
}

static int inside_link(const char *variant, struct place *place)
{
	return symlink("d", "way") ? -1 : chdir("way");
}

static int proc_descriptor(const char *variant, struct place *place)
{
	char text[64];

	snprintf(text, sizeof(text), "/proc/self/fd/%d/", open("d", O_PATH));
	return by_text(place, text);
}

static int dev_descriptor(const char *variant, struct place *place)
{
	char text[64];

	snprintf(text, sizeof(text), "/dev/fd/%d/../d/", open("d", O_RDONLY | O_DIRECTORY));
	return by_text(place, text);
}

static int proc_working_directory(const char *variant, struct place *place)
{
	return by_text(place, "/proc/self/cwd/d/");
}

static int proc_root(const char *variant, struct place *place)
{
	char text[PATH_BUFFER];

	snprintf(text, sizeof(text), "/proc/thread-self/root%.1000s/d/", variant);
	return by_text(place, text);
}

static int proc_parent(const char *variant, struct place *place)
{
	char text[64];

	snprintf(text, sizeof(text), "/proc/%d/cwd/d/", (int)getpid());
	return by_text(place, text);
}

static int proc_parent_descriptor(const char *variant, struct place *place)
{
	char text[64];

	snprintf(text, sizeof(text), "/proc/%d/fd/%d/", (int)getpid(), open("d", O_PATH));
	return by_text(place, text);
}

static int proc_parent_root(const char *variant, struct place *place)
{
	char text[PATH_BUFFER];

	snprintf(text, sizeof(text), "/proc/%d/task/%d/root%.1000s/d/", (int)getpid(), (int)getpid(), variant);
	return by_text(place, text);
}

static int say(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int result = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;

	close(fd);
	return result;
}

/* Namespaces of its own, in which it is the same user. */
static int private(int namespaces)
{
	char users[64], groups[64];

	snprintf(users, sizeof(users), "%d %d 1", (int)geteuid(), (int)geteuid());
	snprintf(groups, sizeof(groups), "%d %d 1", (int)getegid(), (int)getegid());
	return unshare(CLONE_NEWUSER | namespaces) || say("/proc/self/setgroups", "deny") ||
		       say("/proc/self/uid_map", users) || say("/proc/self/gid_map", groups)
		   ? -1
		   : 0;
}

static int changed_root(const char *variant, struct place *place)
{
	return private(0) || chroot(variant) || chdir("/") ? -1 : by_text(place, "/d/");
}

static int changed_root_relative(const char *variant, struct place *place)
{
	return private(0) || chroot(variant) || chdir("/d") ? -1 : by_text(place, "../../d/");
}

static int changed_root_link(const char *variant, struct place *place)
{
	return symlink("/d", "way") || private(0) || chroot(variant) || chdir("/") ? -1 : by_text(place, "way/");
}

static int changed_root_outside(const char *variant, struct place *place)
{
	return private(0) || chroot("jail") ? -1 : by_text(place, "d/");
}

static int bound(const char *variant, struct place *place)
{
	return private(CLONE_NEWNS) || mount("d", "bound", NULL, MS_BIND, NULL)
		   ? -1
		   : by_text(place, "bound/");
}

static int bound_inside(const char *variant, struct place *place)
{
	return bound(variant, place) || chdir("bound") ? -1 : by_text(place, "");
}

/* Nobody else sees the link behind the mount. */
static int bound_link(const char *variant, struct place *place)
{
	return symlink(".", "d/way") || bound(variant, place) ? -1 : by_text(place, "bound/way/");
}

/* Goes on in the first process of the namespace; nobody else can mount its /proc. */
static int proc_namespace(const char *variant, struct place *place)
{
	pid_t first;

	if (private(CLONE_NEWNS | CLONE_NEWPID))
		return -1;
	first = fork();
	if (first)
		_exit(finished(first));
	return mount("proc", "/proc", "proc", 0, NULL) || by_text(place, "/proc/1/cwd/d/");
}

static int overlaid(const char *variant, struct place *place)
{
	if (private(CLONE_NEWNS) ||
	    mount("overlay", "merged", "overlay", 0, "lowerdir=d,upperdir=upper,workdir=work,userxattr"))
		return -1;
	return by_text(place, "merged/");
}

static int renamed_inside(const char *variant, struct place *place)
{
	return chdir("d") || rename("../d", "../moved") ? -1 : 0;
}

static int renamed_descriptor(const char *variant, struct place *place)
{
	return descriptor(variant, place) || fchdir(place->dirfd) || rename("../d", "../moved") || chdir("/") ? -1
													      : 0;
}

static int renamed_above(const char *variant, struct place *place)
{
	return rename("d", "above/d") || chdir("above/d") ||
		       rename("../../above", "../../moved")
		   ? -1
		   : 0;
}

/* The working directory; everything in it goes first. */
static int remove_here(const char *way)
{
	static const char *const names[] = {"file",   "program", "interpreter", "text",	      "script",
					    "second", "broken",	 "programlink", "scriptlink"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	return rmdir("dir") || rmdir(way) ? -1 : 0;
}

static int removed_inside(const char *variant, struct place *place)
{
	return chdir("d") || remove_here("../d") ? -1 : 0;
}

static int removed_descriptor(const char *variant, struct place *place)
{
	place->dirfd = place->dirfd2 = open("d", O_PATH);
	return removed_inside(variant, place) || chdir("/") ? -1 : 0;
}

#define BASIC (NAMING_BASIC | NAMING_SHORT)

const struct naming namings[] = {
	{"absolute", BASIC, NULL, NULL, absolute},
	{"relative", BASIC, NULL, NULL, relative},
	{"descriptor", NAMING_BASIC | NAMING_AT, NULL, NULL, descriptor},
	{"relative, link on the way", BASIC, NULL, NULL, link_relative},
	{"absolute, more slashes", NAMING_SHORT, NULL, NULL, absolute_slashes},
	{"relative, dots", NAMING_SHORT, NULL, NULL, dots},
	{"relative, upwards", NAMING_SHORT, NULL, NULL, upwards},
	{"relative, upwards from below", NAMING_SHORT, NULL, NULL, from_below},
	{"relative, slashes", NAMING_SHORT, NULL, NULL, slashes},
	{"inside", NAMING_SHORT, NULL, NULL, inside},
	{"inside, by fchdir", NAMING_SHORT, NULL, NULL, inside_descriptor},
	{"inside, by a link", NAMING_SHORT, NULL, NULL, inside_link},
	{"O_PATH descriptor", NAMING_AT, NULL, NULL, path_descriptor},
	{"descriptor above", NAMING_AT, NULL, NULL, descriptor_above},
	{"descriptor ignored", NAMING_AT, NULL, NULL, descriptor_ignored},
	{"two descriptors", NAMING_AT | NAMING_TWO, NULL, NULL, two_descriptors},
	{"descriptor and text", NAMING_AT | NAMING_TWO, NULL, NULL, descriptor_and_text},
	{"absolute link", NAMING_SHORT, NULL, NULL, link_absolute},
	{"chain of links", NAMING_SHORT, NULL, NULL, link_chain, "aside"},
	{"link and back", NAMING_SHORT, NULL, NULL, link_and_back},
	{"/proc/self/fd", NAMING_SHORT, NULL, NULL, proc_descriptor},
	{"/dev/fd", NAMING_SHORT, NULL, NULL, dev_descriptor},
	{"/proc/self/cwd", NAMING_SHORT, NULL, NULL, proc_working_directory},
	{"/proc/thread-self/root", 0, NULL, NULL, proc_root},
	{"/proc/PID/cwd of the parent", NAMING_SHORT, NULL, NULL, proc_parent},
	{"/proc/PID/fd of the parent", NAMING_SHORT, NULL, NULL, proc_parent_descriptor},
	{"/proc/PID/task/TID/root of the parent", 0, NULL, NULL, proc_parent_root},
	{"/proc/PID/cwd in a pid namespace", NAMING_SHORT | NAMING_MOUNTS, NULL, NULL, proc_namespace},
	{"chroot", NAMING_SHORT, NULL, NULL, changed_root},
	{"chroot, relative", NAMING_SHORT, NULL, NULL, changed_root_relative},
	{"chroot, absolute link", NAMING_SHORT, NULL, NULL, changed_root_link},
	{"chroot, working directory outside", NAMING_SHORT, NULL, NULL, changed_root_outside, "jail"},
	{"bind mount", NAMING_SHORT | NAMING_MOUNTS, "bound", NULL, bound, "bound"},
	{"bind mount, link in it", NAMING_SHORT | NAMING_MOUNTS, "bound", NULL, bound_link, "bound"},
	{"inside a bind mount", NAMING_SHORT | NAMING_MOUNTS, "bound", NULL, bound_inside, "bound"},
	{"overlay", NAMING_MOUNTS, "merged", NULL, overlaid, "upper work merged"},
	{"inside what was renamed", NAMING_SHORT, "moved", NULL, renamed_inside},
	{"descriptor of what was renamed", NAMING_AT, "moved", NULL, renamed_descriptor},
	{"inside, above was renamed", NAMING_SHORT, "moved/d", NULL, renamed_above, "above"},
	{"odd bytes", NAMING_SHORT, ODD, ODD, odd},
	{"a name of 255 bytes", 0, LONG_NAME, LONG_NAME, long_name},
	{"absolute, near PATH_MAX", 0, NEAR, NEAR, near},
	{"inside, beyond PATH_MAX", 0, BEYOND, BEYOND, beyond},
	{"descriptor beyond PATH_MAX", NAMING_AT, BEYOND, BEYOND, beyond_descriptor},
	{"in a thread", NAMING_SHORT | NAMING_THREAD, NULL, NULL, relative},
	{"after fork", NAMING_SHORT | NAMING_FORK, NULL, NULL, relative},
	{"after exec", NAMING_SHORT | NAMING_EXEC, NULL, NULL, relative},
	{"inside what was removed", NAMING_SHORT | NAMING_REMOVED, NULL, NULL, removed_inside},
	{"descriptor of what was removed", NAMING_AT | NAMING_REMOVED, NULL, NULL, removed_descriptor},
	{"object's descriptor", NAMING_FD | NAMING_BASIC, NULL, NULL, relative},
	{"object's descriptor, opened through a link", NAMING_FD, NULL, NULL, link_relative},
	{"object's descriptor, in a bind mount", NAMING_FD | NAMING_MOUNTS, "bound", NULL, bound, "bound"},
	{NULL},
};
