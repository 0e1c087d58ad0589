/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Building one record in scratch memory and sending it. */
#ifndef TREADLINE_RECORD_BPF_H
#define TREADLINE_RECORD_BPF_H

#include "maps.bpf.h"

extern __u64 clock_tick, clock_ns; /* the kernel's timer, and the clock as it was last read in rough_time() */

/* To some milliseconds, and without waiting for the processor's clock. */
static __always_inline u64 rough_time(void)
{
	u64 tick = bpf_jiffies64();

	if (clock_tick != tick) {
		clock_ns = bpf_ktime_get_ns();
		clock_tick = tick;
	}
	return clock_ns;
}

/* Clears the fixed part and stamps its header. */
#define begin_record(s, type, kind, image) begin_record_at(s, type, kind, image, bpf_ktime_get_ns())
#define begin_record_at(s, type, kind, image, now)                                                           \
	({                                                                                                   \
		u64 ids_ = bpf_get_current_pid_tgid();                                                       \
		begin_record_of(s, type, kind, image, now, ids_ >> 32, (u32)ids_);                           \
	})
#define begin_record_of(s, type, kind_number, image_number, now, process, thread)                            \
	({                                                                                                   \
		type *record_ = (type *)(s)->record;                                                         \
		__builtin_memset(record_, 0, sizeof(type));                                                  \
		record_->header.kind = (kind_number);                                                        \
		record_->header.time_ns = (now);                                                             \
		record_->header.image = (image_number);                                                      \
		record_->header.pid = (process);                                                             \
		record_->header.tid = (thread);                                                              \
		(s)->cursor = sizeof(type);                                                                  \
		record_;                                                                                     \
	})

/*
 * Sends the record in the scratch of that slot. Verified by itself, in record.bpf.c. Wakes the collector when
 * its delay could matter; otherwise it looks every few milliseconds by itself. False after counting the loss.
 */
int send_record(u32 slot, u32 urgent);

#define mix tl_mix

#define SHORT_TEXT_MAX 64

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
	if (size <= SHORT_TEXT_MAX) { /* without a call, which costs more; some bytes too many */
#pragma unroll
		for (u32 i = 0; i < SHORT_TEXT_MAX; i += 8)
			if (i < size)
				*(u64 *)(s->record + at + i) = *(u64 *)(s->text + i);
	} else {
		bpf_probe_read_kernel(s->record + at, size, s->text);
	}
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

	s->text_size =
	    size > 0 ? size - 1 : 0; /* an empty string of the program is 0 long until Linux 6.15 or so */
	return size >= 0;
}

#endif
