// Package limits tells which of the kernel's limits a process ran into: the
// memory of a cgroup or of the machine (the OOM killer), and the number of
// processes (pids.max of a cgroup, RLIMIT_NPROC, threads-max, pid_max).
//
// It reads cgroups of version 1 and 2, and /proc. What the kernel counts is
// compared with what it had counted when a process started, so only what
// happened during its life is told. It sets no limit and watches nothing.
package limits
