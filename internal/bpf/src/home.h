/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The maps, and who is inside which home. */
#pragma once
#include "kernel.h"

/* Level of HOME/in in the cgroup tree; services are one below. Set at load. */
const volatile __u32 home_level = 0;

/* Whether sock_ops programs may ask who is running (since Linux 6.16). */
const volatile __u32 sockops_may_ask = 1;

/* Whether bpf_probe_read_kernel may be called: not in a kernel that is locked
 * down for confidentiality. */
const volatile __u32 may_read_kernel = 1;

/* How the kernel names lo in every network namespace. */
#define LOOPBACK4 htonl(0x7f000001)

#define HOME_STRICT 1
#define HOME_IP6 2 /* ip6 is an address that can be bound */

struct home {
	__u32 ip4;
	__u32 ip6[4];
	__u32 flags;
	__u64 netns; /* cookie of its network namespace; 0 is every one */
	__u32 uid;   /* of the user who made it */
	__u32 pad;
};

/* What is remembered of a socket of a home. */
struct note {
	__u64 home;
	__u64 service;
	__u32 addr[4];
	__u16 port; /* host byte order */
	__u8 family;
	__u8 proto;
	__u32 flags;
};

#define NOTE_ASKED6 1      /* bind asked for ::1 or :: and got ::ffff:home */
#define NOTE_PEER6 2       /* connect asked for ::1 or :: and got ::ffff:home */
#define NOTE_LISTENS 4     /* LISTEN was told */
#define NOTE_BOUND 8       /* BIND_UDP was told */
#define NOTE_UNFINDABLE 16 /* an entry in unfindable */
#define NOTE_REUSEPORT 32  /* the lease set SO_REUSEPORT */
#define NOTE_ON_LO 64      /* a UDP socket on all addresses of the device lo */

enum event_type { EVENT_LISTEN = 1, EVENT_BIND_UDP = 2, EVENT_CLOSE = 3, EVENT_CONFLICT = 4 };

struct event {
	__u8 type;
	__u8 proto;
	__u8 family;
	__u8 pad;
	__u16 port; /* host byte order */
	__u16 pad2;
	__u32 pid;
	__u32 addr[4]; /* network byte order; IPv4 in the first word */
	__u32 pad3;
	__u64 service;
};

struct port_key {
	__u64 home;
	__u32 port; /* host byte order */
	__u32 proto;
};

struct asker_key {
	__u64 home;
	__u32 addr; /* the IPv4 address, or the last word of the IPv6 one */
	__u16 port; /* host byte order */
	__u16 family;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct home);
} homes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct note);
} notes SEC(".maps");

/* Listeners of a home that a lookup without a device does not find: those
 * that are bound to lo. The value says which families they accept. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct port_key);
	__type(value, __u32);
} unfindable SEC(".maps");

/* Outside clients on loopback addresses from which a strict home got a
 * datagram: they may be answered. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct asker_key);
	__type(value, __u32);
} askers SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__array(values, struct ring);
} events_of SEC(".maps");

/* Port in host byte order to the cgroup id of the service that leased it. */
struct lease_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__array(values, struct lease_table);
} leases_of SEC(".maps");

/* The home of the current process, for a socket in the home's network
 * namespace, or null. In another namespace localhost is another one already.
 * ctx is a program's context, which names the socket. */
INLINE struct home *current_home(void *ctx, __u64 *id)
{
	struct home *h;

	*id = bpf_get_current_ancestor_cgroup_id(home_level);
	if (!*id)
		return 0;
	h = bpf_map_lookup_elem(&homes, id);
	if (h && h->netns && h->netns != bpf_get_netns_cookie(ctx))
		return 0;
	return h;
}

INLINE __u64 current_service(void)
{
	return bpf_get_current_ancestor_cgroup_id(home_level + 1);
}

INLINE int is_local4(__u32 ip)
{
	return ip == LOOPBACK4 || ip == 0;
}

/* A loopback address other than 127.0.0.1 and the home's own. */
INLINE int is_elsewhere4(__u32 ip, const struct home *h)
{
	return (ip & htonl(0xff000000)) == htonl(0x7f000000) && ip != LOOPBACK4 && ip != h->ip4;
}

/* The machine's resolver, systemd-resolved(8), which a strict home may ask:
 * the names of other machines lead to addresses that are left alone. */
INLINE int is_resolver4(__u32 ip, __u16 dport)
{
	return dport == htons(53) && (ip == htonl(0x7f000035) || ip == htonl(0x7f000036));
}

/* The IPv6 address of another home: fd6c:6f64:6765::/96. */
INLINE int is_other_home6(const __u32 ip[4], const struct home *h)
{
	return ip[0] == htonl(0xfd6c6f64) && ip[1] == htonl(0x67650000) && !ip[2] && ip[3] != h->ip4;
}

/* ::1 or :: */
INLINE int is_local6(const __u32 ip[4])
{
	return (ip[0] | ip[1] | ip[2]) == 0 && (ip[3] == 0 || ip[3] == htonl(1));
}

INLINE int is_any6(const __u32 ip[4])
{
	return (ip[0] | ip[1] | ip[2] | ip[3]) == 0;
}

INLINE int is_mapped(const __u32 ip[4])
{
	return (ip[0] | ip[1]) == 0 && ip[2] == MAPPED;
}

INLINE int same6(const __u32 a[4], const __u32 b[4])
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

INLINE int v6only_bit(struct sock_common *c)
{
	const void *p = (const void *)c + __builtin_preserve_field_info(c->skc_ipv6only, FIELD_BYTE_OFFSET);
	__u64 v;

	/* One relocation for the load, not one per use that clang finds. */
	asm volatile("" : "=r"(p) : "0"(p));
	v = *(const __u8 *)p; /* an unsigned char in the kernel */
	v <<= __builtin_preserve_field_info(c->skc_ipv6only, FIELD_LSHIFT_U64);
	v >>= __builtin_preserve_field_info(c->skc_ipv6only, FIELD_RSHIFT_U64);
	return v != 0;
}

/* The same of a socket that no helper casts: a copy of its beginning. */
INLINE int v6only_copied(struct bpf_sock *sk)
{
	unsigned char begin[64];
	__u64 v;

	if (!may_read_kernel || bpf_probe_read_kernel(begin, sizeof(begin), sk))
		return 0;
	v = begin[__builtin_preserve_field_info(((struct sock_common *)0)->skc_ipv6only, FIELD_BYTE_OFFSET) & 63];
	v <<= __builtin_preserve_field_info(((struct sock_common *)0)->skc_ipv6only, FIELD_LSHIFT_U64);
	v >>= __builtin_preserve_field_info(((struct sock_common *)0)->skc_ipv6only, FIELD_RSHIFT_U64);
	return v != 0;
}

/* bpf_getsockopt does not offer IPV6_V6ONLY. struct sock_common is the
 * beginning of every socket, so one relocation serves TCP and UDP. */
INLINE int is_v6only(struct bpf_sock *sk, int udp)
{
	struct sock_common *c;

	if (sk->protocol == IPPROTO_UDPLITE)
		return v6only_copied(sk);
	if (udp) {
		c = bpf_skc_to_udp6_sock(sk);
		return c ? v6only_bit(c) : 0;
	}
	c = bpf_skc_to_tcp6_sock(sk);
	return c ? v6only_bit(c) : 0;
}

INLINE void tell(__u64 home, struct event *e, __u32 pid)
{
	void *ring = bpf_map_lookup_elem(&events_of, &home);

	if (!ring)
		return;
	e->pid = pid;
	bpf_ringbuf_output(ring, e, sizeof(*e), 0);
}

INLINE __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* The note of a socket, made now if there is none. */
INLINE struct note *note_of(void *sk, __u64 home, __u64 service)
{
	struct note *n = bpf_sk_storage_get(&notes, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (n && n->home != home) {
		n->home = home;
		n->service = service;
	}
	return n;
}
