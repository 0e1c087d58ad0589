/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From descriptors and dentries to paths. */
#ifndef TREADLINE_PATH_BPF_H
#define TREADLINE_PATH_BPF_H

#include "fields.bpf.h"
#include "record.bpf.h"

#define SB_NOUSER (1UL << 31) /* pipes, sockets, memfd: file systems without paths */

#define AT_FDCWD (-100)

/*
 * Verified by themselves, in path.bpf.c. `slot` is that of the caller's scratch; pointers into the kernel
 * come as numbers.
 */

/*
 * Of the current task. Not read along the pointer that the verifier knows: of each pointer loaded from that it
 * searches all of the kernel's types for an opinion, milliseconds each time.
 */

/*
 * The mount namespace, if that is not the one of the run's first program, else 0; with OTHER_ROOT if "/" is something
 * else than to that program.
 */
#define OTHER_ROOT (1ULL << 32)
u64 own_view(void);
/* The file of a descriptor, or 0. */
u64 file_of(int fd);

/* The same of a task that is known by a number. */
static __always_inline u64 view_of(u64 task)
{
	u64 fs = (u64)field_of(struct task_struct, task, fs), views = (u64)field_of(struct task_struct, task, nsproxy);
	u32 mounts = field_of(struct mnt_namespace, field_of(struct nsproxy, views, mnt_ns), ns.inum);
	u64 view = mounts == run_mounts ? 0 : mounts;

	if (run_root_dentry && (u64)field_of(struct fs_struct, fs, root.dentry) != run_root_dentry)
		view |= OTHER_ROOT;
	return view;
}

static __always_inline u64 file_at(u64 task, int fd)
{
	u64 files = (u64)field_of(struct task_struct, task, files);
	u64 table = files ? (u64)field_of(struct files_struct, files, fdt) : 0;
	u64 entries;

	if (!table || fd < 0 || (u32)fd >= field_of(struct fdtable, table, max_fds))
		return 0;
	entries = (u64)field_of(struct fdtable, table, fd);
	/* An array of pointers; this type is one. */
	return number_of(field_of(struct hlist_head, entries + (u64)fd * sizeof(u64), first));
}

/*
 * The hash that stands for a path is made of what its names add, each times PARENT for every name below it, and of the
 * run's seed for the root: so the hash of a directory tells those of what is in it, and the other way round.
 */
#define PARENT 0xd1342543de82ef95ULL
#define PARENT_INVERSE 0x572b5ee77a54e3bdULL /* modulo 2 to the 64 */

static __always_inline u64 hash_below(u64 directory, u64 name_hash) { return directory * PARENT + name_hash; }
static __always_inline u64 directory_of(u64 object, u64 name_hash)
{
	return (object - name_hash) * PARENT_INVERSE;
}

/*
 * Walks from (mnt, dentry); leaves the hash in the scratch's walk.hash and, with copy, the names in the
 * record. Returns their size, or a negative number after counting the loss.
 */
long walk_path(u32 slot, u64 mnt, u64 dentry, u32 copy);
/*
 * Makes sure that the path `object` stands for has been sent, and returns its hash, which is another one
 * after a rename; 0 after counting the loss. Builds a record: to be called before the one that refers to it
 * is begun.
 */
u64 send_name(u32 slot, u64 mnt, u64 dentry, u64 image, u64 object);

/*
 * The verifier no longer knows what it points to: of a pointer that a hook was handed it would check each load,
 * and states that differ in that alone it would look at one by one. By way of s->walk.dentry, which is lost.
 */
static __always_inline u64 as_number(struct scratch *s, u64 pointer)
{
	*(volatile u64 *)&s->walk.dentry = pointer;
	return *(volatile u64 *)&s->walk.dentry;
}

/* Places that the names of one directory share, so that few pages of memory are touched: see IMAGE_LINES. */
#define NEIGHBOURS 512

/* Where it is noted that the path has been named, which ends in these two. */
static __always_inline u64 *naming_of(u64 parent, u64 dentry)
{
	u32 index = (mix(hash_seed, parent) & ~(u64)(NEIGHBOURS - 1)) | (mix(hash_seed, dentry) & (NEIGHBOURS - 1));

	bound(index, NAMED_PATHS - 1);
	return bpf_map_lookup_elem(&named_paths, &index);
}

/* Inlined for want of call frames. */
static __always_inline u64 name_path(struct scratch *s, u64 mnt, u64 dentry, u64 image)
{
	if (walk_path(s->slot, mnt, dentry, false) < 0)
		return 0;
	return send_name(s->slot, mnt, dentry, image, s->walk.hash);
}

static __always_inline bool has_no_path(u64 dentry)
{
	return field_of(struct super_block, field_of(struct dentry, dentry, d_sb), s_flags) & SB_NOUSER;
}

/* Unlinked, or never linked (O_TMPFILE). */
static __always_inline bool is_deleted(u64 dentry)
{
	return !field_of(struct dentry, dentry, d_hash.pprev) && (u64)field_of(struct dentry, dentry, d_parent) != dentry;
}

/* What `fd` (or AT_FDCWD) is to that task, which is the current one. */
static __always_inline void base_of(u64 task, int fd, u64 *mnt, u64 *dentry)
{
	u64 fs, file;

	*mnt = *dentry = 0;
	if (fd == AT_FDCWD) {
		fs = (u64)field_of(struct task_struct, task, fs);
		*mnt = number_of(field_of(struct fs_struct, fs, pwd.mnt));
		*dentry = number_of(field_of(struct fs_struct, fs, pwd.dentry));
		return;
	}
	file = file_of(fd);
	if (file) {
		*mnt = number_of(field_of(struct file, file, f_path.mnt));
		*dentry = number_of(field_of(struct file, file, f_path.dentry));
	}
}

/*
 * What a text in /proc or /dev leads to that names a descriptor or directory of a process, into s->start; of
 * the text in s->text from `from` (0 or 2) on. Nothing if it names none. Verified by itself, in proc.bpf.c.
 */
int follow_proc(u32 slot, u32 from);

#endif
