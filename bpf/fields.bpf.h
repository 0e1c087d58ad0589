/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reading fields of the kernel's objects that are known by their address. */
#ifndef TREADLINE_FIELDS_BPF_H
#define TREADLINE_FIELDS_BPF_H

#include "maps.bpf.h"

/*
 * By a load, for which Linux 6.2 has a cast, or by a helper that costs ten times as much: in all but the unit of syscalls.bpf.c,
 * since the linker of libbpf 1.1 takes no kernel function from two, and in the programs for kernels without the cast.
 */
#if defined(FIELDS_BY_LOADS) && !defined(TREADLINE_NO_CAST)
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;
#define object_at(type, address) ((type *)bpf_rdonly_cast((void *)(u64)(address), bpf_core_type_id_kernel(type)))
#define field(object, name) (object)->name
/* Of a pointer that was loaded so, which else may not be calculated with: the difference of two pointers is a number. */
#define number_of(pointer)                                                                                   \
	({                                                                                                   \
		u64 number_ = (u64)(pointer) -                                                               \
			      (u64)bpf_rdonly_cast(NULL, bpf_core_type_id_kernel(struct task_struct));       \
		barrier_var(number_); /* or what is added to it is added to the pointer first */             \
		number_;                                                                                     \
	})
#else
#define object_at(type, address) ((type *)(u64)(address))
#define field(object, name)                                                                                  \
	({                                                                                                   \
		typeof(object) at_ = (object); /* outside: what is in there is looked for in the kernel's types */ \
		BPF_CORE_READ(at_, name);                                                                    \
	})
#define number_of(pointer) ((u64)(pointer))
#endif
#define field_of(type, address, name) field(object_at(type, address), name)

#endif
