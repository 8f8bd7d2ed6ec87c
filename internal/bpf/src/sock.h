/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the programs read of sockets (include/net/sock.h, inet_sock.h). */
#pragma once
#include "kernel.h"

struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	__u32 word[4];
};

/* struct sock_common, with more of its fields than kernel.h names. */
struct sock_common___ends {
	__u32 skc_daddr, skc_rcv_saddr;
	__u16 skc_dport; /* network byte order */
	__u16 skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} __attribute__((preserve_access_index));

struct sock {
	__u16 sk_protocol; /* a number of its own since Linux 5.6 */
} __attribute__((preserve_access_index));

struct socket {
	struct sock *sk;
} __attribute__((preserve_access_index));

struct inet_sock {
	__u16 inet_sport; /* network byte order; stays when the port is let go */
} __attribute__((preserve_access_index));
