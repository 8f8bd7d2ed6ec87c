/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* listen(2) and close(2). */
#pragma once
#include "home.h"
#include "task.h"

/* The id of the current process's cgroup at a level, for kernels that do not
 * let sock_ops ask: what bpf_get_current_ancestor_cgroup_id does. */
INLINE __u64 read_ancestor(__u32 level)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cgroup *group, *at = 0;
	struct kernfs_node *kn = 0;
	__u64 id = 0;

	group = task->cgroups->dfl_cgrp;
	if (level > (__u32)group->level)
		return 0;
	bpf_probe_read_kernel(&at, sizeof(at), (const void *)group->ancestors + level * sizeof(at));
	bpf_probe_read_kernel(&kn, sizeof(kn), &at->kn);
	bpf_probe_read_kernel(&id, sizeof(id), &kn->id);
	return id;
}

SEC("sockops")
int home_sockops(struct bpf_sock_ops *ctx)
{
	struct port_key k = {};
	struct event e = {};
	struct bpf_sock *sk;
	struct home *h;
	struct note *n;
	__u32 families, pid = 0;
	int any, zero = 0;
	char lo[4] = "lo";
	__u64 id, service;

	if (ctx->op != BPF_SOCK_OPS_TCP_LISTEN_CB)
		return 1;
	if (sockops_may_ask) {
		id = bpf_get_current_ancestor_cgroup_id(home_level);
		service = current_service();
		pid = current_pid();
	} else {
		id = read_ancestor(home_level);
		service = read_ancestor(home_level + 1);
	}
	if (!id)
		return 1;
	h = bpf_map_lookup_elem(&homes, &id);
	if (!h || (h->netns && h->netns != bpf_get_netns_cookie(ctx)))
		return 1;
	sk = ctx->sk;
	if (!sk)
		return 1;
	n = note_of(sk, id, service);
	if (!n)
		return 1;
	n->port = sk->src_port;
	n->family = sk->family;
	n->proto = IPPROTO_TCP;
	if (sk->family == AF_INET) {
		n->addr[0] = sk->src_ip4;
		any = !sk->src_ip4;
		families = 1;
	} else {
		n->addr[0] = sk->src_ip6[0];
		n->addr[1] = sk->src_ip6[1];
		n->addr[2] = sk->src_ip6[2];
		n->addr[3] = sk->src_ip6[3];
		any = is_any6(n->addr);
		families = is_v6only(sk, 0) ? 2 : 3;
	}
	if (any || sk->bound_dev_if) {
		/* It was not bound, so no address can be given to it any more.
		 * On the device lo the network does not reach it. */
		if (any && !sk->bound_dev_if)
			bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTODEVICE, lo, sizeof(lo));
		k.home = id;
		k.port = n->port;
		k.proto = IPPROTO_TCP;
		bpf_map_update_elem(&unfindable, &k, &families, BPF_ANY);
		n->flags |= NOTE_UNFINDABLE;
	}
	if (n->flags & NOTE_REUSEPORT)
		bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEPORT, &zero, sizeof(zero));
	n->flags |= NOTE_LISTENS;

	e.type = EVENT_LISTEN;
	e.proto = IPPROTO_TCP;
	e.family = n->family;
	e.port = n->port;
	e.addr[0] = n->addr[0];
	e.addr[1] = n->addr[1];
	e.addr[2] = n->addr[2];
	e.addr[3] = n->addr[3];
	e.service = n->service;
	tell(id, &e, pid);
	return 1;
}

SEC("cgroup/sock_release")
int home_release(struct bpf_sock *sk)
{
	struct port_key k = {};
	struct event e = {};
	struct note *n;
	__u64 id;

	/* Connections end here. A listener that was shut down is closed. */
	if (sk->protocol != IPPROTO_UDP && sk->state != TCP_LISTEN && sk->state != TCP_CLOSE)
		return 1;
	n = bpf_sk_storage_get(&notes, sk, 0, 0);
	e.type = EVENT_CLOSE;
	if (!n) {
		/* The notes of an MPTCP listener are on its subflow, which the
		 * kernel closes without coming here. */
		if (sk->protocol != IPPROTO_MPTCP || sk->state != TCP_LISTEN || !current_home(sk, &id))
			return 1;
		e.proto = IPPROTO_TCP;
		e.family = sk->family;
		e.service = current_service();
		tell(id, &e, current_pid());
		return 1;
	}
	if (!(n->flags & (NOTE_LISTENS | NOTE_BOUND)))
		return 1;
	if (n->flags & NOTE_UNFINDABLE) {
		k.home = n->home;
		k.port = n->port;
		k.proto = n->proto;
		bpf_map_delete_elem(&unfindable, &k);
	}
	e.proto = n->proto;
	e.family = n->family;
	e.port = n->port;
	e.addr[0] = n->addr[0];
	e.addr[1] = n->addr[1];
	e.addr[2] = n->addr[2];
	e.addr[3] = n->addr[3];
	e.service = n->service;
	tell(n->home, &e, current_pid());
	return 1;
}
