// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Sockets: connect, bind, listen, and datagrams that carry an address. */
#include "access.bpf.h"
#include "start.bpf.h"
#include "seen.bpf.h"
#include "calls.bpf.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_BINDPORT_LOCK 8 /* include/net/sock.h: the program asked for this port */
#define MESSAGES_MAX 64
#define SOCK_STREAM 1
#define MSG_FASTOPEN 0x20000000

/* The address a listening socket is bound to, as a struct sockaddr in s->text. */
static __noinline int local_address(struct scratch *s, struct contact *c)
{
	struct sock *sk = (struct sock *)c->sk;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u16 port = 0;

	*(u64 *)s->text = 0;
	*(u16 *)s->text = family;
	c->address_size = 2;
	if (family == AF_UNIX) {
		struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
		u32 size = BPF_CORE_READ(address, len);

		if (!address || size > TL_ADDRESS_MAX - 1)
			return 0;
		bound(size, TL_ADDRESS_MAX - 1);
		bpf_probe_read_kernel(s->text, size,
				      (void *)address + bpf_core_field_offset(struct unix_address, name));
		c->address_size = size;
		return 0;
	}
	/* A port the kernel picked says nothing about the next run. */
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK)
		port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (family == AF_INET) {
		*(u16 *)(s->text + 2) = __builtin_bswap16(port);
		*(u32 *)(s->text + 4) = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		c->address_size = 8;
	} else if (family == AF_INET6) {
		*(u16 *)(s->text + 2) = __builtin_bswap16(port);
		*(u32 *)(s->text + 4) = 0;
		bpf_probe_read_kernel(s->text + 8, 16,
				      (void *)sk + bpf_core_field_offset(struct sock, __sk_common) +
					  bpf_core_field_offset(struct sock_common, skc_v6_rcv_saddr));
		c->address_size = 24;
	}
	return 0;
}

/* Fields that do not identify a peer are zeroed, so that repeats are seen. */
int report_contact(u32 slot, struct contact *c)
{
	struct access *key;
	struct start *start;
	struct scratch *s = scratch_at(slot);
	u16 family, type, protocol, named_family = 0;
	struct tl_socket *record;
	struct sock *sk;

	if (!s || !c)
		return 0;
	sk = (struct sock *)c->sk;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	type = BPF_CORE_READ(sk, sk_type);
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (c->op == TL_LISTEN)
		local_address(s, c);
	key = &s->access;
	__builtin_memset(key, 0, sizeof(*key));
	start = &s->start;
	__builtin_memset(start, 0, sizeof(*start));
	key->image = c->image;
	key->detail = c->op;
	key->result = c->result;
	/* tcp(7): the address is used to connect, or not at all. */
	if (c->op == TL_SEND && type == SOCK_STREAM && family != AF_UNIX) {
		if (!(c->send_flags & MSG_FASTOPEN))
			return 0;
		key->detail = c->op = TL_CONNECT;
	}
	s->text_size = c->address_size & (TL_ADDRESS_MAX - 1);
	if (c->address_size >= 2)
		named_family = *(u16 *)s->text;
	if (c->op != TL_LISTEN) {
		/* AF_UNSPEC dissolves an association; it contacts nobody. */
		if (c->address_size < 2 || (named_family == AF_UNSPEC && c->op == TL_CONNECT))
			return 0;
	}
	if (family == AF_UNIX && c->address_size > 2 && s->text[2] != 0) {
		s->text[s->text_size & (TL_ADDRESS_MAX - 1)] = 0; /* not all paths end in one */
		if (!know_start(s, 2, AT_FDCWD, c->image, c->op != TL_BIND, c->start))
			return 0;
	} else if (named_family == AF_INET6 && c->address_size >= 8) { /* an IPv6 socket takes IPv4's form, too */
		*(u32 *)(s->text + 4) = 0; /* flow label */
	}
	s->hash = mix(mix(mix(hash_seed, ((u64)family << 32) | ((u64)type << 16) | protocol), start->base),
		      start->root);
	hash_text(s);
	key->object = s->hash;
	if (seen_before(key))
		return 0;

	record = begin_record(s, struct tl_socket, TL_SOCKET, c->image);
	record->object = key->object;
	record->result = c->result;
	record->detail = key->detail;
	record->op = c->op;
	record->family = family;
	record->type = type;
	record->protocol = protocol;
	record->base = start->base;
	record->root = start->root;
	record->mounts = start->mounts;
	record->flags = start->flags;
	record->address_size = append_text(s);
	if (send_record(s->slot, family == AF_UNIX))
		remember(s);
	return 0;
}

static __always_inline bool read_address(struct scratch *s, struct contact *c, u64 address, u64 size)
{
	if (!address || !size)
		return false;
	if (size > TL_ADDRESS_MAX - 1)
		size = TL_ADDRESS_MAX - 1;
	c->address_size = size;
	bound(size, TL_ADDRESS_MAX - 1);
	if (bpf_probe_read_user(s->text, size, (void *)address)) {
		count_loss(TL_LOSS_USER_MEMORY);
		return false;
	}
	return true;
}

/* The kernel's own copy of the address, where a security hook saw it. */
static __always_inline bool noted_address(struct scratch *s, struct contact *c)
{
	struct tl_task *state;
	u32 size;

	if (!security_hooks)
		return false;
	state = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
	if (!state || state->address_op != c->op)
		return false;
	size = state->address_size;
	c->address_size = size;
	bound(size, TL_ADDRESS_MAX - 1);
	bpf_probe_read_kernel(s->text, size, state->address);
	return true;
}

struct messages {
	struct contact contact;
	u64 at;
	u32 count;
	u32 slot;
};

static long one_message(u32 i, void *data)
{
	struct messages *m = data;
	struct user_msghdr header;
	struct scratch *s = scratch_at(m->slot);

	if (!s || i >= m->count)
		return 1;
	/* struct mmsghdr: the header and a length, 64 bytes. */
	if (bpf_probe_read_user(&header, sizeof(header), (void *)(m->at + (u64)i * 64))) {
		count_loss(TL_LOSS_USER_MEMORY);
		return 1;
	}
	if (read_address(s, &m->contact, header.msg_name, (u32)header.msg_namelen))
		report_contact(s->slot, &m->contact);
	return 0;
}

static __always_inline int report_call(struct scratch *s, struct tl_finished_call *call, struct messages *m)
{
	const volatile struct tl_call *rule = &calls[call->number & (TL_CALLS - 1)];
	struct file *file = (struct file *)file_of((s32)call->args[0]);
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK) {
		if (!m->contact.result)
			count_loss(TL_LOSS_NO_DESCRIPTOR);
		return 0;
	}
	socket = BPF_CORE_READ(file, private_data);
	m->contact.sk = (u64)BPF_CORE_READ(socket, sk);
	if (!m->contact.sk)
		return 0;

	if (m->contact.op == TL_SEND)
		m->contact.send_flags = rule->flags & TL_CALL_MESSAGE ? call->args[2] : call->args[3];
	if (m->contact.op == TL_LISTEN)
		return report_contact(s->slot, &m->contact);
	if (rule->flags & TL_CALL_MESSAGES) {
		m->at = call->args[1];
		m->count = call->result > 0 ? call->result : 1;
		if (m->count > MESSAGES_MAX)
			count_loss(TL_LOSS_MANY_MESSAGES);
		bpf_loop(MESSAGES_MAX, one_message, m, 0);
		return 0;
	}
	if (rule->flags & TL_CALL_MESSAGE && noted_address(s, &m->contact))
		return report_contact(s->slot, &m->contact);
	if (rule->flags & TL_CALL_MESSAGE) {
		m->at = call->args[1];
		m->count = 1;
		bpf_loop(1, one_message, m, 0);
		return 0;
	}
	if (noted_address(s, &m->contact) ||
	    read_address(s, &m->contact, argument(call, rule->path), (u32)argument(call, rule->call_flags)))
		report_contact(s->slot, &m->contact);
	return 0;
}

int socket_finished(struct tl_finished_call *call)
{
	struct messages m = {};
	struct scratch *s;
	s64 result;

	if (!call)
		return 0;
	result = call->result;
	m.contact.op = calls[call->number & (TL_CALLS - 1)].op;
	/* An attempt that goes on in the background is one that was let through. */
	if (result >= 0 || result == -EINPROGRESS)
		result = 0;
	if (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK) {
		if (m.contact.op != TL_CONNECT)
			return 0;
		result = 0;
	}
	s = get_scratch();
	if (!s)
		return 0;
	m.slot = s->slot;
	m.contact.image = call->image;
	m.contact.result = -result;
	report_call(s, call, &m);
	put_scratch(s);
	return 0;
}
