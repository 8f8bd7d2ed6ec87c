/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Who a task is, as /proc shows it to the process that loaded this. */
#pragma once
#include "task.h"

/* The pid namespace in which process ids are told. Set by live_init, which
 * runs in the loader's context. */
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

/* When the process of this task started, in clock ticks (USER_HZ, which is 100
 * wherever this runs). */
INLINE __u64 start_of(struct task_struct *task)
{
	return READ(task, start_boottime) / 10000000;
}

/* The process's id in that namespace, zero if it is not there or is gone. */
INLINE __u32 pid_of(struct task_struct *task)
{
	struct signal_struct *signal = READ(task, signal);
	struct pid *pid = READ(signal, pids[PIDTYPE_TGID]);
	struct upid id = {};

	if (!pid || READ(pid, level) < ns_level)
		return 0;
	bpf_probe_read_kernel(&id, sizeof(id), (void *)pid + OFFSET(struct pid, numbers) + ns_level * sizeof(id));
	return id.ns == ns ? id.nr : 0;
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
