/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Maps and settings every probe family shares. Weak: the linker makes one of each out of all objects. */
#ifndef TREADLINE_MAPS_BPF_H
#define TREADLINE_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "events.h"

/* A record with all its parts is no longer than this mask; the slack lets one bounded copy start at any
 * offset. */
#define RECORD_MAX 0x3fff
#define RECORD_SLACK 0x1100

/* A bound the verifier of Linux 6.1 sees as well: the compiler may not fold it into an earlier comparison. */
#define bound(variable, mask)                                                                                \
	({                                                                                                   \
		barrier_var(variable);                                                                       \
		(variable) &= (mask);                                                                        \
	})

struct walk {
	u64 dentry;
	u64 mnt;
	u64 mnt_root; /* of mnt: read once a mount, not once a name */
	u64 root_dentry;
	u64 root_mnt;
	u64 hash;
	u32 copy;  /* append the names to the record as well */
	u32 state; /* enum walk_state */
};

enum walk_state { WALK_ON = 0, WALK_DONE = 1, WALK_OVERFLOW = 2 };

/* Working memory of one CPU: programs on tracepoints are not preempted by one another. */
struct scratch {
	struct walk walk;
	u64 hash;
	u32 cursor; /* bytes of the record filled so far */
	u32 text_size;
	u64 env_at;
	u32 env_end;
	u32 env_in_name;
	char text[TL_TEXT_MAX + 8];
	char record[RECORD_MAX + RECORD_SLACK];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tl_task);
} tasks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256 * 1024);
	__type(key, struct tl_seen_key);
	__type(value, struct tl_seen);
} seen SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 * 1024 * 1024);
} events SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TL_LOSS_COUNT);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps") __weak;

/* Set by the collector between open and load. */
extern const volatile __u32 watched_uid;
extern const volatile __u64 hash_seed;
extern const volatile struct tl_call calls[TL_CALLS];
extern __u64 last_image;

static __always_inline struct scratch *get_scratch(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&scratches, &zero);
}

static __always_inline void count_loss(u32 cause)
{
	u64 *count = bpf_map_lookup_elem(&losses, &cause);
	if (count)
		(*count)++;
}

#endif
