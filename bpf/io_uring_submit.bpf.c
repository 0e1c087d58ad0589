// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a request of io_uring asks for: see io_uring.bpf.h. */
#include "io_uring.bpf.h"

#define AF_UNIX 1
#define AF_MAX 64 /* and some more */
#if defined(__TARGET_ARCH_arm64)
#define O_LARGEFILE 0400000
#else
#define O_LARGEFILE 0100000
#endif

static const struct request no_request;

/* Requests of operations that are not known here, by operation. */
__u64 io_uring_unseen[256] = {};

/* Where the request holds its copy of `path`: a pointer, around which there is a struct since Linux 7.0. */
#define copy_of(type, req, path)                                                                             \
	({                                                                                                   \
		u64 at_ = (req);                                                                             \
		if (bpf_core_field_exists(((struct type##___delayed *)0)->path.__incomplete_filename))       \
			at_ += bpf_core_field_offset(struct type##___delayed, path.__incomplete_filename);   \
		else                                                                                         \
			at_ += bpf_core_field_offset(struct type, path);                                     \
		at_;                                                                                         \
	})

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

/* One path of the request; `n` says what it is, and where its copy is held. */
static __noinline int note_path(struct scratch *s, u64 req, u32 index, struct named *n)
{
	struct request *r;
	struct noted *noted;
	struct dentry *dentry;
	struct start *start = &s->start;
	struct filename *copy;

	__builtin_memset(start, 0, sizeof(*start));
	/* Into where it is to be in the end: Linux 6.12 has no stack to spare here. */
	bpf_probe_read_kernel(&n->address, sizeof(n->address), (void *)n->address);
	copy = (struct filename *)n->address;
	bpf_core_read(&n->address, sizeof(n->address), &copy->name);
	if (!n->address || !read_text(s, n->address, true)) {
		if (n->op != TL_STAT) /* may be asked of a descriptor, without any path */
			count_loss(TL_LOSS_USER_MEMORY);
		return 0;
	}
	if (s->text_size) {
		find_start(s->slot, 0, n->fd, n->image, follows(n));
	} else { /* AT_EMPTY_PATH */
		base_of((u64)bpf_get_current_task_btf(), n->fd, &start->mnt, &start->dentry);
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
	n->address = copy_of(io_open, req, filename);
	return note_path(s, req, 0, n);
}

/* The second path of those that have two. */
static __noinline int note_second(struct scratch *s, u64 req, u32 opcode, struct named *n)
{
	if (opcode == IORING_OP_RENAMEAT) {
		n->fd = BPF_CORE_READ((struct io_rename *)req, new_dfd);
		n->address = copy_of(io_rename, req, newpath);
	} else {
		n->fd = BPF_CORE_READ((struct io_link *)req, new_dfd);
		n->address = copy_of(io_link, req, newpath);
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
		n->address = copy_of(io_unlink, req, filename);
		break;
	case IORING_OP_MKDIRAT:
		n->fd = BPF_CORE_READ((struct io_mkdir *)req, dfd);
		n->address = copy_of(io_mkdir, req, filename);
		break;
	case IORING_OP_STATX:
		n->fd = BPF_CORE_READ((struct io_statx *)req, dfd);
		n->call_flags = BPF_CORE_READ((struct io_statx *)req, flags);
		n->address = copy_of(io_statx, req, filename);
		break;
	case IORING_OP_SYMLINKAT: /* the old path is what the link will hold */
		n->fd = BPF_CORE_READ((struct io_link *)req, new_dfd);
		n->address = copy_of(io_link, req, newpath);
		break;
	case IORING_OP_RENAMEAT:
		n->fd = BPF_CORE_READ((struct io_rename *)req, old_dfd);
		n->call_flags = BPF_CORE_READ((struct io_rename *)req, flags);
		n->address = copy_of(io_rename, req, oldpath);
		break;
	case IORING_OP_LINKAT:
		n->fd = BPF_CORE_READ((struct io_link *)req, old_dfd);
		n->call_flags = BPF_CORE_READ((struct io_link *)req, flags);
		n->address = copy_of(io_link, req, oldpath);
		break;
	default: /* extended attributes */
		n->address = copy_of(io_xattr, req, filename);
	}
	r->call_flags = n->call_flags;
	return note_path(s, req, 0, n);
}

struct asked_address {
	u64 at;
	u32 size; /* bytes; 0: none was given */
	u32 in_kernel;
};

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
		file = file_of(number);
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
		find_start(s->slot, 2, AT_FDCWD, n->image, n->op != TL_BIND);
	}
	return keep_noted(s, req, 0);
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
	const struct form *form = form_of(opcode);
	struct named n = {.image = image, .op = form->op, .flags = form->flags};
	struct request *r;
	struct scratch *s;

	if (bpf_map_update_elem(&requests, &req, &no_request, BPF_ANY)) {
		count_loss(TL_LOSS_REQUESTS);
		return 0;
	}
	r = bpf_map_lookup_elem(&requests, &req);
	if (!r)
		return 0;
	s = get_scratch();
	if (!s)
		return forget_request(req);
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

/* The memory of one that ended silently is used again; if by another ring, its result is gone. */
static __always_inline void report_reused(u64 req)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);

	if (!r)
		return;
	if (is_by_name(r) && r->ring == (u64)BPF_CORE_READ((struct io_kiocb *)req, ctx))
		report_request(r->key, BPF_CORE_READ((struct io_kiocb *)req, cqe.res));
	else
		count_loss(TL_LOSS_REQUESTS);
	forget_request(req);
}

static __always_inline int on_submit(u64 req)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state = state_of(task);
	enum form_kind kind;
	u8 opcode;

	if (!state || !state->image)
		return 0;
	report_reused(req);
	opcode = BPF_CORE_READ((struct io_kiocb *)req, opcode);
	kind = kind_of(opcode);
	if (kind == FORM_NO_ACCESS)
		return 0;
	report_silent(SOME_ENDED);
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
