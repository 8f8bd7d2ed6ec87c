/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which socket a call is about, whether it is wanted, and what is known of it. */
#pragma once
#include "calls.h"

enum outcome;
static inline void record(struct scratch *s, enum record_type type);
static inline void tell_process(struct call_record *r);
static inline enum outcome output(struct scratch *s, __u64 length);
static inline void settle(struct scratch *s, enum outcome last);

/* Reports whether the thread is in a system call of 32 bits. */
INLINE int is_compat(void)
{
	struct task_struct *task = bpf_get_current_task();

	if (compat_status && __builtin_preserve_field_info(((struct task_struct___x86 *)0)->thread_info.status, 2))
		return (READ((struct task_struct___x86 *)task, thread_info.status) & compat_status) != 0;
	if (compat_flags)
		return (READ((struct task_struct___arm64 *)task, thread_info.flags) & compat_flags) != 0;
	return 0;
}

/* An argument of the call. compat is 1 in a call of 32 bits, and 2 where it is
 * socketcall(2), whose arguments are in memory. */
INLINE __u64 argument(__u64 regs, __u32 i, int compat)
{
	__u64 v = 0, from;
	__u32 word = 0;

	if (compat == 2) {
		if (bpf_probe_read_kernel(&from, sizeof(from), (void *)regs + compat_arg_at[1]))
			return 0;
		if (bpf_probe_read_user(&word, sizeof(word), (void *)(from & 0xffffffff) + 4 * i))
			return 0;
		return word;
	}
	if (bpf_probe_read_kernel(&v, sizeof(v), (void *)regs + (compat ? compat_arg_at[i] : arg_at[i])))
		return 0;
	return compat ? v & 0xffffffff : v;
}

/* The one struct file_operations of all sockets, once seen. */
static void *socket_ops;

INLINE int is_socket(struct file *file)
{
	void *ops = READ(file, f_op);
	struct super_block *sb;
	struct inode *inode;

	if (ops == socket_ops)
		return ops != 0;
	if (socket_ops)
		return 0;
	inode = READ(file, f_inode);
	sb = READ(inode, i_sb);
	if (READ(sb, s_magic) != SOCKFS_MAGIC)
		return 0;
	socket_ops = ops;
	return 1;
}

/* The Unix socket of a file, or null. */
INLINE struct sock *sock_of_file(struct file *file)
{
	struct socket___calls *socket;
	struct sock *sk;

	if (!file || !is_socket(file))
		return 0;
	socket = READ(file, private_data);
	sk = READ(socket, sk);
	if (!sk || READ((struct sock_common___ends *)sk, skc_family) != AF_UNIX)
		return 0;
	return sk;
}

/* The same of a descriptor of the thread. */
INLINE struct sock *sock_of(__u64 descriptor)
{
	__u32 fd = descriptor;
	struct files_struct___calls *files = (void *)bpf_get_current_task_btf()->files;
	struct fdtable *fdt;
	struct file **table, *file = 0;

	fdt = READ(files, fdt);
	if (fd >= READ(fdt, max_fds))
		return 0;
	table = READ(fdt, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), table + fd))
		return 0;
	return sock_of_file(file);
}

/* Begins a call on a socket. */
INLINE void begin(struct call *c, enum kind kind, struct sock *sk)
{
	__builtin_memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->entered = bpf_ktime_get_boot_ns();
	c->sk = (__u64)sk;
	c->peer = (__u64)READ((struct unix_sock *)sk, peer);
	c->socket_type = READ((struct sock___calls *)sk, sk_type);
}

/* Reports whether an operation of io_uring(7) sends (IORING_OP_WRITEV, WRITE_FIXED,
 * SENDMSG, WRITE, SEND, SPLICE, SEND_ZC, SENDMSG_ZC). */
INLINE int is_uring_send(__u8 op)
{
	return op == 2 || op == 5 || op == 9 || op == 23 || op == 26 || op == 30 || op == 47 || op == 48;
}

INLINE __u32 netns_of(void *sk)
{
	struct net *net = READ((struct sock_common___ends *)sk, skc_net.net);

	return READ(net, ns.inum);
}

INLINE __u32 inode_of(void *sk)
{
	struct socket___calls *socket;

	if (!sk)
		return 0;
	socket = READ((struct sock___calls *)sk, sk_socket);
	/* A connection that waits to be accepted has none. */
	return socket ? READ((struct socket_alloc___calls *)socket, vfs_inode.i_ino) : 0;
}

/* The id of the process that made a socket's other end, or listens there. */
INLINE __u32 peer_pid_of(void *sk)
{
	struct pid *pid = READ((struct sock___calls *)sk, sk_peer_pid);

	return pid ? number_of(pid, READ(pid, level)) : 0;
}

/* Reports whether the other end is a socket of the user: one that the user made or
 * accepted, or that a process with the rights of the user alone listens with. */
INLINE int is_peer_allowed(struct sock___calls *sk, struct sock___calls *peer)
{
	struct cred___look *cred;

	if (!peer)
		return 0;
	/* One that waits to be accepted has no user yet. */
	if (READ(peer, sk_socket) && READ(peer, sk_uid.val) == only_uid)
		return 1;
	cred = (void *)READ(sk, sk_peer_cred);
	return cred && has_rights_of(cred, only_uid);
}

INLINE int is_wanted(struct sock___calls *sk, struct sock___calls *peer)
{
	struct task_struct *task = bpf_get_current_task();

	if (netns && netns_of(sk) != netns && (!peer || netns_of(peer) != netns))
		return 0;
	if (reader && (pid_of(task) == reader || peer_pid_of(sk) == reader))
		return 0;
	return all_users || is_open_to(task, only_uid) || is_peer_allowed(sk, peer);
}

/* Makes a socket known anew, if it was not by that time, and returns its id. */
INLINE __u64 renew(struct scratch *s, __u64 sk, __u64 since)
{
	struct known *k = bpf_map_lookup_elem(&sockets, &sk), fresh = {};

	if (k && since && k->born >= since)
		return k->id;
	fresh.id = (__u64)(bpf_get_smp_processor_id() + 1) << 48 | ++s->ids;
	fresh.born = bpf_ktime_get_boot_ns();
	fresh.inode = inode_of((void *)sk);
	bpf_map_update_elem(&sockets, &sk, &fresh, BPF_ANY);
	return fresh.id;
}

/* Returns the id of a socket. */
INLINE __u64 id_of(struct scratch *s, __u64 sk)
{
	struct known *k;
	__u32 inode;

	if (!sk)
		return 0;
	k = bpf_map_lookup_elem(&sockets, &sk);
	if (k) {
		inode = inode_of((void *)sk);
		if (!k->inode)
			k->inode = inode;
		/* One without an inode waits to be accepted: it is not one that had one. */
		if (k->inode == inode)
			return k->id;
	}
	return renew(s, sk, 0);
}

/* Reads the path of an address into the record's data, and returns its length. */
INLINE __u32 put_path(struct scratch *s, void *path, __u64 length, int user)
{
	__u64 n = length > MAX_PATH ? MAX_PATH : length;

	asm volatile("" : "+r"(n));
	if (!n || n > MAX_PATH)
		return 0;
	if (user ? bpf_probe_read_user(s->data, n, path) : bpf_probe_read_kernel(s->data, n, path))
		return 0;
	return n;
}

/* The same for an address in the process's memory. */
INLINE __u32 read_address(struct scratch *s, __u64 address, __u64 length)
{
	__u16 family = 0;

	if (length <= 2 || length > sizeof(struct sockaddr_un))
		return 0;
	if (bpf_probe_read_user(&family, sizeof(family), (void *)address) || family != AF_UNIX)
		return 0;
	return put_path(s, (void *)address + 2, length - 2, 1);
}

/* The same for the address of a socket. */
INLINE __u32 read_name(struct scratch *s, void *sk)
{
	struct unix_address *a = sk ? READ((struct unix_sock *)sk, addr) : 0;
	__s32 length;

	if (!a)
		return 0;
	length = READ(a, len);
	return length > 2 ? put_path(s, &a->name[0].path, length - 2, 0) : 0;
}

/* Which of two sockets are of another network namespace than the tap. */
INLINE __u8 foreign(__u64 sk, __u64 peer)
{
	__u8 flags = 0;

	if (netns && netns_of((void *)sk) != netns)
		flags |= REC_FOREIGN;
	if (netns && peer && netns_of((void *)peer) != netns)
		flags |= REC_FOREIGN_PEER;
	return flags;
}

/* Finds out which sockets a call is about, and tells of them what was not told. */
INLINE void tell_socket(struct scratch *s, __u64 to, __u64 to_len)
{
	struct call *c = &s->call;
	__u64 sk = c->sk;
	__u32 length;
	struct known *k;

	c->id = id_of(s, sk);
	c->peer_id = to && c->socket_type == SOCK_DGRAM ? 0 : id_of(s, c->peer);
	k = bpf_map_lookup_elem(&sockets, &sk);
	if (!k || (k->told && c->peer_id))
		return;
	record(s, REC_SOCKET);
	tell_process(&s->r);
	if (!c->peer_id) {
		length = read_address(s, to, to_len);
		s->r.flags = REC_DESTINATION;
	} else if (c->socket_type == SOCK_DGRAM) {
		/* Its own name is where it gets answers. */
		length = read_name(s, (void *)c->peer);
		s->r.flags = REC_CLIENT;
	} else if ((length = read_name(s, (void *)sk))) {
		s->r.flags = REC_SERVER;
	} else if ((length = read_name(s, (void *)c->peer))) {
		s->r.flags = REC_CLIENT;
	}
	s->r.flags |= foreign(sk, c->peer);
	s->r.inode = k->inode;
	s->r.peer_inode = inode_of((void *)c->peer);
	s->r.peer_pid = peer_pid_of((void *)sk);
	if (output(s, length) == 0)
		k->told = 1;
}

/* connect(2) is over. */
INLINE void exit_connect(struct scratch *s, __s64 result)
{
	struct call *c = &s->call;
	__u64 sk = c->sk, peer;

	peer = (__u64)READ((struct unix_sock *)sk, peer);
	c->peer = peer;
	/* That of a datagram socket is everyone's. */
	if (!result && peer && c->socket_type != SOCK_DGRAM)
		c->peer_id = renew(s, peer, c->entered);
	record(s, REC_CONNECTED);
	tell_process(&s->r);
	s->r.error = result < 0 ? -result : 0;
	s->r.inode = inode_of((void *)sk);
	s->r.peer_pid = result ? 0 : peer_pid_of((void *)sk);
	s->r.flags = foreign(sk, peer);
	if (result)
		settle(s, output(s, 0));
	else
		output(s, 0);
}

INLINE void enter_shutdown(struct scratch *s, __u64 how)
{
	struct call *c = &s->call;

	c->id = id_of(s, c->sk);
	c->peer_id = id_of(s, c->peer);
	if (!c->peer_id)
		return;
	record(s, REC_SHUTDOWN);
	s->r.sent = how;
	output(s, 0);
}

/* Reads a struct msghdr: where its bytes are, to whom they go, and how many
 * descriptors go with them. */
INLINE void read_message(struct scratch *s, __u64 message, __u64 *to, __u64 *to_len)
{
	struct {
		__u64 name;
		__u32 name_len, pad;
		__u64 vector, vectors, control, control_len;
	} m = {};
	struct {
		__u32 name, name_len, vector, vectors, control, control_len;
	} m32 = {};
	struct {
		__u64 length;
		__s32 level, type;
	} h = {};
	struct {
		__u32 length;
		__s32 level, type;
	} h32 = {};
	struct call *c = &s->call;
	__u64 at, end;

	*to = *to_len = 0;
	c->descriptors = 0;
	if (c->compat) {
		if (bpf_probe_read_user(&m32, sizeof(m32), (void *)message))
			return;
		m.name = m32.name;
		m.name_len = m32.name_len;
		m.vector = m32.vector;
		m.vectors = m32.vectors;
		m.control = m32.control;
		m.control_len = m32.control_len;
	} else if (bpf_probe_read_user(&m, sizeof(m), (void *)message)) {
		return;
	}
	*to = m.name;
	*to_len = m.name_len;
	c->source.vector = m.vector;
	c->source.vectors = m.vectors > 1024 ? 1024 : m.vectors;
	at = m.control;
	end = at + m.control_len;
	for (int i = 0; i < 4 && at && at + sizeof(h) <= end + 4; i++) {
		if (c->compat) {
			if (bpf_probe_read_user(&h32, sizeof(h32), (void *)at))
				return;
			h.length = h32.length;
			h.level = h32.level;
			h.type = h32.type;
			at += (h.length + 3) & ~3ULL;
			h.length -= sizeof(h32);
		} else {
			if (bpf_probe_read_user(&h, sizeof(h), (void *)at))
				return;
			at += (h.length + 7) & ~7ULL;
			h.length -= sizeof(h);
		}
		if (h.length > 65536)
			return;
		if (h.level == SOL_SOCKET && h.type == 1) /* SCM_RIGHTS */
			c->descriptors += h.length / 4;
	}
}
