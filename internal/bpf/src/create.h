/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* socket(2): what a strict home cannot keep inside. */
#pragma once
#include "bind.h"

/* Protocols whose connects, or all of whose calls, pass the hooks by. A strict
 * home does without them, as on a kernel that was built without. */
SEC("cgroup/sock_create")
int home_create(struct bpf_sock *sk)
{
	struct home *h;
	__u64 id;

	if (sk->protocol != IPPROTO_UDPLITE && sk->protocol != IPPROTO_SCTP && sk->protocol != IPPROTO_DCCP)
		return 1;
	h = current_home(sk, &id);
	if (!h || !(h->flags & HOME_STRICT))
		return 1;
	return refuse(EPROTONOSUPPORT);
}
