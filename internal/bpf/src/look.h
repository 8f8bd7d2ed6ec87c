/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Whether another process of the same user may look into a task, as ptrace(2)
 * decides it ("ptrace access mode checking"): then what it has in its memory is no
 * secret from that user.
 */
#pragma once
#include "task.h"

struct user_namespace___look {
	int level;
	struct user_namespace___look *parent;
	kuid_t owner;
} __attribute__((preserve_access_index));

/* A number of a type that has changed: two words of 32 bits before Linux 6.3. */
typedef struct {
	__u64 val;
} caps___look;

struct cred___look {
	kuid_t uid, suid, euid, fsuid;
	kuid_t gid, sgid, egid, fsgid; /* as long as these */
	caps___look cap_permitted;
	struct user_namespace___look *user_ns;
} __attribute__((preserve_access_index));

/* Whether a process may be looked at by others of its user: its two lowest flags
 * are MMF_DUMPABLE. They are in a structure since Linux 6.18. */
struct mm_struct___flags {
	unsigned long flags;
} __attribute__((preserve_access_index));

struct mm_struct___bitmap {
	struct {
		unsigned long __mm_flags[1];
	} flags;
} __attribute__((preserve_access_index));

/* A word of cred by its offset: what is there may have another type. */
#define CRED_WORD(cred, field, at)                                                                                              \
	({                                                                                                                      \
		__u32 v_ = -1;                                                                                                  \
		bpf_probe_read_kernel(&v_, sizeof(v_), (void *)(cred) + OFFSET(struct cred___look, field) + (at) * sizeof(v_)); \
		v_;                                                                                                             \
	})

/* How deep user namespaces can be in each other (kernel/user_namespace.c). */
#define MAX_USER_NAMESPACES 33

/* Reports whether a process in this user namespace is that user's: its
 * capabilities end at the namespace. That is one of the machine's own that the user
 * made, or one within it. */
INLINE int is_ours(struct user_namespace___look *ns, __u32 user)
{
	for (int i = 0; i < MAX_USER_NAMESPACES; i++) {
		int level = READ(ns, level);

		if (level <= 0)
			return 0;
		if (level == 1)
			return READ(ns, owner.val) == user;
		ns = READ(ns, parent);
	}
	return 0;
}

/* Reports whether these are the rights of the user and no others. */
INLINE int has_rights_of(struct cred___look *cred, __u32 user)
{
	__u32 gid = CRED_WORD(cred, gid, 0);
	struct user_namespace___look *ns;

	if (CRED_WORD(cred, uid, 0) != user || CRED_WORD(cred, euid, 0) != user || CRED_WORD(cred, suid, 0) != user ||
	    CRED_WORD(cred, fsuid, 0) != user)
		return 0;
	if (CRED_WORD(cred, egid, 0) != gid || CRED_WORD(cred, sgid, 0) != gid)
		return 0;
	ns = READ(cred, user_ns);
	if (READ(ns, level) == 0)
		return !(CRED_WORD(cred, cap_permitted, 0) | CRED_WORD(cred, cap_permitted, 1));
	return is_ours(ns, user);
}

/* Reports whether processes of the user may look into the task: it has the rights
 * of that user and no others, and nothing hides it. */
INLINE int is_open_to(struct task_struct *task, __u32 user)
{
	struct mm_struct *mm = READ(task, mm);
	__u64 flags = 0;

	if (!mm || !has_rights_of((void *)READ(task, cred), user))
		return 0;
	if (__builtin_preserve_field_info(((struct mm_struct___flags *)0)->flags, 2))
		flags = READ((struct mm_struct___flags *)mm, flags);
	else if (__builtin_preserve_field_info(((struct mm_struct___bitmap *)0)->flags.__mm_flags, 2))
		bpf_probe_read_kernel(&flags, sizeof(flags),
				      (void *)mm + OFFSET(struct mm_struct___bitmap, flags.__mm_flags));
	return (flags & 3) == 1; /* SUID_DUMP_USER */
}
