// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Names of environment variables that programs ask the C library for. Attached to getenv(3) by address; a program
 * that carries its own, or reads `environ`, is not seen.
 */
#include "record.bpf.h"

/* Longer names are not told apart, so not reported. */
#define NAME_MAX_SIZE 120

struct asked_key {
	u64 image;
	char name[NAME_MAX_SIZE];
};

/* What falls out is reported again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16 * 1024);
	__type(key, struct asked_key);
	__type(value, u8);
} asked SEC(".maps");

#if defined(__TARGET_ARCH_x86)
#define FIRST_ARGUMENT(regs) ((regs)->di)
#elif defined(__TARGET_ARCH_arm64)
#define FIRST_ARGUMENT(regs) ((regs)->regs[0])
#endif

SEC("uprobe")
int on_getenv(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tl_task *state = bpf_task_storage_get(&tasks, task, NULL, 0);
	struct tl_getenv *record;
	struct asked_key key = {};
	struct scratch *s;
	u8 yes = 1;
	long size;

	if (!state || !state->image || state->flags & TL_TASK_OTHER_USER)
		return 0;
	size = bpf_probe_read_user_str(key.name, sizeof(key.name), (void *)FIRST_ARGUMENT(ctx));
	if (size <= 1 || size >= NAME_MAX_SIZE)
		return 0;
	key.image = state->image;
	if (bpf_map_lookup_elem(&asked, &key))
		return 0;
	s = get_scratch();
	if (!s)
		return 0;
	record = begin_record(s, struct tl_getenv, TL_GETENV, key.image);
	record->name_size = size - 1;
	bpf_probe_read_kernel(s->record + sizeof(*record), sizeof(key.name), key.name);
	s->cursor = sizeof(*record) + (u32)size - 1;
	if (send_record(s->slot, false))
		bpf_map_update_elem(&asked, &key, &yes, BPF_ANY);
	put_scratch(s);
	return 0;
}
