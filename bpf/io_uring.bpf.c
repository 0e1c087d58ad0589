// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * io_uring: operations that are no system calls. What a request asks for is noted when it is submitted, from
 * the kernel's own copy, with the place its paths start from; it is reported when its result is known, which
 * another task may bring: a worker, or the thread that polls the ring. What passes bytes or waits is no
 * access here either.
 */
#include "access.bpf.h"
#include "start.bpf.h"
#include "io_uring_types.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define AF_UNIX 1
#define AF_MAX 64 /* and some more */
#define EFAULT 14
#define EINPROGRESS 115
#define ECANCELED 125
#if defined(__TARGET_ARCH_arm64)
#define O_LARGEFILE 0400000
#else
#define O_LARGEFILE 0100000
#endif

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
} requests SEC(".maps");

struct long_text {
	char text[TL_TEXT_MAX];
};

/* By the same address, and one more for the second text. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LONG_TEXTS_MAX);
	__type(key, u64);
	__type(value, struct long_text);
} long_texts SEC(".maps");

static const struct request no_request;

/* How many are under way that tell their end to nobody. */
__u32 silent_requests = 0;

/* Requests of operations that are not known here, by operation. */
__u64 io_uring_unseen[256] = {};

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

/* What s->text and s->start hold. */
static __noinline int keep_noted(struct scratch *s, u64 req, u32 index)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);
	u64 key = req + (index & 1);
	struct noted *noted;

	if (!r)
		return 0;
	noted = &r->names[index & 1];
	__builtin_memcpy(&noted->start, &s->start, sizeof(noted->start));
	noted->text_size = s->text_size;
	bpf_probe_read_kernel(noted->text, SHORT_TEXT, s->text);
	if (s->text_size >= SHORT_TEXT && bpf_map_update_elem(&long_texts, &key, s->text, BPF_ANY)) {
		count_loss(TL_LOSS_REQUESTS);
		forget_request(req);
	}
	return 0;
}

/* One path of the request; `n` says what it is. */
static __noinline int note_path(struct scratch *s, u64 req, u32 index, struct named *n)
{
	struct request *r;
	struct noted *noted;
	struct dentry *dentry;
	struct start *start = &s->start;

	__builtin_memset(start, 0, sizeof(*start));
	if (!n->address || !read_text(s, n->address, true))
		return 0;
	if (s->text_size) {
		find_start(s, 0, n->fd, n->image, follows(n));
	} else { /* AT_EMPTY_PATH */
		base_of(n->fd, &start->mnt, &start->dentry);
		start->whole = 1;
		if (start->dentry && !has_no_path(start->dentry))
			start->base = name_path(s, start->mnt, start->dentry, n->image);
	}
	keep_noted(s, req, index);
	r = bpf_map_lookup_elem(&requests, &req);
	if (!r || !start->whole || !start->dentry)
		return 0;
	noted = &r->names[index & 1];
	dentry = (struct dentry *)start->dentry;
	noted->object = start->base;
	noted->mode = BPF_CORE_READ(dentry, d_inode, i_mode);
	noted->deleted = is_deleted(start->dentry);
	return 0;
}

static __noinline int note_open(struct scratch *s, u64 req, struct named *n)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);
	struct io_open *open = (struct io_open *)req;

	if (!r)
		return 0;
	r->file_slot = BPF_CORE_READ(open, file_slot);
	n->call_flags = r->call_flags =
	    BPF_CORE_READ(open, how.flags) & ~(u64)O_LARGEFILE; /* the kernel's own */
	n->fd = BPF_CORE_READ(open, dfd);
	n->address = (u64)BPF_CORE_READ(open, filename, name);
	return note_path(s, req, 0, n);
}

/* The second path of those that have two. */
static __noinline int note_second(struct scratch *s, u64 req, u32 opcode, struct named *n)
{
	if (opcode == IORING_OP_RENAMEAT) {
		n->fd = BPF_CORE_READ((struct io_rename *)req, new_dfd);
		n->address = (u64)BPF_CORE_READ((struct io_rename *)req, newpath, name);
	} else {
		n->fd = BPF_CORE_READ((struct io_link *)req, new_dfd);
		n->address = (u64)BPF_CORE_READ((struct io_link *)req, newpath, name);
	}
	return note_path(s, req, 1, n);
}

static __noinline int note_paths(struct scratch *s, u64 req, u32 opcode, struct named *n)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);

	if (!r)
		return 0;
	n->fd = AT_FDCWD;
	switch (opcode) {
	case IORING_OP_UNLINKAT:
		n->fd = BPF_CORE_READ((struct io_unlink *)req, dfd);
		n->call_flags = BPF_CORE_READ((struct io_unlink *)req, flags);
		n->address = (u64)BPF_CORE_READ((struct io_unlink *)req, filename, name);
		break;
	case IORING_OP_MKDIRAT:
		n->fd = BPF_CORE_READ((struct io_mkdir *)req, dfd);
		n->address = (u64)BPF_CORE_READ((struct io_mkdir *)req, filename, name);
		break;
	case IORING_OP_STATX:
		n->fd = BPF_CORE_READ((struct io_statx *)req, dfd);
		n->call_flags = BPF_CORE_READ((struct io_statx *)req, flags);
		n->address = (u64)BPF_CORE_READ((struct io_statx *)req, filename, name);
		break;
	case IORING_OP_SYMLINKAT: /* the old path is what the link will hold */
		n->fd = BPF_CORE_READ((struct io_link *)req, new_dfd);
		n->address = (u64)BPF_CORE_READ((struct io_link *)req, newpath, name);
		break;
	case IORING_OP_RENAMEAT:
		n->fd = BPF_CORE_READ((struct io_rename *)req, old_dfd);
		n->call_flags = BPF_CORE_READ((struct io_rename *)req, flags);
		n->address = (u64)BPF_CORE_READ((struct io_rename *)req, oldpath, name);
		break;
	case IORING_OP_LINKAT:
		n->fd = BPF_CORE_READ((struct io_link *)req, old_dfd);
		n->call_flags = BPF_CORE_READ((struct io_link *)req, flags);
		n->address = (u64)BPF_CORE_READ((struct io_link *)req, oldpath, name);
		break;
	default: /* extended attributes */
		n->address = (u64)BPF_CORE_READ((struct io_xattr *)req, filename, name);
	}
	r->call_flags = n->call_flags;
	return note_path(s, req, 0, n);
}

struct asked_address {
	u64 at;
	u32 size; /* bytes; 0: none was given */
	u32 in_kernel;
};

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

/*
 * What connect and bind were given lies in a struct io_async_msghdr or, in later kernels and their stable
 * relatives, alone. No type tells which. The family of the socket does, but for the few that take addresses
 * of another one.
 */
static __noinline u64 copied_address(u64 req, u64 copy)
{
	u32 number = BPF_CORE_READ((struct io_kiocb *)req, cqe.fd);
	u64 within = copy + bpf_core_field_offset(struct io_async_msghdr, addr);
	u16 family, alone_family = 0, within_family = 0;
	u64 file;

	if (BPF_CORE_READ((struct io_kiocb *)req, flags) & REQ_F_FIXED_FILE)
		file = fixed_file(req, number);
	else
		file = (u64)file_of(number);
	family = BPF_CORE_READ(sock_of((struct file *)file), __sk_common.skc_family);
	bpf_probe_read_kernel(&alone_family, sizeof(family), (void *)copy);
	bpf_probe_read_kernel(&within_family, sizeof(family), (void *)within);
	if (alone_family == family)
		return copy;
	if (within_family == family)
		return within;
	return alone_family < AF_MAX ? copy : within;
}

static __noinline int find_address(u64 req, u32 opcode, struct asked_address *a)
{
	struct io_async_msghdr *copy = BPF_CORE_READ((struct io_kiocb *)req, async_data);
	struct user_msghdr header;

	/* Until Linux 6.10 nothing has been copied yet. */
	if (!bpf_core_field_exists(copy->free_iov_nr) &&
	    !bpf_core_field_exists(((struct io_async_msghdr___vec *)0)->vec)) {
		if (opcode == IORING_OP_CONNECT) {
			a->at = (u64)BPF_CORE_READ((struct io_connect *)req, addr);
			a->size = BPF_CORE_READ((struct io_connect *)req, addr_len);
		} else if (opcode == IORING_OP_SENDMSG || opcode == IORING_OP_SENDMSG_ZC) {
			if (bpf_probe_read_user(&header, sizeof(header),
						BPF_CORE_READ((struct io_sr_msg *)req, umsg)))
				return 0; /* the kernel will not be able to either */
			a->at = header.msg_name;
			a->size = header.msg_name ? header.msg_namelen : 0;
		} else {
			a->at = (u64)BPF_CORE_READ((struct io_sr_msg___old *)req, addr);
			a->size = a->at ? BPF_CORE_READ((struct io_sr_msg___old *)req, addr_len) : 0;
		}
		return 0;
	}
	a->in_kernel = 1;
	if (opcode == IORING_OP_CONNECT) {
		a->at = copied_address(req, (u64)copy);
		a->size = BPF_CORE_READ((struct io_connect *)req, addr_len);
	} else if (opcode == IORING_OP_BIND) {
		a->at = copied_address(req, (u64)copy);
		bpf_probe_read_kernel(&a->size, sizeof(a->size), &((struct io_bind *)req)->addr_len);
	} else {
		a->at = (u64)BPF_CORE_READ(copy, msg.msg_name);
		a->size = a->at ? BPF_CORE_READ(copy, msg.msg_namelen) : 0;
	}
	return 0;
}

/* Reads the address into s->text. False if the program gave none. */
static __always_inline bool read_asked_address(struct scratch *s, u64 req, u32 opcode)
{
	struct asked_address a = {};
	u32 size;

	find_address(req, opcode, &a);
	size = a.size;
	if (size == 0)
		return false;
	if (size > TL_ADDRESS_MAX - 1)
		size = TL_ADDRESS_MAX - 1;
	s->text_size = size;
	bound(size, TL_ADDRESS_MAX - 1);
	return (a.in_kernel ? bpf_probe_read_kernel(s->text, size, (void *)a.at)
			    : bpf_probe_read_user(s->text, size, (void *)a.at)) == 0;
}

static __noinline int note_contact(struct scratch *s, u64 req, u32 opcode, struct named *n)
{
	struct start *start = &s->start;

	__builtin_memset(start, 0, sizeof(*start));
	s->text_size = 0;
	if (opcode != IORING_OP_LISTEN && !read_asked_address(s, req, opcode)) {
		forget_request(req);
		return 0;
	}
	if (s->text_size > 2 && *(u16 *)s->text == AF_UNIX && s->text[2] != 0) {
		s->text[s->text_size & (TL_ADDRESS_MAX - 1)] = 0;
		find_start(s, 2, AT_FDCWD, n->image, n->op != TL_BIND);
	}
	return keep_noted(s, req, 0);
}

static __noinline u64 opened_by(struct request *r, u64 req, u32 result)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (r->file_slot)
		return fixed_file(req, r->file_slot == ~0U ? result : r->file_slot - 1);
	/* A worker shares the table of the task that it works for. */
	return (u64)BPF_CORE_READ(task, files) == r->files ? (u64)file_of(result) : 0;
}

static __always_inline int report_path(struct scratch *s, struct request *r, u64 req, u32 index,
				       struct named *n)
{
	struct noted *noted = &r->names[index & 1];
	u64 key = req + (index & 1);

	n->kernel_text = 1;
	n->start = (u64)&noted->start;
	n->address =
	    noted->text_size < SHORT_TEXT ? (u64)noted->text : (u64)bpf_map_lookup_elem(&long_texts, &key);
	if (noted->text_size == 0 && (n->result || n->op == TL_STAT))
		return 0;
	if (noted->object)
		return report_object(s->slot, n, noted->object, noted->mode, noted->deleted);
	return noted->text_size ? report_named(s->slot, n) : 0;
}

static __always_inline int report_open(struct scratch *s, struct request *r, u64 req, struct named *n,
				       s32 result)
{
	struct noted *noted = &r->names[0];
	u64 file;

	if (result < 0) {
		n->flags = TL_PATH_FOLLOW;
		return report_path(s, r, req, 0, n);
	}
	file = opened_by(r, req, result);
	if (!file) {
		count_loss(TL_LOSS_NO_DESCRIPTOR);
		return 0;
	}
	n->kernel_text = 1;
	n->start = (u64)&noted->start;
	n->address =
	    noted->text_size < SHORT_TEXT ? (u64)noted->text : (u64)bpf_map_lookup_elem(&long_texts, &req);
	return report_opened(s->slot, n, file);
}

/* The descriptor's file is the object. */
static __noinline int report_file(struct scratch *s, u64 req, struct named *n)
{
	struct file *file = BPF_CORE_READ((struct io_kiocb *)req, file);
	u64 mnt = (u64)BPF_CORE_READ(file, f_path.mnt);
	u64 dentry = (u64)BPF_CORE_READ(file, f_path.dentry);

	if (!dentry || has_no_path(dentry))
		return 0;
	return report_object(s->slot, n, name_path(s, mnt, dentry, n->image),
			     BPF_CORE_READ(file, f_inode, i_mode), is_deleted(dentry));
}

static __noinline int report_socket(struct scratch *s, struct request *r, u64 req, struct named *n)
{
	struct contact c = {.image = n->image, .result = n->result, .op = n->op};
	struct file *file = BPF_CORE_READ((struct io_kiocb *)req, file);
	struct noted *noted = &r->names[0];

	c.sk = (u64)sock_of(file);
	if (!c.sk)
		return 0;
	c.address_size = noted->text_size;
	c.start = c.op == TL_LISTEN ? 0 : (u64)&noted->start; /* its address is not the request's */
	if (c.op == TL_SEND)
		c.send_flags = BPF_CORE_READ((struct io_sr_msg *)req, msg_flags);
	bpf_probe_read_kernel(s->text, TL_ADDRESS_MAX, noted->text);
	return report_contact(s->slot, &c);
}

/* Whether the operation was carried out, or refused for what it is. */
static __always_inline bool was_tried(struct request *r, u64 req, s32 result)
{
	if (result == -EFAULT)
		return false;
	if (result != -ECANCELED)
		return true;
	/* An attempt that was given up later is one that was let through. */
	return r->opcode == IORING_OP_CONNECT && BPF_CORE_READ((struct io_connect *)req, in_progress);
}

/* Verified by itself: it is called in several places. */
int report_request(u64 req, s32 result)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);
	const struct form *form;
	struct named n = {};
	struct scratch *s;

	if (!r || !was_tried(r, req, result))
		return 0;
	form = &forms[r->opcode < sizeof(forms) / sizeof(forms[0]) ? r->opcode : 0];
	s = get_scratch();
	if (!s)
		return 0;
	n.image = r->image;
	n.op = form->op;
	n.flags = form->flags;
	n.call_flags = r->call_flags;
	n.result = result < 0 && result != -EINPROGRESS && result != -ECANCELED ? -result : 0;
	if (form->kind == FORM_OPEN) {
		report_open(s, r, req, &n, result);
	} else if (form->kind == FORM_PATH) {
		report_path(s, r, req, 0, &n);
		n.op = form->op2;
		if (form->op2)
			report_path(s, r, req, 1, &n);
	} else if (form->kind == FORM_FILE) {
		report_file(s, req, &n);
	} else {
		report_socket(s, r, req, &n);
	}
	put_scratch(s);
	return 0;
}

struct search {
	u64 ring; /* whose queue of results was full; 0: any ring, and requests that tell no result */
	u64 user_data;
	s32 result;
	u32 count;
	u64 found[2]; /* no more, for want of stack */
};

static __always_inline bool is_by_name(struct request *r)
{
	u8 kind = forms[r->opcode < sizeof(forms) / sizeof(forms[0]) ? r->opcode : 0].kind;

	return kind == FORM_OPEN || kind == FORM_PATH;
}

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
	search->found[search->count & 1] = *key;
	search->count++;
	return search->count == 2;
}

static __always_inline void report_ended(struct search *search)
{
	u64 req;

	for (u32 round = 0; round < 16; round++) {
		search->count = 0;
		bpf_for_each_map_elem(&requests, find_ended, search, 0);
		for (u32 i = 0; i < 2 && i < search->count; i++) {
			req = search->found[i];
			report_request(req, BPF_CORE_READ((struct io_kiocb *)req, cqe.res));
			forget_request(req);
		}
		if (search->count < 2)
			return;
	}
}

/* IOSQE_CQE_SKIP_SUCCESS: nobody is told that such a request has ended, so that is looked for. */
static __always_inline void report_silent(void)
{
	struct search search = {};

	if (silent_requests)
		report_ended(&search);
}

static __always_inline void note_silence(u64 req)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);
	u32 flags = BPF_CORE_READ((struct io_kiocb *)req, flags);

	if (!r || !(flags & REQ_F_CQE_SKIP))
		return;
	if (is_by_name(r) && flags & REQ_F_NEED_CLEANUP) {
		r->silent = 1;
		__sync_fetch_and_add(&silent_requests, 1);
	} else {
		count_loss(TL_LOSS_REQUESTS);
	}
}

static __noinline int note_request(u64 req, u32 opcode, u64 image)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct form *form = &forms[opcode < sizeof(forms) / sizeof(forms[0]) ? opcode : 0];
	struct named n = {.image = image, .op = form->op, .flags = form->flags};
	struct request *r;
	struct scratch *s;

	if (bpf_map_update_elem(&requests, &req, &no_request, BPF_ANY)) {
		count_loss(TL_LOSS_REQUESTS);
		return 0;
	}
	r = bpf_map_lookup_elem(&requests, &req);
	s = get_scratch();
	if (!r || !s)
		return 0;
	r->image = image;
	r->key = req;
	r->ring = (u64)BPF_CORE_READ((struct io_kiocb *)req, ctx);
	r->opcode = opcode;
	r->files = (u64)BPF_CORE_READ(task, files);
	if (form->kind == FORM_OPEN) {
		note_open(s, req, &n);
	} else if (form->kind == FORM_PATH) {
		note_paths(s, req, opcode, &n);
		n.op = form->op2;
		if (form->op2)
			note_second(s, req, opcode, &n);
	} else if (form->kind == FORM_CONTACT) {
		note_contact(s, req, opcode, &n);
	}
	put_scratch(s);
	note_silence(req);
	return 0;
}

/* The memory of one that ended silently is used again. */
static __always_inline void report_reused(u64 req)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);

	if (!r)
		return;
	if (is_by_name(r))
		report_request(r->key, BPF_CORE_READ((struct io_kiocb *)req, cqe.res));
	else
		count_loss(TL_LOSS_REQUESTS);
	forget_request(req);
}

static __always_inline int on_submit(u64 req)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state = state_of(task);
	u8 opcode, kind;

	if (!state || !state->image)
		return 0;
	report_reused(req);
	opcode = BPF_CORE_READ((struct io_kiocb *)req, opcode);
	kind = opcode < sizeof(forms) / sizeof(forms[0]) ? forms[opcode].kind : FORM_UNSEEN;
	if (kind == FORM_NO_ACCESS)
		return 0;
	report_silent();
	/* As for system calls. */
	if (task->cred->euid.val != watched_uid && !(state->flags & TL_TASK_CANARY)) {
		count_loss(TL_LOSS_OTHER_USER);
		return 0;
	}
	if (kind == FORM_UNSEEN) {
		__sync_fetch_and_add(&io_uring_unseen[opcode], 1);
		return 0;
	}
	return note_request(req, opcode, state->image);
}

/* The collector loads the one that this kernel has. */
SEC("?tp_btf/io_uring_submit_req")
int BPF_PROG(on_io_uring_submit_req, struct io_kiocb *req) { return on_submit((u64)req); }

SEC("?tp_btf/io_uring_submit_sqe") /* until Linux 6.3 */
int BPF_PROG(on_io_uring_submit_sqe, struct io_kiocb *req) { return on_submit((u64)req); }

/* Other arguments follow, differently in every few kernels: the request itself holds the result by now. */
SEC("?tp_btf/io_uring_complete")
int BPF_PROG(on_io_uring_complete, struct io_ring_ctx *ring, u64 req)
{
	if (bpf_map_lookup_elem(&requests, &req)) {
		report_request(req, BPF_CORE_READ((struct io_kiocb *)req, cqe.res));
		forget_request(req);
	}
	report_silent();
	return 0;
}

/* Only the ring and what the program called the request are told. */
SEC("?tp_btf/io_uring_cqe_overflow")
int BPF_PROG(on_io_uring_cqe_overflow, u64 ring, u64 user_data, s32 result)
{
	struct search search = {.ring = ring, .user_data = user_data, .result = result};

	report_ended(&search);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(on_exit_with_requests, struct task_struct *task)
{
	report_silent();
	return 0;
}
