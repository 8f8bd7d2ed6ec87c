/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The packets of lo, to those who tap it: a program at its egress, where each
 * packet is seen once, in the context of the process that sends it. It lets all
 * of them pass, and waits for no reader.
 *
 * Where the kernel has no tcx, the filter of a packet socket (packet(7)) sees each
 * packet when it arrives, without its sender. It queues none.
 */
#include "tap_ends.h"

char _license[] SEC("license") = "Dual MIT/GPL";

/* How long after a record that wakes the reader the next one does so. The reader
 * looks once more after that time, so it misses none in between. It is woken
 * earlier where a ring fills up. */
#define WAKE_NS 50000000
#define HURRY_NS 500000

struct run {
	struct __sk_buff *skb;
	struct packet p;
	struct end sender, receiver;
	struct record r;
	__u8 in_process, have_receiver, have_record;
	/* What is kept of the sender, or null. */
	struct origin *o;
};

/* How long the other end of a connection is told as it was. */
#define PEER_NS 100000000

INLINE void need_receiver(struct run *run)
{
	if (run->have_receiver)
		return;
	run->have_receiver = 1;
	read_receiver(&run->receiver, run->skb, &run->p);
}

/* Reports whether the tap's user may see the packet: one of the ends is a socket
 * of that user. */
INLINE int is_allowed(struct run *run, struct tap *tap)
{
	if (tap->flags & TAP_ALL_USERS)
		return 1;
	if (tap->uid == NO_UID)
		return 0;
	if (run->sender.uid == tap->uid)
		return 1;
	need_receiver(run);
	return run->receiver.uid == tap->uid;
}

INLINE int has_port(struct tap *tap, __u16 port)
{
	port = ntohs(port);
	return tap->ports[port >> 6 & 1023] >> (port & 63) & 1;
}

INLINE int has_prefix(void *prefixes, const __u32 addr[4])
{
	struct prefix k = { .len = 128 };

	__builtin_memcpy(k.addr, addr, sizeof(k.addr));
	return bpf_map_lookup_elem(prefixes, &k) != 0;
}

INLINE int is_wanted(struct run *run, struct tap *tap, __u32 i)
{
	void *prefixes;

	if (!run->p.protocol && !(tap->flags & TAP_OTHERS))
		return 0;
	if (tap->flags & TAP_PORTS &&
	    (!run->p.protocol || (!has_port(tap, run->p.sport) && !has_port(tap, run->p.dport))))
		return 0;
	if (!(tap->flags & TAP_PREFIXES))
		return 1;
	prefixes = bpf_map_lookup_elem(&prefixes_of, &i);
	return prefixes && run->p.family && (has_prefix(prefixes, run->p.src) || has_prefix(prefixes, run->p.dst));
}

/* Fills in what is known of a packet without a sender. */
INLINE void need_plain_record(struct run *run)
{
	struct record *r = &run->r;

	if (run->have_record)
		return;
	run->have_record = 1;
	r->uid = r->peer_uid = NO_UID;
	r->len = run->skb->len;
	r->segment = run->skb->gso_size;
	r->flags = RECORD_CHECKSUM_PARTIAL; /* lo's device would have computed it */
}

/* The receiver, for the record: that of a connection is not looked for each time.
 * What this keeps does not decide whether a user may see the packet. */
INLINE void tell_receiver(struct run *run)
{
	struct origin *o = run->o;

	if (run->p.protocol != IPPROTO_TCP || !o) {
		need_receiver(run);
		return;
	}
	if (!run->have_receiver && run->r.time - o->peer_at < PEER_NS) {
		run->receiver = o->peer;
		return;
	}
	need_receiver(run);
	if (run->receiver.inode && run->receiver.pid) {
		o->peer = run->receiver;
		o->peer_at = run->r.time;
	}
}

/* Tells of the thread that runs. */
INLINE void describe_origin(struct origin *o, struct task_struct *task, struct task_struct *leader)
{
	o->pid = number_of(leader->thread_pid, leader->thread_pid->level);
	o->tid = number_of(task->thread_pid, task->thread_pid->level);
	o->cgroup = task->cgroups->dfl_cgrp->kn->id;
	o->soft = leader->signal->rlim[RLIMIT_RTTIME].rlim_cur;
	o->hard = leader->signal->rlim[RLIMIT_RTTIME].rlim_max;
	o->started = leader->start_boottime;
	bpf_probe_read_kernel(o->comm, sizeof(o->comm), leader->comm);
}

INLINE void tell_origin(struct record *r, const struct origin *o)
{
	r->pid = o->pid;
	r->tid = o->tid;
	r->start = o->started / TICK;
	r->cgroup = o->cgroup;
	r->soft = o->soft;
	r->hard = o->hard;
	__builtin_memcpy(r->comm, o->comm, sizeof(r->comm));
}

/* Fills in the record, once for all taps. */
GLOBAL int tap_fill_record(struct __sk_buff *skb, struct record *r, int in_process, int has_origin)
{
	struct task_struct *task;
	struct origin o = {};

	if (!r)
		return 0;
	if (in_process && !has_origin) {
		task = bpf_get_current_task_btf();
		describe_origin(&o, task, task->group_leader);
		tell_origin(r, &o);
	} else if (!has_origin) {
		r->cgroup = bpf_skb_cgroup_id(skb);
	}
	if (is_checksum_partial(skb))
		r->flags |= RECORD_CHECKSUM_PARTIAL;
	r->len = skb->len;
	r->segment = skb->gso_size;
	return 0;
}

INLINE void need_record(struct run *run)
{
	/* Several processes may send by one UDP socket at the same time. */
	struct origin *o = run->p.protocol == IPPROTO_TCP ? run->o : 0;
	struct record *r = &run->r;

	if (run->have_record)
		return;
	run->have_record = 1;
	if (run->in_process)
		r->flags = RECORD_IN_PROCESS;
	if (o && o->pid) {
		tell_origin(r, o);
		if (!run->in_process)
			r->flags = RECORD_REMEMBERED;
	}
	tap_fill_record(run->skb, r, run->in_process, o != 0);
	r->cookie = run->sender.cookie;
	r->uid = run->sender.uid;
	r->inode = run->sender.inode;
	tell_receiver(run);
	r->peer_cookie = run->receiver.cookie;
	r->peer_uid = run->receiver.uid;
	r->peer_inode = run->receiver.inode;
	r->peer_pid = run->receiver.pid;
}

/* Writes a record with room for so many bytes of the packet: a constant, and at
 * least what is captured. */
INLINE enum outcome write_record(struct run *run, void *ring, const __u32 room, __u64 wake)
{
	struct record *to = bpf_ringbuf_reserve(ring, sizeof(*to) + room, 0);
	__u64 last = run->r.captured - 1;

	if (!to)
		return LOST_RING_FULL;
	*to = run->r;
	/* The verifier wants to see that it fits, by the very number that is used. */
	asm volatile("" : "+r"(last));
	if (last >= room)
		goto fail;
	asm volatile("" : "+r"(last));
	if (bpf_skb_load_bytes(run->skb, 0, to + 1, last + 1))
		goto fail;
	bpf_ringbuf_submit(to, wake);
	return DELIVERED;
fail:
	bpf_ringbuf_discard(to, BPF_RB_NO_WAKEUP);
	return LOST_OTHER;
}

#define MAX_CAPTURED (1 << 20) /* GSO_MAX_SIZE is half of it */

INLINE enum outcome deliver(struct run *run, struct tap *tap, __u32 i)
{
	__u32 captured = run->skb->len, at = i * cpus + bpf_get_smp_processor_id();
	__u64 wake = BPF_RB_NO_WAKEUP, pause = run->r.time - tap->woken;
	void *ring = bpf_map_lookup_elem(&rings_of, &at);

	if (!ring)
		return LOST_NO_RING;
	if (captured > tap->snaplen)
		captured = tap->snaplen;
	if (captured > MAX_CAPTURED)
		captured = MAX_CAPTURED;
	run->r.captured = captured;
	if (pause > WAKE_NS || (pause > HURRY_NS && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > tap->many)) {
		tap->woken = run->r.time;
		wake = BPF_RB_FORCE_WAKEUP;
	}
#define TRY(room)              \
	if (captured <= (room)) \
	return write_record(run, ring, room, wake)
	TRY(128);
	TRY(192);
	TRY(256);
	TRY(384);
	TRY(512);
	TRY(768);
	TRY(1024);
	TRY(1536);
	TRY(2048);
	TRY(4096);
	TRY(8192);
	TRY(16384);
	TRY(32768);
	TRY(65536 + 128); /* what lo's MTU lets pass, with its headers */
	TRY(1 << 17);
	TRY(1 << 18);
	TRY(1 << 19);
	return write_record(run, ring, MAX_CAPTURED, wake);
}

/* ends says that the two ends of a packet can be told. */
INLINE int serve(__u32 i, struct run *run, int ends)
{
	__u32 zero = 0, len;
	void *taps_i, *counts_i;
	enum outcome what;
	struct counts *c;
	struct tap *tap;

	taps_i = bpf_map_lookup_elem(&taps, &i);
	if (!taps_i)
		return 0;
	tap = bpf_map_lookup_elem(taps_i, &zero);
	counts_i = bpf_map_lookup_elem(&counts_of, &i);
	if (!tap || !counts_i)
		return 0;
	c = bpf_map_lookup_elem(counts_i, &zero);
	if (!c)
		return 0;
	if (ends ? !is_allowed(run, tap) : !(tap->flags & TAP_ALL_USERS))
		what = NOT_ALLOWED;
	else if (!is_wanted(run, tap, i))
		what = FILTERED;
	else if (!(tap->flags & TAP_ACKS) && is_pure_ack(&run->p))
		what = ACKS;
	else {
		if (ends)
			need_record(run);
		else
			need_plain_record(run);
		run->r.lost = c->packets[LOST_RING_FULL];
		what = deliver(run, tap, i);
	}
	if (what >= OUTCOMES)
		return 0;
	len = run->skb->len;
	c->seen++;
	c->seen_bytes += len;
	c->packets[what]++;
	c->bytes[what] += len;
	return 0;
}

static int serve_egress(__u32 i, struct run *run)
{
	return serve(i, run, 1);
}

static int serve_packet(__u32 i, struct run *run)
{
	return serve(i, run, 0);
}

/* Keeps the process that sends, for packets of the same socket that are sent
 * when another one runs. Returns what is kept, or null. */
INLINE struct origin *remember(struct run *run)
{
	__u64 cookie = run->sender.cookie, v;
	struct task_struct *task, *leader;
	struct bpf_sock *sk = run->skb->sk;
	struct origin *o;

	if (!sk || !cookie)
		return 0;
	if (run->p.tcp_flags & TCP_FIN && run->sender.uid != NO_UID) {
		v = cookie << 32 | run->sender.uid;
		bpf_map_update_elem(&ended, &cookie, &v, BPF_ANY);
	}
	if (!run->in_process)
		return bpf_sk_storage_get(&origins, sk, 0, 0);
	o = bpf_sk_storage_get(&origins, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!o)
		return 0;
	task = bpf_get_current_task_btf();
	leader = task->group_leader;
	v = bpf_get_current_pid_tgid();
	if (o->thread != v || o->started != leader->start_boottime || o->executed != leader->self_exec_id) {
		o->thread = v;
		o->executed = leader->self_exec_id;
		describe_origin(o, task, leader);
	}
	return o;
}

SEC("tcx/egress")
int tap_egress(struct __sk_buff *skb)
{
	struct run run = { .skb = skb };

	run.sender.uid = run.receiver.uid = NO_UID;
	run.r.time = bpf_ktime_get_boot_ns();
	if (!read_simple(&run.p, skb))
		tap_read_packet(skb, &run.p);
	run.in_process = tap_read_sender(skb, &run.p, &run.sender);
	run.o = remember(&run);
	bpf_loop(taps_end < MAX_TAPS ? taps_end : MAX_TAPS, serve_egress, &run, 0);
	return TCX_NEXT;
}

SEC("socket")
int tap_packet(struct __sk_buff *skb)
{
	struct run run = { .skb = skb };

	run.r.time = bpf_ktime_get_boot_ns();
	tap_read_packet(skb, &run.p);
	bpf_loop(taps_end < MAX_TAPS ? taps_end : MAX_TAPS, serve_packet, &run, 0);
	return 0;
}

SEC("raw_tp")
int tap_init(void *ctx)
{
	return learn_namespace();
}
