// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Files that become code by being mapped, and files that were open when the command started. */
#include "access.bpf.h"
#include "calls.bpf.h"
#include "io_uring_types.h"

#define MAP_ANONYMOUS 0x20
#define DESCRIPTORS_MAX 1024

static __noinline int report_loaded(struct file *file, u64 image)
{
	struct named n = {.image = image, .op = TL_LOAD};
	u64 mnt = (u64)BPF_CORE_READ(file, f_path.mnt);
	u64 dentry = (u64)BPF_CORE_READ(file, f_path.dentry);
	struct scratch *s;

	if (has_no_path(dentry))
		return 0;
	s = get_scratch();
	if (!s)
		return 0;
	report_object(s->slot, &n, name_path(s, mnt, dentry, image), BPF_CORE_READ(file, f_inode, i_mode),
		      is_deleted(dentry));
	put_scratch(s);
	return 0;
}

static long file_behind(struct task_struct *task, struct vm_area_struct *vma, void *found)
{
	*(u64 *)found = (u64)vma->vm_file;
	return 0;
}

int mapping_finished(struct tl_finished_call *call)
{
	struct file *file;
	u64 found = 0;

	if (!call || !(call->args[2] & PROT_EXEC) || (u64)call->result >= (u64)-4095)
		return 0;
	if (calls[call->number & (TL_CALLS - 1)].fd >= 0) { /* mmap(2) */
		if (call->args[3] & MAP_ANONYMOUS)
			return 0;
		file = (struct file *)file_of((s32)call->args[4]);
	} else { /* mprotect(2), of which the first mapping stands for all */
		bpf_find_vma(bpf_get_current_task_btf(), call->args[0], file_behind, &found, 0);
		file = (struct file *)found;
	}
	if (file)
		report_loaded(file, call->image);
	return 0;
}

struct inheritance {
	u64 image;
	u64 table; /* struct file ** */
	u32 size;
	u32 slot;
};

static const char ring_name[] = "[io_uring]";

/* A ring from outside that is polled: a thread from outside carries out what the tree asks of it. */
static __noinline bool is_polled_ring(struct file *file, u64 dentry)
{
	struct io_ring_ctx *ring = BPF_CORE_READ(file, private_data);
	char name[sizeof(ring_name)] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ((struct dentry *)dentry, d_name.name));
	return bpf_strncmp(name, sizeof(name), ring_name) == 0 &&
	       BPF_CORE_READ(ring, flags) & IORING_SETUP_SQPOLL;
}

static long one_descriptor(u32 i, void *data)
{
	struct inheritance *all = data;
	struct scratch *s = scratch_at(all->slot);
	u64 mnt, dentry, object = 0;
	struct tl_path *record;
	struct file *file = NULL;

	if (!s || i >= all->size)
		return 1;
	bpf_probe_read_kernel(&file, sizeof(file), (void *)(all->table + (u64)i * sizeof(file)));
	if (!file)
		return 0;
	mnt = (u64)BPF_CORE_READ(file, f_path.mnt);
	dentry = (u64)BPF_CORE_READ(file, f_path.dentry);
	if (!has_no_path(dentry))
		object = name_path(s, mnt, dentry, all->image);
	else if (is_polled_ring(file, dentry))
		count_loss(TL_LOSS_IO_URING);
	record = begin_record(s, struct tl_path, TL_PATH, all->image);
	record->op = TL_INHERIT;
	record->flags = object ? TL_PATH_RESOLVED : 0;
	if (is_deleted(dentry))
		record->flags |= TL_PATH_DELETED;
	record->object = object;
	record->detail = i;
	record->call_flags = BPF_CORE_READ(file, f_flags);
	record->inode_mode = BPF_CORE_READ(file, f_inode, i_mode);
	send_record(s->slot, false);
	return 0;
}

/* Those that were closed on exec are closed by now. */
int report_inherited(u64 image)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct inheritance all = {.image = image};
	struct scratch *s = get_scratch();

	if (!s)
		return 0;
	all.table = (u64)BPF_CORE_READ(table, fd);
	all.size = BPF_CORE_READ(table, max_fds);
	all.slot = s->slot;
	bpf_loop(DESCRIPTORS_MAX, one_descriptor, &all, 0);
	put_scratch(s);
	return 0;
}
