/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the programs read of processes (include/linux/sched.h, pid.h,
 * fdtable.h, cgroup-defs.h). */
#pragma once
#include "kernel.h"

/* How a task leads to its cgroups. */
struct kernfs_node {
	__u64 id;
} __attribute__((preserve_access_index));

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[1]; /* since Linux 6.1 */
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

struct list_head {
	struct list_head *next;
} __attribute__((preserve_access_index));

struct upid {
	int nr;
	void *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
} __attribute__((preserve_access_index));

enum { PIDTYPE_TGID = 1 };

struct rlimit {
	unsigned long rlim_cur, rlim_max;
} __attribute__((preserve_access_index));

enum { RLIMIT_RTTIME = 15 };

struct signal_struct {
	int nr_threads;
	struct list_head thread_head;
	struct pid *pids[4];
	struct rlimit rlim[16];
} __attribute__((preserve_access_index));

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t euid;
} __attribute__((preserve_access_index));

struct mm_struct {
	unsigned long arg_start, arg_end;
} __attribute__((preserve_access_index));

struct files_struct;

struct task_struct {
	struct css_set *cgroups;
	unsigned int flags;
	int pid, tgid;
	__u64 start_boottime; /* since Linux 5.5 */
	__u32 self_exec_id;   /* how often it has executed a program; wider in some kernels */
	char comm[16];
	struct list_head tasks, thread_node;
	struct task_struct *group_leader, *real_parent;
	struct pid *thread_pid; /* since Linux 4.19 */
	struct signal_struct *signal;
	struct cred *cred;
	struct files_struct *files;
	struct mm_struct *mm;
} __attribute__((preserve_access_index));

#define PF_KTHREAD 0x00200000

/* A process's table of descriptors. */
struct inode;

struct file {
	void *f_op;
	struct inode *f_inode;
	void *private_data;
} __attribute__((preserve_access_index));

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *open_fds;
} __attribute__((preserve_access_index));

struct files_struct {
	struct fdtable *fdt;
} __attribute__((preserve_access_index));

struct super_block {
	unsigned long s_magic;
} __attribute__((preserve_access_index));

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
} __attribute__((preserve_access_index));

#define SOCKFS_MAGIC 0x534f434b
