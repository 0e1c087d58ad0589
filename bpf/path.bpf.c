// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Walking from a dentry up to the run's root, as d_path does up to the process's; the helper of that name may
 * not be called from these programs. Reads are unlocked: a rename in the middle can mix old and new names.
 */
#include "path.bpf.h"

/* A path of 4095 bytes can have 2047 names, and each may cross a mount. */
#define WALK_STEPS 4096

#ifndef TREADLINE_NO_CAST
#define SHORT_WALK 16 /* steps: of most paths */
#else
#define SHORT_WALK 0 /* helper calls take stack, of which there is none left on these kernels */
#endif

__noinline u64 own_view(void)
{
	return view_of((u64)bpf_get_current_task_btf());
}

__noinline u64 file_of(int fd)
{
	return file_at((u64)bpf_get_current_task_btf(), fd);
}

/*
 * What a name adds to the hash of a path. The dentry cache's own hash of the name has 32 bits: among 100 000 names in a
 * directory some are equal. With the dentry's address, times a secret number, they are not. One that was dropped and is
 * looked up again is reported again.
 */
static __always_inline u64 hash_of_name(u64 dentry, u64 hash_and_length)
{
	return hash_and_length * 0x9e3779b97f4a7c15ULL + dentry * (hash_seed | 1);
}

enum step { STEP_NAME, STEP_MOUNT, STEP_ROOT };

/* One step towards the root. Of a name that was passed, `name` is the dentry. */
static __always_inline enum step step_up(struct scratch *s, struct walk *w, u64 *name)
{
	u64 dentry = w->dentry, parent, mount, mount_parent;
	struct dentry *object;

	if (dentry == w->root_dentry && w->mnt == w->root_mnt)
		return STEP_ROOT;
	object = object_at(struct dentry, dentry);
	parent = (u64)field(object, d_parent);
	if (dentry == w->mnt_root || dentry == parent) {
		mount = w->mnt - bpf_core_field_offset(struct mount, mnt);
		mount_parent = as_number(s, (u64)field_of(struct mount, mount, mnt_parent));
		if (mount_parent == mount || !mount_parent)
			return STEP_ROOT;
		w->mnt = mount_parent + bpf_core_field_offset(struct mount, mnt);
		w->mnt_root = as_number(s, (u64)field_of(struct mount, mount_parent, mnt.mnt_root));
		/* The last: it may lie where numbers are made. */
		w->dentry = as_number(s, (u64)field_of(struct mount, mount, mnt_mountpoint));
		return STEP_MOUNT;
	}
	w->hash += hash_of_name(dentry, field(object, d_name.hash_len)) * w->factor;
	w->factor *= PARENT;
	w->dentry = as_number(s, parent);
	*name = dentry;
	return STEP_NAME;
}

static long walk_step(u32 i, void *slot)
{
	struct scratch *s = scratch_at(*(u32 *)slot);
	enum step step;
	u64 name = 0;
	u32 at;
	long size;

	if (!s)
		return 1;
	step = step_up(s, &s->walk, &name);
	if (step == STEP_ROOT) {
		s->walk.state = WALK_DONE;
		return 1;
	}
	if (s->walk.copy && step == STEP_NAME) {
		at = s->cursor;
		if (at > RECORD_MAX - 256) {
			s->walk.state = WALK_OVERFLOW;
			return 1;
		}
		bound(at, RECORD_MAX);
		size = bpf_probe_read_kernel_str(s->record + at, 256,
						 field_of(struct dentry, name, d_name.name));
		if (size <= 0) {
			s->walk.state = WALK_OVERFLOW;
			return 1;
		}
		s->cursor = at + (u32)size;
	}
	return 0;
}

static __always_inline void begin_walk(struct scratch *s, struct walk *w, u64 task, u64 mnt, u64 dentry)
{
	/* Of what comes back from memory the verifier knows nothing that tells steps apart. */
	volatile struct walk *begun = &s->walk;
	u64 fs = (u64)field_of(struct task_struct, task, fs);

	begun->dentry = dentry;
	begun->mnt = mnt;
	begun->mnt_root = (u64)field_of(struct vfsmount, mnt, mnt_root);
	begun->root_dentry = (u64)field_of(struct fs_struct, fs, root.dentry);
	begun->root_mnt = (u64)field_of(struct fs_struct, fs, root.mnt);
	begun->hash = 0;
	begun->factor = 1;
	w->dentry = begun->dentry;
	w->mnt = begun->mnt;
	w->mnt_root = begun->mnt_root;
	w->root_dentry = begun->root_dentry;
	w->root_mnt = begun->root_mnt; /* a copy, in a mount namespace of its own */
	w->hash = begun->hash;
	w->factor = begun->factor;
	if (run_root_dentry && w->root_dentry != run_root_dentry) {
		w->root_dentry = run_root_dentry;
		w->root_mnt = run_root_mnt;
	}
}

/* In registers, and without calls. Whether that came to the root, with the hash left in the scratch. */
static __always_inline bool walk_shortly(struct scratch *s, struct walk *w)
{
	u64 name;

	for (u32 i = 0; i < SHORT_WALK; i++) {
		if (step_up(s, w, &name) == STEP_ROOT) {
			s->walk.hash = w->hash + hash_seed * w->factor;
			return true;
		}
	}
	return false;
}

/* As walk_path without copy, for a task that is known. Without a call, where that can be. */
static __always_inline bool hash_path(struct scratch *s, u64 task, u64 mnt, u64 dentry)
{
	if (SHORT_WALK) {
		struct walk w = {};

		begin_walk(s, &w, task, mnt, dentry);
		if (walk_shortly(s, &w))
			return true;
	}
	return walk_path(s->slot, mnt, dentry, false) >= 0;
}

__noinline long walk_path(u32 slot, u64 mnt, u64 dentry, u32 copy)
{
	struct scratch *s = scratch_at(slot);
	struct walk w = {.state = WALK_ON};
	u32 before;

	if (!s)
		return -1;
	before = s->cursor;
	begin_walk(s, &w, (u64)bpf_get_current_task_btf(), mnt, dentry);
	w.copy = copy;
	if (!copy && walk_shortly(s, &w))
		return 0;
	s->walk = w;
	bpf_loop(WALK_STEPS, walk_step, &slot, 0);
	if (s->walk.state != WALK_DONE) {
		count_loss(TL_LOSS_PATH_TOO_DEEP);
		return -1;
	}
	s->walk.hash += hash_seed * s->walk.factor;
	return s->cursor - before;
}

__noinline u64 send_name(u32 slot, u64 mnt, u64 dentry, u64 image, u64 object)
{
	struct scratch *s = scratch_at(slot);
	struct tl_name *record;
	u64 *named;
	long size;

	if (!s)
		return 0;
	named = naming_of(number_of(field_of(struct dentry, dentry, d_parent)), dentry);
	if (named && *named == object)
		return object;
	record = begin_record_at(s, struct tl_name, TL_NAME, image, 0);
	size = walk_path(s->slot, mnt, dentry, true);
	if (size < 0)
		return 0;
	record->names_size = size;
	record->object = object = s->walk.hash;
	if (!send_record(s->slot, false))
		return 0;
	if (named)
		*named = object;
	return object;
}

/* Fills in the scratch's `file`. */
static __always_inline void look_at_file(struct scratch *s, u64 opened)
{
	struct file_view *file = &s->file;
	struct file *opened_file;
	u64 inode, super, mnt, dentry, parent, hash_and_length;
	struct dentry *object;

	opened_file = object_at(struct file, opened);
	file->mnt = mnt = (u64)field(opened_file, f_path.mnt);
	file->dentry = dentry = number_of(field(opened_file, f_path.dentry));
	file->flags = field(opened_file, f_flags);
	file->mode = field(opened_file, f_mode);
	inode = (u64)field(opened_file, f_inode);
	file->inode_mode = field_of(struct inode, inode, i_mode);
	object = object_at(struct dentry, dentry);
	super = (u64)field(object, d_sb);
	file->has_path = !(field_of(struct super_block, super, s_flags) & SB_NOUSER);
	parent = (u64)field(object, d_parent);
	file->deleted = !field(object, d_hash.pprev) && parent != dentry;
	file->above = (u64)field_of(struct dentry, parent, d_parent);
	file->parent = parent == dentry || (u64)field_of(struct vfsmount, mnt, mnt_root) == dentry ? 0 : parent;
	file->name = (u64)field(object, d_name.name);
	hash_and_length = field(object, d_name.hash_len);
	file->name_size = hash_and_length >> 32;
	file->name_hash = hash_of_name(dentry, hash_and_length);
}
