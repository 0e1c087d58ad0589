// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Paths that system calls work on: opens, and everything that changes names or attributes. */
#include "path.bpf.h"
#include "calls.bpf.h"

#define S_IFMT 0170000
#define S_IFDIR 0040000
#define O_PATH 010000000
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define FMODE_CREATED 0x100000 /* Linux 4.19 */

struct open_how { /* openat2(2) */
	u64 flags;
	u64 mode;
	u64 resolve;
};

/* One access that is named by a path argument. */
struct named {
	u64 image;
	u64 address; /* of the path in the program's memory; 0: the descriptor itself is the object */
	s32 fd;
	s32 result; /* 0 or errno */
	u32 call_flags;
	u16 op;
	u16 flags; /* TL_PATH_* */
};

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

/* The object is what a descriptor (or the working directory) refers to. */
static __noinline int report_object(struct scratch *s, struct named *n, u64 mnt, u64 dentry)
{
	struct tl_seen_key key = {.image = n->image, .detail = n->op, .result = n->result};
	struct tl_path *record;
	long size;

	if (!dentry || has_no_path(dentry))
		return 0;
	if (walk_path(s, mnt, dentry, false) < 0)
		return 0;
	key.object = s->walk.hash;
	if (seen_before(&key))
		return 0;
	record = begin_record(s, struct tl_path, TL_PATH, n->image);
	record->result = n->result;
	record->op = n->op;
	record->flags = TL_PATH_RESOLVED;
	if (is_deleted(dentry))
		record->flags |= TL_PATH_DELETED;
	record->call_flags = n->call_flags;
	record->inode_mode = BPF_CORE_READ((struct dentry *)dentry, d_inode, i_mode);
	record->detail = key.detail;
	size = walk_path(s, mnt, dentry, true);
	if (size < 0)
		return 0;
	record->names_size = size;
	record->object = key.object = s->walk.hash;
	if (send_record(s, false))
		remember(&key);
	return 0;
}

static __noinline int report_named(struct scratch *s, struct named *n)
{
	struct tl_seen_key key = {.image = n->image, .detail = n->op, .result = n->result};
	u64 mnt = 0, dentry = 0, text_hash;
	struct tl_path *record;
	bool relative;
	long size;

	s->text_size = 0;
	if (n->address && !read_user_text(s, n->address)) {
		count_loss(TL_LOSS_USER_MEMORY);
		return 0;
	}
	relative = s->text_size == 0 || s->text[0] != '/';
	if (relative) {
		base_of(n->fd, &mnt, &dentry);
		if (!dentry) {
			if (n->result == 0)
				count_loss(TL_LOSS_NO_DESCRIPTOR);
			return 0;
		}
	}
	if (s->text_size == 0) { /* AT_EMPTY_PATH, or a call that takes no path */
		if (n->address && n->result)
			return 0; /* an empty path names nothing */
		return report_object(s, n, mnt, dentry);
	}
	key.detail |= (u32)n->call_flags << 8;
	s->hash = mix(hash_seed, n->flags);
	hash_text(s);
	text_hash = s->hash;
	if (relative) {
		if (walk_path(s, mnt, dentry, false) < 0)
			return 0;
		key.object = mix(text_hash, s->walk.hash);
	} else {
		key.object = text_hash;
	}
	if (seen_before(&key))
		return 0;

	record = begin_record(s, struct tl_path, TL_PATH, n->image);
	record->result = n->result;
	record->op = n->op;
	record->flags = n->flags | TL_PATH_TEXT;
	record->call_flags = n->call_flags;
	record->detail = key.detail;
	if (relative) {
		size = walk_path(s, mnt, dentry, true);
		if (size < 0)
			return 0;
		record->base_size = size;
		key.object = mix(text_hash, s->walk.hash);
	}
	record->object = key.object;
	record->text_size = append_text(s);
	/* What changed a name is resolved by the collector: at once, before the next change. */
	if (send_record(s, n->result == 0))
		remember(&key);
	return 0;
}

static __always_inline bool restarts(s64 result)
{
	return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

int path_finished(struct finished_call *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s = get_scratch();
	const volatile struct tl_call *rule;
	struct named n = {};

	if (!call || !s || restarts(call->result))
		return 0;
	rule = &calls[call->number & (TL_CALLS - 1)];
	n.image = call->image;
	n.result = call->result < 0 ? -call->result : 0;
	n.op = rule->op;
	n.flags = rule->flags & TL_CALL_FOLLOW ? TL_PATH_FOLLOW : 0;
	n.call_flags = argument(call, rule->call_flags);
	n.fd = rule->fd < 0 ? AT_FDCWD : (s32)argument(call, rule->fd);
	n.address = rule->path < 0 ? 0 : argument(call, rule->path);
	if (n.op == TL_CHDIR && !n.result)
		return report_object(s, &n, (u64)BPF_CORE_READ(task, fs, pwd.mnt),
				     (u64)BPF_CORE_READ(task, fs, pwd.dentry));
	report_named(s, &n);
	if (!rule->op2)
		return 0;
	n.op = rule->op2;
	n.fd = rule->fd2 < 0 ? AT_FDCWD : (s32)argument(call, rule->fd2);
	n.address = argument(call, rule->path2);
	return report_named(s, &n);
}

int exec_failed(struct finished_call *call)
{
	struct scratch *s = get_scratch();
	const volatile struct tl_call *rule;
	struct named n = {};

	if (!call || !s || restarts(call->result))
		return 0;
	rule = &calls[call->number & (TL_CALLS - 1)];
	n.image = call->image;
	n.result = -call->result;
	n.op = TL_EXECUTE;
	n.flags = TL_PATH_FOLLOW;
	n.fd = rule->fd < 0 ? AT_FDCWD : (s32)argument(call, rule->fd);
	n.address = argument(call, rule->path);
	return report_named(s, &n);
}

static __noinline int report_opened(struct scratch *s, struct named *n, int fd)
{
	struct tl_seen_key key = {.image = n->image};
	struct file *file = file_of(fd);
	u64 mnt, dentry, base_mnt, base_dentry;
	struct tl_path *record;
	u32 mode, inode_mode;
	long size;

	if (!file) {
		count_loss(TL_LOSS_NO_DESCRIPTOR);
		return 0;
	}
	if (BPF_CORE_READ(file, f_flags) & O_PATH)
		return 0;
	mnt = (u64)BPF_CORE_READ(file, f_path.mnt);
	dentry = (u64)BPF_CORE_READ(file, f_path.dentry);
	if (has_no_path(dentry))
		return 0;
	mode = BPF_CORE_READ(file, f_mode);
	inode_mode = BPF_CORE_READ(file, f_inode, i_mode);
	key.detail = TL_OPEN | (mode & FMODE_READ ? 0x100 : 0) | (mode & FMODE_WRITE ? 0x200 : 0) |
		     (mode & FMODE_CREATED ? 0x400 : 0) | ((inode_mode & S_IFMT) == S_IFDIR ? 0x800 : 0) |
		     (is_deleted(dentry) ? 0x1000 : 0);
	if (walk_path(s, mnt, dentry, false) < 0)
		return 0;
	key.object = s->walk.hash;
	if (seen_before(&key))
		return 0;

	record = begin_record(s, struct tl_path, TL_PATH, n->image);
	record->op = TL_OPEN;
	record->flags = TL_PATH_RESOLVED | (is_deleted(dentry) ? TL_PATH_DELETED : 0);
	record->call_flags = BPF_CORE_READ(file, f_flags);
	record->file_mode = mode;
	record->inode_mode = inode_mode;
	record->detail = key.detail;
	size = walk_path(s, mnt, dentry, true);
	if (size < 0)
		return 0;
	record->names_size = size;
	record->object = key.object = s->walk.hash;
	/* As the program asked for it; a path that cannot be read again is no loss here. */
	if (n->address && read_user_text(s, n->address)) {
		if (s->text[0] != '/') {
			base_of(n->fd, &base_mnt, &base_dentry);
			if (base_dentry) {
				size = walk_path(s, base_mnt, base_dentry, true);
				if (size < 0)
					return 0;
				record->base_size = size;
			}
		}
		record->flags |= TL_PATH_TEXT;
		record->text_size = append_text(s);
	}
	if (send_record(s, false))
		remember(&key);
	return 0;
}

int open_finished(struct finished_call *call)
{
	struct scratch *s = get_scratch();
	const volatile struct tl_call *rule;
	struct open_how how = {};
	struct named n = {};

	if (!call || !s || restarts(call->result))
		return 0;
	rule = &calls[call->number & (TL_CALLS - 1)];
	n.image = call->image;
	n.op = TL_OPEN;
	n.fd = rule->fd < 0 ? AT_FDCWD : (s32)argument(call, rule->fd);
	n.address = rule->path < 0 ? 0 : argument(call, rule->path);
	if (call->result >= 0)
		return report_opened(s, &n, call->result);
	if (!n.address)
		return 0;
	if (rule->flags & TL_CALL_OPEN_HOW) {
		if (bpf_probe_read_user(&how, sizeof(how), (void *)argument(call, rule->call_flags)))
			count_loss(TL_LOSS_USER_MEMORY);
		n.call_flags = how.flags;
	} else if (rule->flags & TL_CALL_CREAT) {
		n.call_flags = 01101; /* O_CREAT | O_WRONLY | O_TRUNC */
	} else {
		n.call_flags = argument(call, rule->call_flags);
	}
	if (n.call_flags & O_PATH)
		return 0;
	n.result = -call->result;
	n.flags = TL_PATH_FOLLOW;
	return report_named(s, &n);
}
