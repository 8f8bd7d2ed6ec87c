/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Who a task is, as /proc shows it to the process that loaded this. */
#pragma once
#include "task.h"

/* The pid namespace in which process ids are told. Set by learn_namespace. */
static __u32 ns_level;
static void *ns;

struct process {
	__u32 pid;
	__u32 parent;
	__u32 uid;
	__u32 pad;
	__u64 start; /* clock ticks since boot, as in /proc/PID/stat */
	char name[16];
};

/* A clock tick in nanoseconds (USER_HZ, which is 100 wherever this runs). */
#define TICK 10000000

/* When the process of this task started, in clock ticks. */
INLINE __u64 start_of(struct task_struct *task)
{
	return READ(task, start_boottime) / TICK;
}

INLINE __u32 number_of(struct pid *pid, __u32 level)
{
	struct upid id = {};

	if (!pid || level < ns_level)
		return 0;
	bpf_probe_read_kernel(&id, sizeof(id), (void *)pid + OFFSET(struct pid, numbers) + ns_level * sizeof(id));
	return id.ns == ns ? id.nr : 0;
}

/* The process's id in that namespace, zero if it is not there or is gone. */
INLINE __u32 pid_of(struct task_struct *task)
{
	struct signal_struct *signal = READ(task, signal);
	struct pid *pid = READ(signal, pids[PIDTYPE_TGID]);

	return number_of(pid, READ(pid, level));
}

/* leader is the first task of a process. */
INLINE void describe(struct process *p, struct task_struct *leader)
{
	struct cred *cred = READ(leader, cred);
	struct task_struct *parent = READ(leader, real_parent);

	p->pid = pid_of(leader);
	p->parent = pid_of(parent);
	p->uid = READ(cred, euid.val);
	p->pad = 0;
	p->start = start_of(leader);
	bpf_probe_read_kernel(p->name, sizeof(p->name), leader->comm);
}

/* The same for the current process, of which the verifier knows the types: a
 * load is a load there, and no call. */
INLINE void describe_current(struct process *p)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	struct pid *own = leader->thread_pid, *parent = leader->real_parent->group_leader->thread_pid;

	p->pid = number_of(own, own->level);
	p->parent = number_of(parent, parent->level);
	p->uid = leader->cred->euid.val;
	p->pad = 0;
	p->start = leader->start_boottime / TICK;
	bpf_probe_read_kernel(p->name, sizeof(p->name), leader->comm);
}

/* Learns in whose view process ids are told: run in the loader's context, whose
 * process id it returns. */
INLINE int learn_namespace(void)
{
	struct task_struct *task = bpf_get_current_task();
	struct signal_struct *signal = READ(task, signal);
	struct pid *pid = READ(signal, pids[PIDTYPE_TGID]);
	struct upid id = {};

	ns_level = READ(pid, level);
	bpf_probe_read_kernel(&id, sizeof(id), (void *)pid + OFFSET(struct pid, numbers) + ns_level * sizeof(id));
	ns = id.ns;
	return id.nr;
}
