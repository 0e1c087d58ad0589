// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Ends of system calls: the set each process image makes, and the way to the families. */
#include "record.bpf.h"
#include "calls.bpf.h"
#include "registers.bpf.h"

__u32 watched_uid = 0;
const volatile __u64 hash_seed = 0;
const volatile bool security_hooks = false;
const volatile bool io_uring_seen = false;
const volatile struct tl_call calls[TL_CALLS] = {};
__u64 last_image = 0;
__u64 run_root_mnt = 0;
__u64 run_root_dentry = 0;
__u32 run_mounts = 0;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * What most calls are: no access, and made before by this thread. Such a call is kept here, as a hash of the
 * thread, its image and the call, and passed over without looking up the thread's state, which costs more
 * than all the rest. A thread's calls lie together: more lines of memory would cost more than they save.
 */
#define NOTING_THREADS 512
#define NOTED_CALLS 64 /* of a thread */
static u64 noted_calls[NOTING_THREADS * NOTED_CALLS];

struct noted {
	u64 *place; /* NULL: there is more to do about this call than to note it */
	u64 as;	    /* no other call, thread or image ever has the same */
};

static __always_inline struct noted noted_call(struct task_struct *task, struct pt_regs *regs)
{
	struct noted noted = {};
	u64 thread, number = call_number(regs);
	u32 index;
	u8 family;

	if (number >= TL_CALLS || is_compat(task))
		return noted;
	family = calls[number].family;
	if (family != TL_FAMILY_NONE && !(family == TL_FAMILY_TRAFFIC && !resolver_seen) &&
	    !(family == TL_FAMILY_MAP && !(third_argument(regs) & PROT_EXEC)))
		return noted;
	thread = mix(hash_seed ^ task->start_time, (u64)task->pid << 32 | task->self_exec_id);
	noted.as = mix(thread, number);
	index = thread * NOTED_CALLS + ((number ^ number >> 6) & (NOTED_CALLS - 1));
	bound(index, NOTING_THREADS * NOTED_CALLS - 1);
	noted.place = &noted_calls[index];
	return noted;
}

static __always_inline int call_returned(struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state = bpf_task_storage_get(&tasks, task, NULL, 0);
	long number = call_number(regs);
	struct tl_finished_call *call;
	struct noted noted;
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
	noted = noted_call(task, regs);
	if (noted.place) {
		*noted.place = noted.as;
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
	call = &state->call;
	copy_arguments(call, regs);
	call->result = result;
	call->image = state->image;
	call->number = number;
	if (family == TL_FAMILY_OPEN)
		open_finished(call);
	else if (family == TL_FAMILY_PATH)
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

/*
 * Calls are noted when they return, which costs half of looking at both ends. Those that do not return are
 * noted by on_rename and on_exit; those that somebody is in when the run ends, by still_living.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
	struct noted noted = noted_call(bpf_get_current_task_btf(), regs);

	return noted.place && *noted.place == noted.as ? 0 : call_returned(regs, result);
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
