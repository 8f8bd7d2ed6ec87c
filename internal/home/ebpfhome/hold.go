package ebpfhome

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/holders"
)

// held is a listening socket of a service that this process keeps open, as a
// duplicate, while the service is exchanged: connections wait in its queue.
// When the next process of the service listens on the port, both are one
// SO_REUSEPORT group, and closing this one hands its queue to the other.
type held struct {
	service string
	at      netip.AddrPort
	inode   uint32
	fd      int
	leased  bool // the table of leases had the port before
}

// holdLater is how long a port is held for a service that is ready again but
// has not opened this port.
const holdLater = 5 * time.Second

// Hold keeps the service's listening TCP sockets in the home open until the
// service's next process listens there, or Unhold. n is how many are held. A
// program that calls shutdown(2) on its listening socket closes it for this
// process too. It needs to be an ancestor of the service (pidfd_getfd(2)).
func (in *inside) Hold(service string) (n int, err error) {
	want, err := in.listeners(service)
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
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		for _, k := range list {
			err = errors.Join(err, unix.Close(k.fd))
		}
		return 0, errors.Join(os.ErrClosed, err)
	}
	g := in.groups[service]
	for _, k := range list {
		k.leased = in.leases[k.at.Port()] != nil
		if err = unix.SetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err == nil && g != nil {
			err = in.table.Put(k.at.Port(), g.id)
		}
		if err != nil {
			_ = unix.Close(k.fd)
			continue // this port will be refused for a moment
		}
		in.held[service] = append(in.held[service], k)
		n++
	}
	return n, nil
}

// listeners returns the service's listening TCP sockets on the home's addresses
// by inode.
func (in *inside) listeners(service string) (map[uint32]netip.AddrPort, error) {
	eps, err := in.Endpoints()
	if err != nil {
		return nil, err
	}
	want := make(map[uint32]netip.AddrPort)
	for _, e := range eps {
		if e.Protocol == loopback.TCP && e.Service == service && e.Inode != 0 {
			want[e.Inode] = e.AddrPort()
		}
	}
	return want, nil
}

// duplicates takes those sockets of want that pid has open, and strikes them
// out.
func duplicates(pid int, service string, want map[uint32]netip.AddrPort) []*held {
	has, err := holders.ProcessSockets(pid)
	if err != nil {
		return nil
	}
	some := false
	for inode := range has {
		_, ok := want[inode]
		some = some || ok
	}
	if !some {
		return nil
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(pidfd)
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []*held
	for _, n := range names {
		fd, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		inode, ok := socketInode(dir + "/" + n.Name())
		at, wanted := want[inode]
		if !ok || !wanted {
			continue
		}
		dup, err := unix.PidfdGetfd(pidfd, fd, 0)
		if err != nil {
			continue
		}
		unix.CloseOnExec(dup)
		if again, ok := socketInode(fmt.Sprintf("/proc/self/fd/%d", dup)); !ok || again != inode {
			_ = unix.Close(dup) // the program used the number for something else meanwhile
			continue
		}
		delete(want, inode)
		out = append(out, &held{service: service, at: at, inode: inode, fd: dup})
	}
	return out
}

// socketInode reads a link in /proc/PID/fd.
func socketInode(path string) (uint32, bool) {
	link, err := os.Readlink(path)
	if err != nil {
		return 0, false
	}
	return holders.ParseLink(link)
}

func (in *inside) holds(inode uint32) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, list := range in.held {
		for _, k := range list {
			if k.inode == inode {
				return true
			}
		}
	}
	return false
}

// handOver lets go of the held socket of a port on which somebody listens
// anew: what waits in its queue goes there.
func (in *inside) handOver(port uint16) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for service := range in.held {
		in.letGo(service, func(k *held) bool { return k.at.Port() == port })
	}
}

// Unhold lets go of what Hold kept and nobody took, after a while: a service
// that is ready may be about to open its other ports.
func (in *inside) Unhold(service string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	old := make(map[*held]bool)
	for _, k := range in.held[service] {
		old[k] = true
	}
	if len(old) == 0 {
		return
	}
	time.AfterFunc(holdLater, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.letGo(service, func(k *held) bool { return old[k] })
	})
}

// LetGo lets go of all that Hold kept, at once: the service has failed.
func (in *inside) LetGo(service string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.letGo(service, func(*held) bool { return true })
}

// letGo closes the held sockets that which says. Call it with mu held.
func (in *inside) letGo(service string, which func(*held) bool) {
	kept := in.held[service][:0]
	for _, k := range in.held[service] {
		if !which(k) {
			kept = append(kept, k)
			continue
		}
		// It fails where no other socket joined the group: then there is nobody to
		// hand the queue to.
		_ = unix.SetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_EBPF, int(in.files.Migrate.Fd()))
		_ = unix.Close(k.fd)
		if !k.leased && !in.closed {
			_ = in.table.Delete(k.at.Port())
		}
	}
	if in.held[service] = kept; len(kept) == 0 {
		delete(in.held, service)
	}
}
