/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Copying what a call sends, and writing records. */
#pragma once
#include "calls_find.h"

/* How long after a record that wakes the reader the next one does so: see tap.c. */
#define WAKE_NS 50000000
#define HURRY_NS 500000

static __u64 woken; /* ns since boot */

#define MAX_STEPS 2200 /* of an iovec, or 64 KiB: IOV_MAX and more */

INLINE struct counts *counts(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&call_counts, &zero);
}

/* Begins a record of the call. */
INLINE void record(struct scratch *s, enum record_type type)
{
	struct call_record *r = &s->r;
	struct call *c = &s->call;

	__builtin_memset(r, 0, sizeof(*r));
	r->type = type;
	r->entered = c->entered;
	r->id = c->id;
	r->peer_id = c->peer_id;
	r->socket_type = c->socket_type;
	r->descriptors = c->descriptors;
	r->tid = bpf_get_current_pid_tgid();
}

/* Tells of the process that runs. */
INLINE void tell_process(struct call_record *r)
{
	struct task_struct *task = bpf_get_current_task_btf(), *leader = task->group_leader;

	r->pid = number_of(leader->thread_pid, leader->thread_pid->level);
	r->uid = leader->cred->euid.val;
	r->start = start_of(leader);
	r->soft = leader->signal->rlim[RLIMIT_RTTIME].rlim_cur;
	r->hard = leader->signal->rlim[RLIMIT_RTTIME].rlim_max;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), leader->comm);
}

/* Writes the record with the first bytes of data. */
INLINE enum outcome output(struct scratch *s, __u64 length)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u64 now = bpf_ktime_get_boot_ns(), wake = BPF_RB_NO_WAKEUP, pause = now - woken;
	void *ring = bpf_map_lookup_elem(&call_rings, &cpu);

	if (!ring)
		return LOST_NO_RING;
	if (length > CHUNK)
		length = CHUNK;
	s->r.time = now;
	s->r.length = length;
	if (pause > WAKE_NS || (pause > HURRY_NS && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > many)) {
		woken = now;
		wake = BPF_RB_FORCE_WAKEUP;
	}
	asm volatile("" : "+r"(length));
	if (length > CHUNK)
		return LOST_COPY;
	if (bpf_ringbuf_output(ring, s, sizeof(s->r) + length, wake))
		return LOST_RING_FULL;
	return DELIVERED;
}

/* Counts a call, by what became of its last record. */
INLINE void settle(struct scratch *s, enum outcome last)
{
	struct call_record *r = &s->r;
	struct counts *c = counts();
	__u32 what = r->outcome;

	if (!c)
		return;
	c->seen++;
	c->seen_bytes += r->sent;
	if (last != DELIVERED) { /* without it the others mean nothing */
		if (last >= OUTCOMES)
			return;
		c->calls[last]++;
		c->bytes[last] += r->sent;
		return;
	}
	if (what >= OUTCOMES)
		return;
	c->calls[what]++;
	c->bytes[DELIVERED] += r->copied;
	c->bytes[what] += r->sent - r->copied;
}

/* Counts a call that there is no room for. How much it sends is not known: at most
 * n bytes. */
INLINE void lose(struct scratch *s, __u64 n)
{
	struct counts *c = counts();

	if (!c)
		return;
	c->seen++;
	c->seen_bytes += n;
	c->calls[LOST_NO_ROOM]++;
	c->bytes[LOST_NO_ROOM] += n;
}

/* Takes the space of this CPU, or null where it is in use, and the call is lost. */
INLINE struct scratch *take(void)
{
	struct scratch *s = scratch();

	if (!s)
		return 0;
	if (s->busy) {
		lose(s, 0);
		return 0;
	}
	s->busy = 1;
	return s;
}

/* Writes what is in data. Reports whether it was written. */
INLINE int flush(struct scratch *s)
{
	__u32 fill = s->fill;
	enum outcome what;

	record(s, REC_DATA);
	if (s->first) {
		tell_process(&s->r);
		s->r.flags = REC_FIRST;
	}
	s->r.at = s->done;
	what = output(s, fill);
	s->fill = 0;
	if (what != DELIVERED) {
		s->outcome = what;
		return 0;
	}
	s->first = 0;
	s->done += fill;
	return 1;
}

/* Goes to the next part. Reports whether there is one. */
INLINE int next_vector(struct source *from)
{
	struct {
		__u64 base, length;
	} v = {};
	struct {
		__u32 base, length;
	} v32 = {};

	if (!from->vectors)
		return 0;
	from->vectors--;
	if (from->compat) {
		if (bpf_probe_read_user(&v32, sizeof(v32), (void *)from->vector))
			return 0;
		from->vector += sizeof(v32);
		from->base = v32.base;
		from->left = v32.length;
		return 1;
	}
	if (bpf_probe_read_user(&v, sizeof(v), (void *)from->vector))
		return 0;
	from->vector += sizeof(v);
	from->base = v.base;
	from->left = v.length;
	return 1;
}

static int copy_step(__u32 i, void *ctx)
{
	struct scratch *s = scratch();
	struct source *from;
	__u64 n, room, off;

	if (!s)
		return 1;
	from = &s->source;
	if (!from->left) {
		if (!from->vectors) {
			s->outcome = DELIVERED;
			return 1;
		}
		if (!next_vector(from)) {
			s->outcome = LOST_COPY;
			return 1;
		}
		return 0;
	}
	if (s->skip) {
		n = s->skip < from->left ? s->skip : from->left;
		s->skip -= n;
		from->base += n;
		from->left -= n;
		return 0;
	}
	off = s->fill;
	if (s->done + off >= s->limit) {
		s->outcome = LOST_TOO_LARGE;
		return 1;
	}
	room = s->limit - s->done - off;
	n = from->left < room ? from->left : room;
	if (off >= CHUNK)
		return 1;
	if (n > CHUNK - off)
		n = CHUNK - off;
	asm volatile("" : "+r"(off), "+r"(n));
	if (off >= CHUNK || n > CHUNK)
		return 1;
	if (bpf_probe_read_user(s->data + off, n, (void *)from->base)) {
		s->outcome = LOST_COPY;
		return 1;
	}
	from->base += n;
	from->left -= n;
	s->fill = off + n;
	if (s->fill >= CHUNK && !flush(s)) {
		s->first = 0;
		return 1;
	}
	return 0;
}

/* Copies what the source has into records, up to the limit. At least one record is
 * written of a call that has none. */
INLINE void copy(struct scratch *s)
{
	__u32 outcome;

	s->fill = 0;
	s->outcome = LOST_TOO_LARGE;
	bpf_loop(MAX_STEPS, copy_step, 0, 0);
	if (!s->fill && !s->first)
		return;
	outcome = s->outcome;
	if (flush(s))
		s->outcome = outcome;
}
