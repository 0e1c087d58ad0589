// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Entry and exit of system calls: the set each process image makes, and the way to the families. */
#include "record.bpf.h"
#include "calls.bpf.h"

__u32 watched_uid = 0;
const volatile __u64 hash_seed = 0;
const volatile bool security_hooks = false;
const volatile struct tl_call calls[TL_CALLS] = {};
__u64 last_image = 0;
__u64 run_root_mnt = 0;
__u64 run_root_dentry = 0;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h */
static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}
static __always_inline long call_number(struct pt_regs *regs) { return regs->orig_ax; }
static __always_inline u64 third_argument(struct pt_regs *regs) { return regs->dx; }
static __always_inline void copy_arguments(struct tl_finished_call *call, struct pt_regs *regs)
{
	call->args[0] = regs->di;
	call->args[1] = regs->si;
	call->args[2] = regs->dx;
	call->args[3] = regs->r10;
	call->args[4] = regs->r8;
	call->args[5] = regs->r9;
}
#elif defined(__TARGET_ARCH_arm64)
#define TIF_32BIT (1UL << 22) /* arch/arm64/include/asm/thread_info.h */
static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.flags & TIF_32BIT;
}
static __always_inline long call_number(struct pt_regs *regs) { return regs->syscallno; }
static __always_inline u64 third_argument(struct pt_regs *regs) { return regs->regs[2]; }
static __always_inline void copy_arguments(struct tl_finished_call *call, struct pt_regs *regs)
{
	call->args[0] = regs->orig_x0; /* x0 holds the result by now */
	call->args[1] = regs->regs[1];
	call->args[2] = regs->regs[2];
	call->args[3] = regs->regs[3];
	call->args[4] = regs->regs[4];
	call->args[5] = regs->regs[5];
}
#endif

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long number)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state = bpf_task_storage_get(&tasks, task, NULL, 0);
	u64 bit, *word;

	if (!state || !state->image)
		return 0;
	/* Another numbering (x32 has bit 30 set): its set and its paths cannot be told. */
	if ((u64)number >= TL_CALLS || is_compat(task)) {
		if (number >= 0)
			count_loss(TL_LOSS_COMPAT);
		return 0;
	}
	if (security_hooks) {
		state->pending[0].object = 0;
		state->pending[1].object = 0;
		state->address_op = 0;
	}
	bit = 1ULL << (number & 63);
	word = &state->calls[(number >> 6) & (TL_SYSCALL_WORDS - 1)];
	if (*word & bit)
		return 0;
	*word |= bit; /* only this thread writes here */
	if (calls[number & (TL_CALLS - 1)].family == TL_FAMILY_IO_URING)
		count_loss(TL_LOSS_IO_URING);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
	struct tl_finished_call *call;
	long number = call_number(regs);
	struct task_struct *task;
	struct tl_task *state;
	u8 family, traffic;

	if ((u64)number >= TL_CALLS)
		return 0;
	family = calls[number & (TL_CALLS - 1)].family;
	if (family == TL_FAMILY_NONE || family == TL_FAMILY_IO_URING)
		return 0;
	if (family == TL_FAMILY_TRAFFIC && !resolver_seen)
		return 0;
	if (family == TL_FAMILY_MAP && !(third_argument(regs) & PROT_EXEC))
		return 0;
	task = bpf_get_current_task_btf();
	state = bpf_task_storage_get(&tasks, task, NULL, 0);
	if (!state || !state->image || is_compat(task))
		return 0;
	if (result == -EFAULT)
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
	else if (family == TL_FAMILY_EXEC && result < 0)
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

static __always_inline void send_calls(struct scratch *s, struct tl_task *state, struct task_struct *task)
{
	struct tl_syscalls *record = begin_record(s, struct tl_syscalls, TL_SYSCALLS, state->image);

	record->header.pid = task->tgid;
	record->header.tid = task->pid;
	__builtin_memcpy(record->words, state->calls, sizeof(record->words));
	send_record(s, false);
}

/* Read once at the end of the run: the sets of the threads that still live. */
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
	s = get_scratch();
	if (!s)
		return 0;
	send_calls(s, state, task);
	put_scratch(s);
	return 0;
}
