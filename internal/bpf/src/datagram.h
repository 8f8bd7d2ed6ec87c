/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Datagrams of sockets that are not connected. */
#pragma once
#include "connect.h"

/* An IPv6 socket that sends to ::ffff:127.0.0.1 comes here as well. */
SEC("cgroup/sendmsg4")
int home_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct home *h;
	__u64 id;

	if (!is_local4(ctx->user_ip4))
		return is_kept_from4(ctx, 1, ctx->user_ip4) ? refuse(ECONNREFUSED) : 1;
	h = current_home(ctx, &id);
	if (!h)
		return 1;
	switch (way4(ctx, h, id, 1, 0)) {
	case REFUSE:
		return refuse(ECONNREFUSED);
	case TO_HOME4:
		/* The note lets the answer find a socket without an address. */
		if (!ctx->sk->src_ip4)
			note_of(ctx->sk, id, current_service());
		if (is_local4(ctx->msg_src_ip4))
			ctx->msg_src_ip4 = h->ip4;
		ctx->user_ip4 = h->ip4;
		return 1;
	default:
		return 1;
	}
}

SEC("cgroup/sendmsg6")
int home_sendmsg6(struct bpf_sock_addr *ctx)
{
	__u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	struct bpf_sock *sk = ctx->sk;
	__u32 src[4] = { sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3] };
	__u32 from[4] = { ctx->msg_src_ip6[0], ctx->msg_src_ip6[1], ctx->msg_src_ip6[2], ctx->msg_src_ip6[3] };
	__u16 dport = ctx->user_port;
	enum who w = NOBODY;
	struct home *h;
	int any;
	__u64 id;

	if (!is_local6(ip))
		return is_kept_from6(ctx, 1, ip) ? refuse(ECONNREFUSED) : 1;
	h = current_home(ctx, &id);
	if (!h)
		return 1;
	any = is_any6(src);
	if ((h->flags & HOME_IP6) && !is_mapped(src) && ctx->protocol == IPPROTO_UDPLITE)
		w = INSIDE; /* see way4 */
	else if ((h->flags & HOME_IP6) && !is_mapped(src))
		w = find6(ctx, h, id, 1, any ? h->ip6 : src, htons(sk->src_port), h->ip6, dport);
	else
		w = OUTSIDE; /* the kernel cannot send from an IPv4 to an IPv6 address */
	if (w != INSIDE) {
		if (!(h->flags & HOME_STRICT) || has_asked(id, ip[3], dport, AF_INET6))
			return 1;
		if (w == OUTSIDE)
			return refuse(ECONNREFUSED);
	}
	if (any)
		note_of(ctx->sk, id, current_service());
	if (is_local6(from)) {
		ctx->msg_src_ip6[0] = h->ip6[0];
		ctx->msg_src_ip6[1] = h->ip6[1];
		ctx->msg_src_ip6[2] = h->ip6[2];
		ctx->msg_src_ip6[3] = h->ip6[3];
	}
	ctx->user_ip6[0] = h->ip6[0];
	ctx->user_ip6[1] = h->ip6[1];
	ctx->user_ip6[2] = h->ip6[2];
	ctx->user_ip6[3] = h->ip6[3];
	return 1;
}

SEC("cgroup/recvmsg4")
int home_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct home *h;
	__u64 id;

	h = current_home(ctx, &id);
	if (!h)
		return 1;
	if (ctx->user_ip4 == h->ip4)
		ctx->user_ip4 = LOOPBACK4;
	else if ((h->flags & HOME_STRICT) && (ctx->user_ip4 & htonl(0xff000000)) == htonl(0x7f000000))
		note_asker(id, ctx->user_ip4, ctx->user_port, AF_INET);
	return 1;
}

SEC("cgroup/recvmsg6")
int home_recvmsg6(struct bpf_sock_addr *ctx)
{
	__u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	struct home *h;
	struct note *n;
	int six = 0;
	__u64 id;

	h = current_home(ctx, &id);
	if (!h)
		return 1;
	if (is_mapped(ip) && ip[3] == h->ip4) {
		n = bpf_sk_storage_get(&notes, ctx->sk, 0, 0);
		six = n && (n->flags & NOTE_PEER6);
	} else if ((h->flags & HOME_IP6) && same6(ip, h->ip6)) {
		six = 1;
		/* An outside client that sends to the home's address has it as
		 * its own, too: the kernel prefers that (RFC 6724, rule 1). */
		if ((h->flags & HOME_STRICT) &&
		    find6(ctx, h, id, 1, h->ip6, htons(ctx->sk->src_port), h->ip6, ctx->user_port) != INSIDE)
			note_asker(id, htonl(1), ctx->user_port, AF_INET6);
	} else {
		if (h->flags & HOME_STRICT) {
			if (is_mapped(ip) && (ip[3] & htonl(0xff000000)) == htonl(0x7f000000))
				note_asker(id, ip[3], ctx->user_port, AF_INET);
			else if (is_local6(ip) || is_other_home6(ip, h))
				note_asker(id, ip[3], ctx->user_port, AF_INET6);
		}
		return 1;
	}
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = six ? 0 : MAPPED;
	ctx->user_ip6[3] = six ? htonl(1) : LOOPBACK4;
	return 1;
}
