/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The table of accesses that were reported: see struct tl_seen. */
#ifndef TREADLINE_SEEN_BPF_H
#define TREADLINE_SEEN_BPF_H

#include "record.bpf.h"

static __always_inline u64 hash_of(const struct access *a)
{
	return tl_access_hash(a->image, a->object, a->detail, a->result);
}

static __always_inline struct tl_seen_bucket *bucket_of(u64 access)
{
	u32 index = access & (TL_SEEN_BUCKETS - 1);

	return bpf_map_lookup_elem(&seen, &index);
}

/* Whether this access was reported before; then it is only counted. */
static __always_inline bool seen_before(const struct access *a)
{
	u64 access = hash_of(a);
	struct tl_seen_bucket *bucket = bucket_of(access);
	struct tl_seen *old;

	if (!bucket)
		return false;
	old = bucket->ways[0].access == access ? &bucket->ways[0] : &bucket->ways[1];
	if (old->access != access)
		return false;
	__sync_fetch_and_add(&old->repeats, 1);
	old->last_ns = bpf_ktime_get_ns();
	return true;
}

/* Takes the record's memory. Two processors that take one place at once lose one access there: reported
 * again. */
static __noinline int remember(struct scratch *s)
{
	u64 access = hash_of(&s->access);
	struct tl_seen_bucket *bucket = bucket_of(access);
	struct tl_repeats *record;
	struct tl_seen *place;

	if (!bucket)
		return 0;
	place = bucket->ways[0].last_ns <= bucket->ways[1].last_ns ? &bucket->ways[0] : &bucket->ways[1];
	if (bucket->ways[1].access == 0)
		place = &bucket->ways[1];
	if (bucket->ways[0].access == 0)
		place = &bucket->ways[0];
	if (place->repeats) {
		record = begin_record(s, struct tl_repeats, TL_REPEATS, s->access.image);
		record->seen = *place;
		send_record(s->slot, false);
	}
	place->repeats = 0;
	place->last_ns = 0;
	place->access = access;
	return 0;
}

#endif
