/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The maps of the tap, and what a record of a ring looks like. */
#pragma once
#include "sock.h"
#include "who.h"

/* How many taps one network namespace has at a time. */
#define MAX_TAPS 256

enum { BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LPM_TRIE = 11, BPF_MAP_TYPE_ARRAY_OF_MAPS = 12 };

#define BPF_F_CURRENT_CPU 0xffffffffULL
#define BPF_HDR_START_NET 1
#define TCX_NEXT (-1)

enum { ENOENT = 2, ENOSPC = 28, EOPNOTSUPP = 95 };

/* A function that the verifier checks by itself, once. Its pointers may be null
 * for all that the verifier knows. */
#define GLOBAL __attribute__((noinline))

struct __sk_buff {
	__u32 len;
	__u32 pkt_type;
	__u32 mark;
	__u32 queue_mapping;
	__u32 protocol; /* network byte order */
	__u32 vlan_present, vlan_tci, vlan_proto;
	__u32 priority;
	__u32 ingress_ifindex, ifindex;
	__u32 tc_index;
	__u32 cb[5];
	__u32 hash;
	__u32 tc_classid;
	__u32 data, data_end;
	__u32 napi_id;
	__u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
	__u32 data_meta;
	__u64 flow_keys;
	__u64 tstamp;
	__u32 wire_len;
	__u32 gso_segs;
	union {
		struct bpf_sock *sk;
		__u64 : 64;
	} __attribute__((aligned(8)));
	__u32 gso_size;
};

static __u64 (*bpf_get_socket_cookie)(void *ctx) = (void *)46;
static __u64 (*bpf_skb_cgroup_id)(void *ctx) = (void *)79;
static long (*bpf_perf_event_output)(void *ctx, void *map, __u64 flags, void *data, __u64 size) = (void *)25;
static long (*bpf_skb_load_bytes)(void *ctx, __u32 offset, void *to, __u32 len) = (void *)26;
static long (*bpf_skb_load_bytes_relative)(void *ctx, __u32 offset, void *to, __u32 len, __u32 start) = (void *)68;
static struct bpf_sock *(*bpf_skc_lookup_tcp)(void *ctx, struct bpf_sock_tuple *tuple, __u32 size, __u64 netns, __u64 flags) = (void *)99;

/* What became of a packet: exactly one of them, for each tap. */
enum outcome {
	DELIVERED,
	LOST_RING_FULL, /* the ring is full, or is mapped by no one */
	LOST_NO_RING,   /* this CPU has no ring, as one that came later */
	LOST_OTHER,     /* it could not be copied */
	NOT_ALLOWED,    /* neither end is known to be a socket of the tap's user */
	ACKS,           /* acknowledgements without data, of a tap that leaves them out */
	FILTERED,
	OUTCOMES,
};

struct counts {
	__u64 seen, seen_bytes;
	__u64 packets[OUTCOMES], bytes[OUTCOMES];
};

enum tap_flags {
	TAP_ALL_USERS = 1, /* and not only the packets of the user uid */
	TAP_ACKS = 2,      /* acknowledgements without data, too */
	TAP_OTHERS = 4,    /* what is neither TCP nor UDP, too */
	TAP_PORTS = 8,     /* only those of the ports */
	TAP_PREFIXES = 16, /* only those of the prefixes */
};

struct tap {
	__u64 woken; /* ns since boot: when a record last woke the reader */
	__u32 flags;
	__u32 uid;
	__u32 snaplen; /* at least 1 */
	__u32 pad;
	__u64 ports[1024]; /* a bit for each port, in host byte order */
};

/* A tap is one element of each of the maps of maps, at the same index. Its maps
 * are its own, so that nothing of one tap is left to the next. */
struct tap_one {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tap);
} tap_one SEC(".maps");

struct tap_counts {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} tap_counts SEC(".maps");

/* Perf events by CPU. */
struct tap_events {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} tap_events SEC(".maps");

struct prefix {
	__u32 len;
	__u32 addr[4]; /* IPv4 is mapped */
};

struct tap_prefixes {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix);
	__type(value, __u32);
} tap_prefixes SEC(".maps");

#define MAP_OF(name, inner)                              \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); \
		__uint(max_entries, MAX_TAPS);           \
		__type(key, __u32);                      \
		__array(values, struct inner);           \
	} name SEC(".maps")

MAP_OF(taps, tap_one);
MAP_OF(counts_of, tap_counts);
/* The rings; and the same rings by events that wake the reader at each record. */
MAP_OF(rings_of, tap_events);
MAP_OF(urgent_of, tap_events);
MAP_OF(prefixes_of, tap_prefixes);

/* One more than the highest index that is in use. */
volatile __u32 taps_end;

/* One end of a packet. */
struct end {
	__u64 cookie;
	__u32 uid; /* NO_UID: not known */
	__u32 inode;
	__u32 pid; /* of the process that last sent something there */
	__u32 pad;
};

#define NO_UID 0xffffffff

/* The process that last sent something by a socket, and the socket at the other
 * end of its connection. */
struct origin {
	/* The thread: by the machine's ids, when its process started, and how many
	 * programs that has executed. */
	__u64 thread, started;
	__u32 executed;
	/* The same as the loader sees it, and more of it. */
	__u32 pid, tid, pad;
	__u64 cgroup;
	__u64 soft, hard; /* its limits of real time (RLIMIT_RTTIME), lodge's mark */
	char comm[16];
	/* The other end, as it was at that time. */
	__u64 peer_at;
	struct end peer;
};

/* By the sending socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct origin);
} origins SEC(".maps");

/* Whose a socket was that has sent its FIN, by its cookie, which no other socket
 * ever has: one in TIME_WAIT has no owner any more. The value is the owner, and
 * above it the lower half of the cookie, since an element that is read may be
 * given to another key at the same time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, __u64);
} ended SEC(".maps");

enum record_flags {
	RECORD_CHECKSUM_PARTIAL = 1, /* the checksum was left to the device */
	RECORD_IN_PROCESS = 2,       /* sent by the process in whose context this ran */
	RECORD_REMEMBERED = 4,       /* the process is the one that last sent something */
	RECORD_PART = 8,             /* bytes of a later record's packet */
};

/* The beginning of each record; package capture/ring reads it. The packet's
 * bytes follow, from its link-layer header on. */
struct record {
	__u64 time;        /* ns since boot */
	__u64 cookie;      /* of the sending socket, or zero */
	__u64 peer_cookie; /* of the receiving one */
	__u64 cgroup;
	__u64 start;
	__u64 soft, hard; /* the process's limits of real time */
	__u32 pid, tid;
	__u32 uid, peer_uid; /* of the sockets; NO_UID: not known */
	__u32 inode, peer_inode, peer_pid;
	__u32 len, captured;
	__u16 segment; /* payload bytes of a segment, of a packet that is several */
	__u8 flags;
	__u8 pad;
	char comm[16];
};

/* A perf record has at most 65528 bytes, of which 12 are before ours. What is
 * behind that of a longer packet stands in records of its own before it. */
#define MAX_CAPTURED (65528 - 12 - sizeof(struct record))
#define PART 16384
#define MAX_PARTS 40 /* GSO_MAX_SIZE is 8 times 64 KiB */

struct part {
	struct record r;
	char data[PART];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct part);
} parts SEC(".maps");
