// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Ends of system calls: the set each process image makes, and the way to the families. */
#define FIELDS_BY_LOADS
#include "record.bpf.h"
#include "calls.bpf.h"
#include "registers.bpf.h"
/*
 * One unit: the linker of libbpf 1.1 takes no kernel function from two, and what an open takes makes few calls. What is called
 * all the same is kept apart (__noinline), to be verified once and to have a stack of its own.
 */
#include "path.bpf.c"
#include "start.bpf.c"
#include "record.bpf.c"
#include "file.bpf.c"

__u32 watched_uid = 0;
const volatile __u64 hash_seed = 0;
const volatile bool security_hooks = false;
const volatile bool io_uring_seen = false;
const volatile struct tl_call calls[TL_CALLS] = {};
__u64 last_image = 0;
__u64 run_root_mnt = 0;
__u64 run_root_dentry = 0;
__u32 run_mounts = 0;
__u64 note_key = 0;
__u64 note_changes = 0;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * What most calls are: made before by this thread, and no access. Such a call is kept here, as a number that no other
 * call, thread or image ever has (see forget_notes), and passed over without looking up the thread's state, which
 * costs more than all the rest. A thread's calls lie together: more lines of memory would cost more than they save.
 * That it is the current task's and image's is kept, too: where returns are guarded, to ask a helper would cost as much as
 * all that is done here. Threads that share a place only take it from one another.
 */
#define NOTING_THREADS 1024 /* 10 bits */
#define NOTED_CALLS 64	    /* of a thread */
struct notes {
	u64 task;
	u64 image;
	u64 calls[NOTED_CALLS];
};
static struct notes notes[NOTING_THREADS];

/* Tells threads that live from one another. */
#ifndef TREADLINE_NO_CAST
#define thread_of(regs) number_of(regs) /* they lie on its stack */
#define task_of(owner) object_at(struct task_struct, owner)
#define owner(task) number_of(task)
#else
#define thread_of(regs) ((u64)bpf_get_current_task_btf()->pid << 32)
#define task_of(owner) bpf_get_current_task_btf()
#define owner(task) 0
#endif

static __always_inline struct notes *notes_of(u64 thread)
{
	u32 index = thread * 0x9e3779b97f4a7c15ULL >> 54;

	bound(index, NOTING_THREADS - 1);
	return &notes[index];
}

/* What a call is noted by: all at once, as another thread may be about to take the place. */
static __always_inline u64 key_of_note(u64 thread, u64 number, u64 task, u64 image)
{
	return note_key ^ (thread + number) ^ task ^ image * 0x9e3779b97f4a7c15ULL;
}

static __always_inline u64 *note_about(struct notes *mine, u64 number)
{
	u32 index = number ^ number >> 6;

	bound(index, NOTED_CALLS - 1);
	return &mine->calls[index];
}

static __always_inline void note(struct notes *mine, u64 thread, u64 number, u64 task, u64 image)
{
	mine->task = task;
	mine->image = image;
	*note_about(mine, number) = key_of_note(thread, number, task, image);
}

/* newfstatat(2) and its like of a descriptor: no access by name. */
static __always_inline bool is_stat_of_descriptor(const volatile struct tl_call *rule, struct pt_regs *regs)
{
	u64 flags = rule->call_flags == 3   ? fourth_argument(regs)
		    : rule->call_flags == 2 ? third_argument(regs)
					    : 0;

	return rule->op == TL_STAT && rule->path == 1 && flags & AT_EMPTY_PATH && is_empty(second_argument(regs));
}

/* Whether there is no more to do about such a call than to note it. */
static __always_inline bool is_no_access(u64 number, struct pt_regs *regs)
{
	const volatile struct tl_call *rule = &calls[number & (TL_CALLS - 1)];

	switch (rule->family) {
	case TL_FAMILY_NONE:
		return true;
	case TL_FAMILY_TRAFFIC:
		return !resolver_seen;
	case TL_FAMILY_MAP:
		return !(third_argument(regs) & PROT_EXEC);
	case TL_FAMILY_PATH:
		return is_stat_of_descriptor(rule, regs);
	default:
		return false;
	}
}

static __always_inline int open_returned(struct pt_regs *regs, u64 number, long result, u64 task, u64 image)
{
	struct scratch *s = get_scratch();

	if (!s)
		return 0;
	copy_arguments(&s->call, regs);
	s->call.result = result;
	s->call.image = image;
	s->task = task;
	s->call.number = number;
	open_finished(s->slot);
	put_scratch(s);
	return 0;
}

static __always_inline int call_returned(struct pt_regs *regs, long result, struct notes *mine, u64 thread)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state = bpf_task_storage_get(&tasks, task, NULL, 0);
	long number = call_number(regs);
	struct tl_finished_call *call;
	u8 family, traffic;

	if (!state || !state->image)
		return 0;
	if (security_hooks) {
		begin_shown(state, regs);
		end_shown(state);
	}
	if (is_compat(task) || (u64)number >= TL_CALLS) {
		if (number == -1 && !is_compat(task))
			note_call(state, NR_RT_SIGRETURN);
		else /* another numbering (x32 has bit 30 set): its set and its paths cannot be told */
			count_loss(TL_LOSS_COMPAT);
		return 0;
	}
	family = calls[number & (TL_CALLS - 1)].family;
	if (family == TL_FAMILY_FORK && result == 0) /* the child; its parent made the call */
		return 0;
	if (family == TL_FAMILY_EXEC && result >= 0) /* on_rename noted it of the image that is gone */
		return 0;
	note_call(state, number);
	if (is_no_access(number, regs)) {
		note(mine, thread, number, owner(task), state->image);
		return 0;
	}
	if (family == TL_FAMILY_IO_URING) {
		if (!io_uring_seen)
			count_loss(TL_LOSS_IO_URING);
		return 0;
	}
	if (family == TL_FAMILY_FORK || result == -EFAULT)
		return 0;
	/* A set-user-id program's accesses are not its caller's to see. */
	if (task->cred->euid.val != watched_uid && !(state->flags & TL_TASK_CANARY)) {
		if (family != TL_FAMILY_TRAFFIC && family != TL_FAMILY_MAP)
			count_loss(TL_LOSS_OTHER_USER);
		return 0;
	}
	if (family == TL_FAMILY_OPEN) {
		if (task->cred->euid.val == watched_uid)
			note(mine, thread, number, owner(task), state->image);
		return open_returned(regs, number, result, (u64)task, state->image);
	}
	call = &state->call;
	copy_arguments(call, regs);
	call->result = result;
	call->image = state->image;
	call->number = number;
	if (family == TL_FAMILY_PATH)
		path_finished(call);
	else if (family == TL_FAMILY_SOCKET)
		socket_finished(call);
	else if (family == TL_FAMILY_EXEC)
		exec_failed(call);
	else if (family == TL_FAMILY_PTRACE)
		ptrace_finished(call);
	else if (family == TL_FAMILY_MAP)
		mapping_finished(call);
	traffic = calls[number & (TL_CALLS - 1)].traffic;
	if (traffic && (resolver_seen || (traffic & (TL_TRAFFIC_CONNECTS | TL_TRAFFIC_ADDRESSED))))
		traffic_finished(call);
	return 0;
}

/* Whether all that call_returned looks at before it hands the call on is known. */
static __always_inline bool opens_again(u64 number, u64 task)
{
#ifndef TREADLINE_NO_CAST
	u64 rights = (u64)field_of(struct task_struct, task, cred);

	return calls[number & (TL_CALLS - 1)].family == TL_FAMILY_OPEN && !security_hooks &&
	       field_of(struct cred, rights, euid.val) == watched_uid;
#else
	return false;
#endif
}

/*
 * Calls are noted when they return, which costs half of looking at both ends. Those that do not return are
 * noted by on_rename and on_exit; those that somebody is in when the run ends, by still_living.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
	u64 number = call_number(regs), thread = thread_of(regs);
	struct notes *mine = notes_of(thread);
	u64 task = mine->task, image = mine->image;

	if (number < TL_CALLS && *note_about(mine, number) == key_of_note(thread, number, task, image) && !is_compat(task_of(task))) {
		if (is_no_access(number, regs))
			return 0;
		if (opens_again(number, task))
			return result == -EFAULT ? 0 : open_returned(regs, number, result, task, image);
	}
	return call_returned(regs, result, mine, thread);
}

static __always_inline void send_calls(struct scratch *s, struct tl_task *state, struct task_struct *task)
{
	struct tl_syscalls *record = begin_record(s, struct tl_syscalls, TL_SYSCALLS, state->image);

	record->header.pid = task->tgid;
	record->header.tid = task->pid;
	__builtin_memcpy(record->words, state->calls, sizeof(record->words));
	send_record(s->slot, false);
}

/* Read once at the end of the run: the sets of the threads that still live, with the call that each is in. */
SEC("iter/task")
int still_living(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tl_task *state;
	struct scratch *s;

	if (!task)
		return 0;
	state = bpf_task_storage_get(&tasks, task, NULL, 0);
	if (!state || !state->image || state->flags & TL_TASK_OTHER_USER)
		return 0;
	note_current_call(state, task);
	s = get_scratch();
	if (!s)
		return 0;
	send_calls(s, state, task);
	put_scratch(s);
	return 0;
}
