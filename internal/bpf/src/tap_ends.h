/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The two ends of a packet: their sockets, whose these are, and the process
 * that sent it.
 *
 * The owner of an end decides what an ordinary user gets to see. It is the
 * owner of the socket that the kernel has at that moment: of the sender the one
 * that the packet belongs to, of the receiver the one that the kernel's own
 * lookup finds. An end without a socket has no owner.
 */
#pragma once
#include "tap_packet.h"

struct file___tap;

struct socket___tap {
	struct file___tap *file;
} __attribute__((preserve_access_index));

struct inode___tap {
	unsigned long i_ino;
} __attribute__((preserve_access_index));

struct socket_alloc {
	struct socket___tap socket;
	struct inode___tap vfs_inode;
} __attribute__((preserve_access_index));

struct sock_common___tap {
	unsigned char skc_state;
	__u16 skc_num; /* host byte order */
	struct {
		__s64 counter;
	} skc_cookie;
	struct sock___tap *skc_listener; /* of a request_sock */
} __attribute__((preserve_access_index));

struct sock___tap {
	struct sock_common___tap __sk_common;
	struct {
		int owned;
	} sk_lock;
	struct {
		__u32 val;
	} sk_uid;
	__u16 sk_protocol;
	struct socket___tap *sk_socket;
} __attribute__((preserve_access_index));

struct sk_buff {
	struct sock___tap *sk;
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

enum { CHECKSUM_PARTIAL = 3 };
enum { TCP_TIME_WAIT = 6, TCP_NEW_SYN_RECV = 12 };

#define __ksym __attribute__((section(".ksyms")))

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;
extern void *bpf_rdonly_cast(const void *p, __u32 btf_id) __ksym;

/* What p points to, as the kernel's own structure of that type. */
#define as(type, p) ((type *)bpf_rdonly_cast(p, __builtin_btf_type_id(*(type *)0, 1)))

/* Reads what there is to know of a socket. One that was never asked for a cookie
 * has none. Of one in TIME_WAIT and of a request_sock only the common part is
 * there. */
INLINE void read_end(struct end *e, struct sock___tap *sk)
{
	__u8 state = sk->__sk_common.skc_state;
	struct socket___tap *socket;
	__u64 cookie = sk->__sk_common.skc_cookie.counter, *owner, v;

	e->cookie = cookie;
	if (state == TCP_NEW_SYN_RECV) {
		/* Of a union, so that the verifier takes it for a number. */
		sk = sk->__sk_common.skc_listener;
		if (sk)
			e->uid = as(struct sock___tap, sk)->sk_uid.val;
		return;
	}
	if (state == TCP_TIME_WAIT) {
		/* Its cookie is that of the socket that it was. */
		owner = bpf_map_lookup_elem(&ended, &cookie);
		v = owner ? *(volatile __u64 *)owner : 0;
		if (owner && v >> 32 == (cookie & 0xffffffff))
			e->uid = v;
		return;
	}
	e->uid = sk->sk_uid.val;
	socket = sk->sk_socket;
	if (socket)
		e->inode = as(struct socket_alloc, socket)->vfs_inode.i_ino;
}

/* Looks for the socket that gets the packet. Returns its state, or zero. */
GLOBAL int tap_look_up(struct __sk_buff *skb, const struct packet *p, struct end *e)
{
	struct bpf_sock_tuple t = {};
	struct sock___tap *found;
	struct bpf_sock *sk;
	struct origin *o;
	__u8 state;

	if (!p || !e)
		return 0;
	if (p->family == AF_INET) {
		t.ipv4.saddr = p->src[3];
		t.ipv4.daddr = p->dst[3];
		t.ipv4.sport = p->sport;
		t.ipv4.dport = p->dport;
		sk = p->protocol == IPPROTO_TCP ? bpf_skc_lookup_tcp(skb, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0) :
						  bpf_sk_lookup_udp(skb, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(t.ipv6.saddr, p->src, sizeof(p->src));
		__builtin_memcpy(t.ipv6.daddr, p->dst, sizeof(p->dst));
		t.ipv6.sport = p->sport;
		t.ipv6.dport = p->dport;
		sk = p->protocol == IPPROTO_TCP ? bpf_skc_lookup_tcp(skb, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0) :
						  bpf_sk_lookup_udp(skb, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	found = as(struct sock___tap, sk);
	state = found->__sk_common.skc_state;
	read_end(e, found);
	o = bpf_sk_storage_get(&origins, sk, 0, 0);
	if (o)
		e->pid = o->pid;
	bpf_sk_release(sk);
	return state;
}

/* The receiving end. A new connection to one in TIME_WAIT goes to whoever listens
 * now, which the lookup does not tell. */
INLINE void read_receiver(struct end *e, struct __sk_buff *skb, const struct packet *p)
{
	if (!p->protocol || is_multicast(p))
		return;
	if (tap_look_up(skb, p, e) == TCP_TIME_WAIT && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		e->cookie = 0;
		e->uid = NO_UID;
	}
}

/* Reports whether the packet's socket is one of its protocol and port, and not
 * one of the kernel's that only lends itself. */
INLINE int is_senders(struct sock___tap *sk, const struct packet *p)
{
	if (!p->protocol || sk->__sk_common.skc_num != ntohs(p->sport))
		return 0;
	return sk->sk_protocol == p->protocol;
}

/*
 * The sending end, and whether the process that runs is the one that sends.
 * TCP also sends from softirqs, in whatever process was interrupted, and from
 * threads of the kernel; a process that sends holds the socket's lock. UDP sends
 * in the system call.
 */
GLOBAL int tap_read_sender(struct __sk_buff *skb, const struct packet *p, struct end *e)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);
	struct sock___tap *sk = kskb->sk;
	int owned;
	__u8 state;

	if (!p || !e)
		return 0;
	if (sk) {
		sk = as(struct sock___tap, sk); /* as the one of tap_look_up, for the verifier */
		state = sk->__sk_common.skc_state;
		if (state == TCP_NEW_SYN_RECV || state == TCP_TIME_WAIT) {
			read_end(e, sk);
			/* A connection inherits the one of its request_sock. */
			e->cookie = bpf_get_socket_cookie(skb);
			return 0;
		}
		if (is_senders(sk, p)) {
			read_end(e, sk);
			owned = sk->sk_lock.owned;
			/* Not one load of either this or e->inode, for the verifier. */
			asm volatile("" : "+r"(owned));
			e->cookie = bpf_get_socket_cookie(skb);
			if (bpf_get_current_task_btf()->flags & PF_KTHREAD)
				return 0;
			return p->protocol == IPPROTO_TCP ? owned != 0 : e->inode != 0;
		}
	}
	/* It may be a reset, or what is said for a connection that is over: of no
	 * socket, or of one that the kernel has for this. */
	return 0;
}

INLINE int is_checksum_partial(struct __sk_buff *skb)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);
	void *p = (void *)kskb + OFFSET(struct sk_buff, ip_summed);
	__u64 v;
	__u8 b;

	if (bpf_probe_read_kernel(&b, sizeof(b), p))
		return 0;
	v = b;
	v <<= __builtin_preserve_field_info(kskb->ip_summed, FIELD_LSHIFT_U64);
	v >>= __builtin_preserve_field_info(kskb->ip_summed, FIELD_RSHIFT_U64);
	return v == CHECKSUM_PARTIAL;
}
