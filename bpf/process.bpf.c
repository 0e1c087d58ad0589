// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The process tree: fork, exec, exit. */
#include "start.bpf.h"
#include "calls.bpf.h"
#include "registers.bpf.h"

#define SIGNAL_GROUP_EXIT 4 /* include/linux/sched/signal.h */

static __always_inline u64 new_image(u64 like)
{
	return (__sync_fetch_and_add(&last_image, 1) + 1) | (like & TL_IMAGE_CANARY);
}

static __always_inline void send_calls_of(struct scratch *s, struct tl_task *state)
{
	if (state->flags & TL_TASK_OTHER_USER)
		return;
	struct tl_syscalls *record = begin_record(s, struct tl_syscalls, TL_SYSCALLS, state->image);
	__builtin_memcpy(record->words, state->calls, sizeof(record->words));
	send_record(s->slot, false);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct tl_task *state = bpf_task_storage_get(&tasks, parent, NULL, 0);
	struct tl_task *copy;
	struct tl_fork *record;
	struct scratch *s;

	if (!state)
		return 0;
	copy = bpf_task_storage_get(&tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!copy) {
		count_loss(TL_LOSS_NO_STORAGE);
		return 0;
	}
	copy->flags = state->flags;
	if (!state->image)
		return 0;
	forget_notes();
	if (child->tgid == parent->tgid) { /* a thread */
		copy->image = state->image;
		return 0;
	}
	copy->image = new_image(state->image);
	s = get_scratch();
	if (!s)
		return 0;
	record = begin_record(s, struct tl_fork, TL_FORK, state->image);
	record->child_image = copy->image;
	record->child_pid = child->tgid;
	send_record(s->slot, false);
	put_scratch(s);
	return 0;
}

static long name_byte(u32 i, void *slot)
{
	struct scratch *s = scratch_at(*(u32 *)slot);
	u32 at;
	char c;

	if (!s || i >= s->env_end)
		return 1;
	at = i;
	bound(at, TL_TEXT_MAX - 1);
	c = s->text[at];
	if (c == 0) {
		s->env_in_name = 1;
		return 0;
	}
	if (!s->env_in_name)
		return 0;
	at = s->cursor;
	if (at > RECORD_MAX - 1)
		return 1;
	if (c == '=') {
		c = 0;
		s->env_in_name = 0;
	}
	bound(at, RECORD_MAX);
	s->record[at] = c;
	s->cursor = at + 1;
	return 0;
}

struct environment {
	u64 end;
	u32 slot;
	u32 pad;
};

static long environment_chunk(u32 i, void *data)
{
	struct environment *all = data;
	struct scratch *s = scratch_at(all->slot);
	u32 slot = all->slot;
	u64 left;
	u32 size;

	if (!s || s->env_at >= all->end)
		return 1;
	left = all->end - s->env_at;
	size = left < TL_TEXT_MAX ? left : TL_TEXT_MAX - 1;
	bound(size, TL_TEXT_MAX - 1);
	if (bpf_probe_read_user(s->text, size, (void *)s->env_at)) {
		count_loss(TL_LOSS_ENVIRONMENT);
		return 1;
	}
	s->env_end = size;
	bpf_loop(TL_TEXT_MAX, name_byte, &slot, 0);
	s->env_at += size;
	return 0;
}

/* Values are dropped here, in the kernel: they are where secrets are kept. */
static __noinline int send_environment(struct scratch *s, u64 image, u64 start, u64 end)
{
	struct tl_environment *record = begin_record(s, struct tl_environment, TL_ENVIRONMENT, image);
	struct environment all = {.end = end, .slot = s->slot};

	s->env_at = start;
	s->env_in_name = 1;
	bpf_loop(64, environment_chunk, &all, 0); /* 256 KiB */
	if (s->env_at < end)
		count_loss(TL_LOSS_ENVIRONMENT);
	record->names_size = s->cursor - sizeof(*record);
	send_record(s->slot, false);
	return 0;
}

static __noinline u32 append_arguments(struct scratch *s, u64 start, u64 end)
{
	u64 size = end - start;
	u32 at = s->cursor;

	if (end <= start || at > RECORD_MAX - TL_TEXT_MAX)
		return 0;
	if (size > TL_TEXT_MAX - 1)
		size = TL_TEXT_MAX - 1;
	bound(at, RECORD_MAX);
	bound(size, TL_TEXT_MAX - 1);
	if (bpf_probe_read_user(s->record + at, size, (void *)start)) {
		count_loss(TL_LOSS_USER_MEMORY);
		return 0;
	}
	s->cursor = at + size;
	return size;
}

/*
 * The call that executes: it does not return to the image that made it. When the exec is reported, its number
 * is gone (x86 pretends that it was execve); when the task gets the program's name, just before, it is still
 * there.
 */
SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *renamed)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state;
	long number;

	if (task != renamed || is_compat(task))
		return 0;
	number = call_number((struct pt_regs *)bpf_task_pt_regs(task));
	state = bpf_task_storage_get(&tasks, task, NULL, 0);
	if (state && state->image && (number == NR_EXECVE || number == NR_EXECVEAT))
		note_call(state, number);
	return 0;
}

static __noinline int report_exec(struct scratch *s, struct tl_task *state, struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 previous, dentry, mnt, program = 0;
	struct start *start = &s->start;
	struct tl_exec *record;
	u32 flags = 0;
	long size;
	int i;

	previous = state->image;
	if (previous)
		send_calls_of(s, state);
	for (i = 0; i < TL_SYSCALL_WORDS; i++)
		state->calls[i] = 0;
	if (state->flags & TL_TASK_WAITING) {
		flags |= TL_EXEC_FIRST;
		state->flags &= ~TL_TASK_WAITING;
		/* A canary is never held. */
		run_root_mnt = (u64)BPF_CORE_READ(task, fs, root.mnt);
		run_root_dentry = (u64)BPF_CORE_READ(task, fs, root.dentry);
		run_mounts = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	}
	state->image = new_image(previous);
	forget_notes();

	mnt = (u64)BPF_CORE_READ(bprm, file, f_path.mnt);
	dentry = (u64)BPF_CORE_READ(bprm, file, f_path.dentry);
	if (has_no_path(dentry))
		flags |= TL_EXEC_UNREACHABLE;
	if (BPF_CORE_READ(bprm, interp) != BPF_CORE_READ(bprm, filename))
		flags |= TL_EXEC_INTERPRETED;
	if (task->cred->euid.val != watched_uid && !(state->flags & TL_TASK_CANARY)) {
		flags |= TL_EXEC_OTHER_USER;
		if (state->flags & TL_TASK_OTHER_USER)
			flags |= TL_EXEC_HIDDEN;
		state->flags |= TL_TASK_OTHER_USER;
	} else {
		state->flags &= ~TL_TASK_OTHER_USER;
	}

	s->text_size = 0;
	__builtin_memset(start, 0, sizeof(*start));
	if (!(flags & (TL_EXEC_HIDDEN | TL_EXEC_UNREACHABLE)))
		program = name_path(s, mnt, dentry, state->image);
	if (flags & TL_EXEC_INTERPRETED && !(flags & TL_EXEC_HIDDEN)) {
		size = bpf_probe_read_kernel_str(s->text, TL_TEXT_MAX, BPF_CORE_READ(bprm, filename));
		s->text_size = size > 0 ? size - 1 : 0;
		find_start(s->slot, 0, AT_FDCWD, state->image, true);
		flags |= start->flags ? TL_EXEC_PROC : 0;
	} else if (!(flags & TL_EXEC_HIDDEN) && own_view() & OTHER_ROOT) {
		start->root = name_path(s, (u64)BPF_CORE_READ(task, fs, root.mnt),
				       (u64)BPF_CORE_READ(task, fs, root.dentry), state->image);
	}

	record = begin_record(s, struct tl_exec, TL_EXEC, state->image);
	record->previous_image = previous;
	record->flags = flags;
	if (flags & TL_EXEC_HIDDEN) {
		count_loss(TL_LOSS_OTHER_USER);
		send_record(s->slot, false);
		return 0;
	}
	record->program = program;
	record->base = start->base;
	record->root = start->root;
	record->mounts = own_view();
	if (flags & TL_EXEC_UNREACHABLE) {
		size = bpf_probe_read_kernel_str(s->record + sizeof(*record), 256,
						 BPF_CORE_READ((struct dentry *)dentry, d_name.name));
		if (size > 1) {
			record->name_size = size - 1;
			s->cursor = sizeof(*record) + (u32)size - 1;
		}
	}
	if (flags & TL_EXEC_INTERPRETED)
		record->filename_size = append_text(s);
	record->argv_size =
	    append_arguments(s, BPF_CORE_READ(task, mm, arg_start), BPF_CORE_READ(task, mm, arg_end));
	send_record(s->slot, true);

	if (flags & TL_EXEC_FIRST) {
		send_environment(s, state->image, BPF_CORE_READ(task, mm, env_start),
				 BPF_CORE_READ(task, mm, env_end));
		report_inherited(state->image);
	}
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct tl_task *state = bpf_task_storage_get(&tasks, task, NULL, 0);
	struct scratch *s;

	if (!state)
		return 0;
	s = get_scratch();
	if (!s)
		return 0;
	report_exec(s, state, bprm);
	put_scratch(s);
	return 0;
}

#define READING_NS 20000000 /* at most: what a processor with other work may take to let the collector run */

struct reading {
	u64 position, deadline;
};

static long was_read(u32 i, struct reading *r)
{
	return bpf_ringbuf_query(&events, BPF_RB_CONS_POS) >= r->position ||
	       bpf_ktime_get_ns() >= r->deadline;
}

/*
 * What a text means in a mount namespace is only known while somebody lives there. Perhaps this one is the last,
 * and these programs may not sleep: it is kept on the spot until the collector has read what was sent so far.
 */
static __always_inline void keep_until_read(void)
{
	struct reading r = {.position = bpf_ringbuf_query(&events, BPF_RB_PROD_POS),
			    .deadline = bpf_ktime_get_ns() + READING_NS};

	bpf_loop(1 << 20, was_read, &r, 0);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct tl_task *own = bpf_task_storage_get(&tasks, task, NULL, 0);
	struct tl_task *state = state_of(task);
	struct tl_exit *record;
	struct scratch *s;
	bool leaves;

	if (!state || !state->image)
		return 0;
	leaves = task->signal->live.counter == 0 && !(state->flags & TL_TASK_CANARY) && (u32)own_view();
	if (own) {
		note_current_call(own, task); /* exit(2) or exit_group(2) */
		forget_notes();
	}
	s = get_scratch();
	if (!s)
		return 0;
	if (own)
		send_calls_of(s, own);
	if (task->signal->live.counter == 0) {
		record = begin_record(s, struct tl_exit, TL_EXIT, state->image);
		record->status = task->signal->flags & SIGNAL_GROUP_EXIT ? task->signal->group_exit_code
									 : task->group_leader->exit_code;
		record->peak_pages = task->signal->maxrss;
		record->cpu_ns = task->signal->sum_sched_runtime + task->se.sum_exec_runtime;
		send_record(s->slot, leaves);
	}
	put_scratch(s);
	if (leaves)
		keep_until_read();
	return 0;
}
