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
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/home"
	"lodge/internal/home/hostsview"
	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/sockets/diag"
)

// inside implements home.Inside.
type inside struct {
	spec   home.Spec
	files  Files
	conn   *diag.Conn
	table  *bpf.Leases
	groups *groups
	ports  *ports
	watch  *watch
	reader *reader
	// marker is for the daemon that finds what is left when this process and
	// the helper are gone; here the cgroup tells the service of a process.
	marker *mark.Marker
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
	in := &inside{spec: spec, files: f, conn: conn, table: table, marker: mark.NewMarker(spec.Mark)}
	in.ports = newPorts(spec.IP4, table, f.Migrate)
	in.groups = newGroups(f.In, in.ports.name)
	in.reader = &reader{ip4: spec.IP4, ip6: spec.IP6, conn: conn, groups: in.groups, ports: in.ports}
	in.watch = startWatch(events, in.groups, in.ports)
	return in, nil
}

func (in *inside) Engine() loopback.Engine { return loopback.EBPF }

func (in *inside) Capabilities() home.Capabilities {
	return home.Capabilities{Translates: true, ReportsClose: true}
}

func (in *inside) Changes() <-chan struct{} { return in.watch.changes }

func (in *inside) Conflicts() <-chan home.Conflict { return in.watch.conflicts }

// ProcessExited does nothing: the kernel reports the sockets that go with a
// process.
func (in *inside) ProcessExited() {}

func (in *inside) Endpoints() ([]loopback.Endpoint, error) { return in.reader.endpoints() }

// self is the program that runs, also after its file was replaced (proc(5)).
const self = "/proc/self/exe"

func (in *inside) Start(c home.Command) (pid int, err error) {
	err = in.groups.with(c.Service, func(g *group) error {
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
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return pid, nil
}

func (in *inside) Pids(service string) ([]int, error) {
	pids, err := in.groups.pids(service)
	if err != nil {
		return nil, fmt.Errorf("list processes of home %s: %w", in.spec.IP4, err)
	}
	return pids, nil
}

func (in *inside) Kill(service string) error {
	if err := in.groups.kill(service); err != nil {
		return fmt.Errorf("kill processes of home %s: %w", in.spec.IP4, err)
	}
	return nil
}

func (in *inside) Forget(service string) error { return in.groups.remove(service) }

func (in *inside) Lease(service string, port uint16) error {
	has, err := in.ports.leased(service, port)
	if !has && err == nil {
		err = in.groups.with(service, func(g *group) error { return in.ports.lease(g, port) })
	}
	if err != nil {
		return fmt.Errorf("lease port %d for %s: %w", port, service, err)
	}
	return nil
}

func (in *inside) Release(port uint16) error { return in.ports.release(port) }

// Hold keeps the service's listening TCP sockets in the home open until the
// service's next process listens there, or Unhold. n is how many are held. A
// program that calls shutdown(2) on its listening socket closes it for this
// process too. It needs to be an ancestor of the service (pidfd_getfd(2)).
func (in *inside) Hold(service string) (n int, err error) {
	want, err := in.reader.listeners(service)
	if err != nil {
		return 0, fmt.Errorf("hold sockets of %s: %w", service, err)
	}
	pids, err := in.Pids(service)
	if err != nil {
		return 0, fmt.Errorf("hold sockets of %s: %w", service, err)
	}
	var list []*held
	for _, pid := range pids {
		if len(want) == 0 {
			break
		}
		list = append(list, duplicates(pid, service, want)...)
	}
	err = in.groups.ifOpen(service, func(g *group) { n = in.ports.keep(service, g, list) })
	if err != nil {
		for _, k := range list {
			err = errors.Join(err, unix.Close(k.fd))
		}
		return 0, err
	}
	return n, nil
}

// holdLater is how long a port is held for a service that is ready again but
// has not opened this port.
const holdLater = 5 * time.Second

// Unhold closes what Hold kept and no process took, after a while.
func (in *inside) Unhold(service string) { in.ports.dropLater(service, holdLater) }

// LetGo closes all that Hold kept, at once: the service has failed.
func (in *inside) LetGo(service string) { in.ports.drop(service) }

// Tap is unsupported: no byte of a connection, and no connect, passes through here. The
// packets are seen by the helper's tap of lo.
func (in *inside) Tap(out *net.UnixConn) error {
	return errors.Join(fmt.Errorf("tap connections: %w", errors.ErrUnsupported), out.Close())
}

// Close ends the watch and closes every descriptor: with the last ones the
// hooks are gone. The cgroups stay, for the helper to remove.
func (in *inside) Close() error {
	first, err := in.groups.close()
	if !first {
		return nil
	}
	return errors.Join(in.ports.close(), err, in.watch.close(), in.table.Close(), in.conn.Close(), in.files.close())
}
