/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The wire format between the probes and the collector. Plain C, included by both.
 *
 * A record is a fixed struct that starts with tl_header, followed by its variable parts in the order of their
 * size fields, unpadded. Numbers never change their meaning; a new meaning gets a new number.
 *
 * A resolved path is sent once, under the hash that stands for it from then on (64 bits, seeded anew for each
 * run): as a TL_NAME, or, if it is that of a file just opened, by its last name and its directory's hash in the
 * TL_PATH that reports that. Records that follow hold the hash alone. "names" is a path as the kernel walked it:
 * the names from the last one up to the root, each ended by NUL. No names at all: the root itself.
 */
#ifndef TREADLINE_BPF_EVENTS_H
#define TREADLINE_BPF_EVENTS_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum tl_kind {
	TL_FORK = 1,
	TL_EXEC = 2,
	TL_EXIT = 3,
	TL_PATH = 4,
	TL_SOCKET = 5,
	TL_SYSCALLS = 6,
	TL_ENVIRONMENT = 7,
	TL_NAME = 8,
	TL_ANSWER = 9,
	TL_GETENV = 10,
	TL_OTHER_TASK = 11,
	TL_REPEATS = 12,
};

/* What was done to a path, an address or another task. */
enum tl_op {
	TL_OPEN = 1,
	TL_UNLINK = 2,
	TL_RMDIR = 3,
	TL_MKDIR = 4,
	TL_MKNOD = 5,
	TL_SYMLINK = 6,
	TL_LINK_OLD = 7,
	TL_LINK_NEW = 8,
	TL_RENAME_OLD = 9,
	TL_RENAME_NEW = 10,
	TL_TRUNCATE = 11,
	TL_ATTRIBUTES = 12, /* mode, owner, times, extended attributes */
	TL_CHDIR = 13,
	TL_EXECUTE = 14, /* only failed ones; successes are TL_EXEC */
	TL_LOAD = 15, /* mapped to be executed */
	TL_STAT = 16, /* existence or metadata looked at, a link read */
	TL_INHERIT = 17, /* open when the command started; `detail` is its number */
	/* Sockets. */
	TL_CONNECT = 32,
	TL_BIND = 33,
	TL_LISTEN = 34,
	TL_SEND = 35,
	/* Tasks. */
	TL_SIGNAL = 48,
	TL_PTRACE = 49,
};

/* Why something was not recorded; index into the loss map. */
enum tl_loss {
	TL_LOSS_RING_FULL = 0,
	TL_LOSS_PATH_TOO_DEEP = 1,
	TL_LOSS_USER_MEMORY = 2,
	TL_LOSS_NO_STORAGE = 3,
	TL_LOSS_OTHER_USER = 4,
	TL_LOSS_COMPAT = 5,
	TL_LOSS_IO_URING = 6,
	TL_LOSS_NO_DESCRIPTOR = 7,
	TL_LOSS_MANY_MESSAGES = 8,
	TL_LOSS_ENVIRONMENT = 9,
	TL_LOSS_NESTED = 10,
	TL_LOSS_REQUESTS = 11, /* of io_uring: no room to follow them, or they tell no result */
	TL_LOSS_COUNT = 12,
};

#define TL_SYSCALL_WORDS 8	     /* 64 system calls each */
#define TL_TEXT_MAX 4096	     /* PATH_MAX */
#define TL_ADDRESS_MAX 128	     /* sizeof(struct sockaddr_storage) */
#define TL_IMAGE_CANARY (1ULL << 63) /* this process image belongs to the collector's own check */

struct tl_header {
	__u16 size;	/* bytes, this header and the variable parts included */
	__u16 kind;	/* enum tl_kind */
	__u32 sequence; /* of this processor; one that never arrives was lost and counted */
	__u64 time_ns;	/* CLOCK_MONOTONIC */
	__u64 image;	/* process image: one for each fork and each exec, never used twice */
	__u32 pid;	/* thread group, initial pid namespace */
	__u32 tid;	/* thread, initial pid namespace */
	__u32 cpu;	/* processor that sent it */
	__u32 pad;	/* 0 */
};

struct tl_name {
	struct tl_header header; /* image: the first that met it */
	__u64 object;		 /* hash that stands for the path */
	__u16 names_size;	 /* bytes */
	__u16 pad[3];		 /* 0 */
};

struct tl_fork {
	struct tl_header header; /* image: the parent's */
	__u64 child_image;
	__u32 child_pid;
	__u32 pad; /* 0 */
};

#define TL_EXEC_FIRST 1	      /* nothing of the tree has executed before in this line of processes */
#define TL_EXEC_INTERPRETED 2 /* `filename` was handed to an interpreter, which `program` is */
#define TL_EXEC_UNREACHABLE 4 /* the program has no path: memfd and the like */
#define TL_EXEC_OTHER_USER 8  /* the program now runs as another user (set-user-id) */
#define TL_EXEC_HIDDEN 16     /* executed by another user's process: neither program nor arguments are told */
#define TL_EXEC_PROC 32	      /* as TL_PATH_PROC, of `filename` */

struct tl_exec {
	struct tl_header header; /* image: the new one */
	__u64 previous_image;	 /* 0 for the first */
	__u64 program;		 /* hash of the path of the running program; 0: it has none, or is not told */
	__u64 base;		 /* only if interpreted: as in tl_path */
	__u64 root;		 /* as in tl_path */
	__u32 flags;		 /* TL_EXEC_* */
	__u16 name_size;	 /* bytes without NUL: name of a program without a path */
	__u16 filename_size;	 /* bytes without NUL: as given to execve; only if interpreted */
	__u16 argv_size;	 /* bytes: arguments, each ended by NUL, cut off after TL_TEXT_MAX - 1 */
	__u16 pad;		 /* 0 */
	__u32 mounts;		 /* as in tl_path */
};

struct tl_exit {
	struct tl_header header;
	__s32 status;	  /* as wait(2) reports it */
	__u32 peak_pages; /* the most memory it held at any time; 0 if unknown */
	__u64 cpu_ns;	  /* processor time of all its threads */
};

#define TL_PATH_RESOLVED 1 /* `object` is a path's hash */
#define TL_PATH_DELETED 2  /* the object had lost its name when it was looked at */
#define TL_PATH_FOLLOW 4   /* the call follows a symbolic link in the last component */
#define TL_PATH_TEXT 8	   /* `text` holds the argument */
#define TL_PATH_PROC 16	   /* `base` is where the start of `text` leads, which names a descriptor or directory of
			    * a process: {cwd,root,exe,fd/N} in /proc/self, /proc/thread-self, /proc/PID or
			    * task/TID in these; /dev/fd/N, /dev/std{in,out,err} */

/* What `detail` of an opened file holds beside the operation. */
#define TL_OPENED_READ 0x100
#define TL_OPENED_WRITE 0x200
#define TL_OPENED_CREATED 0x400
#define TL_OPENED_DIRECTORY 0x800
#define TL_OPENED_DELETED 0x1000
#define TL_OPENED_WOULD_CREATE 0x2000 /* asked to make what was there already */

struct tl_path {
	struct tl_header header;
	__u64 object;	  /* with image, detail and result what makes this access a distinct one */
	__u64 base;	  /* hash of the directory that `text` starts from; 0: none, `text` starts at the root */
	__u64 root;	  /* hash of what "/" is to the process; 0: what it is to the run's first program */
	__u64 directory;  /* hash of the directory that `name` lies in, which names the object; 0: it was named before */
	__s32 result;	  /* 0 or errno */
	__u16 op;	  /* enum tl_op */
	__u8 flags;	  /* TL_PATH_* */
	__u8 name_size;	  /* bytes without NUL: the object's last name */
	__u32 call_flags; /* the call's own flags argument, or the open flags */
	__u32 detail;	  /* see object; of an opened file, TL_OPENED_* */
	__u16 inode_mode; /* S_IF* and permissions of the object; 0 if unknown */
	__u16 text_size;  /* bytes without NUL: the path argument */
	__u32 mounts;	  /* mount namespace that `text` means something in; 0: that of the run's first program */
};

struct tl_socket {
	struct tl_header header;
	__u64 object;	    /* as in tl_path */
	__u64 base;	    /* of a UNIX path: as in tl_path */
	__u64 root;	    /* as in tl_path */
	__s32 result;	    /* 0 or errno */
	__u32 detail;	    /* see object */
	__u16 op;	    /* TL_CONNECT, TL_BIND, TL_LISTEN or TL_SEND */
	__u16 family;	    /* AF_*, of the socket */
	__u16 type;	    /* SOCK_* */
	__u16 protocol;	    /* IPPROTO_*, or the family's own numbers */
	__u16 address_size; /* bytes: a struct sockaddr */
	__u16 flags;	    /* TL_PATH_PROC */
	__u32 mounts;	    /* as in tl_path */
};

#define TL_OTHER_TASK_NAMESPACE 1 /* `other_pid` is a number of the caller's pid namespace, not of the initial one */

struct tl_other_task {
	struct tl_header header;
	__u64 object;	 /* as in tl_path */
	__s32 result;	 /* 0 or errno */
	__u32 detail;	 /* see object */
	__u32 other_pid; /* thread group (of a signal) or thread, initial pid namespace unless flags say otherwise */
	__u32 number;	 /* of the signal, or the ptrace request; 0 for other calls */
	__u16 op;	 /* TL_SIGNAL or TL_PTRACE */
	__u16 flags;	 /* TL_OTHER_TASK_* */
	char comm[16];	 /* name of the other task's main thread; "" if not known */
	__u32 pad;	 /* 0 */
};

/*
 * Accesses that were reported, so that each is reported once and then counted. A line of the processor's cache holds
 * TL_SEEN_WAYS of them; each has its count in another table, at the same place.
 */
#define TL_SEEN_WAYS 8
#define TL_SEEN_LINES (8 * 1024)
#define TL_SEEN_COUNTED 1ULL /* in an access: it has a count */

struct tl_seen_line {
	__u64 accesses[TL_SEEN_WAYS]; /* tl_access_hash(); 0: empty */
};

struct tl_repeat_count {
	__u64 repeats; /* beyond the one that was reported */
	__u64 last_ns; /* CLOCK_MONOTONIC of the last one */
};

struct tl_repeat_counts { /* of a line */
	struct tl_repeat_count ways[TL_SEEN_WAYS];
};

static inline __attribute__((always_inline)) __u64 tl_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/* Of what makes an access a distinct one; `object` is a hash with a secret seed, as in tl_path. */
static inline __attribute__((always_inline)) __u64 tl_access_hash(__u64 image, __u64 object, __u32 detail, __s32 result)
{
	return tl_mix(tl_mix(object, image), (__u64)detail << 32 | (__u32)result) & ~TL_SEEN_COUNTED;
}

struct tl_repeats { /* of an access that makes room for another one in the table of those seen */
	struct tl_header header; /* image: of whoever takes its place */
	__u64 access;		 /* tl_access_hash() */
	struct tl_repeat_count count;
};

struct tl_syscalls {
	struct tl_header header;
	__u64 words[TL_SYSCALL_WORDS]; /* bit n % 64 of word n / 64: system call n was made */
};

struct tl_environment {
	struct tl_header header;
	__u32 names_size; /* bytes: names, each ended by NUL; never values */
	__u32 pad;	  /* 0 */
};

struct tl_getenv { /* the first time a process image asks the C library for a variable */
	struct tl_header header;
	__u32 name_size; /* bytes without NUL */
	__u32 pad;	 /* 0 */
};

enum tl_protocol {
	TL_PROTOCOL_DNS_DATAGRAM = 1,
	TL_PROTOCOL_DNS_STREAM = 2,
	TL_PROTOCOL_VARLINK = 3, /* systemd-resolved's socket */
};

#define TL_ANSWER_SENT 1 /* to the resolver; otherwise from it */
#define TL_ANSWER_CUT 2	 /* more bytes passed than are here */
#define TL_ANSWER_MAX 4095

struct tl_answer { /* what passed between the tree and a resolver */
	struct tl_header header;
	__u64 socket;	  /* a hash that tells sockets apart */
	__u16 protocol;	  /* enum tl_protocol */
	__u16 flags;	  /* TL_ANSWER_* */
	__u32 bytes_size; /* bytes: a datagram, or a piece of the stream */
};

/* Maps that the collector reads or writes. */

#define TL_TASK_WAITING 1 /* held until it executes the command: what it does before is not the command's */
#define TL_TASK_CANARY 2
#define TL_TASK_OTHER_USER 4 /* runs as another user: what it does is not its caller's to see */

/* What a security hook saw of the system call that is being made: the object itself, before it changes. */
struct tl_pending {
	__u64 object; /* hash of the path; 0: none */
	__u16 op;     /* enum tl_op */
	__u16 mode;   /* S_IF* and permissions; 0: does not exist yet */
	__u32 deleted;	/* has no name of its own: O_TMPFILE */
};

/* A system call that has returned. */
struct tl_finished_call {
	__u64 args[6];
	__s64 result; /* negative errno */
	__u64 image;
	__u32 number; /* below TL_CALLS */
	__u32 pad;    /* 0 */
};

struct tl_task {     /* task storage of each followed thread */
	__u64 image; /* 0 while waiting */
	__u32 flags; /* TL_TASK_* */
	__u32 pad;   /* 0 */
	__u64 calls[TL_SYSCALL_WORDS];
	/* What hooks were shown for one call; only the `lsm` probe set fills these in. */
	__u64 shown_to; /* says which call; 0: it has returned */
	struct tl_pending pending[2];
	__u16 address_op;	      /* operation `address` belongs to; 0: none */
	__u16 address_size;
	__u32 pad2; /* 0 */
	__u8 address[TL_ADDRESS_MAX];
	struct tl_finished_call call; /* here, because the stack is small */
};

/* How a system call names what it works on; filled in by the collector, indexed by system call number. */
enum tl_family {
	TL_FAMILY_NONE = 0,
	TL_FAMILY_OPEN = 1,
	TL_FAMILY_PATH = 2,
	TL_FAMILY_SOCKET = 3,
	TL_FAMILY_EXEC = 4,
	TL_FAMILY_IO_URING = 5,
	TL_FAMILY_PTRACE = 6,
	TL_FAMILY_TRAFFIC = 7, /* only bytes pass: see TL_TRAFFIC_* */
	TL_FAMILY_MAP = 8,     /* arguments 2 and 3: PROT_* and MAP_* */
	TL_FAMILY_FORK = 9,    /* returns twice, 0 in the child */
};

#define TL_CALL_FOLLOW 1
#define TL_CALL_OPEN_HOW 2  /* the flags argument points to a struct open_how */
#define TL_CALL_HANDLE 4    /* opens by file handle: no path argument */
#define TL_CALL_MESSAGE 8   /* the argument is a struct msghdr */
#define TL_CALL_MESSAGES 16 /* an array of struct mmsghdr */
#define TL_CALL_CREAT 32

/* How a call passes bytes through the socket that is its first argument. */
#define TL_TRAFFIC_RECEIVES 1
#define TL_TRAFFIC_BUFFER 2	/* arguments 1 and 2: address and size */
#define TL_TRAFFIC_VECTOR 4	/* arguments 1 and 2: an array of struct iovec and their number */
#define TL_TRAFFIC_MESSAGE 8	/* argument 1: a struct msghdr */
#define TL_TRAFFIC_MESSAGES 16	/* argument 1: an array of struct mmsghdr */
#define TL_TRAFFIC_ADDRESSED 32 /* may name the receiver */
#define TL_TRAFFIC_CONNECTS 64	/* passes nothing, but makes the socket one to a resolver */

struct tl_call {
	__u8 family; /* enum tl_family */
	__u8 flags;  /* TL_CALL_* */
	__u8 op;     /* enum tl_op */
	__u8 op2;    /* of a second path; 0 if there is none */
	__s8 fd;     /* argument index of the directory or object descriptor; -1: the working directory */
	__s8 path;   /* argument index of the path; -1: the descriptor is the object */
	__s8 fd2;
	__s8 path2;
	__s8 call_flags;    /* argument index; -1: none */
	__s8 traffic_flags; /* argument index of MSG_*; -1: none */
	__u8 traffic;	    /* TL_TRAFFIC_* */
	__u8 pad[5];
};

#define TL_CALLS 512

#endif
