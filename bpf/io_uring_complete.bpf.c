// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a request of io_uring has done: see io_uring.bpf.h. */
#include "io_uring.bpf.h"

#define EFAULT 14
#define EINPROGRESS 115
#define ECANCELED 125

__u32 silent_requests = 0;

static __noinline u64 opened_by(struct request *r, u64 req, u32 result)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (r->file_slot)
		return fixed_file(req, r->file_slot == ~0U ? result : r->file_slot - 1);
	/* A worker shares the table of the task that it works for. */
	return (u64)BPF_CORE_READ(task, files) == r->files ? file_of(result) : 0;
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

int report_request(u64 req, s32 result)
{
	struct request *r = bpf_map_lookup_elem(&requests, &req);
	const struct form *form;
	struct named n = {};
	struct scratch *s;

	if (!r || !was_tried(r, req, result))
		return 0;
	form = form_of(r->opcode);
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

/*
 * A request may be carried out on the way back from a call that has been reported, so with that call's
 * registers: what hooks were shown for it is not the next such call's.
 */
static __always_inline void forget_shown(void)
{
	struct tl_task *state;

	if (!security_hooks)
		return;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
	if (state)
		state->shown_to = 0;
}

/* Other arguments follow, differently in every few kernels: the request itself holds the result by now. */
SEC("?tp_btf/io_uring_complete")
int BPF_PROG(on_io_uring_complete, struct io_ring_ctx *ring, u64 req)
{
	if (bpf_map_lookup_elem(&requests, &req)) {
		report_request(req, BPF_CORE_READ((struct io_kiocb *)req, cqe.res));
		forget_request(req);
	}
	report_silent(SOME_ENDED);
	forget_shown();
	return 0;
}

/* Only the ring and what the program called the request are told. */
SEC("?tp_btf/io_uring_cqe_overflow")
int BPF_PROG(on_io_uring_cqe_overflow, u64 ring, u64 user_data, s32 result)
{
	struct search search = {.ring = ring, .user_data = user_data, .result = result};

	report_ended(&search, MOST_ENDED);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(on_exit_with_requests, struct task_struct *task)
{
	report_silent(MOST_ENDED);
	return 0;
}
