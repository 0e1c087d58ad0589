/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Walking from a dentry up to the run's root, as d_path does up to the process's; the helper of that name may not
 * be called from these programs. Reads are unlocked: a rename in the middle can mix old and new names.
 */
#ifndef TREADLINE_PATH_BPF_H
#define TREADLINE_PATH_BPF_H

#include "record.bpf.h"

/* A path of 4095 bytes can have 2047 names, and each may cross a mount. */
#define WALK_STEPS 4096
#define SB_NOUSER (1UL << 31) /* pipes, sockets, memfd: file systems without paths */

#define AT_FDCWD (-100)

/* Whether "/" is something else to this task than to the run's first program. */
static __always_inline bool has_other_root(struct task_struct *task)
{
	return run_root_dentry && (u64)BPF_CORE_READ(task, fs, root.dentry) != run_root_dentry;
}

static long walk_step(u32 i, void *slot)
{
	struct scratch *s = scratch_at(*(u32 *)slot);
	struct dentry *dentry, *parent;
	struct vfsmount *mnt;
	struct mount *mount, *mount_parent;
	u32 at;
	long size;

	if (!s)
		return 1;
	dentry = (struct dentry *)s->walk.dentry;
	mnt = (struct vfsmount *)s->walk.mnt;
	if (s->walk.dentry == s->walk.root_dentry && s->walk.mnt == s->walk.root_mnt) {
		s->walk.state = WALK_DONE;
		return 1;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	if (s->walk.dentry == s->walk.mnt_root || dentry == parent) {
		mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
		mount_parent = BPF_CORE_READ(mount, mnt_parent);
		if (mount_parent == mount || !mount_parent) {
			s->walk.state = WALK_DONE;
			return 1;
		}
		s->walk.dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
		s->walk.mnt = (u64)mount_parent + bpf_core_field_offset(struct mount, mnt);
		s->walk.mnt_root = (u64)BPF_CORE_READ(mount_parent, mnt.mnt_root);
		return 0;
	}
	/*
	 * The dentry cache's own hash of the name has 32 bits: among 100 000 names in a directory some are equal.
	 * With the dentry's address they are not. One that was dropped and is looked up again is reported again.
	 */
	s->walk.hash = mix(mix(s->walk.hash, BPF_CORE_READ(dentry, d_name.hash_len)), (u64)dentry);
	if (s->walk.copy) {
		at = s->cursor;
		if (at > RECORD_MAX - 256) {
			s->walk.state = WALK_OVERFLOW;
			return 1;
		}
		bound(at, RECORD_MAX);
		size = bpf_probe_read_kernel_str(s->record + at, 256, BPF_CORE_READ(dentry, d_name.name));
		if (size <= 0) {
			s->walk.state = WALK_OVERFLOW;
			return 1;
		}
		s->cursor = at + (u32)size;
	}
	s->walk.dentry = (u64)parent;
	return 0;
}

/*
 * Walks from (mnt, dentry); leaves the hash in s->walk.hash and, with copy, the names in the record. Returns
 * their size, or a negative number after counting the loss.
 */
static __noinline long walk_path(struct scratch *s, u64 mnt, u64 dentry, bool copy)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 before = s->cursor;
	u32 slot = s->slot;

	s->walk.dentry = dentry;
	s->walk.mnt = mnt;
	s->walk.mnt_root = (u64)BPF_CORE_READ((struct vfsmount *)mnt, mnt_root);
	if (has_other_root(task)) {
		s->walk.root_dentry = run_root_dentry;
		s->walk.root_mnt = run_root_mnt;
	} else { /* its mount is a copy in a mount namespace of the task's own */
		s->walk.root_dentry = (u64)BPF_CORE_READ(task, fs, root.dentry);
		s->walk.root_mnt = (u64)BPF_CORE_READ(task, fs, root.mnt);
	}
	s->walk.hash = hash_seed;
	s->walk.copy = copy;
	s->walk.state = WALK_ON;
	bpf_loop(WALK_STEPS, walk_step, &slot, 0);
	if (s->walk.state != WALK_DONE) {
		count_loss(TL_LOSS_PATH_TOO_DEEP);
		return -1;
	}
	return s->cursor - before;
}

/*
 * Makes sure that the path `object` stands for has been sent, and returns its hash, which is another one after a
 * rename; 0 after counting the loss. Builds a record: to be called before the one that refers to it is begun.
 */
static __noinline u64 send_name(struct scratch *s, u64 mnt, u64 dentry, u64 image, u64 object)
{
	struct tl_name *record;
	u8 sent = 1;
	long size;

	if (bpf_map_lookup_elem(&named_paths, &object))
		return object;
	record = begin_record(s, struct tl_name, TL_NAME, image);
	size = walk_path(s, mnt, dentry, true);
	if (size < 0)
		return 0;
	record->names_size = size;
	record->object = object = s->walk.hash;
	if (!send_record(s, false))
		return 0;
	bpf_map_update_elem(&named_paths, &object, &sent, BPF_ANY);
	return object;
}

static __always_inline u64 name_path(struct scratch *s, u64 mnt, u64 dentry, u64 image)
{
	if (walk_path(s, mnt, dentry, false) < 0)
		return 0;
	return send_name(s, mnt, dentry, image, s->walk.hash);
}

static __always_inline struct file *file_of_task(struct task_struct *task, int fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if (fd < 0 || (u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

static __always_inline struct file *file_of(int fd) { return file_of_task(bpf_get_current_task_btf(), fd); }

static __always_inline bool has_no_path(u64 dentry)
{
	return BPF_CORE_READ((struct dentry *)dentry, d_sb, s_flags) & SB_NOUSER;
}

/* Unlinked, or never linked (O_TMPFILE). */
static __always_inline bool is_deleted(u64 dentry)
{
	struct dentry *d = (struct dentry *)dentry;
	return BPF_CORE_READ(d, d_hash.pprev) == NULL && BPF_CORE_READ(d, d_parent) != d;
}

static __always_inline void base_of(int fd, u64 *mnt, u64 *dentry)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file;

	*mnt = *dentry = 0;
	if (fd == AT_FDCWD) {
		*mnt = (u64)BPF_CORE_READ(task, fs, pwd.mnt);
		*dentry = (u64)BPF_CORE_READ(task, fs, pwd.dentry);
		return;
	}
	file = file_of(fd);
	if (file) {
		*mnt = (u64)BPF_CORE_READ(file, f_path.mnt);
		*dentry = (u64)BPF_CORE_READ(file, f_path.dentry);
	}
}

/*
 * What a text in /proc or /dev leads to that names a descriptor or directory of a process, into s->start; of
 * the text in s->text from `from` (0 or 2) on. Nothing if it names none. Verified by itself, in proc.bpf.c.
 */
int follow_proc(u32 slot, u32 from);

#endif
