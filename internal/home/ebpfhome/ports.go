package ebpfhome

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
)

// ports has the ports of a home that are kept for a service: by a lease, or by
// holding the listening sockets of a service that is exchanged. Both are entries of
// one table of the kernel's programs, which names the service by its cgroup.
type ports struct {
	ip4     netip.Addr
	table   *bpf.Leases
	migrate *os.File // the program that lets a queue be handed on

	mu     sync.Mutex // guards what follows; taken after that of groups
	closed bool
	leases map[uint16]*lease
	held   map[string][]*held // by service
}

// lease keeps a port for a service in two ways. The table of leases keeps the
// other services of the home off it. The socket, bound and not listening,
// keeps all others off it: with SO_REUSEPORT only sockets that have it
// too and belong to the same user can share the port, and the bind hook gives
// it to the service's.
type lease struct {
	service string
	fd      int
}

func newPorts(ip4 netip.Addr, table *bpf.Leases, migrate *os.File) *ports {
	return &ports{ip4: ip4, table: table, migrate: migrate, leases: make(map[uint16]*lease), held: make(map[string][]*held)}
}

// name enters a service's cgroup, which is new, for the ports that it has.
func (t *ports) name(g *group) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for port, l := range t.leases {
		if l.service != g.service {
			continue
		}
		if err := t.table.Put(port, g.id); err != nil {
			return err
		}
	}
	for _, k := range t.held[g.service] {
		if err := t.table.Put(k.at.Port(), g.id); err != nil {
			return err
		}
	}
	return nil
}

// leased reports whether a service has a port leased. It is an error where another
// one has it.
func (t *ports) leased(service string, port uint16) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.has(service, port)
}

// has is leased. The caller holds mu.
func (t *ports) has(service string, port uint16) (bool, error) {
	l := t.leases[port]
	if l != nil && l.service != service {
		return false, fmt.Errorf("%s has it: %w", l.service, unix.EADDRINUSE)
	}
	return l != nil, nil
}

// lease leases a port to the service of a cgroup.
func (t *ports) lease(g *group, port uint16) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if has, err := t.has(g.service, port); has || err != nil {
		return err
	}
	if t.closed {
		return os.ErrClosed
	}
	fd, err := occupy(netip.AddrPortFrom(t.ip4, port))
	if err != nil {
		return err
	}
	if err := t.table.Put(port, g.id); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	t.leases[port] = &lease{g.service, fd}
	return nil
}

// release ends the lease of a port, if there is one.
func (t *ports) release(port uint16) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end(port)
}

// end is release. The caller holds mu.
func (t *ports) end(port uint16) error {
	l := t.leases[port]
	if l == nil {
		return nil
	}
	delete(t.leases, port)
	return errors.Join(t.table.Delete(port), unix.Close(l.fd))
}

// keep keeps listening sockets of a service, of which g is the cgroup, or nil. n is
// how many it keeps of them; it closes the others.
func (t *ports) keep(service string, g *group, list []*held) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range list {
		k.leased = t.leases[k.at.Port()] != nil
		err := unix.SetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		if err == nil && g != nil {
			err = t.table.Put(k.at.Port(), g.id)
		}
		if err != nil {
			_ = unix.Close(k.fd)
			continue // this port will be refused for a moment
		}
		t.held[service] = append(t.held[service], k)
		n++
	}
	return n
}

// holds reports whether the socket with an inode is kept.
func (t *ports) holds(inode uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.held {
		for _, k := range list {
			if k.inode == inode {
				return true
			}
		}
	}
	return false
}

// handOver closes the kept sockets of a port on which a process listens
// anew: what waits in their queues goes there.
func (t *ports) handOver(port uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for service := range t.held {
		t.closeSome(service, func(k *held) bool { return k.at.Port() == port })
	}
}

// dropLater closes what is kept for a service now and no process took, after a
// while: a service that is ready may be about to open its other ports.
func (t *ports) dropLater(service string, after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := make(map[*held]bool)
	for _, k := range t.held[service] {
		old[k] = true
	}
	if len(old) == 0 {
		return
	}
	time.AfterFunc(after, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.closeSome(service, func(k *held) bool { return old[k] })
	})
}

// drop closes all that is kept for a service.
func (t *ports) drop(service string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeSome(service, func(*held) bool { return true })
}

// closeSome closes the kept sockets of a service that which selects. The caller holds
// mu.
func (t *ports) closeSome(service string, which func(*held) bool) {
	left := t.held[service][:0]
	for _, k := range t.held[service] {
		if !which(k) {
			left = append(left, k)
			continue
		}
		// It fails where no other socket joined the group: then there is none to
		// hand the queue to.
		_ = unix.SetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_EBPF, int(t.migrate.Fd()))
		_ = unix.Close(k.fd)
		if !k.leased && !t.closed {
			_ = t.table.Delete(k.at.Port())
		}
	}
	if t.held[service] = left; len(left) == 0 {
		delete(t.held, service)
	}
}

// close ends all leases and closes all sockets.
func (t *ports) close() (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for port := range t.leases {
		err = errors.Join(err, t.end(port))
	}
	for service := range t.held {
		t.closeSome(service, func(*held) bool { return true })
	}
	return err
}

// occupy binds a TCP socket that does not listen.
func occupy(at netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("bind %s: %w", at, err), unix.Close(fd))
	}
	return fd, nil
}
