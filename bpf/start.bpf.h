/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where the text of a path starts: what the collector needs to resolve it, and can no longer ask the process for. */
#ifndef TREADLINE_START_BPF_H
#define TREADLINE_START_BPF_H

#include "path.bpf.h"

/*
 * Of the text in s->text from `from` (0 or 2) on, into s->start, which the caller has cleared. `follow`: a
 * link that is the whole text is followed. False if what it starts from is unknown or has no path. Names
 * paths: to be called before a record is begun.
 */
static __noinline bool find_start(struct scratch *s, u32 from, int fd, u64 image, bool follow)
{
	struct start *start = &s->start;
	u64 task = (u64)bpf_get_current_task_btf();
	u64 view = view_of(task), fs;
	bool absolute;

	start->mounts = view;
	bound(from, 2);
	absolute = s->text[from] == '/';
	if (!absolute) {
		base_of(task, fd, &start->mnt, &start->dentry);
		if (!start->dentry)
			return false;
	} else if (s->text[from + 1] == 'p' || s->text[from + 1] == 'd') {
		follow_proc(s->slot, from);
		if (start->whole && !follow) /* the link itself */
			start->mnt = start->dentry = start->flags = 0;
	}
	if (start->dentry) {
		if (has_no_path(start->dentry))
			return false;
		start->base = name_path(s, start->mnt, start->dentry, image);
		if (!start->base)
			return false;
	}
	if (view & OTHER_ROOT) {
		fs = (u64)field_of(struct task_struct, task, fs);
		start->root = name_path(s, number_of(field_of(struct fs_struct, fs, root.mnt)),
					number_of(field_of(struct fs_struct, fs, root.dentry)), image);
	}
	start->found = 1;
	return true;
}

/* As find_start, unless it was found before: `known` is where it lies, as a number. */
static __always_inline bool know_start(struct scratch *s, u32 from, int fd, u64 image, bool follow, u64 known)
{
	if (!known)
		return find_start(s, from, fd, image, follow);
	bpf_probe_read_kernel(&s->start, sizeof(s->start), (void *)known);
	return s->start.found;
}

#endif
