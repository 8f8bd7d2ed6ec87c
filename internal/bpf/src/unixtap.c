/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What processes send by Unix sockets, to the one who taps them: each byte once,
 * at its sender, in raw tracepoints of system calls. Unix sockets have no packets,
 * and nothing else of the kernel's is called with what they carry on every kernel.
 *
 * The bytes are copied when the call is entered, so that what is sent because of
 * them comes later. How many of them were sent is known when it is over; what could
 * not be read then, since it was not in memory, can be read now.
 */
#include "calls_copy.h"

char _license[] SEC("license") = "Dual MIT/GPL";

INLINE void enter_send(struct scratch *s, __u64 regs)
{
	struct call *c = &s->call;
	struct source *from = &c->source;
	__u64 thread = bpf_get_current_pid_tgid(), a1 = argument(regs, 1, c->compat), a2 = argument(regs, 2, c->compat);
	__u64 to = 0, to_len = 0;

	switch (c->kind) {
	case WRITE:
		from->base = a1;
		from->left = a2;
		break;
	case WRITEV:
		from->vector = a1;
		from->vectors = a2;
		break;
	case SENDTO:
		from->base = a1;
		from->left = a2;
		to = argument(regs, 4, c->compat);
		to_len = argument(regs, 5, c->compat);
		break;
	case SENDMSG:
		read_message(s, a1, &to, &to_len);
		break;
	case SENDMMSG:
		c->messages = a1;
		break;
	}
	tell_socket(s, to, to_len);
	if (bpf_map_update_elem(&calls, &thread, c, BPF_ANY)) {
		lose(s, from->left);
		return;
	}
	if (c->kind == SENDFILE || c->kind == SPLICE)
		return;
	s->source = *from;
	s->skip = s->done = 0;
	s->limit = max_call;
	s->first = 1;
	copy(s);
	c->copied = s->done;
	c->outcome = s->outcome;
	bpf_map_update_elem(&calls, &thread, c, BPF_ANY);
}

INLINE void enter_connect(struct scratch *s, __u64 regs)
{
	struct call *c = &s->call;
	__u64 thread = bpf_get_current_pid_tgid();
	struct known *k;
	__u32 length;

	if (c->socket_type == SOCK_DGRAM) {
		/* It is no connection, but where the socket sends to from now on. */
		c->id = id_of(s, c->sk);
		k = bpf_map_lookup_elem(&sockets, &c->sk);
		if (k)
			k->told = 0;
	} else {
		c->id = renew(s, c->sk, 0);
	}
	if (bpf_map_update_elem(&calls, &thread, c, BPF_ANY))
		return;
	length = read_address(s, argument(regs, 1, c->compat), argument(regs, 2, c->compat));
	record(s, REC_CONNECTING);
	tell_process(&s->r);
	output(s, length);
}

/* A 32-bit program's socketcall(2), by the number of what it does. */
INLINE int kind_of_socketcall(__u64 call)
{
	switch (call) {
	case 3:
		return CONNECT;
	case 9:
		return WRITE; /* send(2), without an address */
	case 11:
		return SENDTO;
	case 13:
		return SHUTDOWN;
	case 16:
		return SENDMSG;
	case 20:
		return SENDMMSG;
	}
	return NONE;
}

SEC("raw_tp/sys_enter")
int unixtap_enter(__u64 *ctx)
{
	__u64 regs = ctx[0], nr = ctx[1];
	struct scratch *s;
	struct call *c;
	struct sock *sk;
	int kind, compat;

	if (nr >= MAX_NR || !(kinds[nr] | compat_kinds[nr]))
		return 0;
	compat = is_compat();
	kind = compat ? compat_kinds[nr] : kinds[nr];
	if (kind == NONE)
		return 0;
	if (kind == SOCKETCALL) {
		kind = kind_of_socketcall(argument(regs, 0, 1));
		if (kind == NONE)
			return 0;
		compat = 2; /* the arguments are in memory */
	}
	sk = sock_of(argument(regs, kind == SPLICE ? 2 : 0, compat));
	if (!sk)
		return 0;
	s = take();
	if (!s)
		return 0;
	c = &s->call;
	begin(c, kind, sk);
	c->compat = compat;
	c->source.compat = compat;
	if (!is_wanted((void *)sk, (void *)c->peer))
		kind = NONE;
	if (kind == CONNECT)
		enter_connect(s, regs);
	else if (kind == SHUTDOWN)
		enter_shutdown(s, argument(regs, 1, c->compat));
	else if (kind != NONE)
		enter_send(s, regs);
	s->busy = 0;
	return 0;
}

/* The end of a call that sent n bytes, or a message of it. */
INLINE void finish(struct scratch *s, __u64 n)
{
	struct call *c = &s->call;
	__u64 sk = c->sk, position = 0;
	struct known *k;

	if (c->kind == SENDFILE || c->kind == SPLICE) {
		c->copied = 0;
		c->outcome = LOST_NOT_COPIED;
	} else if (c->copied < n && c->copied < max_call) {
		/* What was not in memory is there now, since the kernel has read it. */
		s->source = c->source;
		s->skip = s->done = c->copied;
		s->first = c->copied == 0;
		s->limit = n < max_call ? n : max_call;
		copy(s);
		c->copied = s->done;
		c->outcome = s->outcome;
	}
	k = bpf_map_lookup_elem(&sockets, &sk);
	if (k) /* at once: no two calls have the same position */
		position = __sync_fetch_and_add(&k->sent, n);
	record(s, c->kind == SENDFILE || c->kind == SPLICE ? REC_SKIPPED : REC_DONE);
	tell_process(&s->r);
	s->r.at = position;
	s->r.sent = n;
	s->r.copied = c->copied < n ? c->copied : n;
	if (c->copied < n && c->outcome == DELIVERED)
		c->outcome = LOST_TOO_LARGE;
	s->r.outcome = c->copied < n ? c->outcome : DELIVERED;
	settle(s, output(s, 0));
}

static int finish_message(__u32 i, void *ctx)
{
	struct scratch *s = scratch();
	struct call *c;
	__u64 at, to, to_len;
	__u32 n = 0;

	if (!s)
		return 1;
	c = &s->call;
	at = c->messages + (__u64)i * (c->compat ? 32 : 64);
	if (bpf_probe_read_user(&n, sizeof(n), (void *)at + (c->compat ? 28 : 56))) {
		lose(s, 0);
		return 0;
	}
	__builtin_memset(&c->source, 0, sizeof(c->source));
	c->source.compat = c->compat;
	c->copied = 0;
	c->outcome = DELIVERED;
	read_message(s, at, &to, &to_len);
	tell_socket(s, to, to_len);
	s->first = 1;
	finish(s, n);
	return 0;
}

/* The end of a call with its result. */
INLINE void leave(struct scratch *s, __s64 result)
{
	struct call *c = &s->call;

	if (c->kind == CONNECT) {
		exit_connect(s, result);
		return;
	}
	if (c->kind == SENDMMSG && result > 0) {
		bpf_loop(result > 1024 ? 1024 : result, finish_message, 0, 0);
		return;
	}
	if (result > 0 || (result == 0 && c->socket_type != SOCK_STREAM && c->kind != SENDMMSG)) {
		finish(s, result);
		return;
	}
	/* It sent nothing: what was copied is void. */
	record(s, REC_DONE);
	if (result < 0)
		s->r.error = -result;
	output(s, 0);
}

SEC("raw_tp/sys_exit")
int unixtap_exit(__u64 *ctx)
{
	__u64 thread, nr;
	struct scratch *s;
	struct call *c;

	if (nr_at) {
		if (bpf_probe_read_kernel(&nr, sizeof(nr), (void *)ctx[0] + nr_at) || nr >= MAX_NR ||
		    !(kinds[nr] | compat_kinds[nr]))
			return 0;
	}
	thread = bpf_get_current_pid_tgid();
	c = bpf_map_lookup_elem(&calls, &thread);
	if (!c)
		return 0;
	s = take();
	if (s)
		s->call = *c;
	bpf_map_delete_elem(&calls, &thread);
	if (!s)
		return 0;
	s->first = 0;
	leave(s, ctx[1]);
	s->busy = 0;
	return 0;
}

/* What is sent by io_uring(7) is not copied: when it is over, its memory may be
 * used for something else. req is a struct io_kiocb, or null. */
SEC("raw_tp/io_uring_complete")
int unixtap_uring(__u64 *ctx)
{
	struct io_kiocb *req = (void *)ctx[1];
	struct scratch *s;
	struct call *c;
	struct sock *sk;
	__s32 sent;

	if (!req || !is_uring_send(READ(req, opcode)))
		return 0;
	sent = READ(req, cqe.res);
	if (sent <= 0)
		return 0;
	sk = sock_of_file(READ(req, file));
	if (!sk)
		return 0;
	s = take();
	if (!s)
		return 0;
	c = &s->call;
	begin(c, SPLICE, sk);
	if (is_wanted((void *)sk, (void *)c->peer)) {
		tell_socket(s, 0, 0);
		finish(s, sent);
	}
	s->busy = 0;
	return 0;
}

SEC("raw_tp")
int unixtap_init(void *ctx)
{
	return learn_namespace();
}
