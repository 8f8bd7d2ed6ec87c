/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Who has a port of the home. */
#pragma once
#include "home.h"

enum who {
	NOBODY,
	INSIDE,  /* a socket on the home's address, or an unbound one of the home */
	OUTSIDE, /* a wildcard socket of somebody else, or another user's at the home's address */
};

INLINE int is_ours(struct bpf_sock *sk, __u64 id)
{
	struct note *n = bpf_sk_storage_get(&notes, sk, 0, 0);

	return n && n->home == id;
}

/* Reports whether a socket that has no note is another user's. A server
 * outside, at the home's address, is taken for one of the home where its user
 * made the home: on-request services begin so. Where a kernel's memory may not
 * be read, nobody is a stranger. */
INLINE int is_strangers(struct bpf_sock *sk, const struct home *h)
{
	/* The pointer as a number, which the verifier lets be added to. */
	struct bpf_sock *volatile at = sk;
	__u64 addr;
	__u32 uid;

	if (!may_read_kernel || bpf_probe_read_kernel(&addr, sizeof(addr), (void *)&at))
		return 0;
	if (bpf_probe_read_kernel(&uid, sizeof(uid), (void *)(addr + OFFSET(struct sock___owner, sk_uid))))
		return 0;
	return uid != h->uid;
}

/* Finds the socket that would get a packet from src:sport to dst:dport, ports
 * in network byte order, or null. The source matters only for connected UDP
 * sockets. The caller releases it. */
INLINE struct bpf_sock *look4(void *ctx, int udp, __u32 src, __u16 sport, __u32 dst, __u16 dport)
{
	struct bpf_sock_tuple t = {};

	t.ipv4.saddr = src;
	t.ipv4.sport = sport;
	t.ipv4.daddr = dst;
	t.ipv4.dport = dport;
	if (udp)
		return bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	return bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
}

INLINE struct bpf_sock *look6(void *ctx, int udp, const __u32 src[4], __u16 sport, const __u32 dst[4], __u16 dport)
{
	struct bpf_sock_tuple t = {};

	t.ipv6.saddr[0] = src[0];
	t.ipv6.saddr[1] = src[1];
	t.ipv6.saddr[2] = src[2];
	t.ipv6.saddr[3] = src[3];
	t.ipv6.sport = sport;
	t.ipv6.daddr[0] = dst[0];
	t.ipv6.daddr[1] = dst[1];
	t.ipv6.daddr[2] = dst[2];
	t.ipv6.daddr[3] = dst[3];
	t.ipv6.dport = dport;
	if (udp)
		return bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	return bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Says whose a socket is that was found. at_dst says that it has the address
 * that was asked for, and not all addresses. */
INLINE enum who whose(struct bpf_sock *sk, const struct home *h, __u64 id, int at_dst)
{
	if (is_ours(sk, id))
		return INSIDE;
	return at_dst && !is_strangers(sk, h) ? INSIDE : OUTSIDE;
}

/* Looks up who would get a packet: see look4. */
INLINE enum who find4(void *ctx, const struct home *h, __u64 id, int udp, __u32 src, __u16 sport, __u32 dst, __u16 dport)
{
	struct bpf_sock *sk = look4(ctx, udp, src, sport, dst, dport);
	enum who w;

	if (!sk)
		return NOBODY;
	w = whose(sk, h, id, sk->src_ip4 == dst);
	bpf_sk_release(sk);
	return w;
}

INLINE enum who find6(void *ctx, const struct home *h, __u64 id, int udp, const __u32 src[4], __u16 sport,
		      const __u32 dst[4], __u16 dport)
{
	struct bpf_sock *sk = look6(ctx, udp, src, sport, dst, dport);
	enum who w;

	if (!sk)
		return NOBODY;
	w = whose(sk, h, id, sk->src_ip6[0] == dst[0] && sk->src_ip6[1] == dst[1] && sk->src_ip6[2] == dst[2] &&
				     sk->src_ip6[3] == dst[3]);
	bpf_sk_release(sk);
	return w;
}

/* Reports whether a socket of the home would get what is sent to dst:dport. */
INLINE int has_own4(void *ctx, __u64 id, int udp, __u32 dst, __u16 dport)
{
	struct bpf_sock *sk = look4(ctx, udp, 0, 0, dst, dport);
	int ours;

	if (!sk)
		return 0;
	ours = is_ours(sk, id);
	bpf_sk_release(sk);
	return ours;
}

/* Reports whether a socket of the home that lookups do not find takes what is
 * sent to the port by that family. port in network byte order. */
INLINE int has_unfindable(__u64 id, int udp, __u16 port, __u32 family)
{
	struct port_key k = { .home = id, .port = ntohs(port), .proto = udp ? IPPROTO_UDP : IPPROTO_TCP };
	__u32 *families;

	families = bpf_map_lookup_elem(&unfindable, &k);
	return families && (*families & (family == AF_INET ? 1 : 2));
}

/* The address by which an asker is kept: a program may name localhost 0.0.0.0
 * or ::, too. */
INLINE __u32 asker_addr(__u32 addr, __u16 family)
{
	return addr ? addr : family == AF_INET ? LOOPBACK4 : htonl(1);
}

/* Reports whether the home may answer an outside client at that address. */
INLINE int has_asked(__u64 id, __u32 addr, __u16 port, __u16 family)
{
	struct asker_key k = { .home = id, .addr = asker_addr(addr, family), .port = ntohs(port), .family = family };

	return bpf_map_lookup_elem(&askers, &k) != 0;
}

INLINE void note_asker(__u64 id, __u32 addr, __u16 port, __u16 family)
{
	struct asker_key k = { .home = id, .addr = asker_addr(addr, family), .port = ntohs(port), .family = family };
	__u32 yes = 1;

	if (!bpf_map_lookup_elem(&askers, &k))
		bpf_map_update_elem(&askers, &k, &yes, BPF_ANY);
}
