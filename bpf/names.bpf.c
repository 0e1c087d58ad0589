// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What passes between the tree and its resolvers: sockets to port 53, and systemd-resolved's. Until the first
 * of them is contacted, reads and writes cost one look at a variable.
 */
#include "path.bpf.h"
#include "calls.bpf.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define MSG_PEEK 2
#define DNS_PORT_BE 0x3500 /* 53 */
#define MESSAGES_MAX 64
#define PARTS_MAX 16

__u32 resolver_seen = 0;

/* Datagram sockets without a peer that have sent to port 53. By address, which is used again; so the inode,
 * too.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} resolver_sockets SEC(".maps");

struct traffic {
	u64 image;
	u64 sk;
	u64 inode;
	u64 at;	   /* in the program's memory: buffer, vector or messages */
	u64 count; /* of what is there: bytes, parts or messages */
	u64 left;  /* bytes that passed and are not in the record yet */
	u16 protocol;
	u16 flags;
	u32 slot; /* of the scratch */
};

struct user_iovec {
	u64 base;
	u64 size;
};

static const char resolved_path[] = "/run/systemd/resolve/io.systemd.Resolve";

/* As the server bound it. */
static __noinline bool is_resolved(struct sock *sk)
{
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)peer, addr);
	char path[sizeof(resolved_path)] = {};

	if (!peer || !address)
		return false;
	bpf_probe_read_kernel_str(path, sizeof(path),
				  (void *)address + bpf_core_field_offset(struct unix_address, name) +
				      bpf_core_field_offset(struct sockaddr_un, sun_path));
	return bpf_strncmp(path, sizeof(path), resolved_path) == 0;
}

/* enum tl_protocol, 0: no resolver. */
static __noinline u32 protocol_of(struct traffic *t)
{
	struct sock *sk = (struct sock *)t->sk;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u64 *inode;

	if (family == AF_UNIX)
		return is_resolved(sk) ? TL_PROTOCOL_VARLINK : 0;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (BPF_CORE_READ(sk, __sk_common.skc_dport) == DNS_PORT_BE)
		return BPF_CORE_READ(sk, sk_type) == SOCK_STREAM ? TL_PROTOCOL_DNS_STREAM
								 : TL_PROTOCOL_DNS_DATAGRAM;
	inode = bpf_map_lookup_elem(&resolver_sockets, &t->sk);
	return inode && *inode == t->inode ? TL_PROTOCOL_DNS_DATAGRAM : 0;
}

static __always_inline void begin_answer(struct scratch *s, struct traffic *t)
{
	struct tl_answer *record = begin_record(s, struct tl_answer, TL_ANSWER, t->image);

	record->socket = mix(mix(hash_seed, t->sk), t->inode);
	record->protocol = t->protocol;
	record->flags = t->flags;
}

static __noinline int append_part(struct scratch *s, struct traffic *t, u64 address, u64 size)
{
	u32 at = s->cursor;
	u64 room = sizeof(struct tl_answer) + TL_ANSWER_MAX - at;

	if (size > t->left)
		size = t->left;
	if (at > sizeof(struct tl_answer) + TL_ANSWER_MAX || !size)
		return 0;
	if (size > room)
		size = room;
	bound(at, RECORD_MAX);
	bound(size, TL_ANSWER_MAX);
	if (bpf_probe_read_user(s->record + at, size, (void *)address))
		return 0; /* t->left says that something is missing */
	s->cursor = at + size;
	t->left -= size;
	return 0;
}

static __noinline int end_answer(struct scratch *s, struct traffic *t)
{
	struct tl_answer *record = (struct tl_answer *)s->record;

	if (t->left)
		record->flags |= TL_ANSWER_CUT;
	record->bytes_size = s->cursor - sizeof(*record);
	send_record(s->slot, false);
	return 0;
}

static long one_part(u32 i, void *data)
{
	struct traffic *t = data;
	struct scratch *s = scratch_at(t->slot);
	struct user_iovec part;

	if (!s || i >= t->count || !t->left)
		return 1;
	if (bpf_probe_read_user(&part, sizeof(part), (void *)(t->at + (u64)i * sizeof(part))))
		return 1;
	append_part(s, t, part.base, part.size);
	return 0;
}

/* Verified by itself, once; so it needs a copy of its own, which bpf_loop takes. */
int send_vector(struct traffic *t)
{
	struct traffic own;
	struct scratch *s;

	if (!t || !t->left)
		return 0;
	own = *t;
	s = scratch_at(own.slot);
	if (!s)
		return 0;
	begin_answer(s, &own);
	bpf_loop(PARTS_MAX, one_part, &own, 0);
	return end_answer(s, &own);
}

static long one_message(u32 i, void *data)
{
	struct traffic *all = data;
	struct traffic t = *all;
	struct user_msghdr header;
	u32 size = 0;

	if (i >= all->count)
		return 1;
	/* struct mmsghdr: the header and the length of what passed, 64 bytes. */
	t.at = all->at + (u64)i * 64;
	if (bpf_probe_read_user(&header, sizeof(header), (void *)t.at) ||
	    bpf_probe_read_user(&size, sizeof(size), (void *)(t.at + sizeof(header))))
		return 1;
	t.at = header.msg_iov;
	t.count = header.msg_iovlen;
	t.left = size;
	send_vector(&t);
	return 0;
}

/* Whether the address in the program's memory names port 53; sin_port and sin6_port lie at the same place. */
static __always_inline bool names_dns(u64 address, u64 size)
{
	u16 start[2] = {};

	if (!address || size < 8 || bpf_probe_read_user(start, sizeof(start), (void *)address))
		return false;
	return (start[0] == AF_INET || start[0] == AF_INET6) && start[1] == DNS_PORT_BE;
}

static __noinline bool sends_to_dns(struct tl_finished_call *call, u8 traffic)
{
	struct user_msghdr header;

	if (traffic & TL_TRAFFIC_BUFFER) /* sendto(2) */
		return names_dns(call->args[4], (u32)call->args[5]);
	/* The first of a batch stands for all. */
	if (bpf_probe_read_user(&header, sizeof(header), (void *)call->args[1]))
		return false;
	return names_dns(header.msg_name, (u32)header.msg_namelen);
}

/* What passed by the call, as records. */
static __noinline int send_traffic(struct traffic *t, struct tl_finished_call *call, u8 traffic)
{
	struct scratch *s = scratch_at(t->slot);
	struct user_msghdr header;

	if (!s)
		return 0;
	t->at = call->args[1];
	t->count = call->args[2];
	t->left = call->result;
	if (traffic & TL_TRAFFIC_MESSAGES) {
		t->count = call->result;
		bpf_loop(MESSAGES_MAX, one_message, t, 0);
		return 0;
	}
	if (traffic & TL_TRAFFIC_MESSAGE) {
		if (bpf_probe_read_user(&header, sizeof(header), (void *)t->at))
			return 0;
		t->at = header.msg_iov;
		t->count = header.msg_iovlen;
		return send_vector(t);
	}
	if (traffic & TL_TRAFFIC_VECTOR)
		return send_vector(t);
	begin_answer(s, t);
	append_part(s, t, t->at, t->count);
	return end_answer(s, t);
}

int traffic_finished(struct tl_finished_call *call)
{
	struct traffic t = {};
	struct socket *socket;
	struct scratch *s;
	struct file *file;
	u8 traffic;

	if (!call)
		return 0;
	traffic = calls[call->number & (TL_CALLS - 1)].traffic;
	if (call->result <= 0 && !(traffic & TL_TRAFFIC_CONNECTS))
		return 0;
	file = (struct file *)file_of((s32)call->args[0]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	t.sk = (u64)BPF_CORE_READ(socket, sk);
	t.inode = BPF_CORE_READ(file, f_inode, i_ino);
	if (!t.sk)
		return 0;
	t.protocol = protocol_of(&t);
	if (!t.protocol && (traffic & TL_TRAFFIC_ADDRESSED) && sends_to_dns(call, traffic)) {
		bpf_map_update_elem(&resolver_sockets, &t.sk, &t.inode, BPF_ANY);
		t.protocol = TL_PROTOCOL_DNS_DATAGRAM;
	}
	if (!t.protocol)
		return 0;
	resolver_seen = 1;
	if (traffic & TL_TRAFFIC_CONNECTS)
		return 0;
	/* What is only peeked at will be read again. */
	if ((traffic & TL_TRAFFIC_RECEIVES) &&
	    (argument(call, calls[call->number & (TL_CALLS - 1)].traffic_flags) & MSG_PEEK))
		return 0;
	t.image = call->image;
	t.flags = traffic & TL_TRAFFIC_RECEIVES ? 0 : TL_ANSWER_SENT;
	s = get_scratch();
	if (!s)
		return 0;
	t.slot = s->slot;
	send_traffic(&t, call, traffic);
	put_scratch(s);
	return 0;
}
