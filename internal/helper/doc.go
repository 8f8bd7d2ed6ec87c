// Package helper is the privileged process; package helperapi has its protocol
// and the client.
//
// The helper makes cgroups, loads and attaches the eBPF programs of package
// bpf, adds IPv6 addresses to lo, moves a keeper into its cgroup, knows who
// holds which socket, and taps lo. It hands file descriptors over. It parses
// nothing but its own small messages, starts no process, opens no path that a
// client names, and does not know what runs in a home.
//
// A home is a tree of cgroups:
//
//	<cgroup2>/lodge-<uid>-<random>/   one for each connection; the hooks are here
//	    home-<address>/               one for each home; the user owns it
//	        keeper/                   the process that looks after the home
//	        in/<service>/             the processes inside
//
// What a helper made outlives it: each keeper holds descriptors of the hooks,
// and any later helper removes the cgroups of an earlier one.
package helper
