/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which process has which socket, on the whole machine. All of it only looks:
 * raw tracepoints on what happens rarely (a connection changes its state, a
 * process starts a program or another process), nothing per packet and nothing
 * per system call, and a walk when somebody asks.
 */
#include "scan.h"

char _license[] SEC("license") = "Dual MIT/GPL";
