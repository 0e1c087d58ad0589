/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where the text of a path starts: what the collector needs to resolve it, and can no longer ask the process for. */
#ifndef TREADLINE_START_BPF_H
#define TREADLINE_START_BPF_H

#include "path.bpf.h"

#define begins(text, literal)                                                                                \
	({                                                                                                   \
		bool same_ = true;                                                                           \
		_Pragma("unroll") for (u32 i_ = 0; i_ < sizeof(literal) - 1; i_++) if ((text)[i_] !=         \
										       (literal)[i_])        \
		{                                                                                            \
			same_ = false;                                                                       \
			break;                                                                               \
		}                                                                                            \
		same_;                                                                                       \
	})

static __always_inline bool ends_name(char c) { return c == 0 || c == '/'; }

/* The number that is one whole name; negative if there is none. */
static __always_inline s32 descriptor_at(const char *text, struct start *start)
{
	s32 number = 0;

#pragma unroll
	for (u32 i = 0; i < 8; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9') {
			number = number * 10 + (c - '0');
			continue;
		}
		start->whole = c == 0;
		return i && ends_name(c) ? number : -1;
	}
	return -1;
}

/* The names whose meaning depends on the process that uses them: proc(5). */
static __always_inline void follow_proc(const char *text, struct start *start)
{
	struct task_struct *task = bpf_get_current_task_btf();
	s32 number = -1;

	if (text[1] == 'd') {
		if (begins(text, "/dev/fd/")) {
			number = descriptor_at(text + 8, start);
		} else if (begins(text, "/dev/stdin") && ends_name(text[10])) {
			number = 0;
			start->whole = text[10] == 0;
		}
	} else if (begins(text, "/proc/self/") || begins(text, "/proc/thread-self/")) {
		text += text[6] == 's' ? 11 : 18;
		if (begins(text, "fd/")) {
			number = descriptor_at(text + 3, start);
		} else if (begins(text, "cwd") && ends_name(text[3])) {
			start->mnt = (u64)BPF_CORE_READ(task, fs, pwd.mnt);
			start->dentry = (u64)BPF_CORE_READ(task, fs, pwd.dentry);
			start->whole = text[3] == 0;
		} else if (begins(text, "root") && ends_name(text[4])) {
			start->mnt = (u64)BPF_CORE_READ(task, fs, root.mnt);
			start->dentry = (u64)BPF_CORE_READ(task, fs, root.dentry);
			start->whole = text[4] == 0;
		}
	}
	if (number >= 0)
		base_of(number, &start->mnt, &start->dentry);
	start->flags = start->dentry ? TL_PATH_PROC : 0;
}

/*
 * Of the text in s->text from `from` (0 or 2) on. `follow`: a link that is the whole text is followed. False if what
 * it starts from is unknown or has no path. Names paths: to be called before a record is begun.
 */
static __noinline bool find_start(struct scratch *s, u32 from, int fd, u64 image, bool follow, struct start *start)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool absolute;

	bound(from, 2);
	absolute = s->text[from] == '/';
	if (!absolute) {
		base_of(fd, &start->mnt, &start->dentry);
		if (!start->dentry)
			return false;
	} else if (s->text[from + 1] == 'p' || s->text[from + 1] == 'd') {
		follow_proc(s->text + from, start);
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
	if (has_other_root(task))
		start->root = name_path(s, (u64)BPF_CORE_READ(task, fs, root.mnt),
					(u64)BPF_CORE_READ(task, fs, root.dentry), image);
	return true;
}

#endif
