/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reporting one access to a path or an address, however it was come by. Defined in file.bpf.c and socket.bpf.c. */
#ifndef TREADLINE_ACCESS_BPF_H
#define TREADLINE_ACCESS_BPF_H

#include "path.bpf.h"

#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_SYMLINK_FOLLOW 0x400
#if defined(__TARGET_ARCH_arm64)
#define O_NOFOLLOW 0100000
#else
#define O_NOFOLLOW 0400000
#endif

/* Whether a link in the last component is followed. */
static __always_inline bool follows(const struct named *n)
{
	if (n->op == TL_OPEN)
		return !(n->call_flags & O_NOFOLLOW);
	if (n->op == TL_LINK_OLD)
		return n->call_flags & AT_SYMLINK_FOLLOW;
	return n->flags & TL_PATH_FOLLOW && !(n->call_flags & AT_SYMLINK_NOFOLLOW);
}

/* One contact with the address that the text of the scratch holds. */
struct contact {
	u64 image;
	u64 sk;
	s32 result; /* 0 or errno */
	u16 op;
	u16 address_size; /* bytes of the text */
	u32 send_flags;	  /* MSG_* */
	u32 pad;
	u64 start; /* as in struct named */
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
/* A socket's; for TL_LISTEN the address is looked up. */
int report_contact(u32 slot, struct contact *c);

#endif
