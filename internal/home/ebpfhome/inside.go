// Package ebpfhome is the home whose processes are in a cgroup with eBPF
// hooks. It works on descriptors that the helper made and handed over, and
// needs no privilege itself.
//
// It does not load or attach anything (packages bpf and helper). The hooks
// stay as long as an open home holds their links.
package ebpfhome

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"lodge/internal/bpf"
	"lodge/internal/home"
	"lodge/internal/home/hostsview"
	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/sockets/diag"
)

// inside implements home.Inside.
type inside struct {
	spec      home.Spec
	files     Files
	events    *bpf.Events
	table     *bpf.Leases
	changes   chan struct{}
	conflicts chan home.Conflict
	watching  sync.WaitGroup
	conn      *diag.Conn
	sockets   home.Shared[[]loopback.Endpoint]
	// marker is for the daemon that finds what is left when this process and
	// the helper are gone; here the cgroup says whose a process is.
	marker *mark.Marker

	// mu guards what follows.
	mu     sync.Mutex
	groups map[string]*group
	leases map[uint16]*lease
	held   map[string][]*held
	// names has the service of every cgroup that there was: the ring may tell
	// of one that is gone.
	names  map[uint64]string
	closed bool
}

// Open opens a home of which f are the descriptors, which it takes over, also
// when it fails. The calling process must be in the home's cgroup keeper
// (helper.Client.Enter) before Start.
func Open(spec home.Spec, f Files) (home.Inside, error) {
	f.closeOnExec()
	events, err := bpf.ReadEvents(f.Events)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open home %s: %w", spec.IP4, err), f.close())
	}
	table, err := bpf.OpenLeases(f.Leases)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open home %s: %w", spec.IP4, err), events.Close(), f.close())
	}
	conn, err := diag.Open()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open home %s: %w", spec.IP4, err), events.Close(), table.Close(), f.close())
	}
	in := &inside{
		conn:   conn,
		marker: mark.NewMarker(spec.Mark),
		spec:   spec, files: f, events: events, table: table,
		changes:   make(chan struct{}, 1),
		conflicts: make(chan home.Conflict, 16),
		groups:    map[string]*group{},
		leases:    map[uint16]*lease{},
		held:      map[string][]*held{},
		names:     map[uint64]string{},
	}
	in.watch()
	return in, nil
}

func (in *inside) Engine() loopback.Engine { return loopback.EBPF }

func (in *inside) Changes() <-chan struct{} { return in.changes }

func (in *inside) Capabilities() home.Capabilities {
	return home.Capabilities{Translates: true, ReportsClose: true}
}

// ProcessExited does nothing: the kernel reports the sockets that go with a
// process.
func (in *inside) ProcessExited() {}

func (in *inside) Conflicts() <-chan home.Conflict { return in.conflicts }

// group returns the cgroup of a service and makes it if need be.
func (in *inside) group(service string) (*group, error) {
	if in.closed {
		return nil, os.ErrClosed
	}
	if g := in.groups[service]; g != nil {
		return g, nil
	}
	g, err := openGroup(in.files.In, service, true)
	if err != nil {
		return nil, err
	}
	// A lease names a cgroup, and this one is new.
	for port, l := range in.leases {
		if l.service != service {
			continue
		}
		if err := in.table.Put(port, g.id); err != nil {
			return nil, errors.Join(err, g.dir.Close())
		}
	}
	for _, k := range in.held[service] {
		if err := in.table.Put(k.at.Port(), g.id); err != nil {
			return nil, errors.Join(err, g.dir.Close())
		}
	}
	in.groups[service] = g
	in.names[g.id] = service
	return g, nil
}

// self is the program that runs, also after its file was replaced (proc(5)).
const self = "/proc/self/exe"

func (in *inside) Start(c home.Command) (pid int, err error) {
	// The lock keeps Forget and Close from the cgroup meanwhile.
	in.mu.Lock()
	defer in.mu.Unlock()
	g, err := in.group(c.Service)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", c.Path, err)
	}
	files := make([]uintptr, len(c.Files))
	for i, f := range c.Files {
		files[i] = ^uintptr(0) // closed
		if f != nil {
			files[i] = f.Fd()
		}
	}
	sys := &syscall.SysProcAttr{
		Setsid:      true,
		Setctty:     c.Terminal,
		Ctty:        0,
		UseCgroupFD: true,
		CgroupFD:    int(g.dir.Fd()),
	}
	w := hostsview.Wrap(c, self, sys)
	pid, err = in.marker.Start(c.Service, func() (int, error) {
		return syscall.ForkExec(w.Path, w.Args, &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Files: files, Sys: sys})
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return pid, nil
}

// existing opens the cgroup of a service, or that of all with "". It gives
// nil if there is none.
func (in *inside) existing(service string) (*os.File, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, os.ErrClosed
	}
	if service == "" {
		return openDir(in.files.In, ".")
	}
	name, err := groupName(service)
	if err != nil {
		return nil, err
	}
	dir, err := openDir(in.files.In, name)
	if isGone(err) {
		return nil, nil
	}
	return dir, err
}

func (in *inside) Pids(service string) ([]int, error) {
	dir, err := in.existing(service)
	if err != nil || dir == nil {
		return nil, err
	}
	var out []int
	err = walk(dir, maxDepth, func(d *os.File) error {
		p, err := pids(d)
		out = append(out, p...)
		return err
	})
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, fmt.Errorf("list processes of home %s: %w", in.spec.IP4, err)
	}
	return out, nil
}

func (in *inside) Kill(service string) error {
	dir, err := in.existing(service)
	if err != nil || dir == nil {
		return err
	}
	if err := errors.Join(kill(dir), dir.Close()); err != nil {
		return fmt.Errorf("kill processes of home %s: %w", in.spec.IP4, err)
	}
	return nil
}

func (in *inside) Forget(service string) error {
	name, err := groupName(service)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return os.ErrClosed
	}
	if g := in.groups[service]; g != nil {
		delete(in.groups, service)
		err = g.dir.Close()
	}
	if err = errors.Join(remove(in.files.In, name, maxDepth), err); err != nil {
		return fmt.Errorf("forget service %s: %w", service, err)
	}
	return nil
}

// Close ends the watch and lets go of every descriptor: with the last ones the
// hooks are gone. The cgroups stay, for the helper to remove.
func (in *inside) Close() error {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return nil
	}
	in.closed = true
	var errs []error
	for port := range in.leases {
		errs = append(errs, in.release(port))
	}
	for service := range in.held {
		in.letGo(service, func(*held) bool { return true })
	}
	for name, g := range in.groups {
		errs = append(errs, g.dir.Close())
		delete(in.groups, name)
	}
	in.mu.Unlock()
	errs = append(errs, in.events.Close())
	in.watching.Wait()
	return errors.Join(append(errs, in.table.Close(), in.conn.Close(), in.files.close())...)
}

// isHome reports whether an address is one of the home's.
func (in *inside) isHome(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip == in.spec.IP4 || (in.spec.IP6.IsValid() && ip == in.spec.IP6)
}
