/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Who has a port of the home. */
#pragma once
#include "home.h"

enum who {
	NOBODY,
	INSIDE,  /* a socket on the home's address, or an unbound one of the home */
	OUTSIDE, /* a wildcard socket of somebody else */
};

INLINE int is_ours(struct bpf_sock *sk, __u64 id)
{
	struct note *n = bpf_sk_storage_get(&notes, sk, 0, 0);

	return n && n->home == id;
}

/* Looks up who would get a packet from src:sport to dst:dport, ports in
 * network byte order. The source matters only for connected UDP sockets. */
INLINE enum who find4(void *ctx, __u64 id, int udp, __u32 src, __u16 sport, __u32 dst, __u16 dport)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	enum who w;

	t.ipv4.saddr = src;
	t.ipv4.sport = sport;
	t.ipv4.daddr = dst;
	t.ipv4.dport = dport;
	if (udp)
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return NOBODY;
	w = sk->src_ip4 == dst || is_ours(sk, id) ? INSIDE : OUTSIDE;
	bpf_sk_release(sk);
	return w;
}

INLINE enum who find6(void *ctx, __u64 id, int udp, const __u32 src[4], __u16 sport, const __u32 dst[4], __u16 dport)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	enum who w;

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
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return NOBODY;
	w = (sk->src_ip6[0] == dst[0] && sk->src_ip6[1] == dst[1] && sk->src_ip6[2] == dst[2] &&
	     sk->src_ip6[3] == dst[3]) ||
		    is_ours(sk, id)
	    ? INSIDE
	    : OUTSIDE;
	bpf_sk_release(sk);
	return w;
}

/* Reports whether a socket of the home would get what is sent to dst:dport. */
INLINE int has_own4(void *ctx, __u64 id, int udp, __u32 dst, __u16 dport)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	int ours;

	t.ipv4.daddr = dst;
	t.ipv4.dport = dport;
	if (udp)
		sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
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
