/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* System calls as each architecture's registers hold them, and the sets of those that were made. */
#ifndef TREADLINE_REGISTERS_BPF_H
#define TREADLINE_REGISTERS_BPF_H

#include "maps.bpf.h"

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h */
#define NR_RT_SIGRETURN 15
#define NR_EXECVE 59
#define NR_EXECVEAT 322
static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}
static __always_inline long call_number(struct pt_regs *regs) { return regs->orig_ax; }
static __always_inline u64 first_argument(struct pt_regs *regs) { return regs->di; }
static __always_inline u64 second_argument(struct pt_regs *regs) { return regs->si; }
static __always_inline u64 third_argument(struct pt_regs *regs) { return regs->dx; }
static __always_inline u64 fourth_argument(struct pt_regs *regs) { return regs->r10; }
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
#define NR_RT_SIGRETURN 139
#define NR_EXECVE 221
#define NR_EXECVEAT 281
static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.flags & TIF_32BIT;
}
static __always_inline long call_number(struct pt_regs *regs) { return regs->syscallno; }
static __always_inline u64 first_argument(struct pt_regs *regs) { return regs->orig_x0; } /* x0: the result */
static __always_inline u64 second_argument(struct pt_regs *regs) { return regs->regs[1]; }
static __always_inline u64 third_argument(struct pt_regs *regs) { return regs->regs[2]; }
static __always_inline u64 fourth_argument(struct pt_regs *regs) { return regs->regs[3]; }
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

/* Only the task itself writes here, or the iterator when all is over. */
static __always_inline void note_call(struct tl_task *state, u32 number)
{
	state->calls[(number >> 6) & (TL_SYSCALL_WORDS - 1)] |= 1ULL << (number & 63);
}

/* The call that the task is in, or was in last. */
static __always_inline void note_current_call(struct tl_task *state, struct task_struct *task)
{
	long number = call_number((struct pt_regs *)bpf_task_pt_regs(task));

	if ((u64)number < TL_CALLS && !is_compat(task))
		note_call(state, number);
}

/*
 * What hooks were shown belongs to the call that the task was in then. It is told by the call's number and
 * arguments, so that no program has to look at each call when it begins; and once it has returned, by
 * nothing. What another call left (one that failed before its end, or io_uring_enter) is forgotten here.
 */
static __always_inline void begin_shown(struct tl_task *state, struct pt_regs *regs)
{
	u64 call =
	    tl_mix(tl_mix(hash_seed ^ call_number(regs), first_argument(regs)), second_argument(regs)) | 1;

	if (state->shown_to == call)
		return;
	state->shown_to = call;
	state->pending[0].object = 0;
	state->pending[1].object = 0;
	state->address_op = 0;
}

/* What is there may still be reported, but not by a later call. */
static __always_inline void end_shown(struct tl_task *state) { state->shown_to = 0; }

#endif
