/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the probes of io_uring look at, by hand as in vmlinux.h, and the operations by their numbers, which
 * are ABI. Only types that all kernels have: where one is missing, libbpf looks among the modules, and may
 * not.
 */
#ifndef TREADLINE_IO_URING_TYPES_H
#define TREADLINE_IO_URING_TYPES_H

#include "vmlinux.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct filename {
	const char *name;
};

/* What holds a path's copy since Linux 7.0, until the request is carried out. */
struct delayed_filename {
	struct filename *__incomplete_filename;
};

struct io_cqe {
	u64 user_data;
	s32 res;
	int fd; /* until the request is carried out */
};

struct io_rsrc_node {
	unsigned long file_ptr;
};

struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
};

struct io_file_table {
	struct io_rsrc_data data;
};

struct io_file_table___old {  /* until Linux 6.13 */
	unsigned long *files; /* a struct around each */
};

struct io_ring_ctx {
	unsigned int flags;
	struct io_file_table file_table;
};

struct io_ring_ctx___old {
	struct io_file_table___old file_table;
	unsigned int nr_user_files;
};

struct io_kiocb {
	struct file *file;
	u8 opcode;
	u32 flags; /* the lower half of them */
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
	void *async_data;
};

/* What lies at the start of a struct io_kiocb, by its operation. */
struct open_how {
	u64 flags;
};
struct io_open {
	int dfd;
	u32 file_slot;
	struct filename *filename;
	struct open_how how;
};
struct io_open___delayed {
	struct delayed_filename filename;
};
struct io_rename {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};
struct io_rename___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};
struct io_unlink {
	int dfd;
	int flags;
	struct filename *filename;
};
struct io_unlink___delayed {
	struct delayed_filename filename;
};
struct io_mkdir {
	int dfd;
	struct filename *filename;
};
struct io_mkdir___delayed {
	struct delayed_filename filename;
};
struct io_link {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};
struct io_link___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};
struct io_statx {
	int dfd;
	unsigned int flags;
	struct filename *filename;
};
struct io_statx___delayed {
	struct delayed_filename filename;
};
struct io_xattr {
	struct filename *filename;
};
struct io_xattr___delayed {
	struct delayed_filename filename;
};
struct io_connect {
	void *addr;
	int addr_len;
	bool in_progress;
};
struct io_sr_msg {
	void *umsg;
	unsigned int msg_flags;
};
struct io_sr_msg___old {
	u16 addr_len;
	void *addr;
};
struct io_async_msghdr {
	int free_iov_nr; /* Linux 6.10 */
	struct msghdr msg;
	struct sockaddr_un addr; /* of any family */
};
struct io_async_msghdr___vec { /* Linux 6.15 */
	struct {
		u32 nr; /* clang 19 cannot look at a field that has nothing in it */
	} vec;
};

#pragma clang attribute pop

/*
 * Not relocated: Linux 6.1 has no such type, and without CAP_SYS_ADMIN libbpf cannot make sure of that.
 * It holds nothing else.
 */
struct io_bind {
	struct file *file;
	int addr_len;
};

#define IORING_SETUP_SQPOLL 2
#define REQ_F_FIXED_FILE 1
#define REQ_F_CQE_SKIP (1 << 6)
#define REQ_F_NEED_CLEANUP (1 << 13)

enum io_uring_op {
	IORING_OP_SENDMSG = 9,
	IORING_OP_CONNECT = 16,
	IORING_OP_OPENAT = 18,
	IORING_OP_STATX = 21,
	IORING_OP_SEND = 26,
	IORING_OP_OPENAT2 = 28,
	IORING_OP_RENAMEAT = 35,
	IORING_OP_UNLINKAT = 36,
	IORING_OP_MKDIRAT = 37,
	IORING_OP_SYMLINKAT = 38,
	IORING_OP_LINKAT = 39,
	IORING_OP_FSETXATTR = 41,
	IORING_OP_SETXATTR = 42,
	IORING_OP_GETXATTR = 44,
	IORING_OP_URING_CMD = 46,
	IORING_OP_SEND_ZC = 47,
	IORING_OP_SENDMSG_ZC = 48,
	IORING_OP_FTRUNCATE = 55,
	IORING_OP_BIND = 56,
	IORING_OP_LISTEN = 57,
	IORING_OP_PIPE = 62,
};

#endif
