/*
 * The fidelity corpus: every system call that performs an operation, made with every way to name a directory.
 *
 *   fidelity setup ROOT   makes a directory for each variant; tells them, one line each:
 *                         OPERATION <tab> CALL, NAMING <tab> DIRECTORY <tab> REAL <NUL>
 *                         and last the process that listens where variants connect to, which is to be ended
 *   fidelity run ROOT     performs them all, each in processes of its own; prints a status a line
 *
 * A status is 0 or an errno; CANNOT_PREPARE where this machine does not allow the naming.
 *
 * A variant's processes: one that goes to the variant's directory and prepares the naming, and below it the one
 * that makes the call and nothing else.
 */
#ifndef TREADLINE_TESTS_FIDELITY_H
#define TREADLINE_TESTS_FIDELITY_H

#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CANNOT_PREPARE 250
#define PATH_BUFFER 8192

/* What a call is made on. The second name is for calls that take two. */
struct target {
	int dirfd; /* AT_FDCWD, or what the names are relative to */
	int dirfd2;
	const char *a;
	const char *b;
	int fd; /* the object itself, for calls on descriptors; else -1 */
};

#define CALL_AT 1  /* takes directory descriptors */
#define CALL_FD 2  /* works on target.fd */
#define CALL_ALL 4 /* made with every naming; others with the basic ones only */

struct call {
	const char *family; /* what it does; operations say to which family they belong */
	const char *name;
	int flags; /* CALL_* */
	int (*make)(const struct target *target); /* negative, with errno: refused */
};

#define OPERATION_ALL 1	      /* with every naming */
#define OPERATION_FD 2	      /* the object exists: calls on descriptors do it as well */
#define OPERATION_NOT_ROOT 4  /* what root is never refused */
#define OPERATION_REMOVED 8   /* in a directory that has been removed */
#define OPERATION_SOCKET 16   /* `a` listens, on `socket_type` */
#define OPERATION_SHORT 32    /* the address of a socket: has no room for a long path */

struct operation {
	const char *name;   /* what the test's table calls it */
	const char *family; /* of the calls that do it */
	int flags;	    /* OPERATION_* */
	const char *a, *b;  /* names in the directory that is named in so many ways */
	int socket_type;
};

#define NAMING_AT 1    /* by descriptor */
#define NAMING_BASIC 2 /* with every operation and call */
#define NAMING_TWO 4   /* for calls with two names */
#define NAMING_REMOVED 8
#define NAMING_FD 16 /* of the object itself */
#define NAMING_THREAD 32
#define NAMING_FORK 64
#define NAMING_EXEC 128
#define NAMING_SHORT 256 /* the whole path stays short */
#define NAMING_MOUNTS 512 /* in a mount namespace of its own: who prepares stays in it until the end */

struct place {
	int dirfd, dirfd2;
	char first[PATH_BUFFER]; /* what is put before a name */
	char second[PATH_BUFFER];
};

struct naming {
	const char *name;
	int flags;
	/* Where the directory lies below the variant's: "" takes "d". */
	const char *real;
	/* What the directory is called when the variant starts; "" takes "d". */
	const char *made;
	/* Called in the variant's directory; negative: this machine does not allow it. */
	int (*prepare)(const char *variant, struct place *place);
	const char *beside; /* further directories it needs in the variant's */
};

extern const struct naming namings[];
/* Directory names so long that the whole path comes near PATH_MAX; all of it after `variant`. */
const char *real_directory(const struct naming *naming, const char *variant, char *buffer);
const char *made_directory(const struct naming *naming, const char *variant, char *buffer);

/* Each ends with an entry without a name. */
extern const struct operation open_operations[], name_operations[], attribute_operations[], execute_operations[],
    socket_operations[], stat_operations[];
extern const struct call open_calls[], name_calls[], attribute_calls[], execute_calls[], socket_calls[],
    stat_calls[];

/* What execute operations need beside the ordinary files; `program` ends at once with 0. */
int make_programs(int directory, const char *path, const char *program);
int make_listener(const char *path, int type);
/* What the calls of Linux 6.13 that set and get extended attributes take: linux/xattr.h. */
struct xattr_args {
	uint64_t value;
	uint32_t size;
	uint32_t flags;
};
/* Where a descriptor is in /proc; until the next call. */
const char *descriptor_path(int fd);
/* Waits for a child: how it ended, as a status. */
int finished(pid_t child);

#endif
