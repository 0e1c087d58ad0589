// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The `lsm` probe set: what the kernel's security hooks are shown is the object itself and the kernel's own copy
 * of an address, before either can change. What they see waits in the task's state until the system call's result
 * is known; sys_exit then reports it instead of what the arguments say.
 *
 * Each hook has two programs of which the collector loads one: on BPF LSM where that is active, else on a
 * trampoline at the function that calls the hooks (fentry).
 */
#include "path.bpf.h"
#include "calls.bpf.h"
#include "registers.bpf.h"

static __always_inline struct tl_task *followed(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state = bpf_task_storage_get(&tasks, task, NULL, 0);

	if (!state || !state->image)
		return NULL;
	/* sys_exit counts what a set-user-id program does. */
	if (task->cred->euid.val != watched_uid && !(state->flags & TL_TASK_CANARY))
		return NULL;
	begin_shown(state, (struct pt_regs *)bpf_task_pt_regs(task));
	return state;
}

/*
 * What the call will work on; `index` 1 is the second path of those that take two. `object`: the dentry of what will
 * bear that name, if that is another one.
 */
static __noinline int note_moved(u32 index, u32 op, u64 mnt, u64 dentry, u64 object)
{
	struct tl_task *state = followed();
	struct tl_pending *pending;
	struct inode *inode;
	struct scratch *s;

	if (!state)
		return 0;
	s = get_scratch();
	if (!s)
		return 0;
	pending = &state->pending[index & 1];
	inode = BPF_CORE_READ((struct dentry *)object, d_inode);
	mnt = as_number(s, mnt);
	dentry = as_number(s, dentry);
	pending->object = name_path(s, mnt, dentry, state->image);
	pending->mode = inode ? BPF_CORE_READ(inode, i_mode) : 0;
	pending->deleted = inode && object == dentry && is_deleted(dentry);
	pending->op = op;
	put_scratch(s);
	return 0;
}

static __always_inline int note_object(u32 index, u32 op, u64 mnt, u64 dentry)
{
	return note_moved(index, op, mnt, dentry, dentry);
}

static __noinline int note_address(u32 op, u64 address, u32 size)
{
	struct tl_task *state = followed();

	if (!state || !address || !size)
		return 0;
	if (size > TL_ADDRESS_MAX - 1)
		size = TL_ADDRESS_MAX - 1;
	state->address_size = size;
	bound(size, TL_ADDRESS_MAX - 1);
	if (bpf_probe_read_kernel(state->address, size, (void *)address) == 0)
		state->address_op = op;
	return 0;
}

static __always_inline u64 mount_of(const struct path *at) { return (u64)BPF_CORE_READ(at, mnt); }

/* SECURITY_HOOK(hook, (parameters), (their names), what to do). */
#define NAMES(...) __VA_ARGS__
#define SECURITY_HOOK(hook, parameters, body)                                                                \
	SEC("?lsm/" #hook) int BPF_PROG(lsm_##hook, NAMES parameters, int result_so_far)                     \
	{                                                                                                    \
		body;                                                                                        \
		return result_so_far;                                                                        \
	}                                                                                                    \
	SEC("?fentry/security_" #hook) int BPF_PROG(fentry_##hook, NAMES parameters)                         \
	{                                                                                                    \
		body;                                                                                        \
		return 0;                                                                                    \
	}

SECURITY_HOOK(path_unlink, (const struct path *directory, struct dentry *dentry),
	      note_object(0, TL_UNLINK, mount_of(directory), (u64)dentry))

SECURITY_HOOK(path_rmdir, (const struct path *directory, struct dentry *dentry),
	      note_object(0, TL_RMDIR, mount_of(directory), (u64)dentry))

SECURITY_HOOK(path_mkdir, (const struct path *directory, struct dentry *dentry, unsigned short mode),
	      note_object(0, TL_MKDIR, mount_of(directory), (u64)dentry))

SECURITY_HOOK(path_mknod, (const struct path *directory, struct dentry *dentry, unsigned short mode, unsigned int device),
	      note_object(0, TL_MKNOD, mount_of(directory), (u64)dentry))

SECURITY_HOOK(path_symlink, (const struct path *directory, struct dentry *dentry, const char *text),
	      note_object(0, TL_SYMLINK, mount_of(directory), (u64)dentry))

/* Both ends lie on one mount: anything else has ended in EXDEV by now. */
SECURITY_HOOK(path_link, (struct dentry *old, const struct path *directory, struct dentry *dentry), {
	note_object(0, TL_LINK_OLD, mount_of(directory), (u64)old);
	note_object(1, TL_LINK_NEW, mount_of(directory), (u64)dentry);
})

SECURITY_HOOK(path_rename,
	      (const struct path *old_directory, struct dentry *old, const struct path *new_directory,
	       struct dentry *dentry, unsigned int flags),
	      {
		      note_object(0, TL_RENAME_OLD, mount_of(old_directory), (u64)old);
		      note_moved(1, TL_RENAME_NEW, mount_of(new_directory), (u64)dentry, (u64)old);
	      })

SECURITY_HOOK(path_truncate, (const struct path *at),
	      note_object(0, TL_TRUNCATE, mount_of(at), (u64)BPF_CORE_READ(at, dentry)))

SECURITY_HOOK(path_chmod, (const struct path *at, unsigned short mode),
	      note_object(0, TL_ATTRIBUTES, mount_of(at), (u64)BPF_CORE_READ(at, dentry)))

SECURITY_HOOK(socket_connect, (struct socket *sock, void *address, int size),
	      note_address(TL_CONNECT, (u64)address, size))

SECURITY_HOOK(socket_bind, (struct socket *sock, void *address, int size),
	      note_address(TL_BIND, (u64)address, size))

SECURITY_HOOK(socket_sendmsg, (struct socket *sock, struct msghdr *message, int size), {
	note_address(TL_SEND, (u64)BPF_CORE_READ(message, msg_name), BPF_CORE_READ(message, msg_namelen));
})
