/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Who holds which socket: a walk over the descriptor tables of all processes,
 * run when somebody asks.
 *
 * A run of the program is one RCU read-side critical section (kernel/bpf and
 * net/bpf/test_run.c hold it around a test run of a raw tracepoint), and reads
 * as the kernel's own lockless readers do: for_each_process and
 * for_each_thread, files_lookup_fd_rcu. What is not protected by RCU is the
 * files_struct; a task lets go of it before it is freed, so a task that still
 * has it after the reading had it all the while.
 *
 * A run is bounded, since it cannot be preempted everywhere. It says where it
 * stopped, and the next one goes on there.
 */
#pragma once
#include "closed.h"

#define MAX_PROCESSES 512
#define MAX_HOLDINGS 8192
#define MAX_STEPS 16384       /* of 64 descriptors or one thread each */
#define MAX_WALK (1 << 22)    /* no more processes than PID_MAX_LIMIT */
#define NOBODY_YET 0xffffffff /* no index into processes */

enum scan_state { SCAN_MORE, SCAN_DONE, SCAN_LOST };

struct holding {
	__u32 inode;
	__u32 process; /* index into processes of this run */
	__u64 opened;  /* ns since boot, or zero */
};

struct scan {
	/* Where to begin; afterwards, where to go on. By the machine's ids. */
	__u32 tgid, tid, word;
	/* The answer. */
	__u32 state;
	__u32 processes_len, holdings_len;
	struct process processes[MAX_PROCESSES];
	struct holding holdings[MAX_HOLDINGS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scan);
} scans SEC(".maps");

/* What the walk is at. Only one is made at a time. */
static struct {
	struct task_struct *self, *leader, *thread;
	struct files_struct *files, *leader_files;
	struct file **fd;
	unsigned long *open_fds, bits;
	__u32 words;
	__u32 mark;    /* holdings before this table */
	__u32 process; /* index into processes, or NOBODY_YET */
	__u32 again;   /* how often this table was another at the end */
	struct file *batch[64];
} at;

/* The one struct file_operations of all sockets, once seen. */
static void *socket_ops;

INLINE struct scan *scan_area(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scans, &zero);
}

/* A file is taken for a socket by its operations, so that of a file that is
 * none only the first cache line is read. */
INLINE int is_socket(struct file *file)
{
	void *ops = READ(file, f_op);
	struct super_block *sb;
	struct inode *inode;

	if (ops == socket_ops)
		return ops != 0;
	if (socket_ops)
		return 0;
	inode = READ(file, f_inode);
	sb = READ(inode, i_sb);
	if (READ(sb, s_magic) != SOCKFS_MAGIC)
		return 0;
	socket_ops = ops;
	return 1;
}

/* One descriptor of the word that was read. */
static int scan_fd(__u32 i, void *unused)
{
	struct scan *s = scan_area();
	struct holding *h;
	struct socket *socket;
	struct inode *inode;
	struct file *file, *still = 0;
	struct sock *sk;
	__u64 *opened;

	if (!s)
		return 1;
	i &= 63;
	if (!(at.bits >> i))
		return 1;
	if (!(at.bits >> i & 1))
		return 0;
	file = at.batch[i];
	if (!file)
		return 0;
	if (!is_socket(file))
		return 0;
	if (at.process == NOBODY_YET) {
		if (s->processes_len >= MAX_PROCESSES)
			return 1; /* scan_step made sure that there is room */
		at.process = s->processes_len;
		describe(&s->processes[at.process & (MAX_PROCESSES - 1)], at.leader);
		s->processes_len++;
	}
	if (s->holdings_len >= MAX_HOLDINGS)
		return 1; /* the same */
	h = &s->holdings[s->holdings_len & (MAX_HOLDINGS - 1)];
	inode = READ(file, f_inode);
	h->inode = READ(inode, i_ino);
	h->process = at.process;
	h->opened = 0;
	socket = READ(file, private_data);
	sk = READ(socket, sk);
	opened = bpf_map_lookup_elem(&opened_at, &sk);
	if (opened)
		h->opened = *opened;
	/* A file that was closed meanwhile can be another process's by now
	 * (SLAB_TYPESAFE_BY_RCU). */
	bpf_probe_read_kernel(&still, sizeof(still), at.fd + 64 * (__u64)s->word + i);
	if (still == file)
		s->holdings_len++;
	return 0;
}

/* Begins the table of a thread. */
INLINE void scan_table(struct scan *s, __u32 word)
{
	struct fdtable *fdt;

	at.files = READ(at.thread, files);
	if (at.thread == at.leader)
		at.leader_files = at.files;
	else if (at.files == at.leader_files)
		at.files = 0; /* seen already, with the leader */
	if (!at.files)
		return;
	fdt = READ(at.files, fdt);
	at.fd = READ(fdt, fd);
	at.open_fds = READ(fdt, open_fds);
	at.words = (READ(fdt, max_fds) + 63) / 64;
	s->word = word;
	at.mark = s->holdings_len;
}

/* Ends it. What was read counts if the thread has its table still. */
INLINE void scan_table_end(struct scan *s)
{
	if (READ(at.thread, files) == at.files) {
		at.again = 0;
		at.files = 0;
		return;
	}
	s->holdings_len = at.mark;
	if (at.again++ < 2)
		scan_table(s, 0); /* exec gave it another; one that exits has none */
	else
		at.files = 0;
}

INLINE struct task_struct *next_process(struct task_struct *t)
{
	return (void *)READ(t, tasks.next) - OFFSET(struct task_struct, tasks);
}

/* The next thread of the process, or null. */
INLINE struct task_struct *next_thread(struct task_struct *leader, struct task_struct *t)
{
	struct signal_struct *signal = READ(leader, signal);
	struct list_head *next;

	if (READ(signal, nr_threads) <= 1)
		return 0;
	next = READ(t, thread_node.next);
	if (!next || (void *)next == (void *)signal + OFFSET(struct signal_struct, thread_head))
		return 0;
	return (void *)next - OFFSET(struct task_struct, thread_node);
}

/* Goes to the next thread or process. */
INLINE int scan_next(struct scan *s)
{
	struct task_struct *thread = next_thread(at.leader, at.thread);

	at.again = 0;
	if (!thread) {
		at.leader = next_process(at.leader);
		if (at.leader == at.self) {
			s->state = SCAN_DONE;
			return 1;
		}
		at.process = NOBODY_YET;
		thread = at.leader;
	}
	at.thread = thread;
	if (READ(thread, flags) & PF_KTHREAD)
		at.files = 0;
	else
		scan_table(s, 0);
	return 0;
}

static int scan_step(__u32 i, void *unused)
{
	struct scan *s = scan_area();
	unsigned long bits = 0;

	if (!s)
		return 1;
	if (!at.files)
		return scan_next(s);
	if (s->word >= at.words) {
		scan_table_end(s);
		return 0;
	}
	bpf_probe_read_kernel(&bits, sizeof(bits), at.open_fds + s->word);
	if (bits) {
		if (s->holdings_len > MAX_HOLDINGS - 64 || s->processes_len >= MAX_PROCESSES)
			return 1;
		if (!bpf_probe_read_kernel(at.batch, sizeof(at.batch), at.fd + 64 * (__u64)s->word)) {
			at.bits = bits;
			bpf_loop(64, scan_fd, 0, 0);
		}
	}
	s->word++;
	return 0;
}

static int find_process(__u32 i, void *unused)
{
	struct scan *s = scan_area();

	if (!s || READ(at.leader, tgid) == s->tgid)
		return 1;
	at.leader = next_process(at.leader);
	if (at.leader != at.self)
		return 0;
	s->state = SCAN_LOST;
	return 1;
}

static int find_thread(__u32 i, void *unused)
{
	struct scan *s = scan_area();

	if (!s || !at.thread || READ(at.thread, pid) == s->tid)
		return 1;
	at.thread = next_thread(at.leader, at.thread);
	return 0;
}

SEC("raw_tp")
int live_scan(void *ctx)
{
	struct scan *s = scan_area();
	struct task_struct *task;
	__u32 word;

	if (!s)
		return 0;
	task = bpf_get_current_task();
	at.self = READ(task, group_leader);
	at.leader = at.self;
	s->processes_len = s->holdings_len = 0;
	at.process = NOBODY_YET;
	at.again = 0;
	s->state = SCAN_MORE;
	word = s->word;
	if (!s->tgid) {
		at.thread = at.leader;
	} else {
		bpf_loop(MAX_WALK, find_process, 0, 0);
		if (s->state == SCAN_LOST)
			return 0;
		at.thread = at.leader;
		at.leader_files = READ(at.leader, files);
		bpf_loop(MAX_WALK, find_thread, 0, 0);
		if (!at.thread) {
			at.thread = at.leader;
			word = 0;
		}
	}
	scan_table(s, word);
	bpf_loop(MAX_STEPS, scan_step, 0, 0);
	if (s->state == SCAN_DONE)
		return 0;
	if (at.files && READ(at.thread, files) != at.files) {
		s->holdings_len = at.mark;
		s->word = 0;
	}
	s->tgid = READ(at.leader, tgid);
	s->tid = READ(at.thread, pid);
	return 0;
}

SEC("raw_tp")
int live_init(void *ctx)
{
	return learn_namespace();
}
