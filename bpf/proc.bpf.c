// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The names whose meaning depends on a process: proc(5). Followed here because the process may have moved on,
 * or be gone, when the collector gets to see the text.
 */
#include "path.bpf.h"

#define XA_NODE 2 /* include/linux/xarray.h: a pointer to a node has it added */
#define XA_CHUNK 64
#define XA_LEVELS 6 /* enough for 32 bits */

#define begins(text, literal)                                                                                \
	({                                                                                                   \
		bool same_ = true;                                                                           \
		_Pragma("unroll") for (u32 i_ = 0; i_ < sizeof(literal) - 1;                                 \
				       i_++) if ((text)[i_] != (literal)[i_])                                \
		{                                                                                            \
			same_ = false;                                                                       \
			break;                                                                               \
		}                                                                                            \
		same_;                                                                                       \
	})

static __always_inline bool ends_name(char c) { return c == 0 || c == '/'; }

/*
 * The task with that number in the current task's pid namespace, whose /proc it is taken to look at; 0: none,
 * or one whose directories are not this user's to see.
 */
static __noinline u64 task_numbered(u32 number)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct pid *own = BPF_CORE_READ(self, thread_pid);
	struct pid_namespace *ns = NULL;
	struct hlist_node *link;
	struct xa_node *node;
	u64 entry, task;
	u32 at;

	bpf_probe_read_kernel(&ns, sizeof(ns),
			      (void *)own + bpf_core_field_offset(struct pid, numbers) +
				  BPF_CORE_READ(own, level) * bpf_core_type_size(struct upid) +
				  bpf_core_field_offset(struct upid, ns));
	entry = (u64)BPF_CORE_READ(ns, idr.idr_rt.xa_head);
	if ((entry & 3) != XA_NODE)
		return 0;
#pragma unroll
	for (int level = 0; level < XA_LEVELS; level++) {
		if ((entry & 3) != XA_NODE)
			break;
		node = (struct xa_node *)(entry - XA_NODE);
		at = number >> BPF_CORE_READ(node, shift);
		if (level == 0 && at >= XA_CHUNK)
			return 0;
		at &= XA_CHUNK - 1;
		if (bpf_probe_read_kernel(&entry, sizeof(entry),
					  (void *)node + bpf_core_field_offset(struct xa_node, slots) +
					      at * sizeof(entry)))
			return 0;
	}
	link = BPF_CORE_READ((struct pid *)entry, tasks[0].first);
	if (!link)
		return 0;
	task = (u64)link - bpf_core_field_offset(struct task_struct, pid_links);
	if (watched_uid && BPF_CORE_READ((struct task_struct *)task, cred, euid.val) != watched_uid)
		return 0;
	return task;
}

/* The number that is the whole name at `at`: shifted by 8, and its length; 0: none. Verified by itself. */
u64 number_at(u32 slot, u32 at)
{
	struct scratch *s = scratch_at(slot);
	u32 number = 0;

	if (!s)
		return 0;
#pragma unroll
	for (u32 i = 0; i < 8; i++) {
		u32 here = at + i;
		char c;

		bound(here, 127);
		c = s->text[here];
		if (c >= '0' && c <= '9') {
			number = number * 10 + (c - '0');
			continue;
		}
		return i && ends_name(c) ? (u64)number << 8 | i : 0;
	}
	return 0;
}

static __always_inline void start_at(struct start *start, struct path *place, bool whole)
{
	start->mnt = (u64)BPF_CORE_READ(place, mnt);
	start->dentry = (u64)BPF_CORE_READ(place, dentry);
	start->flags = start->dentry ? TL_PATH_PROC : 0;
	start->whole = whole;
}

static __always_inline struct file *file_of_task(struct task_struct *task, u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

static __always_inline int start_at_descriptor(struct scratch *s, u64 task, u32 fd, bool whole)
{
	struct file *file = file_of_task((struct task_struct *)task, fd);

	if (file)
		start_at(&s->start, &file->f_path, whole);
	return 0;
}

static __noinline int descriptor_at(struct scratch *s, u64 task, u32 at)
{
	u64 number = number_at(s->slot, at);
	u32 end = at + (number & 0xff);

	bound(end, 127);
	return number ? start_at_descriptor(s, task, number >> 8, s->text[end] == 0) : 0;
}

/* At `at` is the slash before the name of a link that a process has in /proc. */
static __always_inline int follow_link_of(struct scratch *s, u64 task, u32 at)
{
	struct task_struct *t = (struct task_struct *)task;
	const char *text;

	bound(at, 127);
	text = s->text + at;
	if (!task)
		return 0;
	if (begins(text, "/fd/"))
		return descriptor_at(s, task, at + 4);
	if (begins(text, "/cwd") && ends_name(text[4]))
		start_at(&s->start, &BPF_CORE_READ(t, fs)->pwd, text[4] == 0);
	else if (begins(text, "/root") && ends_name(text[5]))
		start_at(&s->start, &BPF_CORE_READ(t, fs)->root, text[5] == 0);
	else if (begins(text, "/exe") && text[4] == 0)
		start_at(&s->start, &BPF_CORE_READ(t, mm, exe_file)->f_path, true);
	return 0;
}

static __always_inline int follow_device(struct scratch *s, const char *text, u64 task, u32 from)
{
	if (begins(text, "/dev/fd/"))
		return descriptor_at(s, task, from + 8);
	if (begins(text, "/dev/stdin") && ends_name(text[10]))
		return start_at_descriptor(s, task, 0, text[10] == 0);
	if (begins(text, "/dev/stdout") && ends_name(text[11]))
		return start_at_descriptor(s, task, 1, text[11] == 0);
	if (begins(text, "/dev/stderr") && ends_name(text[11]))
		return start_at_descriptor(s, task, 2, text[11] == 0);
	return 0;
}

int follow_proc(u32 slot, u32 from)
{
	struct scratch *s = scratch_at(slot);
	u64 task = (u64)bpf_get_current_task_btf();
	const char *text;
	u64 number;
	u32 at;

	if (!s)
		return 0;
	bound(from, 2);
	text = s->text + from;
	if (begins(text, "/dev/"))
		return follow_device(s, text, task, from);
	if (begins(text, "/proc/self/")) {
		at = from + 10;
	} else if (begins(text, "/proc/thread-self/")) {
		at = from + 17;
	} else if (begins(text, "/proc/")) {
		number = number_at(slot, from + 6);
		if (!number)
			return 0;
		task = task_numbered(number >> 8);
		at = from + 6 + (number & 0xff);
	} else {
		return 0;
	}
	bound(at, 127);
	text = s->text + at;
	if (begins(text, "/task/")) {
		number = number_at(slot, at + 6);
		if (!number)
			return 0;
		task = task_numbered(number >> 8);
		at += 6 + (number & 0xff);
	}
	return follow_link_of(s, task, at);
}
