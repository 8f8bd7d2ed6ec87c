/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* getsockname(2), getpeername(2) and accept(2): what the program expects. */
#pragma once
#include "home.h"

SEC("cgroup/getpeername4")
int home_getpeername4(struct bpf_sock_addr *ctx)
{
	struct home *h;
	__u64 id;

	h = current_home(ctx, &id);
	if (h && ctx->user_ip4 == h->ip4)
		ctx->user_ip4 = LOOPBACK4;
	return 1;
}

SEC("cgroup/getsockname4")
int home_getsockname4(struct bpf_sock_addr *ctx)
{
	struct home *h;
	__u64 id;

	h = current_home(ctx, &id);
	if (!h)
		return 1;
	/* A listener that was not bound is on no network either. */
	if (ctx->user_ip4 == h->ip4 || (!ctx->user_ip4 && ctx->sk->state == TCP_LISTEN))
		ctx->user_ip4 = LOOPBACK4;
	return 1;
}

SEC("cgroup/getpeername6")
int home_getpeername6(struct bpf_sock_addr *ctx)
{
	__u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	struct home *h;
	struct note *n;
	int six = 0;
	__u64 id;

	h = current_home(ctx, &id);
	if (!h)
		return 1;
	if (is_mapped(ip) && (ip[3] == h->ip4 || ip[3] == LOOPBACK4)) {
		n = bpf_sk_storage_get(&notes, ctx->sk, 0, 0);
		six = n && (n->flags & NOTE_PEER6);
	} else if ((h->flags & HOME_IP6) && same6(ip, h->ip6)) {
		six = 1;
	} else {
		return 1;
	}
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = six ? 0 : MAPPED;
	ctx->user_ip6[3] = six ? htonl(1) : LOOPBACK4;
	return 1;
}

SEC("cgroup/getsockname6")
int home_getsockname6(struct bpf_sock_addr *ctx)
{
	__u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	struct bpf_sock *sk = ctx->sk;
	struct home *h;
	struct note *n;
	int six = 0;
	__u64 id;

	h = current_home(ctx, &id);
	if (!h)
		return 1;
	if (is_mapped(ip) && (ip[3] == h->ip4 || ip[3] == LOOPBACK4)) {
		n = bpf_sk_storage_get(&notes, sk, 0, 0);
		if (n)
			six = (n->flags & NOTE_PEER6) || ((n->flags & NOTE_ASKED6) && !sk->dst_port);
		else
			/* The note of an MPTCP listener is on its subflow. */
			six = sk->state == TCP_LISTEN;
	} else if (((h->flags & HOME_IP6) && same6(ip, h->ip6)) || (is_any6(ip) && sk->state == TCP_LISTEN)) {
		six = 1;
	} else {
		return 1;
	}
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = six ? 0 : MAPPED;
	ctx->user_ip6[3] = six ? htonl(1) : LOOPBACK4;
	return 1;
}
