/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The command lines of processes, kept beyond their end. They are read at
 * exec, when the memory that holds them has just been written, and handed
 * down at fork.
 */
#pragma once
#include "who.h"

#define MAX_COMMANDS 16384
#define COMMAND_LEN 232

struct command {
	__u64 start; /* of the process, in clock ticks */
	__u32 len;   /* of all of it, more than text holds if it was cut */
	char text[COMMAND_LEN]; /* arguments, a zero after each */
} __attribute__((aligned(8)));

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_COMMANDS);
	__type(key, __u32);
	__type(value, struct command);
} commands SEC(".maps");

/* Reads the command line of the current process. */
INLINE void read_command(struct task_struct *task, __u32 pid, __u64 start)
{
	struct mm_struct *mm = READ(task, mm);
	struct command c = {};
	unsigned long from, to;
	__u32 len;

	if (!mm || !pid)
		return; /* it is on its way out */
	from = READ(mm, arg_start);
	to = READ(mm, arg_end);
	if (to <= from)
		return;
	c.start = start;
	c.len = len = to - from;
	if (to - from > COMMAND_LEN)
		len = COMMAND_LEN;
	if (len > COMMAND_LEN || bpf_probe_read_user(c.text, len, (void *)from))
		return;
	bpf_map_update_elem(&commands, &pid, &c, BPF_ANY);
}

/* The same, if that was not done. Also says to the map that it is in use. */
INLINE void remember_command(struct task_struct *task, __u32 pid, __u64 start)
{
	struct command *c = bpf_map_lookup_elem(&commands, &pid);

	if (!c || c->start != start)
		read_command(task, pid, start);
}

SEC("raw_tp/sched_process_exec")
int live_exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct *leader = READ(task, group_leader);

	read_command(task, pid_of(leader), start_of(leader));
	return 0;
}

SEC("raw_tp/sched_process_fork")
int live_fork(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	__u32 pid = pid_of(parent), own;
	struct command *from, c;

	if (READ(child, pid) != READ(child, tgid))
		return 0; /* a thread */
	from = bpf_map_lookup_elem(&commands, &pid);
	own = pid_of(child);
	if (!from || !own || from->start != start_of(READ(parent, group_leader)))
		return 0;
	__builtin_memcpy(&c, from, sizeof(c));
	c.start = start_of(child);
	bpf_map_update_elem(&commands, &own, &c, BPF_ANY);
	return 0;
}
