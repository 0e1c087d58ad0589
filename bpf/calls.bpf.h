/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What sys_exit hands to the family that a system call belongs to. */
#ifndef TREADLINE_CALLS_BPF_H
#define TREADLINE_CALLS_BPF_H

#include "maps.bpf.h"

/* One of the arguments, by an index that is not known when the program is verified. */
static __always_inline u64 argument(const struct tl_finished_call *call, s8 index)
{
	switch (index) {
	case 0:
		return call->args[0];
	case 1:
		return call->args[1];
	case 2:
		return call->args[2];
	case 3:
		return call->args[3];
	case 4:
		return call->args[4];
	case 5:
		return call->args[5];
	default:
		return 0;
	}
}

/* Of a path argument. */
static __always_inline bool is_empty(u64 address)
{
	char first = 0;

	return !address || (bpf_probe_read_user(&first, 1, (void *)address) == 0 && first == 0);
}

#define AT_EMPTY_PATH 0x1000
#define PROT_EXEC 4
#define EFAULT 14
#define ENOSYS 38
#define EINPROGRESS 115
/* Never seen by a program: the call is started again or becomes EINTR. */
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516

/* Verified by themselves, so that sys_exit stays small. */
int path_finished(struct tl_finished_call *call);
int open_finished(u32 slot); /* of the call and task in that scratch */
int socket_finished(struct tl_finished_call *call);
int exec_failed(struct tl_finished_call *call);
int traffic_finished(struct tl_finished_call *call);
int mapping_finished(struct tl_finished_call *call);
int report_inherited(u64 image);

extern __u32 resolver_seen; /* whether anything of the tree has contacted a resolver */
int ptrace_finished(struct tl_finished_call *call);

#endif
