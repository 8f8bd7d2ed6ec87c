/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Restarts without a refused connection. */
#pragma once
#include "home.h"

/* Attached to a group of SO_REUSEPORT sockets by their keeper just before it
 * closes the one that it held. That a program of this attach type is there is
 * what makes the kernel hand the connections that wait in the closed socket's
 * queue to another one of the group, instead of resetting them
 * (BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, Linux 5.14). Which one is left to the
 * kernel. */
SEC("sk_reuseport/migrate")
int home_migrate(void *ctx)
{
	return 1; /* SK_PASS */
}
