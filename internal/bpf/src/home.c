/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A project's own localhost, as cgroup socket hooks. They are attached once to
 * a cgroup that the helper made, and look up which home the current process is
 * inside of. Nothing here runs per packet or per segment.
 */
#include "bind.h"
#include "connect.h"
#include "create.h"
#include "datagram.h"
#include "lifetime.h"
#include "migrate.h"
#include "names.h"

char _license[] SEC("license") = "Dual MIT/GPL";
