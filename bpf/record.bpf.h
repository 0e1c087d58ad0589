/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Building one record in scratch memory and sending it. */
#ifndef TREADLINE_RECORD_BPF_H
#define TREADLINE_RECORD_BPF_H

#include "maps.bpf.h"

/* Clears the fixed part and stamps its header. */
#define begin_record(s, type, kind_number, image_number)                                                     \
	({                                                                                                   \
		type *record_ = (type *)(s)->record;                                                         \
		__builtin_memset(record_, 0, sizeof(type));                                                  \
		u64 ids_ = bpf_get_current_pid_tgid();                                                       \
		record_->header.kind = (kind_number);                                                        \
		record_->header.time_ns = bpf_ktime_get_ns();                                                \
		record_->header.image = (image_number);                                                      \
		record_->header.pid = ids_ >> 32;                                                            \
		record_->header.tid = (u32)ids_;                                                             \
		(s)->cursor = sizeof(type);                                                                  \
		record_;                                                                                     \
	})

/* Bytes. Above the first the collector is told at once, above the second the command is slowed down. */
#define RING_WAKE (RING_SIZE / 8)
#define RING_SLOW (RING_SIZE / 2)
#define SLOWEST_NS 200000

static long until_then(u32 i, void *then) { return bpf_ktime_get_ns() >= *(u64 *)then; }

/*
 * Back-pressure. These programs may not sleep, so a command that makes records faster than they are stored is
 * made to wait on the spot, the longer the fuller the buffer is. With all its processors waiting, the collector
 * still gets its share of time, and more of it than the records then made in that time need.
 */
static __always_inline int slow_down(u64 filled)
{
	u64 then;

	if (filled <= RING_SLOW)
		return 0;
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

/* Wakes the collector when its delay could matter; otherwise it looks every few milliseconds by itself. */
static __noinline bool send_record(struct scratch *s, bool urgent)
{
	u32 size = s->cursor;
	struct tl_header *header = (struct tl_header *)s->record;
	u64 filled;

	if (size > RECORD_MAX || size < sizeof(*header)) {
		count_loss(TL_LOSS_PATH_TOO_DEEP);
		return false;
	}
	bound(size, RECORD_MAX);
	filled = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	if (filled > RING_WAKE) {
		urgent = true;
		slow_down(filled);
	}
	header->size = size;
	header->cpu = bpf_get_smp_processor_id();
	header->sequence = next_sequence();
	if (bpf_ringbuf_output(&events, s->record, size, urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP)) {
		count_loss(TL_LOSS_RING_FULL);
		return false;
	}
	return true;
}

static __always_inline u64 mix(u64 hash, u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/* Appends what s->text holds. */
static __always_inline u32 append_text(struct scratch *s)
{
	u32 size = s->text_size;
	u32 at = s->cursor;

	if (at > RECORD_MAX - TL_TEXT_MAX) {
		s->cursor = RECORD_MAX + 1;
		return 0;
	}
	bound(at, RECORD_MAX);
	bound(size, TL_TEXT_MAX - 1);
	bpf_probe_read_kernel(s->record + at, size, s->text);
	s->cursor = at + size;
	return size;
}

static long hash_word(u32 i, void *slot)
{
	struct scratch *s = scratch_at(*(u32 *)slot);
	u32 at = i * 8;
	u64 word;
	u32 left;

	if (!s)
		return 1;
	if (i * 8 >= s->text_size)
		return 1;
	left = s->text_size - i * 8;
	bound(at, TL_TEXT_MAX - 8);
	word = *(u64 *)(s->text + at);
	if (left < 8)
		word &= (1ULL << (left * 8)) - 1;
	s->hash = mix(s->hash, word);
	return 0;
}

/* Adds s->text to s->hash; eight bytes a step, since most texts are short. */
static __always_inline void hash_text(struct scratch *s)
{
	u32 slot = s->slot;

	s->hash = mix(s->hash, s->text_size);
	bpf_loop(TL_TEXT_MAX / 8, hash_word, &slot, 0);
}

/* Reads a string into s->text: of the program, or the kernel's copy of it. False if it cannot be read. */
static __always_inline bool read_text(struct scratch *s, u64 address, bool in_kernel)
{
	long size = in_kernel ? bpf_probe_read_kernel_str(s->text, TL_TEXT_MAX, (void *)address)
			      : bpf_probe_read_user_str(s->text, TL_TEXT_MAX, (void *)address);

	s->text_size = size > 0 ? size - 1 : 0; /* an empty string of the program is 0 long until Linux 6.15 or so */
	return size >= 0;
}

/* Whether this access was reported before; then it is only counted. */
static __always_inline bool seen_before(const struct tl_seen_key *key)
{
	struct tl_seen *old = bpf_map_lookup_elem(&seen, key);

	if (!old)
		return false;
	__sync_fetch_and_add(&old->repeats, 1);
	old->last_ns = bpf_ktime_get_ns();
	return true;
}

static __always_inline void remember(const struct tl_seen_key *key)
{
	struct tl_seen first = {};
	bpf_map_update_elem(&seen, key, &first, BPF_NOEXIST);
}

#endif
