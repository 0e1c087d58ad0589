// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Paths that system calls work on: opens, and everything that changes names or attributes. */
#include "access.bpf.h"
#include "seen.bpf.h"
#include "start.bpf.h"
#include "calls.bpf.h"

#define S_IFMT 0170000
#define S_IFDIR 0040000
#define NAME_MAX 255
#define O_PATH 010000000
#define O_CREAT 0100
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define FMODE_CREATED 0x100000 /* Linux 4.19 */

/*
 * Reads what the program asked for into s->text. False if there is nothing to be read (again): no loss, where the object
 * itself is known.
 */
static __always_inline bool read_asked(struct scratch *s, struct named *n)
{
	s->text_size = 0;
	return n->address && read_text(s, n->address, n->kernel_text);
}

__noinline int report_object(u32 slot, struct named *n, u64 object, u32 mode, u32 deleted)
{
	struct access *key;
	struct start *start;
	struct scratch *s = scratch_at(slot);
	struct tl_path *record;
	bool has_text;

	if (!s || !n || !object)
		return 0;
	key = &s->access;
	__builtin_memset(key, 0, sizeof(*key));
	start = &s->start;
	__builtin_memset(start, 0, sizeof(*start));
	key->image = n->image;
	key->detail = n->op | n->call_flags << 8;
	key->result = n->result;
	key->object = object;
	if (seen_before(key))
		return 0;
	has_text = read_asked(s, n) && know_start(s, 0, n->fd, n->image, true, n->start);
	record = begin_record(s, struct tl_path, TL_PATH, n->image);
	record->result = n->result;
	record->op = n->op;
	record->flags = TL_PATH_RESOLVED | (deleted ? TL_PATH_DELETED : 0);
	record->call_flags = n->call_flags;
	record->inode_mode = mode;
	record->detail = key->detail;
	record->object = object;
	if (has_text) {
		record->base = start->base;
		record->root = start->root;
		record->mounts = start->mounts;
		record->flags |= TL_PATH_TEXT | start->flags;
		record->text_size = append_text(s);
	}
	if (send_record(s->slot, false))
		remember(s);
	return 0;
}

/* The object is what a descriptor (or the working directory) refers to. */
static __always_inline int report_place(struct scratch *s, struct named *n, u64 mnt, u64 dentry)
{
	if (!dentry || has_no_path(dentry))
		return 0;
	return report_object(s->slot, n, name_path(s, mnt, dentry, n->image),
			     BPF_CORE_READ((struct dentry *)dentry, d_inode, i_mode), is_deleted(dentry));
}

__noinline int report_named(u32 slot, struct named *n)
{
	struct access *key;
	struct start *start;
	struct scratch *s = scratch_at(slot);
	struct tl_path *record;

	if (!s || !n)
		return 0;
	key = &s->access;
	__builtin_memset(key, 0, sizeof(*key));
	start = &s->start;
	__builtin_memset(start, 0, sizeof(*start));
	s->text_size = 0;
	if (n->address && !read_text(s, n->address, n->kernel_text)) {
		if (n->result != ENOSYS) /* then nobody has read it before: it may lie in a page that is not there */
			count_loss(TL_LOSS_USER_MEMORY);
		return 0;
	}
	if (s->text_size == 0) { /* AT_EMPTY_PATH, or a call that takes no path */
		/* An empty path names nothing, and what is asked of an open file is no access by name. */
		if ((n->address && n->result) || n->op == TL_STAT)
			return 0;
		base_of((u64)bpf_get_current_task_btf(), n->fd, &start->mnt, &start->dentry);
		if (!start->dentry && n->result == 0)
			count_loss(TL_LOSS_NO_DESCRIPTOR);
		return report_place(s, n, start->mnt, start->dentry);
	}
	if (!know_start(s, 0, n->fd, n->image, follows(n), n->start)) {
		if (!start->dentry && n->result == 0)
			count_loss(TL_LOSS_NO_DESCRIPTOR);
		return 0;
	}
	if (start->whole && start->dentry)
		return report_place(s, n, start->mnt, start->dentry);
	s->hash = mix(mix(mix(hash_seed, n->flags | (u64)start->mounts << 32), start->base), start->root);
	hash_text(s);
	key->image = n->image;
	key->object = s->hash;
	key->detail = n->op | n->call_flags << 8;
	key->result = n->result;
	if (seen_before(key))
		return 0;

	record = begin_record(s, struct tl_path, TL_PATH, n->image);
	record->result = n->result;
	record->op = n->op;
	record->flags = n->flags | TL_PATH_TEXT | start->flags;
	record->call_flags = n->call_flags;
	record->detail = key->detail;
	record->base = start->base;
	record->root = start->root;
	record->mounts = start->mounts;
	record->object = key->object;
	record->text_size = append_text(s);
	/* What changed a name is resolved by the collector: at once, before the next change. */
	if (send_record(s->slot, n->result == 0 && n->op != TL_STAT))
		remember(s);
	return 0;
}

/* A path argument, or the object that a security hook was shown for it. */
static __always_inline int report_argument(struct scratch *s, struct named *n, u32 index)
{
	struct tl_pending *pending;
	struct tl_task *state;

	if (security_hooks) {
		state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
		if (state) {
			pending = &state->pending[index & 1];
			if (pending->object && pending->op == n->op)
				return report_object(s->slot, n, pending->object, pending->mode,
						     pending->deleted);
		}
	}
	return report_named(s->slot, n);
}

static __always_inline bool restarts(s64 result)
{
	return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

__noinline int path_finished(struct tl_finished_call *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const volatile struct tl_call *rule;
	struct named n = {};
	struct scratch *s;

	if (!call || restarts(call->result))
		return 0;
	rule = &calls[call->number & (TL_CALLS - 1)];
	n.image = call->image;
	n.result = call->result < 0 ? -call->result : 0;
	n.op = rule->op;
	n.flags = rule->flags & TL_CALL_FOLLOW ? TL_PATH_FOLLOW : 0;
	n.call_flags = argument(call, rule->call_flags);
	n.fd = rule->fd < 0 ? AT_FDCWD : (s32)argument(call, rule->fd);
	n.address = rule->path < 0 ? 0 : argument(call, rule->path);
	s = get_scratch();
	if (!s)
		return 0;
	if (n.op == TL_CHDIR && !n.result)
		report_place(s, &n, (u64)BPF_CORE_READ(task, fs, pwd.mnt),
			     (u64)BPF_CORE_READ(task, fs, pwd.dentry));
	else
		report_argument(s, &n, 0);
	if (rule->op2) {
		n.op = rule->op2;
		n.fd = rule->fd2 < 0 ? AT_FDCWD : (s32)argument(call, rule->fd2);
		n.address = argument(call, rule->path2);
		report_argument(s, &n, 1);
	}
	put_scratch(s);
	return 0;
}

__noinline int exec_failed(struct tl_finished_call *call)
{
	const volatile struct tl_call *rule;
	struct named n = {};
	struct scratch *s;

	if (!call || restarts(call->result))
		return 0;
	s = get_scratch();
	if (!s)
		return 0;
	rule = &calls[call->number & (TL_CALLS - 1)];
	n.image = call->image;
	n.result = -call->result;
	n.op = TL_EXECUTE;
	n.flags = TL_PATH_FOLLOW;
	n.fd = rule->fd < 0 ? AT_FDCWD : (s32)argument(call, rule->fd);
	n.address = argument(call, rule->path);
	report_named(s->slot, &n);
	put_scratch(s);
	return 0;
}

#ifndef TREADLINE_NO_CAST
#define LOADED_NAME_MAX 40 /* what the dentry itself has room for */
#else
#define LOADED_NAME_MAX 0
#endif

/* Without a call, which costs more; some bytes too many. They lie in one object of the kernel, with the name. */
static __always_inline void load_name(char *name, u64 from, u32 size)
{
#pragma unroll
	for (u32 i = 0; i < LOADED_NAME_MAX; i += 8)
		if (i <= size)
			*(u64 *)(name + i) = (u64)field_of(struct hlist_head, from + i, first);
}

/* The file's own name, behind the fixed part. Where it cannot be read, sending the record counts the loss. */
static __always_inline void append_name(struct scratch *s, struct tl_path *record)
{
	char *name = (char *)(record + 1);
	long size = s->file.name_size;

	bound(size, NAME_MAX);
	name[size] = 1;
	if (size < LOADED_NAME_MAX)
		load_name(name, s->file.name, size);
	else
		bpf_probe_read_kernel(name, size + 1, (void *)s->file.name);
	if (size < 1 || name[size] != 0 || name[size - 1] == 0) {
		/* It has been renamed to a shorter or longer name since. */
		size = bpf_probe_read_kernel_str(name, NAME_MAX + 1, (void *)s->file.name) - 1;
		if (size < 1)
			size = RECORD_MAX;
	}
	record->name_size = size;
	s->cursor = sizeof(*record) + (u32)size;
}

/*
 * What most distinct accesses are. So it makes no calls that it can do without: where returns are guarded (see decision 0004)
 * each takes as long as ten of its instructions.
 */
static __always_inline int report_open_file(struct scratch *s, u64 task, struct named *n, u64 opened)
{
	struct access *key = &s->access;
	struct start *start = &s->start;
	struct file_view *file = &s->file;
	struct tl_path *record;
	u64 directory, *naming, *named;
	u32 slot = s->slot;
	bool has_text;

	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memset(start, 0, sizeof(*start));
	look_at_file(s, opened);
	if (!file->has_path)
		return 0;
	if (file->flags & O_PATH) { /* gives no access to what is in it */
		n->op = TL_STAT;
		n->call_flags = 0;
		return report_object(slot, n, name_path(s, file->mnt, file->dentry, n->image),
				     file->inode_mode, file->deleted);
	}
	key->image = n->image;
	key->detail = TL_OPEN | (file->mode & FMODE_READ ? TL_OPENED_READ : 0) |
		      (file->mode & FMODE_WRITE ? TL_OPENED_WRITE : 0) |
		      (file->mode & FMODE_CREATED ? TL_OPENED_CREATED : 0) |
		      ((file->inode_mode & S_IFMT) == S_IFDIR ? TL_OPENED_DIRECTORY : 0) |
		      (file->deleted ? TL_OPENED_DELETED : 0);
	if (!(file->mode & FMODE_CREATED) && n->call_flags & O_CREAT)
		key->detail |= TL_OPENED_WOULD_CREATE;
	if (!hash_path(s, task, file->mnt, file->dentry))
		return 0;
	key->object = s->walk.hash;
	if (seen_before_at(key, true))
		return 0;
	directory = 0;
	naming = naming_of(file->parent, file->dentry);
	if (!file->parent || key->object == hash_seed) {
		key->object = send_name(slot, file->mnt, file->dentry, n->image, key->object);
		if (!key->object)
			return 0;
	} else if (naming && *naming != key->object) {
		directory = directory_of(key->object, file->name_hash);
		named = naming_of(file->above, file->parent);
		if (!named || *named != directory)
			directory = send_name(slot, file->mnt, file->parent, n->image, directory);
		if (!directory)
			return 0;
		key->object = hash_below(directory, file->name_hash);
	}
	has_text = read_asked(s, n) && know_start(s, 0, n->fd, n->image, true, n->start);
	record = begin_record_of(s, struct tl_path, TL_PATH, n->image, rough_time(), field_of(struct task_struct, task, tgid),
				 field_of(struct task_struct, task, pid));
	record->op = TL_OPEN;
	record->flags = TL_PATH_RESOLVED | (key->detail & TL_OPENED_DELETED ? TL_PATH_DELETED : 0);
	record->call_flags = n->call_flags;
	record->inode_mode = file->inode_mode;
	record->detail = key->detail;
	record->object = key->object;
	if (directory) {
		record->directory = directory;
		append_name(s, record);
	}
	if (has_text) {
		record->base = start->base;
		record->root = start->root;
		record->mounts = start->mounts;
		record->flags |= TL_PATH_TEXT | start->flags;
		record->text_size = append_text(s);
	}
	if (send_now(s, false)) {
		if (directory && naming)
			*naming = key->object;
		remember_access(s);
	}
	return 0;
}

__noinline int report_opened(u32 slot, struct named *n, u64 opened)
{
	struct scratch *s = scratch_at(slot);

	return s && n ? report_open_file(s, (u64)bpf_get_current_task_btf(), n, opened) : 0;
}

__noinline int open_finished(u32 slot)
{
	const volatile struct tl_call *rule;
	const struct tl_finished_call *call;
	struct scratch *s = scratch_at(slot);
	struct named *n;
	u64 file;

	if (!s || restarts(s->call.result))
		return 0;
	call = &s->call;
	n = &s->named;
	__builtin_memset(n, 0, sizeof(*n));
	rule = &calls[call->number & (TL_CALLS - 1)];
	n->image = call->image;
	n->op = TL_OPEN;
	n->fd = rule->fd < 0 ? AT_FDCWD : (s32)argument(call, rule->fd);
	n->address = rule->path < 0 ? 0 : argument(call, rule->path);
	if (rule->flags & TL_CALL_OPEN_HOW) {
		if (bpf_probe_read_user(&s->how, sizeof(s->how), (void *)argument(call, rule->call_flags)))
			count_loss(TL_LOSS_USER_MEMORY);
		else
			n->call_flags = s->how[0];
	} else if (rule->flags & TL_CALL_CREAT) {
		n->call_flags = 01101; /* O_CREAT | O_WRONLY | O_TRUNC */
	} else {
		n->call_flags = argument(call, rule->call_flags);
	}
	if (call->result >= 0) {
		file = file_at(s->task, call->result);
		if (file)
			report_open_file(s, s->task, n, file);
		else
			count_loss(TL_LOSS_NO_DESCRIPTOR);
	} else if (n->address) {
		n->result = -call->result;
		n->flags = TL_PATH_FOLLOW;
		report_named(s->slot, n);
	}
	return 0;
}
