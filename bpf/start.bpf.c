// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where the text of a path starts. */
#include "start.bpf.h"

__noinline int find_start(u32 slot, u32 from, int fd, u64 image, u32 follow)
{
	struct scratch *s = scratch_at(slot);
	struct start *start;
	u64 task = (u64)bpf_get_current_task_btf();
	u64 view = view_of(task), fs;
	bool absolute;

	if (!s)
		return false;
	start = &s->start;
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
