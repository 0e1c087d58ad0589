// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What reaches other tasks across the border of the followed tree: signals, and ptrace with its relatives. */
#include "seen.bpf.h"
#include "calls.bpf.h"

#define PTRACE_ATTACH 16
#define PTRACE_SEIZE 0x4206

struct other {
	u64 image;
	u64 task; /* 0: not known */
	u32 number;
	u32 pid;
	s32 result;
	u16 op;
	u16 flags;
};

static __noinline int report_other(struct other *o)
{
	struct task_struct *task = (struct task_struct *)o->task;
	struct tl_other_task *record;
	struct access *key;
	struct scratch *s;

	s = get_scratch();
	if (!s)
		return 0;
	key = &s->access;
	key->image = o->image;
	key->object = mix(mix(hash_seed, o->pid), o->number);
	key->detail = o->op;
	key->result = o->result;
	if (!seen_before(key)) {
		record = begin_record(s, struct tl_other_task, TL_OTHER_TASK, o->image);
		record->object = key->object;
		record->detail = key->detail;
		record->result = o->result;
		record->op = o->op;
		record->flags = o->flags;
		record->number = o->number;
		record->other_pid = o->pid;
		if (task)
			BPF_CORE_READ_STR_INTO(&record->comm, task, group_leader, comm);
		if (send_record(s->slot, false))
			remember(s);
	}
	put_scratch(s);
	return 0;
}

/*
 * Runs in the sender. Of those that the kernel sends by itself, the code is above 0 or `info` is this number; it is 0 where
 * a task only gives its own name, as kill(2) does since Linux 7.0 or so: then no code can be read, which leaves 0.
 */
#define SEND_SIG_PRIV 1
SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info, struct task_struct *task)
{
	struct tl_task *state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
	struct other o = {.op = TL_SIGNAL, .number = signal};

	if (!state || !state->image)
		return 0;
	if (bpf_task_storage_get(&tasks, task, NULL, 0)) /* one of its own */
		return 0;
	if ((u64)info == SEND_SIG_PRIV || BPF_CORE_READ(info, si_code) > 0)
		return 0;
	o.image = state->image;
	o.task = (u64)task;
	o.pid = task->tgid;
	return report_other(&o);
}

int ptrace_finished(struct tl_finished_call *call)
{
	const volatile struct tl_call *rule;
	struct other o = {.op = TL_PTRACE};

	if (!call)
		return 0;
	rule = &calls[call->number & (TL_CALLS - 1)];
	o.number = rule->call_flags < 0 ? 0 : argument(call, rule->call_flags);
	if (rule->call_flags >= 0 && o.number != PTRACE_ATTACH && o.number != PTRACE_SEIZE)
		return 0; /* about one that is traced already, or about itself */
	o.image = call->image;
	o.pid = argument(call, rule->fd);
	o.result = call->result < 0 ? -call->result : 0;
	if (BPF_CORE_READ(bpf_get_current_task_btf(), nsproxy, pid_ns_for_children, level))
		o.flags = TL_OTHER_TASK_NAMESPACE;
	return report_other(&o);
}
