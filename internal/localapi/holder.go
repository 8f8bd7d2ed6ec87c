package localapi

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"lodge/internal/keeperapi"
	"lodge/internal/procfs"
	"lodge/internal/stall"
	"lodge/internal/statefile"
)

// Holder is the process that is the daemon of a pair of directories.
type Holder struct {
	PID   int
	Start uint64 // see procfs.StartTime
}

// Look reports whether the daemon does not run, such as one that is stopped.
func (h Holder) Look() (*stall.Error, bool) {
	return daemonPeer(func() int { return h.PID }).Look()
}

// daemonPeer is the daemon as the one who is waited for.
func daemonPeer(pid func() int) stall.Peer {
	return stall.Peer{
		Role: "the daemon", PID: pid,
		Or: "kill -9 PID: what is up goes on, and the next command starts another",
	}
}

// Holder finds the daemon of these directories without its socket: by a lock
// file of its, or among the processes. One that ends is found until it has.
func (d Dirs) Holder() (Holder, bool) {
	for _, path := range d.Locks() {
		b, err := statefile.Read(path)
		if err != nil {
			continue
		}
		if h, ok := parseHolder(b); ok && procfs.Alive(h.PID, h.Start) {
			return h, true
		}
	}
	pids, err := procfs.Pids()
	if err != nil {
		return Holder{}, false
	}
	for _, pid := range pids {
		args := procfs.Args(pid)
		if len(args) < 2 || args[1] != "daemon" || !follows(args, "--runtime-dir", d.Runtime) || !follows(args, "--state-dir", d.State) || !procfs.RunBy(pid, os.Geteuid()) {
			continue
		}
		if s, err := procfs.ReadStat(pid); err == nil && s.State != 'Z' && s.State != 'X' && keeperapi.SameDir(pid, d.Runtime) {
			return Holder{PID: pid, Start: s.Start}, true
		}
	}
	return Holder{}, false
}

// parseHolder reads what a daemon writes into its lock file: its process id and
// start time.
func parseHolder(b []byte) (Holder, bool) {
	var h Holder
	n, err := fmt.Fscanf(bytes.NewReader(b), "%d %d\n", &h.PID, &h.Start)
	return h, err == nil && n == 2 && h.PID > 0
}

// follows reports whether the argument value comes right after flag.
func follows(args []string, flag, value string) bool {
	i := slices.Index(args, flag)
	return i >= 0 && i+1 < len(args) && args[i+1] == value
}
