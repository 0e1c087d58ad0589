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

#define RING_SIZE (16 * 1024 * 1024) /* bytes */

/* Working memory: so many programs can be at work on one processor, each having interrupted the one before.
 */
#define SCRATCH_SLOTS 4

struct walk {
	u64 dentry;
	u64 mnt;
	u64 mnt_root; /* of mnt: read once a mount, not once a name */
	u64 root_dentry;
	u64 root_mnt;
	u64 hash;
	u64 factor; /* of what the next name adds to it */
	u32 copy;   /* append the names to the record as well */
	u32 state;  /* enum walk_state */
};

/* What there is to know of an open file. */
struct file_view {
	u64 mnt, dentry;
	u64 parent;    /* dentry of the directory its own name lies in; 0: it is the root of a mount, or of nothing */
	u64 above;     /* that one's parent */
	u64 name;      /* address of that name */
	u32 name_size; /* bytes without NUL */
	u64 name_hash; /* what the name adds to the hash of the path */
	u32 flags;     /* O_* */
	u32 mode;      /* FMODE_* */
	u16 inode_mode;
	bool has_path;
	bool deleted;
};

enum walk_state { WALK_ON = 0, WALK_DONE = 1, WALK_OVERFLOW = 2 };

/* Where the text of a path starts: see start.bpf.h. */
struct start {
	u64 mnt, dentry; /* what the text starts from; 0: the root */
	u64 base;	 /* hash of that */
	u64 root;	 /* hash of the process's root; 0: that of the run */
	u32 flags;	 /* TL_PATH_PROC */
	u32 whole;	 /* the text names that, and nothing in it */
	u32 found;	 /* nothing that is needed to resolve the text is missing */
	u32 mounts;	 /* as in tl_path */
};

/* What makes an access a distinct one. */
struct access {
	u64 image;
	u64 object;
	u32 detail;
	s32 result;
};

/* One access that is named by a path argument. */
struct named {
	u64 image;
	u64 address; /* of the path; 0: the descriptor itself is the object */
	s32 fd;
	s32 result; /* 0 or errno */
	u32 call_flags;
	u16 op;
	u16 flags;	/* TL_PATH_* */
	u32 kernel_text; /* `address` lies in the kernel's memory */
	u32 pad;
	u64 start; /* where a struct start lies that was found for it before; 0: to be found now */
};

struct scratch {
	u32 busy;
	u32 slot;
	struct walk walk;
	struct file_view file;
	/* These for want of stack. */
	struct tl_finished_call call; /* an open */
	u64 task;		      /* whose it is: the current one, as a number */
	struct named named;
	u64 how[3]; /* openat2(2): flags, mode, resolve */
	struct start start;
	struct access access;
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
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TL_SEEN_LINES);
	__type(key, u32);
	__type(value, struct tl_seen_line);
} seen SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TL_SEEN_LINES);
	__type(key, u32);
	__type(value, struct tl_repeat_counts);
} repeat_counts SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_SIZE);
} events SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TL_LOSS_COUNT);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps") __weak;

#define NAMED_PATHS (128 * 1024)

/* Hashes of paths whose name was sent, each at a place that its last two dentries say. What another one took is
 * sent again. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAMED_PATHS);
	__type(key, u32);
	__type(value, u64);
} named_paths SEC(".maps") __weak;

/* Records begun on each processor; the sequence number of the next one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} sequences SEC(".maps") __weak;

/* Set by the collector before it has any task followed. */
extern __u32 watched_uid;

/* Set by the collector between open and load. */
extern const volatile __u64 hash_seed;
extern const volatile bool security_hooks; /* the `lsm` set is loaded */
extern const volatile bool io_uring_seen;  /* the programs for its requests are loaded */
extern const volatile struct tl_call calls[TL_CALLS];
extern __u64 last_image;
/* What "/" is to the run's first program: where paths end. 0 before it is executed. */
extern __u64 run_root_mnt, run_root_dentry;
extern __u32 run_mounts; /* its mount namespace, by inode number */

/* What calls are noted with: see syscalls.bpf.c. */
extern __u64 note_key, note_changes;

/*
 * Whenever a task of the tree comes into being, executes or ends: stacks and numbers of tasks are used again, by tasks outside
 * of the tree as well, and what was noted about a call holds for one image. Each value is stored once.
 */
#define forget_notes() (note_key = tl_mix(hash_seed, __sync_fetch_and_add(&note_changes, 1) + 1))

/* For the callbacks of bpf_loop, which cannot be handed a pointer into a map on Linux 6.1. */
static __always_inline struct scratch *scratch_at(u32 slot) { return bpf_map_lookup_elem(&scratches, &slot); }

/* The state of a followed thread. Those of io_uring are made without passing sched_process_fork: their group's. */
static __always_inline struct tl_task *state_of(struct task_struct *task)
{
	struct tl_task *state = bpf_task_storage_get(&tasks, task, NULL, 0);

	return state ? state : bpf_task_storage_get(&tasks, task->group_leader, NULL, 0);
}

static __always_inline void count_loss(u32 cause)
{
	u64 *count = bpf_map_lookup_elem(&losses, &cause);
	if (count)
		__sync_fetch_and_add(count, 1);
}

/*
 * To be given back with put_scratch. Programs on tracepoints do not interrupt one another before Linux 6.19
 * or so; those on trampolines do wherever the kernel is preemptible.
 */
static __always_inline struct scratch *get_scratch(void)
{
	struct scratch *s;
	u32 slot;

#pragma unroll
	for (u32 i = 0; i < SCRATCH_SLOTS; i++) {
		slot = i;
		s = bpf_map_lookup_elem(&scratches, &slot);
		if (s && !__sync_lock_test_and_set(&s->busy, 1)) {
			s->slot = i;
			return s;
		}
	}
	count_loss(TL_LOSS_NESTED);
	return NULL;
}

static __always_inline void put_scratch(struct scratch *s) { *(volatile u32 *)&s->busy = 0; }

#endif
