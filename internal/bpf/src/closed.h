/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * When connections are opened, and who had those that no process holds any
 * more. The transitions used are made by the process itself, in connect,
 * listen, shutdown, close and exit; what the other side's packets do happens
 * in whatever process was interrupted.
 */
#pragma once
#include "commands.h"
#include "sock.h"

#define MAX_OPENED 262144
#define MAX_CLOSED 65536

/* struct sock * to ns since boot, while the socket is not closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_OPENED);
	__type(key, __u64);
	__type(value, __u64);
} opened_at SEC(".maps");

struct ends {
	__u32 netns; /* its inode number */
	__u16 family;
	__u16 pad;
	__u16 lport, rport; /* network byte order */
	__u32 local[4], remote[4];
};

struct closed {
	__u64 at; /* ns since boot */
	struct process by;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_CLOSED);
	__type(key, struct ends);
	__type(value, struct closed);
} closed_by SEC(".maps");

/* What was lost, or put into closed_by, since the start. */
enum counter { OPENED_LOST, CLOSED_LOST, CLOSED_PUT, CLOSED_DROPPED, COUNTERS };

__u64 counters[COUNTERS];

INLINE void count(enum counter c)
{
	__sync_fetch_and_add(&counters[c], 1);
}

INLINE void read_ends(struct ends *e, struct sock *sk)
{
	struct sock_common___ends *c = (void *)sk;
	struct net *net = READ(c, skc_net.net);

	e->netns = READ(net, ns.inum);
	e->family = READ(c, skc_family);
	e->lport = READ((struct inet_sock *)sk, inet_sport);
	e->rport = READ(c, skc_dport);
	if (e->family == AF_INET) {
		e->local[0] = READ(c, skc_rcv_saddr);
		e->remote[0] = READ(c, skc_daddr);
		return;
	}
	bpf_probe_read_kernel(e->local, sizeof(e->local), &c->skc_v6_rcv_saddr);
	bpf_probe_read_kernel(e->remote, sizeof(e->remote), &c->skc_v6_daddr);
}

/* Says whether the peer is on this machine for sure. The one that closes last
 * leaves nothing behind then: its FIN is acknowledged at once. */
INLINE int is_loopback(struct sock *sk)
{
	struct sock_common___ends *c = (void *)sk;
	struct in6_addr a;

	if (READ(c, skc_family) == AF_INET)
		return (READ(c, skc_daddr) & htonl(0xff000000)) == htonl(0x7f000000);
	a = READ(c, skc_v6_daddr);
	if ((a.word[0] | a.word[1]) != 0)
		return 0;
	if (a.word[2] == MAPPED)
		return (a.word[3] & htonl(0xff000000)) == htonl(0x7f000000);
	return a.word[2] == 0 && a.word[3] == htonl(1);
}

INLINE void opened(struct sock *sk)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (bpf_map_update_elem(&opened_at, &sk, &now, BPF_ANY))
		count(OPENED_LOST);
}

/* The current process says that it sends no more. */
INLINE void closing(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct closed c = {};
	struct ends e = {};
	long err;

	/* A worker of the kernel that closes what a process left to it. */
	if (task->flags & PF_KTHREAD)
		return;
	read_ends(&e, sk);
	c.at = bpf_ktime_get_boot_ns();
	describe_current(&c.by);
	remember_command(task, c.by.pid, c.by.start);
	err = bpf_map_update_elem(&closed_by, &e, &c, BPF_NOEXIST);
	if (!err)
		count(CLOSED_PUT);
	else if (err != -EEXIST || bpf_map_update_elem(&closed_by, &e, &c, BPF_ANY))
		count(CLOSED_LOST);
}

SEC("raw_tp/inet_sock_set_state")
int live_state(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int from = ctx[1], to = ctx[2];
	struct ends e = {};
	__u16 protocol;

	/* Half of all transitions are none of those below. */
	if (!(1 << to & (1 << TCP_SYN_SENT | 1 << TCP_LISTEN | 1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 |
			 1 << TCP_LAST_ACK | 1 << TCP_CLOSE)) ||
	    (to == TCP_ESTABLISHED && from == TCP_SYN_SENT))
		return 0;
	/* An MPTCP socket, which is what the process has, goes through the states
	 * beside the TCP socket that it is made of and has the same ends. */
	protocol = READ(sk, sk_protocol);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
		return 0;
	switch (to) {
	case TCP_SYN_SENT:
	case TCP_LISTEN:
	case TCP_ESTABLISHED:
		opened(sk);
		break;
	case TCP_FIN_WAIT1:
		closing(sk);
		break;
	case TCP_LAST_ACK:
		if (!is_loopback(sk))
			closing(sk);
		break;
	case TCP_CLOSE:
		bpf_map_delete_elem(&opened_at, &sk);
		/* Now it was acknowledged. */
		if (from == TCP_LAST_ACK && !is_loopback(sk)) {
			read_ends(&e, sk);
			if (!bpf_map_delete_elem(&closed_by, &e))
				count(CLOSED_DROPPED);
		}
		break;
	}
	return 0;
}
