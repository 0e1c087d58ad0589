/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reporting one access to a path, however it was come by. Defined in file.bpf.c. */
#ifndef TREADLINE_ACCESS_BPF_H
#define TREADLINE_ACCESS_BPF_H

#include "path.bpf.h"

/* One access that is named by a path argument. */
struct named {
	u64 image;
	u64 address; /* of the path; 0: the descriptor itself is the object */
	s32 fd;
	s32 result; /* 0 or errno */
	u32 call_flags;
	u16 op;
	u16 flags;	/* TL_PATH_* */
	u32 kernel_text; /* `address` lies in the kernel's memory */
	u32 pad;
};

/*
 * Verified by themselves. `slot` is that of the caller's scratch; pointers into the kernel come as numbers.
 */

/* By its text, relative to a descriptor or the working directory; the collector resolves it. */
int report_named(u32 slot, struct named *n);
/* By the object itself: the hash that stands for its path, and its mode if it exists. */
int report_object(u32 slot, struct named *n, u64 object, u32 mode, u32 deleted);
/* An opened file, by what it is and may do; the text of `n` is only what was asked for. */
int report_opened(u32 slot, struct named *n, u64 file);

#endif
