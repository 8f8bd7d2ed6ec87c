/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the tap of Unix sockets reads of processes, files and sockets
 * (include/linux/net.h, include/net/af_unix.h), its maps, and what a record of a
 * ring looks like.
 *
 * Its programs run in raw tracepoints of system calls, with preemption disabled; on a
 * kernel where they are not, those that find their CPU's space in use lose their call.
 */
#pragma once
#include "look.h"
#include "sock.h"
#include "who.h"

enum { AF_UNIX = 1 };
enum { SOCK_SEQPACKET = 5 };
enum { EINPROGRESS = 115, EAGAIN = 11 };

enum { BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_ARRAY_OF_MAPS = 12 };

#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_RB_AVAIL_DATA 0

static __u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static __u64 (*bpf_ringbuf_query)(void *ring, __u64 flags) = (void *)134;

struct thread_info___x86 {
	__u32 status;
} __attribute__((preserve_access_index));

struct task_struct___x86 {
	struct thread_info___x86 thread_info;
} __attribute__((preserve_access_index));

struct task_struct___arm64 {
	struct thread_info___arm64 {
		unsigned long flags;
	} __attribute__((preserve_access_index)) thread_info;
} __attribute__((preserve_access_index));

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	struct {
		__s32 res;
	} cqe; /* since Linux 5.19 */
} __attribute__((preserve_access_index));

struct files_struct___calls {
	struct fdtable *fdt;
} __attribute__((preserve_access_index));

struct socket___calls {
	struct file *file;
	struct sock *sk;
} __attribute__((preserve_access_index));

struct inode___calls {
	unsigned long i_ino;
} __attribute__((preserve_access_index));

struct socket_alloc___calls {
	struct socket___calls socket;
	struct inode___calls vfs_inode;
} __attribute__((preserve_access_index));

struct sock___calls {
	struct sock_common___ends __sk_common;
	__u16 sk_type;
	struct socket___calls *sk_socket;
	struct {
		__u32 val;
	} sk_uid;
	struct pid *sk_peer_pid;
	struct cred *sk_peer_cred;
} __attribute__((preserve_access_index));

#define MAX_PATH 108

struct sockaddr_un {
	__u16 family;
	char path[MAX_PATH];
};

struct unix_address {
	int len;
	struct sockaddr_un name[1];
} __attribute__((preserve_access_index));

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} __attribute__((preserve_access_index));

/* How system calls are done, by their numbers: filled in by the loader. */
enum kind {
	NONE,
	WRITE,
	WRITEV,
	SENDTO,
	SENDMSG,
	SENDMMSG,
	SENDFILE,
	SPLICE,
	CONNECT,
	SHUTDOWN,
	SOCKETCALL, /* of 32-bit x86: any of them */
};

#define MAX_NR 512
volatile const __u8 kinds[MAX_NR];
volatile const __u8 compat_kinds[MAX_NR];

/* Where a system call's number and arguments are in struct pt_regs, which is the
 * same as what ptrace(2) shows, and how a task in a 32-bit call is known. */
volatile const __u32 nr_at; /* 0: not known */
volatile const __u32 arg_at[6], compat_arg_at[6];
volatile const __u32 compat_status, compat_flags;

/* Whose calls are wanted. */
volatile const __u32 netns;     /* its inode number; 0: of all */
volatile const __u32 all_users; /* and not only those of the user uid */
volatile const __u32 only_uid;
volatile const __u32 reader; /* the process that reads the tap, which is left out */
volatile const __u32 many;   /* bytes in a ring of which the reader is told at once */

/* How many bytes of a call are copied, and how many in one record. */
volatile const __u64 max_call;
#define CHUNK 65536

/* What became of a call that sent something, and of each of its bytes: exactly
 * one of them. */
enum outcome {
	DELIVERED,
	LOST_RING_FULL,
	LOST_NO_RING,    /* this CPU has no ring */
	LOST_COPY,       /* it could not be read */
	LOST_TOO_LARGE,  /* more than max_call bytes, or too many parts */
	LOST_NOT_COPIED, /* sent by the kernel from a file or pipe, or by io_uring */
	LOST_NO_ROOM,    /* more calls at the same time than there is room for */
	OUTCOMES,
};

struct counts {
	__u64 seen, seen_bytes;
	__u64 calls[OUTCOMES], bytes[OUTCOMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} call_counts SEC(".maps");

struct call_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} call_ring SEC(".maps");

/* The ring of each CPU. The loader makes it as large as there may be CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct call_ring);
} call_rings SEC(".maps");

/* What is known of a socket, by its struct sock: it is freed without a word, so
 * that another one may be found at the same place. */
struct known {
	__u64 id;   /* of this tap; never another socket's */
	__u64 born; /* ns since boot: when it became known */
	__u64 sent; /* bytes since then */
	__u32 inode;
	__u32 told; /* a record has told what it is */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct known);
} sockets SEC(".maps");

enum record_type {
	REC_SOCKET,     /* what a socket is; the path of the side that has one follows */
	REC_DATA,       /* some bytes of a call */
	REC_DONE,       /* a call is over, and how much it sent */
	REC_CONNECTING, /* connect is called; the path follows */
	REC_CONNECTED,  /* it is over */
	REC_SHUTDOWN,
	REC_SKIPPED, /* like REC_DONE, of a call that copies nothing */
};

enum record_flags {
	REC_FIRST = 1,       /* the first bytes of a call or message */
	REC_SERVER = 2,      /* the sender's side has the path */
	REC_CLIENT = 4,      /* the other side has */
	REC_DESTINATION = 8, /* the path is that to which this call sends */
	REC_FOREIGN = 16,    /* the socket is of another network namespace than the tap */
	REC_FOREIGN_PEER = 32,
};

/* The beginning of each record; package capture/unixcalls reads it. */
struct call_record {
	__u64 time;    /* ns since boot */
	__u64 entered; /* when the call was entered */
	__u64 id, peer_id;
	__u64 at;     /* DATA: of these bytes in the call; DONE, SKIPPED: of the call in the socket's stream */
	__u64 sent;   /* DONE, SKIPPED: bytes; SHUTDOWN: how */
	__u64 copied; /* DONE: so many of them, from the first on, are in records */
	__u64 start, soft, hard; /* the process's: when it started, its limits of real time */
	__u32 pid, tid, uid;
	__u32 peer_pid; /* the process that made the other end, or listens there */
	__u32 inode, peer_inode;
	__u32 descriptors; /* that are sent with it */
	__u32 length;      /* of what follows */
	__u8 type, flags, socket_type, outcome;
	__u32 error;  /* CONNECTED: why there is no connection, DONE: why nothing was sent (errno(3)); or zero */
	char comm[16];
};

/* Where the bytes of a call are. */
struct source {
	__u64 vector; /* the next struct iovec */
	__u32 vectors, compat;
	__u64 base, left; /* the rest of the one that is being copied */
};

/* A call that was entered, by its thread. */
struct call {
	__u64 entered;
	__u64 sk, peer; /* struct sock */
	__u64 id, peer_id;
	__u64 copied; /* bytes in records */
	__u64 messages; /* SENDMMSG: struct mmsghdr */
	struct source source;
	__u32 descriptors;
	__u8 kind, outcome, socket_type, compat;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct call);
} calls SEC(".maps");

/* What a program needs and its stack has no room for, by CPU. The data come
 * right after the record. Twice as much as is used, for the verifier: it knows the
 * bounds of an offset and of a length, and not of their sum. */
struct scratch {
	struct call_record r;
	__u8 data[2 * CHUNK];
	struct call call;
	struct source source; /* what is left to be copied */
	__u64 skip;           /* bytes of it that were copied before */
	__u64 limit;          /* bytes of the call that are to be copied */
	__u64 done;           /* and were */
	__u32 fill;           /* bytes in data */
	__u32 first;          /* no record of the call has been written */
	__u32 outcome;        /* why it ended */
	__u32 busy;           /* a program uses it */
	__u64 ids; /* sockets that have become known by this CPU */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

INLINE struct scratch *scratch(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}
