// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The way of a finished record into the ring buffer. */
#include "record.bpf.h"

__u64 clock_tick = 0, clock_ns = 0;

/*
 * Bytes. Above this the command is slowed down. The collector is never woken because of them: it looks often enough by
 * itself, and waking it takes an interrupt, which in a virtual machine costs several times what the record does.
 */
#define RING_SLOW (RING_SIZE / 2)
#define SLOWEST_NS 200000

static long until_then(u32 i, void *then) { return bpf_ktime_get_ns() >= *(u64 *)then; }

/*
 * Back-pressure. These programs may not sleep, so a command that makes records faster than they are stored is
 * made to wait on the spot, the longer the fuller the buffer is. With all its processors waiting, the
 * collector still gets its share of time, and more of it than the records then made in that time need.
 */
static __always_inline int slow_down(u64 filled)
{
	u64 then;

	then = bpf_ktime_get_ns() + (filled - RING_SLOW) * SLOWEST_NS / (RING_SIZE - RING_SLOW);
	bpf_loop(1 << 20, until_then, &then, 0);
	return 0;
}

static __always_inline u32 next_sequence(void)
{
	u32 zero = 0;
	u64 *next = bpf_map_lookup_elem(&sequences, &zero);

	return next ? __sync_fetch_and_add(next, 1) : 0;
}

/* How many records a processor sends between two looks at how full the buffer is, while that is far from being so. */
#define UNLOOKED 8

/* Whether it was more than a quarter full when somebody last looked: then each record looks. */
static u32 filling;

static __always_inline void keep_pace(u32 sequence)
{
	u64 filled;
	u32 now;

	if (!filling && sequence % UNLOOKED)
		return;
	filled = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	now = filled > RING_SLOW / 2;
	if (filling != now) /* written by all processors: not more often than needed */
		filling = now;
	if (filled > RING_SLOW)
		slow_down(filled);
}

static __always_inline bool send_now(struct scratch *s, bool urgent)
{
	struct tl_header *header = (struct tl_header *)s->record;
	u32 size = s->cursor;

	if (size > RECORD_MAX || size < sizeof(*header)) {
		count_loss(TL_LOSS_PATH_TOO_DEEP);
		return false;
	}
	bound(size, RECORD_MAX);
	header->size = size;
	header->cpu = bpf_get_smp_processor_id();
	header->sequence = next_sequence();
	keep_pace(header->sequence);
	if (bpf_ringbuf_output(&events, s->record, size, urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP)) {
		count_loss(TL_LOSS_RING_FULL);
		return false;
	}
	return true;
}

__noinline int send_record(u32 slot, u32 urgent)
{
	struct scratch *s = scratch_at(slot);

	return s && send_now(s, urgent);
}
