/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * io_uring: operations that are no system calls. What a request asks for is noted when it is submitted, from
 * the kernel's own copy, with the place its paths start from (io_uring_submit.bpf.c); it is reported when its
 * result is known, which another task may bring: a worker, or the thread that polls the ring
 * (io_uring_complete.bpf.c). What passes bytes or waits is no access here either.
 */
#ifndef TREADLINE_IO_URING_BPF_H
#define TREADLINE_IO_URING_BPF_H

#include "access.bpf.h"
#include "start.bpf.h"
#include "io_uring_types.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000

/* Under way at once, of operations that are accesses. */
#define REQUESTS_MAX 4096
#define LONG_TEXTS_MAX 128
#define SHORT_TEXT 256

enum form_kind { FORM_NO_ACCESS = 0, FORM_OPEN, FORM_PATH, FORM_FILE, FORM_CONTACT, FORM_UNSEEN };

/* What an operation does, as struct tl_call has it for system calls. */
struct form {
	u8 kind;
	u8 op;
	u8 op2;
	u8 flags; /* TL_PATH_* */
};

static const struct form forms[] = {
    [IORING_OP_SENDMSG] = {.kind = FORM_CONTACT, .op = TL_SEND},
    [IORING_OP_CONNECT] = {.kind = FORM_CONTACT, .op = TL_CONNECT},
    [IORING_OP_OPENAT] = {.kind = FORM_OPEN, .op = TL_OPEN},
    [IORING_OP_STATX] = {.kind = FORM_PATH, .op = TL_STAT, .flags = TL_PATH_FOLLOW},
    [IORING_OP_SEND] = {.kind = FORM_CONTACT, .op = TL_SEND},
    [IORING_OP_OPENAT2] = {.kind = FORM_OPEN, .op = TL_OPEN},
    [IORING_OP_RENAMEAT] = {.kind = FORM_PATH, .op = TL_RENAME_OLD, .op2 = TL_RENAME_NEW},
    [IORING_OP_UNLINKAT] = {.kind = FORM_PATH, .op = TL_UNLINK},
    [IORING_OP_MKDIRAT] = {.kind = FORM_PATH, .op = TL_MKDIR},
    [IORING_OP_SYMLINKAT] = {.kind = FORM_PATH, .op = TL_SYMLINK},
    [IORING_OP_LINKAT] = {.kind = FORM_PATH, .op = TL_LINK_OLD, .op2 = TL_LINK_NEW},
    [IORING_OP_FSETXATTR] = {.kind = FORM_FILE, .op = TL_ATTRIBUTES},
    [IORING_OP_SETXATTR] = {.kind = FORM_PATH, .op = TL_ATTRIBUTES, .flags = TL_PATH_FOLLOW},
    [IORING_OP_GETXATTR] = {.kind = FORM_PATH, .op = TL_STAT, .flags = TL_PATH_FOLLOW},
    [IORING_OP_URING_CMD] = {.kind = FORM_UNSEEN},
    [IORING_OP_SEND_ZC] = {.kind = FORM_CONTACT, .op = TL_SEND},
    [IORING_OP_SENDMSG_ZC] = {.kind = FORM_CONTACT, .op = TL_SEND},
    [IORING_OP_FTRUNCATE] = {.kind = FORM_FILE, .op = TL_TRUNCATE},
    [IORING_OP_BIND] = {.kind = FORM_CONTACT, .op = TL_BIND},
    [IORING_OP_LISTEN] = {.kind = FORM_CONTACT, .op = TL_LISTEN},
    [IORING_OP_PIPE] = {.kind = FORM_NO_ACCESS}, /* the last one that is known here */
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

static __always_inline enum form_kind kind_of(u32 opcode)
{
	return opcode < FORMS ? forms[opcode].kind : FORM_UNSEEN;
}

/* Of an operation that is known. */
static __always_inline const struct form *form_of(u32 opcode) { return &forms[opcode < FORMS ? opcode : 0]; }

/* A path or an address, as it was when its request was submitted. */
struct noted {
	struct start start;
	u64 object; /* hash of what it names, where that is a descriptor's file or the working directory; else
		       0 */
	u32 mode, deleted; /* of the object */
	u32 text_size;
	u32 pad;
	char text[SHORT_TEXT]; /* one that does not fit is in long_texts */
};

struct request {
	u64 image;
	u64 files; /* the descriptors that it works with */
	u64 ring;
	u64 key; /* its own, as a number: functions that are verified by themselves take no pointer for one */
	u32 opcode;
	u32 call_flags;
	u32 file_slot; /* the ring's own place for an opened file, 1 for the first, all ones for any; 0: none
			*/
	u32 silent;    /* its success is told to nobody */
	struct noted names[2];
};

/* By the address of the kernel's struct io_kiocb. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUESTS_MAX);
	__type(key, u64);
	__type(value, struct request);
} requests SEC(".maps") __weak;

struct long_text {
	char text[TL_TEXT_MAX];
};

/* By the same address, and one more for the second text. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LONG_TEXTS_MAX);
	__type(key, u64);
	__type(value, struct long_text);
} long_texts SEC(".maps") __weak;

/* How many are under way that tell their end to nobody. */
extern __u32 silent_requests;

/* Verified by itself: reports what a request did, by its address as a number. */
int report_request(u64 req, s32 result);

static __noinline int forget_request(u64 req)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);
	u64 second = req + 1;

	if (r && r->silent)
		__sync_fetch_and_add(&silent_requests, -1);
	bpf_map_delete_elem(&long_texts, &req);
	bpf_map_delete_elem(&long_texts, &second);
	bpf_map_delete_elem(&requests, &req);
	return 0;
}

/* What a place of the ring's own table holds. */
static __noinline u64 fixed_file(u64 req, u32 slot)
{
	struct io_ring_ctx *ring = BPF_CORE_READ((struct io_kiocb *)req, ctx);
	struct io_rsrc_node *node = NULL, **nodes;
	unsigned long file = 0, *files;

	if (bpf_core_field_exists(((struct io_file_table___old *)0)->files)) {
		files = BPF_CORE_READ((struct io_ring_ctx___old *)ring, file_table.files);
		bpf_probe_read_kernel(&file, sizeof(file), files + slot);
	} else {
		nodes = BPF_CORE_READ(ring, file_table.data.nodes);
		bpf_probe_read_kernel(&node, sizeof(node), nodes + slot);
		if (node)
			file = BPF_CORE_READ(node, file_ptr);
	}
	return file & ~7UL; /* the rest are flags */
}

static __always_inline struct sock *sock_of(struct file *file)
{
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline bool is_by_name(struct request *r)
{
	enum form_kind kind = kind_of(r->opcode);

	return kind == FORM_OPEN || kind == FORM_PATH;
}

struct search {
	u64 ring; /* whose queue of results was full; 0: any ring, and requests that tell no result */
	u64 user_data;
	s32 result;
	u32 pad;
	u64 found; /* no more, for want of stack; 0: none */
};

/* Finds requests that have ended: the texts of those by name are given back as soon as they have been used.
 */
static long find_ended(void *map, u64 *key, struct request *r, struct search *search)
{
	struct io_kiocb *req = (struct io_kiocb *)*key;

	if ((search->ring ? search->ring != r->ring : !r->silent) || (u64)BPF_CORE_READ(req, ctx) != r->ring)
		return 0;
	if (is_by_name(r) ? BPF_CORE_READ(req, flags) & REQ_F_NEED_CLEANUP
			  : BPF_CORE_READ(req, cqe.user_data) != search->user_data ||
				BPF_CORE_READ(req, cqe.res) != search->result)
		return 0;
	search->found = *key;
	return 1;
}

#define SOME_ENDED 8 /* where it is looked again soon: each is a step of the verifier's, too */
#define MOST_ENDED 32

static __always_inline void report_ended(struct search *search, u32 most)
{
	u64 req;

	for (u32 round = 0; round < most; round++) {
		search->found = 0;
		bpf_for_each_map_elem(&requests, find_ended, search, 0);
		req = search->found;
		if (!req)
			return;
		report_request(req, BPF_CORE_READ((struct io_kiocb *)req, cqe.res));
		forget_request(req);
	}
}

/* IOSQE_CQE_SKIP_SUCCESS: nobody is told that such a request has ended, so that is looked for. */
static __always_inline void report_silent(u32 most)
{
	struct search search = {};

	if (silent_requests)
		report_ended(&search, most);
}

#endif
