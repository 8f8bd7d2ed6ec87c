/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* connect(2): the home if somebody is there, else the machine or nobody. */
#pragma once
#include "bind.h"

enum way {
	PASS,        /* leave the address alone */
	REFUSE,
	NOWHERE4,    /* the home's port 0, where the kernel itself refuses */
	NOWHERE6,
	TO_HOME4,
	TO_HOME6,
	TO_MACHINE4, /* ::1 for a socket that is bound to an IPv4 address */
};

/* src and sport are those of the datagrams that would be sent. */
INLINE enum way way4(struct bpf_sock_addr *ctx, struct home *h, __u64 id, int udp, int connecting)
{
	struct bpf_sock *sk = ctx->sk;
	__u32 src = sk->src_ip4 ? sk->src_ip4 : h->ip4;
	__u16 dport = ctx->user_port, sport = udp ? htons(sk->src_port) : 0;
	enum who w;

	/* UDP-Lite has a table of its own, which no helper looks into. */
	if (ctx->protocol == IPPROTO_UDPLITE)
		return TO_HOME4;
	if (!udp && sk->src_ip4 == h->ip4 && htons(sk->src_port) == dport)
		return TO_HOME4; /* the socket itself: a simultaneous open */
	w = find4(ctx, h, id, udp, udp ? src : 0, sport, h->ip4, dport);
	if (w == INSIDE)
		return TO_HOME4;
	if (has_unfindable(id, udp, dport, AF_INET))
		return PASS;
	if (!udp)
		return h->flags & HOME_STRICT ? NOWHERE4 : PASS;
	if (h->flags & HOME_STRICT) {
		if (has_asked(id, ctx->user_ip4, dport, AF_INET))
			return PASS;
		/* Nobody there: the kernel says so as it would have. */
		return w == OUTSIDE ? REFUSE : TO_HOME4;
	}
	/* A connected UDP socket may be there before its server is. */
	if (connecting && w == NOBODY && find4(ctx, h, id, 1, src, sport, LOOPBACK4, dport) == NOBODY)
		return TO_HOME4;
	return PASS;
}

/* Reports whether a strict home keeps its programs from a loopback address of
 * the machine other than 127.0.0.1. */
INLINE int is_kept_from4(struct bpf_sock_addr *ctx, int udp, __u32 ip)
{
	__u16 dport = ctx->user_port;
	struct home *h;
	__u64 id;

	if ((ip & htonl(0xff000000)) != htonl(0x7f000000) || is_resolver4(ip, dport))
		return 0;
	h = current_home(ctx, &id);
	if (!h || !(h->flags & HOME_STRICT) || !is_elsewhere4(ip, h))
		return 0;
	if (udp && has_asked(id, ip, dport, AF_INET))
		return 0;
	return !has_own4(ctx, id, udp, ip, dport);
}

INLINE int is_kept_from6(struct bpf_sock_addr *ctx, int udp, const __u32 ip[4])
{
	struct home *h;
	__u64 id;

	if (is_mapped(ip))
		return is_kept_from4(ctx, udp, ip[3]);
	if (ip[0] != htonl(0xfd6c6f64))
		return 0;
	h = current_home(ctx, &id);
	if (!h || !(h->flags & HOME_STRICT) || !is_other_home6(ip, h))
		return 0;
	return !(udp && has_asked(id, ip[3], ctx->user_port, AF_INET6));
}

/* A datagram socket may be connected again, to the other family: an IPv6 one
 * takes IPv4 addresses too. getaddrinfo(3) does so to sort its answers, and
 * asserts what getsockname tells it. */
INLINE void forget_peer6(struct bpf_sock *sk)
{
	struct note *n = bpf_sk_storage_get(&notes, sk, 0, 0);

	if (n)
		n->flags &= ~NOTE_PEER6;
}

SEC("cgroup/connect4")
int home_connect4(struct bpf_sock_addr *ctx)
{
	int udp = ctx->protocol == IPPROTO_UDP;
	struct sockaddr_in from = {};
	struct home *h;
	__u64 id;

	if (udp && ctx->sk->family == AF_INET6)
		forget_peer6(ctx->sk);
	/* The verifier takes no store through a pointer made before the call. */
	asm volatile("" : "+r"(ctx));
	if (!udp && ctx->protocol != IPPROTO_TCP)
		return 1;
	if (!is_local4(ctx->user_ip4))
		return is_kept_from4(ctx, udp, ctx->user_ip4) ? refuse(ECONNREFUSED) : 1;
	h = current_home(ctx, &id);
	if (!h)
		return 1;
	switch (way4(ctx, h, id, udp, 1)) {
	case REFUSE:
		return refuse(ECONNREFUSED);
	case NOWHERE4:
		ctx->user_ip4 = h->ip4;
		ctx->user_port = 0;
		return 1;
	case TO_HOME4:
		/* So that it can be told from the machine's own clients. */
		if (udp && !ctx->sk->src_port && !ctx->sk->src_ip4) {
			from.family = AF_INET;
			from.addr = h->ip4;
			bpf_bind(ctx, &from, sizeof(from));
		}
		ctx->user_ip4 = h->ip4;
		return 1;
	default:
		return 1;
	}
}

/* Reports whether a TCP socket connected to ::ffff:home for ::1 before. The
 * kernel keeps its IPv4 operations over a disconnect, and a connect to an IPv6
 * address sends nothing then. */
INLINE int is_ipv4_for_good(struct bpf_sock *sk, int udp)
{
	struct note *n = udp ? 0 : bpf_sk_storage_get(&notes, sk, 0, 0);

	return n && (n->flags & NOTE_PEER6);
}

INLINE enum way way6(struct bpf_sock_addr *ctx, struct home *h, __u64 id, int udp)
{
	struct bpf_sock *sk = ctx->sk;
	__u32 src[4] = { sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3] };
	int any = is_any6(src);
	int bound4 = is_mapped(src) || is_ipv4_for_good(sk, udp);
	int six = !is_mapped((__u32[4]){ ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], 0 });
	int can4 = (bound4 || any) && !is_v6only(sk, udp);
	int can6 = six && !bound4 && (h->flags & HOME_IP6);
	__u16 dport = ctx->user_port, sport = udp ? htons(sk->src_port) : 0;
	enum who w6 = NOBODY, w4 = NOBODY;

	if (!udp && sk->src_port && htons(sk->src_port) == dport) {
		/* The socket itself, as in way4. */
		if (can6 && same6(src, h->ip6))
			return TO_HOME6;
		if (can4 && is_mapped(src) && src[3] == h->ip4)
			return TO_HOME4;
	}
	if (can6) {
		w6 = find6(ctx, h, id, udp, any ? h->ip6 : src, sport, h->ip6, dport);
		if (w6 == INSIDE)
			return TO_HOME6;
	}
	if (can4) {
		w4 = find4(ctx, h, id, udp, udp ? h->ip4 : 0, sport, h->ip4, dport);
		if (w4 == INSIDE)
			return TO_HOME4;
	}
	if (!(h->flags & HOME_STRICT)) {
		if (udp && (can4 || can6) && w4 == NOBODY && w6 == NOBODY) {
			const __u32 machine6[4] = { 0, 0, 0, htonl(1) };

			if (six)
				w6 = find6(ctx, h, id, 1, src, sport, machine6, dport);
			else
				w4 = find4(ctx, h, id, 1, h->ip4, sport, LOOPBACK4, dport);
			if (w4 == NOBODY && w6 == NOBODY)
				return can4 ? TO_HOME4 : TO_HOME6;
		}
		return six && bound4 ? TO_MACHINE4 : PASS;
	}
	if (has_unfindable(id, udp, dport, six ? AF_INET6 : AF_INET))
		return PASS;
	if (!udp)
		return can4 ? NOWHERE4 : can6 ? NOWHERE6 : REFUSE;
	if (has_asked(id, ctx->user_ip6[3], dport, six ? AF_INET6 : AF_INET))
		return PASS;
	if (w4 == OUTSIDE || w6 == OUTSIDE)
		return REFUSE;
	return can4 ? TO_HOME4 : can6 ? TO_HOME6 : REFUSE;
}

SEC("cgroup/connect6")
int home_connect6(struct bpf_sock_addr *ctx)
{
	__u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	int udp = ctx->protocol == IPPROTO_UDP, six = is_local6(ip);
	struct sockaddr_in6 from = {};
	struct home *h;
	struct note *n;
	enum way way;
	__u64 id;
	__u32 to[4] = { 0, 0, MAPPED, LOOPBACK4 };

	if (!udp && ctx->protocol != IPPROTO_TCP)
		return 1;
	if (!six && !(is_mapped(ip) && is_local4(ip[3])))
		return is_kept_from6(ctx, udp, ip) ? refuse(ECONNREFUSED) : 1;
	h = current_home(ctx, &id);
	if (!h)
		return 1;
	if (udp && !six)
		forget_peer6(ctx->sk);
	way = way6(ctx, h, id, udp);
	if (way == PASS)
		return 1;
	if (way == REFUSE)
		return refuse(ECONNREFUSED);
	if (way == TO_HOME6 || way == NOWHERE6) {
		to[0] = h->ip6[0];
		to[1] = h->ip6[1];
		to[2] = h->ip6[2];
		to[3] = h->ip6[3];
	} else if (way == TO_HOME4 || way == NOWHERE4) {
		to[3] = h->ip4;
	}
	if (way != TO_HOME6 && way != NOWHERE6 && six) {
		n = note_of(ctx->sk, id, current_service());
		if (n)
			n->flags |= NOTE_PEER6;
	} else {
		/* A UDP socket may be connected again. */
		n = bpf_sk_storage_get(&notes, ctx->sk, 0, 0);
		if (n)
			n->flags &= ~NOTE_PEER6;
	}
	if (way != TO_MACHINE4 && udp && !ctx->sk->src_port) {
		from.family = AF_INET6;
		from.addr[0] = to[0];
		from.addr[1] = to[1];
		from.addr[2] = to[2];
		from.addr[3] = to[3];
		bpf_bind(ctx, &from, sizeof(from));
	}
	ctx->user_ip6[0] = to[0];
	ctx->user_ip6[1] = to[1];
	ctx->user_ip6[2] = to[2];
	ctx->user_ip6[3] = to[3];
	if (way == NOWHERE4 || way == NOWHERE6)
		ctx->user_port = 0;
	return 1;
}
