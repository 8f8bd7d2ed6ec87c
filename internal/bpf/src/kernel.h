/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the programs need of the kernel's interface (include/uapi/linux/bpf.h,
 * include/net/sock.h), written out so that building needs clang and nothing
 * else. Offsets of struct sock_common come from the running kernel (CO-RE).
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]

#define htons(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define ntohs(x) htons(x)
#define htonl(x) ((__u32)__builtin_bswap32((__u32)(x)))

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_HASH_OF_MAPS = 13,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
};

#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_F_NO_PREALLOC 1
#define BPF_F_MMAPABLE 1024
#define BPF_SK_STORAGE_GET_F_CREATE 1
#define BPF_F_CURRENT_NETNS (-1L)
#define BPF_SOCK_OPS_TCP_LISTEN_CB 11

/* The third word of an IPv4-mapped IPv6 address. */
#define MAPPED htonl(0xffff)

enum { AF_UNSPEC = 0, AF_INET = 2, AF_INET6 = 10 };
enum { SOCK_STREAM = 1, SOCK_DGRAM = 2 };
enum { IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_DCCP = 33, IPPROTO_SCTP = 132, IPPROTO_UDPLITE = 136, IPPROTO_MPTCP = 262 };
enum {
	TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_FIN_WAIT1 = 4,
	TCP_CLOSE = 7, TCP_LAST_ACK = 9, TCP_LISTEN = 10,
};
enum { SOL_SOCKET = 1, SO_REUSEPORT = 15, SO_BINDTODEVICE = 25 };
enum { EEXIST = 17, EPROTONOSUPPORT = 93, EADDRINUSE = 98, EADDRNOTAVAIL = 99, ECONNREFUSED = 111 };

struct bpf_sock {
	__u32 bound_dev_if;
	__u32 family;
	__u32 type;
	__u32 protocol;
	__u32 mark;
	__u32 priority;
	__u32 src_ip4;
	__u32 src_ip6[4];
	__u32 src_port; /* host byte order */
	__u16 dst_port; /* network byte order */
	__u16 pad;
	__u32 dst_ip4;
	__u32 dst_ip6[4];
	__u32 state;
	__s32 rx_queue_mapping;
};

struct bpf_sock_addr {
	__u32 user_family;
	__u32 user_ip4;
	__u32 user_ip6[4];
	__u32 user_port;
	__u32 family;
	__u32 type;
	__u32 protocol;
	__u32 msg_src_ip4;
	__u32 msg_src_ip6[4];
	union {
		struct bpf_sock *sk;
		__u64 : 64;
	} __attribute__((aligned(8)));
};

struct bpf_sock_ops {
	__u32 op;
	__u32 args[4];
	__u32 family;
	__u32 remote_ip4;
	__u32 local_ip4;
	__u32 remote_ip6[4];
	__u32 local_ip6[4];
	__u32 remote_port;
	__u32 local_port;
	__u32 is_fullsock;
	__u32 snd_cwnd;
	__u32 srtt_us;
	__u32 bpf_sock_ops_cb_flags;
	__u32 state;
	__u32 rtt_min;
	__u32 snd_ssthresh;
	__u32 rcv_nxt;
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 mss_cache;
	__u32 ecn_flags;
	__u32 rate_delivered;
	__u32 rate_interval_us;
	__u32 packets_out;
	__u32 retrans_out;
	__u32 total_retrans;
	__u32 segs_in;
	__u32 data_segs_in;
	__u32 segs_out;
	__u32 data_segs_out;
	__u32 lost_out;
	__u32 sacked_out;
	__u32 sk_txhash;
	__u64 bytes_received;
	__u64 bytes_acked;
	union {
		struct bpf_sock *sk;
		__u64 : 64;
	} __attribute__((aligned(8)));
};

struct bpf_sock_tuple {
	union {
		struct {
			__u32 saddr;
			__u32 daddr;
			__u16 sport;
			__u16 dport;
		} ipv4;
		struct {
			__u32 saddr[4];
			__u32 daddr[4];
			__u16 sport;
			__u16 dport;
		} ipv6;
	};
};

/* As bpf_bind wants it; the padding makes struct sockaddr_in whole. */
struct sockaddr_in {
	__u16 family;
	__u16 port;
	__u32 addr;
	__u8 zero[8];
};

struct sockaddr_in6 {
	__u16 family;
	__u16 port;
	__u32 flowinfo;
	__u32 addr[4];
	__u32 scope;
};

struct sock_common {
	unsigned char skc_ipv6only : 1;
} __attribute__((preserve_access_index));

/* struct sock's owner: the user who made it, or fchown(2)'s. */
struct sock___owner {
	struct {
		__u32 val;
	} sk_uid;
} __attribute__((preserve_access_index));

/* The kinds of __builtin_preserve_field_info. */
enum { FIELD_BYTE_OFFSET = 0, FIELD_LSHIFT_U64 = 4, FIELD_RSHIFT_U64 = 5 };

#define OFFSET(type, field) __builtin_preserve_field_info(((type *)0)->field, FIELD_BYTE_OFFSET)

/* What a field of a kernel structure holds, zero if it cannot be read. */
#define READ(p, field)                                                  \
	({                                                              \
		typeof((p)->field) v_;                                  \
		if (bpf_probe_read_kernel(&v_, sizeof(v_), &(p)->field)) \
			__builtin_memset(&v_, 0, sizeof(v_));           \
		v_;                                                     \
	})

struct task_struct;

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static __u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static struct task_struct *(*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_setsockopt)(void *ctx, int level, int name, void *value, int len) = (void *)49;
static long (*bpf_getsockopt)(void *ctx, int level, int name, void *value, int len) = (void *)57;
static long (*bpf_bind)(struct bpf_sock_addr *ctx, void *addr, int len) = (void *)64;
static struct bpf_sock *(*bpf_sk_lookup_tcp)(void *ctx, struct bpf_sock_tuple *tuple, __u32 size, __u64 netns, __u64 flags) = (void *)84;
static struct bpf_sock *(*bpf_sk_lookup_udp)(void *ctx, struct bpf_sock_tuple *tuple, __u32 size, __u64 netns, __u64 flags) = (void *)85;
static long (*bpf_sk_release)(void *sk) = (void *)86;
static void *(*bpf_sk_storage_get)(void *map, void *sk, void *value, __u64 flags) = (void *)107;
static __u64 (*bpf_get_netns_cookie)(void *ctx) = (void *)122;
static __u64 (*bpf_get_current_ancestor_cgroup_id)(int level) = (void *)123;
static long (*bpf_ringbuf_output)(void *ring, void *data, __u64 size, __u64 flags) = (void *)130;
static long (*bpf_probe_read_user)(void *to, __u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, __u32 size, const void *from) = (void *)113;
static __u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static void *(*bpf_skc_to_tcp6_sock)(void *sk) = (void *)136;
static void *(*bpf_skc_to_udp6_sock)(void *sk) = (void *)140;
static struct task_struct *(*bpf_get_current_task_btf)(void) = (void *)158;
static long (*bpf_loop)(__u32 n, void *callback, void *ctx, __u64 flags) = (void *)181;
static int (*bpf_set_retval)(int retval) = (void *)187;
