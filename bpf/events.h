/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The wire format between the probes and the collector. Plain C, included by both.
 *
 * A record is a fixed struct that starts with tl_header, followed by its variable parts in the order of their
 * size fields, unpadded. Numbers never change their meaning; a new meaning gets a new number.
 *
 * "names" is a resolved path as the kernel walked it: the names from the last one up to the root, each ended
 * by NUL. No names at all: the root itself.
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
};

/* What was done to a path. */
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
	/* Sockets. */
	TL_CONNECT = 32,
	TL_BIND = 33,
	TL_LISTEN = 34,
	TL_SEND = 35,
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
	TL_LOSS_COUNT = 10,
};

#define TL_SYSCALL_WORDS 8	     /* 64 system calls each */
#define TL_TEXT_MAX 4096	     /* PATH_MAX */
#define TL_ADDRESS_MAX 128	     /* sizeof(struct sockaddr_storage) */
#define TL_IMAGE_CANARY (1ULL << 63) /* this process image belongs to the collector's own check */

struct tl_header {
	__u32 size;    /* bytes, this header and the variable parts included */
	__u16 kind;    /* enum tl_kind */
	__u16 pad;     /* 0 */
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 image;   /* process image: one for each fork and each exec, never used twice */
	__u32 pid;     /* thread group, initial pid namespace */
	__u32 tid;     /* thread, initial pid namespace */
};

struct tl_fork {
	struct tl_header header; /* image: the parent's */
	__u64 child_image;
	__u32 child_pid;
	__u32 pad; /* 0 */
};

#define TL_EXEC_FIRST 1	      /* nothing of the tree has executed before in this line of processes */
#define TL_EXEC_INTERPRETED 2 /* `filename` was handed to an interpreter, which `names` is */
#define TL_EXEC_UNREACHABLE 4 /* the program has no path: memfd and the like */
#define TL_EXEC_OTHER_USER 8  /* the program now runs as another user (set-user-id) */
#define TL_EXEC_HIDDEN 16     /* executed by another user's process: neither program nor arguments are told */

struct tl_exec {
	struct tl_header header; /* image: the new one */
	__u64 previous_image;	 /* 0 for the first */
	__u32 flags;		 /* TL_EXEC_* */
	__u16 names_size;	 /* bytes: path of the running program */
	__u16 base_size;	 /* bytes: names of the working directory; only if interpreted and relative */
	__u16 filename_size;	 /* bytes without NUL: as given to execve; only if interpreted */
	__u16 argv_size;	 /* bytes: arguments, each ended by NUL, cut off after TL_TEXT_MAX - 1 */
	__u32 pad;		 /* 0 */
};

struct tl_exit {
	struct tl_header header;
	__s32 status; /* as wait(2) reports it */
	__u32 pad;    /* 0 */
};

#define TL_PATH_RESOLVED 1 /* `names` is the object */
#define TL_PATH_DELETED 2  /* the object had lost its name when it was looked at */
#define TL_PATH_FOLLOW 4   /* the call follows a symbolic link in the last component */
#define TL_PATH_TEXT 8	   /* `text` holds the argument */

struct tl_path {
	struct tl_header header;
	__u64 object;	  /* hash: with image, detail and result the key of this access in the seen map */
	__s32 result;	  /* 0 or errno */
	__u16 op;	  /* enum tl_op */
	__u16 flags;	  /* TL_PATH_* */
	__u32 call_flags; /* the call's own flags argument, or the open flags */
	__u32 file_mode;  /* FMODE_* of the opened file; 0 if none */
	__u32 inode_mode; /* S_IF* and permissions of the object; 0 if unknown */
	__u32 detail;	  /* see object */
	__u16 names_size; /* bytes: the object, if resolved */
	__u16 base_size;  /* bytes: names of the directory that a relative `text` starts from */
	__u16 text_size;  /* bytes without NUL: the path argument */
	__u16 pad;	  /* 0 */
};

struct tl_socket {
	struct tl_header header;
	__u64 object;	    /* as in tl_path */
	__s32 result;	    /* 0 or errno */
	__u32 detail;	    /* see object */
	__u16 op;	    /* TL_CONNECT, TL_BIND, TL_LISTEN or TL_SEND */
	__u16 family;	    /* AF_*, of the socket */
	__u16 type;	    /* SOCK_* */
	__u16 protocol;	    /* IPPROTO_*, or the family's own numbers */
	__u16 address_size; /* bytes: a struct sockaddr */
	__u16 base_size;    /* bytes: names of the working directory, for a relative UNIX path */
	__u32 pad;	    /* 0 */
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

/* Maps that the collector reads or writes. */

#define TL_TASK_WAITING 1 /* held until it executes the command: what it does before is not the command's */
#define TL_TASK_CANARY 2
#define TL_TASK_OTHER_USER 4 /* runs as another user: what it does is not its caller's to see */

struct tl_task {     /* task storage of each followed thread */
	__u64 image; /* 0 while waiting */
	__u32 flags; /* TL_TASK_* */
	__u32 pad;   /* 0 */
	__u64 calls[TL_SYSCALL_WORDS];
};

struct tl_seen_key {
	__u64 image;
	__u64 object;
	__u32 detail; /* op | 0x100 read | 0x200 write | 0x400 created | 0x800 directory | ... */
	__s32 result;
};

struct tl_seen {
	__u64 repeats; /* beyond the one that was reported */
	__u64 last_ns; /* CLOCK_MONOTONIC */
};

/* How a system call names what it works on; filled in by the collector, indexed by system call number. */
enum tl_family {
	TL_FAMILY_NONE = 0,
	TL_FAMILY_OPEN = 1,
	TL_FAMILY_PATH = 2,
	TL_FAMILY_SOCKET = 3,
	TL_FAMILY_EXEC = 4,
	TL_FAMILY_IO_URING = 5,
};

#define TL_CALL_FOLLOW 1
#define TL_CALL_OPEN_HOW 2  /* the flags argument points to a struct open_how */
#define TL_CALL_HANDLE 4    /* opens by file handle: no path argument */
#define TL_CALL_MESSAGE 8   /* the argument is a struct msghdr */
#define TL_CALL_MESSAGES 16 /* an array of struct mmsghdr */
#define TL_CALL_CREAT 32

struct tl_call {
	__u8 family; /* enum tl_family */
	__u8 flags;  /* TL_CALL_* */
	__u8 op;     /* enum tl_op */
	__u8 op2;    /* of a second path; 0 if there is none */
	__s8 fd;     /* argument index of the directory or object descriptor; -1: the working directory */
	__s8 path;   /* argument index of the path; -1: the descriptor is the object */
	__s8 fd2;
	__s8 path2;
	__s8 call_flags; /* argument index; -1: none */
	__u8 pad[7];
};

#define TL_CALLS 512

#endif
