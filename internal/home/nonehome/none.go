// Package nonehome is the engine for machines where no other works: a home is
// an address in LODGE_HOME, and nothing is rewritten. It still knows which
// processes belong to a service and where they listen, whatever the address.
package nonehome

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/hostsview"
	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/procfs"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

type none struct {
	spec    home.Spec
	changes chan struct{}
	stop    chan struct{}
	done    chan struct{}

	processes home.Shared[map[string][]int]

	conn   *diag.Conn
	marker *mark.Marker // nil where processes carry no mark

	mu sync.Mutex // guards what follows
	// known are the processes that were seen, and services those that started.
	known    map[int]process
	services map[string]bool
	started  bool // a process was started since the last poll
}

// process is one that was seen. Its start time tells it from a later one with
// the same id.
type process struct {
	service string
	start   uint64
}

// Open returns a home without an engine.
func Open(spec home.Spec) (home.Inside, error) {
	conn, err := diag.Open()
	if err != nil {
		return nil, fmt.Errorf("open home %s: %w", spec.ID, err)
	}
	n := &none{spec: spec, conn: conn, changes: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		marker: mark.NewMarker(spec.Mark), known: make(map[int]process), services: make(map[string]bool)}
	go n.poll()
	return n, nil
}

func (n *none) Engine() loopback.Engine { return loopback.None }

func (n *none) Start(c home.Command) (int, error) {
	fds := make([]uintptr, len(c.Files))
	for i, f := range c.Files {
		fds[i] = ^uintptr(0)
		if f != nil {
			fds[i] = f.Fd()
		}
	}
	attr := &syscall.ProcAttr{
		Dir: c.Dir, Files: fds,
		Env: n.environ(c),
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: c.Terminal},
	}
	w := hostsview.Wrap(c, "/proc/self/exe", attr.Sys)
	pid, err := n.marker.Start(c.Service, func() (int, error) { return syscall.ForkExec(w.Path, w.Args, attr) })
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", c.Path, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.services[c.Service], n.started = true, true
	if s, err := procfs.ReadStat(pid); err == nil { // else it has ended and was reaped
		n.known[pid] = process{c.Service, s.Start}
	}
	return pid, nil
}

// environ marks the process as the service's, and takes away what an outer
// home may have marked it with.
func (n *none) environ(c home.Command) []string {
	env := slices.DeleteFunc(slices.Clone(c.Env), func(kv string) bool {
		return strings.HasPrefix(kv, "LODGE_SERVICE=") || strings.HasPrefix(kv, "LODGE_HOME_ID=")
	})
	return append(env, "LODGE_SERVICE="+c.Service, "LODGE_HOME_ID="+n.spec.ID)
}

// Pids looks again a few times before it reports that there is no process: a list of
// /proc is no snapshot, and a process that forks and ends while it is read can
// be missing together with its child, or be seen without the environment that
// names its service while it becomes another program.
func (n *none) Pids(service string) ([]int, error) {
	for look := 1; ; look++ {
		pids, err := n.look(service)
		if err != nil || len(pids) > 0 || look == looks {
			return pids, err
		}
		time.Sleep(lookAgain) // for a system call of others to end, of which there is no event
	}
}

// processesOf is Pids of several services.
func (n *none) processesOf(services map[string]bool) (map[string][]int, error) {
	for look := 1; ; look++ {
		found, err := n.processes.Do(n.readInside)
		missing := false
		for s := range services {
			missing = missing || len(found[s]) == 0
		}
		if err != nil || !missing || look == looks {
			return found, err
		}
		time.Sleep(lookAgain) // as in Pids
	}
}

const (
	looks     = 4
	lookAgain = 2 * time.Millisecond
)

func (n *none) look(service string) ([]int, error) {
	// Many services may end at once: one walk of /proc is enough for all.
	found, err := n.processes.Do(n.readInside)
	if err != nil {
		return nil, err
	}
	return home.ProcessesOf(service, found), nil
}

// readInside lists the living processes inside by their service.
func (n *none) readInside() (map[string][]int, error) {
	all, err := procfs.Processes()
	if err != nil {
		return nil, err
	}
	children := make(map[int][]int)
	for pid, s := range all {
		children[s.Parent] = append(children[s.Parent], pid)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	owner := make(map[int]string)
	for pid, p := range n.known {
		if s, ok := all[pid]; ok && s.Start == p.start {
			owner[pid] = p.service
		} else {
			delete(n.known, pid)
		}
	}
	// The subreaper's other children are orphans that came to it: all are of
	// this home.
	for _, pid := range children[os.Getpid()] {
		if _, ok := owner[pid]; !ok {
			owner[pid] = n.adopt(pid)
		}
	}
	roots := slices.Collect(maps.Keys(owner))
	for len(roots) > 0 {
		pid := roots[len(roots)-1]
		roots = roots[:len(roots)-1]
		for _, child := range children[pid] {
			if _, ok := owner[child]; !ok {
				owner[child] = owner[pid]
				roots = append(roots, child)
			}
		}
	}
	out := make(map[string][]int)
	for pid, name := range owner {
		if name != unattributed {
			n.known[pid] = process{name, all[pid].Start}
		}
		if s := all[pid]; s.Alive() {
			out[name] = append(out[name], pid)
		}
	}
	for _, pids := range out {
		slices.Sort(pids)
	}
	return out, nil
}

// unattributed is the service of an orphan of which nothing is known.
const unattributed = "\x00"

// adopt returns the service of an orphan: by its mark, and where it has none by
// its environment.
func (n *none) adopt(pid int) string {
	if name, whose := n.marker.Whose(pid); whose == mark.Ours && name != "" {
		return name
	}
	if procfs.Getenv(pid, "LODGE_HOME_ID") == n.spec.ID {
		if name := procfs.Getenv(pid, "LODGE_SERVICE"); name != "" {
			return name
		}
	}
	return unattributed
}

func (n *none) Kill(service string) error {
	for range 50 { // a fork may be faster than one look, not than fifty
		pids, err := n.Pids(service)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, p := range pids {
			_ = unix.Kill(p, unix.SIGKILL)
		}
	}
	return nil
}

func (n *none) Endpoints() ([]loopback.Endpoint, error) {
	n.mu.Lock()
	services := make(map[string]bool)
	maps.Copy(services, n.services)
	n.mu.Unlock()
	owner := make(map[uint32]string)
	found, err := n.processesOf(services)
	if err != nil {
		return nil, err
	}
	for s := range services {
		for _, p := range found[s] {
			inodes, err := holders.ProcessSockets(p)
			if err != nil {
				continue // not ours to see, such as a set-user-id program
			}
			for i := range inodes {
				owner[i] = s
			}
		}
	}
	var out []loopback.Endpoint
	bound, err := n.bound()
	if err != nil {
		return nil, err
	}
	for _, s := range bound {
		if svc, ok := owner[s.inode]; ok && s.inode != 0 {
			out = append(out, loopback.Endpoint{Protocol: s.proto, IP: s.at.Addr(), Port: s.at.Port(), Service: svc, Inode: s.inode, Owner: loopback.OwnedBy(s.uid)})
		}
	}
	slices.SortFunc(out, func(a, b loopback.Endpoint) int { return a.AddrPort().Compare(b.AddrPort()) })
	return out, nil
}

func (n *none) Changes() <-chan struct{}        { return n.changes }
func (n *none) Conflicts() <-chan home.Conflict { return nil }

// Forget drops what is known of a service that has no process left.
func (n *none) Forget(service string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.services, service)
	return nil
}

func (n *none) Lease(_ string, port uint16) error {
	return fmt.Errorf("lease port %s: %w", strconv.Itoa(int(port)), errors.ErrUnsupported)
}
func (n *none) Release(uint16) error { return nil }

// Capabilities: endpoints are polled, so that a closed socket is noticed, too.
func (n *none) Capabilities() home.Capabilities { return home.Capabilities{ReportsClose: true} }

// ProcessExited does nothing: endpoints are polled.
func (n *none) ProcessExited() {}

// Hold is unsupported.
func (n *none) Hold(string) (int, error) {
	return 0, fmt.Errorf("hold listening sockets: %w", errors.ErrUnsupported)
}

func (n *none) Unhold(string) {}
func (n *none) LetGo(string)  {}

// Tap is unsupported: nothing here is asked before a program connects.
func (n *none) Tap(out *net.UnixConn) error {
	return errors.Join(fmt.Errorf("tap connections: %w", errors.ErrUnsupported), out.Close())
}

func (n *none) Close() error {
	close(n.stop)
	<-n.done
	if err := n.conn.Close(); err != nil {
		return fmt.Errorf("close home %s: %w", n.spec.ID, err)
	}
	return nil
}
