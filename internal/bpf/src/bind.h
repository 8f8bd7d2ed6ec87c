/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* bind(2): where a socket of the home really goes. */
#pragma once
#include "find.h"

/* A bind hook's answers. The second bit lets a port below 1024 be bound
 * without CAP_NET_BIND_SERVICE. */
INLINE int bind_allowed(__u16 port)
{
	return port != 0 && port < 1024 ? 3 : 1;
}

INLINE int refuse(int err)
{
	bpf_set_retval(-err);
	return 0;
}

INLINE void tell_conflict(struct bpf_sock_addr *ctx, __u64 id, __u64 service, __u16 port, int udp)
{
	struct event e = {};

	e.type = EVENT_CONFLICT;
	e.proto = udp ? IPPROTO_UDP : IPPROTO_TCP;
	e.family = ctx->family;
	e.port = port;
	e.service = service;
	tell(id, &e, current_pid());
}

/* Says whether the port is leased to somebody else. If it is leased to this
 * service, the socket becomes able to share the port with the socket that
 * keeps everybody else off it. */
INLINE int is_leased_away(struct bpf_sock_addr *ctx, __u64 id, __u64 service, __u16 port, int udp, __u32 *flags)
{
	int reuse = 0, one = 1;
	void *leases;
	__u64 *owner;

	leases = bpf_map_lookup_elem(&leases_of, &id);
	if (!leases)
		return 0;
	owner = bpf_map_lookup_elem(leases, &port);
	if (!owner)
		return 0;
	if (*owner != service)
		return 1;
	if (udp)
		return 0;
	bpf_getsockopt(ctx, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse));
	if (!reuse && !bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
		*flags |= NOTE_REUSEPORT;
	return 0;
}

/* Says whether a socket of another service of this home is at dst. */
INLINE int is_taken4(struct bpf_sock_addr *ctx, __u64 service, int udp, __u32 dst, __u16 dport)
{
	struct bpf_sock *sk = look4(ctx, udp, 0, 0, dst, dport);
	struct note *n;
	int taken;

	if (!sk)
		return 0;
	n = bpf_sk_storage_get(&notes, sk, 0, 0);
	taken = sk->src_ip4 == dst && !(n && n->service == service);
	bpf_sk_release(sk);
	return taken;
}

INLINE int is_taken6(struct bpf_sock_addr *ctx, __u64 service, int udp, const __u32 dst[4], __u16 dport)
{
	const __u32 any[4] = {};
	struct bpf_sock *sk = look6(ctx, udp, any, 0, dst, dport);
	struct note *n;
	int taken;

	if (!sk)
		return 0;
	n = bpf_sk_storage_get(&notes, sk, 0, 0);
	taken = sk->src_ip6[3] == dst[3] && sk->src_ip6[0] == dst[0] && !(n && n->service == service);
	bpf_sk_release(sk);
	return taken;
}

/* Reports whether a server inside has the port at the home's IPv4 address, and
 * did not ask for an IPv6 one. */
INLINE int has_only4(struct bpf_sock_addr *ctx, const struct home *h, __u64 id, __u16 dport)
{
	struct bpf_sock *sk = look4(ctx, 0, 0, 0, h->ip4, dport);
	struct note *n;
	int only;

	if (!sk)
		return 0;
	n = bpf_sk_storage_get(&notes, sk, 0, 0);
	only = whose(sk, h, id, sk->src_ip4 == h->ip4) == INSIDE && !(n && (n->flags & NOTE_ASKED6));
	bpf_sk_release(sk);
	return only;
}

/* Reports whether the kernel is about to refuse the bind (EINVAL), so that it
 * must change nothing: neither what is known of the socket nor its options. */
INLINE int is_bound(const struct bpf_sock *sk)
{
	return sk->src_port || sk->state != TCP_CLOSE;
}

/* A strict home reaches what it bound itself at another loopback address, so
 * the socket is noted. */
INLINE int bind_elsewhere(struct bpf_sock_addr *ctx, __u32 asked)
{
	struct home *h;
	__u64 id;

	if ((asked & htonl(0xff000000)) != htonl(0x7f000000))
		return 1;
	h = current_home(ctx, &id);
	if (h && (h->flags & HOME_STRICT))
		note_of(ctx->sk, id, current_service());
	return 1;
}

SEC("cgroup/bind4")
int home_bind4(struct bpf_sock_addr *ctx)
{
	__u16 dport = ctx->user_port, port = ntohs(dport);
	__u32 asked = ctx->user_ip4, flags = 0;
	int lite = ctx->protocol == IPPROTO_UDPLITE;
	int udp = lite || ctx->protocol == IPPROTO_UDP;
	int unspec = ctx->user_family == AF_UNSPEC;
	char lo[4] = "lo";
	struct home *h;
	struct note *n;
	__u64 id, service;

	if (!udp && ctx->protocol != IPPROTO_TCP)
		return 1;
	if (!is_local4(asked))
		return bind_elsewhere(ctx, asked);
	if (unspec && asked)
		return 1; /* the kernel refuses it (EAFNOSUPPORT) */
	h = current_home(ctx, &id);
	if (!h)
		return 1;
	if (is_bound(ctx->sk))
		return bind_allowed(port);
	service = current_service();
	n = note_of(ctx->sk, id, service);
	/* A client's socket, which may send to the network as well: like one
	 * that was not bound at all. */
	if (udp && !asked && !port)
		return 1;
	if (port) {
		if (is_leased_away(ctx, id, service, port, udp, &flags)) {
			tell_conflict(ctx, id, service, port, udp);
			return refuse(EADDRINUSE);
		}
		if (!lite && is_taken4(ctx, service, udp, h->ip4, dport))
			tell_conflict(ctx, id, service, port, udp);
	}
	/* The kernel takes AF_UNSPEC with no other address than 0.0.0.0, and a
	 * program cannot change the family: such a socket is bound to the device
	 * lo, a TCP one when it listens. */
	if (unspec && udp && !bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTODEVICE, lo, sizeof(lo)))
		flags |= NOTE_ON_LO;
	if (n) {
		n->service = service;
		n->flags = flags;
	}
	/* The verifier takes no store through a pointer made before the call. */
	asm volatile("" : "+r"(ctx));
	if (!unspec)
		ctx->user_ip4 = h->ip4;
	return bind_allowed(port);
}

SEC("cgroup/bind6")
int home_bind6(struct bpf_sock_addr *ctx)
{
	__u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	__u16 dport = ctx->user_port, port = ntohs(dport);
	int lite = ctx->protocol == IPPROTO_UDPLITE;
	int udp = lite || ctx->protocol == IPPROTO_UDP;
	int six = is_local6(ip), to6 = 0;
	__u32 flags = 0;
	struct home *h;
	struct note *n;
	__u64 id, service;

	if (!udp && ctx->protocol != IPPROTO_TCP)
		return 1;
	if (!six && !(is_mapped(ip) && is_local4(ip[3])))
		return is_mapped(ip) ? bind_elsewhere(ctx, ip[3]) : 1;
	h = current_home(ctx, &id);
	if (!h)
		return 1;
	if (is_bound(ctx->sk))
		return bind_allowed(port);
	service = current_service();
	n = note_of(ctx->sk, id, service);
	if (udp && !ip[3] && !port)
		return 1;
	if (six && is_v6only(ctx->sk, udp)) {
		/* Without an address of its own it would be everybody's. */
		if (!(h->flags & HOME_IP6))
			return refuse(EADDRNOTAVAIL);
		to6 = 1;
	} else if (six && ip[3] && (h->flags & HOME_IP6)) {
		/* ::1 takes no IPv4 in any case. A datagram to ::1 cannot be
		 * turned into an IPv4 one (ENOTSUPP in udpv6_sendmsg), so UDP
		 * must be on the IPv6 address; TCP is there if the program has
		 * 127.0.0.1 as well. */
		to6 = udp || (port && has_only4(ctx, h, id, dport));
	}
	if (port) {
		if (is_leased_away(ctx, id, service, port, udp, &flags)) {
			tell_conflict(ctx, id, service, port, udp);
			return refuse(EADDRINUSE);
		}
		if (lite)
			;
		else if (to6 ? is_taken6(ctx, service, udp, h->ip6, dport)
			: is_taken4(ctx, service, udp, h->ip4, dport))
			tell_conflict(ctx, id, service, port, udp);
	}
	if (n) {
		n->service = service;
		n->flags = flags | (six && !to6 ? NOTE_ASKED6 : 0);
	}
	ctx->user_ip6[0] = to6 ? h->ip6[0] : 0;
	ctx->user_ip6[1] = to6 ? h->ip6[1] : 0;
	ctx->user_ip6[2] = to6 ? h->ip6[2] : MAPPED;
	ctx->user_ip6[3] = to6 ? h->ip6[3] : h->ip4;
	return bind_allowed(port);
}

/* Runs when the port is known. The socket can be found from now on. */
INLINE int told_bound(struct bpf_sock *sk, __u32 family, const __u32 addr[4], __u16 port)
{
	struct event e = {};
	struct note *n;
	__u64 id;

	if (sk->protocol != IPPROTO_UDP || !current_home(sk, &id))
		return 1;
	n = bpf_sk_storage_get(&notes, sk, 0, 0);
	if (!n)
		return 1;
	n->port = port;
	n->family = family;
	n->proto = IPPROTO_UDP;
	n->addr[0] = addr[0];
	n->addr[1] = addr[1];
	n->addr[2] = addr[2];
	n->addr[3] = addr[3];
	n->flags |= NOTE_BOUND;
	e.type = EVENT_BIND_UDP;
	e.proto = IPPROTO_UDP;
	e.family = family;
	e.port = port;
	e.addr[0] = addr[0];
	e.addr[1] = addr[1];
	e.addr[2] = addr[2];
	e.addr[3] = addr[3];
	e.service = n->service;
	tell(n->home, &e, current_pid());
	return 1;
}

/* A datagram socket on the device lo is found by nobody who does not name the
 * device. */
INLINE int note_on_lo(struct bpf_sock *sk)
{
	struct port_key k = { .proto = IPPROTO_UDP, .port = sk->src_port };
	struct note *n = bpf_sk_storage_get(&notes, sk, 0, 0);
	__u32 families = 1;

	if (!n || !(n->flags & NOTE_ON_LO) || sk->protocol != IPPROTO_UDP)
		return 1;
	n->port = k.port;
	n->family = AF_INET;
	n->proto = IPPROTO_UDP;
	n->flags |= NOTE_UNFINDABLE | NOTE_BOUND;
	k.home = n->home;
	bpf_map_update_elem(&unfindable, &k, &families, BPF_ANY);
	return 1;
}

SEC("cgroup/post_bind4")
int home_bound4(struct bpf_sock *sk)
{
	__u32 addr[4] = { sk->src_ip4 };

	if (!addr[0])
		return note_on_lo(sk);
	return told_bound(sk, AF_INET, addr, sk->src_port);
}

SEC("cgroup/post_bind6")
int home_bound6(struct bpf_sock *sk)
{
	__u32 addr[4] = { sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3] };

	if (is_any6(addr))
		return 1;
	return told_bound(sk, AF_INET6, addr, sk->src_port);
}
