/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The maps of the secrets of TLS, what a record of the ring looks like, and how it
 * is written. */
#pragma once
#include "look.h"

enum { BPF_MAP_TYPE_PERCPU_ARRAY = 6 };

static long (*bpf_copy_from_user)(void *to, __u32 size, const void *from) = (void *)148;
static void *(*bpf_ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *record, __u64 flags) = (void *)132;
static void (*bpf_ringbuf_discard)(void *record, __u64 flags) = (void *)133;

/* Set by the loader. */
const volatile __u32 arm64;     /* the registers are arm64's, else amd64's */
const volatile __u32 all_users; /* and not only the processes of the user */
const volatile __u32 user;

/* What the registers of a program are (struct pt_regs of both), as far as they
 * have arguments. */
struct regs {
	__u64 at[21];
};

/* The places of amd64's registers in struct pt_regs. */
enum { R11 = 6, R10 = 7, R9 = 8, R8 = 9, AX = 10, CX = 11, DX = 12, SI = 13, DI = 14, BX = 5 };

/* Two loads, and not one of a place that is chosen, which the verifier refuses. */
#define PICK(ctx, amd, arm)                                     \
	({                                                      \
		__u64 v_;                                       \
		if (arm64) {                                    \
			v_ = *(volatile __u64 *)&(ctx)->at[arm]; \
			asm volatile("/* arm64 */" : "+r"(v_)); \
		} else {                                        \
			v_ = *(volatile __u64 *)&(ctx)->at[amd]; \
			asm volatile("/* amd64 */" : "+r"(v_)); \
		}                                               \
		v_;                                             \
	})

/* The arguments of C (System V ABI, AAPCS64), from 0 on. */
#define C_ARGUMENT(ctx, n) PICK(ctx, ((const int[]){ DI, SI, DX, CX, R8, R9 })[n], n)

/* The words of arguments of Go (cmd/compile/abi-internal.md), from 0 on. */
#define GO_ARGUMENT(ctx, n) PICK(ctx, ((const int[]){ AX, BX, CX, DI, SI, R8, R9, R10, R11 })[n], n)

/* How a record says what it is. */
enum secret_kind {
	EXPAND_LABEL = 1, /* of TLS 1.3: key, label and context of HKDF-Expand-Label */
	EXPAND_STATES,    /* of TLS 1.3: HkdfLabel, and the states of HMAC's outer and inner hash with the key */
	MASTER,           /* of TLS 1.2: the master secret; context: the client's random */
	LINE,             /* a line of a key log: label, the client's random, secret */
};

/* A record of the ring. */
struct secret {
	__u8 kind, label_size, key_size, context_size;
	__u32 seeds; /* that were read, while it is filled */
	__u8 label[96];
	__u8 key[128];
	__u8 context[64];
};

/* What became of secrets: seen is the sum of the others. */
struct secret_counts {
	__u64 seen, delivered;
	__u64 ring_full;   /* lost */
	__u64 unreadable;  /* lost: they could not be read, or are not what is expected */
	__u64 not_allowed; /* of another user's process, or one with more rights than its user */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct secret_counts);
} secret_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set by the loader */
} secret_ring SEC(".maps");

/* allowed reports whether the reader may have the current process's secrets: root
 * may; another user those of processes whose memory that user may read. */
static __attribute__((noinline)) int allowed(void)
{
	return all_users || is_open_to((struct task_struct *)bpf_get_current_task(), user);
}

INLINE struct secret_counts *counts_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&secret_counts, &zero);
}

/* A program can be preempted by another one on its CPU. */
#define COUNT(c, what)                                       \
	do {                                                 \
		if (c)                                       \
			__sync_fetch_and_add(&(c)->what, 1); \
	} while (0)

/* begin counts a secret and returns the record for it, or null, also where it is not
 * the reader's. end must follow. */
INLINE struct secret *begin(__u32 kind, int ours)
{
	struct secret_counts *c = counts_here();
	struct secret *s;

	COUNT(c, seen);
	if (!ours) {
		COUNT(c, not_allowed);
		return 0;
	}
	s = bpf_ringbuf_reserve(&secret_ring, sizeof(*s), 0);
	if (!s) {
		COUNT(c, ring_full);
		return 0;
	}
	/* What a ring has had before is not for this reader; each part that is used
	 * is written whole. */
	__builtin_memset(s, 0, sizeof(*s));
	s->kind = kind;
	return s;
}

INLINE void end(struct secret *s, int bad)
{
	struct secret_counts *c = counts_here();

	if (bad) {
		COUNT(c, unreadable);
		bpf_ringbuf_discard(s, 0);
		return;
	}
	COUNT(c, delivered);
	bpf_ringbuf_submit(s, 0);
}

/* The bound is checked once more on what the compiler cannot compute with, since the
 * verifier of older kernels forgets what was found of a copy (Linux 6.1). */
#define COPY(s, part, from, size)                                                                    \
	({                                                                                           \
		__u64 n_ = (size);                                                                   \
		long bad_ = -1;                                                                      \
		if (n_ > 0 && n_ <= sizeof((s)->part)) {                                             \
			n_ &= 0xff;                                                                  \
			asm volatile("" : "+r"(n_));                                                 \
			if (n_ <= sizeof((s)->part)) {                                               \
				(s)->part##_size = n_;                                               \
				bad_ = bpf_copy_from_user((s)->part, n_, (void *)(__u64)(from));     \
			}                                                                            \
		}                                                                                    \
		bad_ != 0;                                                                           \
	})

INLINE int copy_label(struct secret *s, __u64 from, __u64 size) { return COPY(s, label, from, size); }
INLINE int copy_key(struct secret *s, __u64 from, __u64 size) { return COPY(s, key, from, size); }
INLINE int copy_context(struct secret *s, __u64 from, __u64 size) { return COPY(s, context, from, size); }
