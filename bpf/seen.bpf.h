/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The table of accesses that were reported: see struct tl_seen_line. */
#ifndef TREADLINE_SEEN_BPF_H
#define TREADLINE_SEEN_BPF_H

#include "record.bpf.h"

static __always_inline u64 hash_of(const struct access *a)
{
	return tl_access_hash(a->image, a->object, a->detail, a->result);
}

/*
 * Neighbouring lines that take what one process image does: the table is larger than the processor's caches, and
 * to reach into pages that were not touched lately costs more than all else that is done about an access.
 */
#define IMAGE_LINES 512

static __always_inline u32 line_of(u64 image, u64 access)
{
	u64 first = mix(hash_seed, image) & ~(u64)(IMAGE_LINES - 1);

	return (first | (access >> 32 & (IMAGE_LINES - 1))) & (TL_SEEN_LINES - 1);
}

/* Whether this access was reported before; then it is only counted. `roughly`: when, as rough_time() says it. */
static __always_inline bool seen_before_at(const struct access *a, bool roughly)
{
	u64 access = hash_of(a);
	u32 index = line_of(a->image, access), way = TL_SEEN_WAYS;
	struct tl_seen_line *line = bpf_map_lookup_elem(&seen, &index);
	struct tl_repeat_counts *counts;

	if (!line)
		return false;
#pragma unroll
	for (u32 i = 0; i < TL_SEEN_WAYS; i++)
		if ((line->accesses[i] & ~TL_SEEN_COUNTED) == access)
			way = i;
	if (way >= TL_SEEN_WAYS)
		return false;
	counts = bpf_map_lookup_elem(&repeat_counts, &index);
	if (!counts)
		return false;
	bound(way, TL_SEEN_WAYS - 1);
	__sync_fetch_and_add(&counts->ways[way].repeats, 1);
	counts->ways[way].last_ns = roughly ? rough_time() : bpf_ktime_get_ns();
	if (line->accesses[way] == access)
		line->accesses[way] = access | TL_SEEN_COUNTED;
	return true;
}

static __always_inline bool seen_before(const struct access *a) { return seen_before_at(a, false); }

/* Which place of a line a new access takes: an empty one, else one that was not repeated, else any. */
static __always_inline u32 way_for(const struct tl_seen_line *line, u64 access)
{
	u32 any = access >> 1 & (TL_SEEN_WAYS - 1), way = TL_SEEN_WAYS, at;

	for (u32 i = 0; i < TL_SEEN_WAYS; i++) { /* from any on: all of them are to have their turn */
		at = any + i;
		bound(at, TL_SEEN_WAYS - 1);
		if (line->accesses[at] == 0)
			return at;
		if (way == TL_SEEN_WAYS && !(line->accesses[at] & TL_SEEN_COUNTED))
			way = at;
	}
	return way == TL_SEEN_WAYS ? any : way;
}

/* Sends the count of an access that makes room. Takes the record's memory. */
static __noinline int send_repeats(struct scratch *s, u32 index, u32 way, u64 access)
{
	struct tl_repeat_counts *counts = bpf_map_lookup_elem(&repeat_counts, &index);
	struct tl_repeats *record;

	if (!counts)
		return 0;
	bound(way, TL_SEEN_WAYS - 1);
	record = begin_record(s, struct tl_repeats, TL_REPEATS, s->access.image);
	record->access = access;
	record->count = counts->ways[way];
	counts->ways[way].repeats = 0;
	return send_record(s->slot, false);
}

/*
 * May take the record's memory. Two processors that take one place at once lose one access there: reported
 * again.
 */
static __always_inline void remember_access(struct scratch *s)
{
	u64 access = hash_of(&s->access);
	u32 index = line_of(s->access.image, access), way;
	struct tl_seen_line *line = bpf_map_lookup_elem(&seen, &index);

	if (!line)
		return;
	way = way_for(line, access);
	bound(way, TL_SEEN_WAYS - 1);
	if (line->accesses[way] & TL_SEEN_COUNTED)
		send_repeats(s, index, way, line->accesses[way] & ~TL_SEEN_COUNTED);
	line->accesses[way] = access;
}

static __noinline int remember(struct scratch *s)
{
	remember_access(s);
	return 0;
}

#endif
