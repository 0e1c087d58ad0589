/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where the text of a path starts: what the collector needs to resolve it, and can no longer ask the process for. */
#ifndef TREADLINE_START_BPF_H
#define TREADLINE_START_BPF_H

#include "path.bpf.h"

/*
 * Of the text in s->text from `from` (0 or 2) on, into s->start, which the caller has cleared. `follow`: a
 * link that is the whole text is followed. False if what it starts from is unknown or has no path. Names
 * paths: to be called before a record is begun. Verified by itself, in start.bpf.c.
 */
int find_start(u32 slot, u32 from, int fd, u64 image, u32 follow);

/* As find_start, unless it was found before: `known` is where it lies, as a number. */
static __always_inline bool know_start(struct scratch *s, u32 from, int fd, u64 image, bool follow, u64 known)
{
	if (!known)
		return find_start(s->slot, from, fd, image, follow);
	bpf_probe_read_kernel(&s->start, sizeof(s->start), (void *)known);
	return s->start.found;
}

#endif
