package seccomphome

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/seccomphome/shim"
	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/sockets/diag"
)

// Home is an open home; it implements home.Inside.
type Home struct {
	spec home.Spec
	exe  string
	conn kernel
	// netns is this process's network namespace (SO_NETNS_COOKIE), zero where
	// the kernel (before 5.14) does not tell.
	netns uint64
	// uid is this process's user.
	uid int
	// filters is how many seccomp filters this process itself is under.
	filters int
	changes chan struct{}
	clashes chan home.Conflict
	waiter  *waiter
	marker  *mark.Marker // nil where processes carry no mark
	// stop is an eventfd that becomes readable, and stays so, on Close.
	stop int
	// running counts the goroutines of the listeners and of the waiter.
	running sync.WaitGroup
	// dialing keeps two connects of one socket apart, by its cookie.
	dialing [64]sync.Mutex

	processes home.Shared[map[string][]int]
	listens   home.Shared[map[uint32]bool]

	// mu guards what follows. It is held for table look-ups only, never
	// during a system call that can wait.
	mu     sync.Mutex
	closed bool
	asked  recent
	// mapped has the IPv6 sockets that were connected to an IPv4 address.
	mapped  generations[struct{}]
	six     map[portKey]sixPort
	sixReal map[portKey]uint16
	// bound has the sockets of the home that listen or are bound, and binder
	// the service that bound a socket, which may not listen yet.
	bound  map[endKey][]ownSocket
	binder generations[string]
	// inodes has the sockets that passed through this process: see kernel.
	inodes generations[known]
	leases map[uint16]lease
	held   map[netip.AddrPort][]*holding
	// away has the addresses that only we hold, where nobody accepts.
	away      map[netip.AddrPort]bool
	listeners map[*listener]struct{}
	// known maps the processes that were seen inside to their service.
	known map[int]process
}

// ShimName is argv[0] of the executable when it is to be the shim. The main
// function that sees it calls ShimMain before anything else.
const ShimName = shim.Name

// ShimMain is [shim.Main].
func ShimMain(args []string) error { return shim.Main(args) }

var _ home.Inside = (*Home)(nil)

// Open opens a home. exe is this program's executable, such as
// /proc/self/exe, whose main function calls ShimMain when its argv[0] is
// ShimName. The calling process should be the subreaper of what it starts.
func Open(spec home.Spec, exe string) (*Home, error) {
	if !spec.IP4.Is4() || !spec.IP4.IsLoopback() {
		return nil, fmt.Errorf("open home %s: %v is not an IPv4 loopback address", spec.ID, spec.IP4)
	}
	if spec.Isolation != loopback.Overlay && spec.Isolation != loopback.Strict {
		return nil, fmt.Errorf("open home %s: isolation %q: not one of overlay, strict", spec.ID, spec.Isolation)
	}
	conn, err := diag.Open()
	if err != nil {
		return nil, fmt.Errorf("open home %s: %w", spec.ID, err)
	}
	h := &Home{
		spec: spec, exe: exe,
		changes:   make(chan struct{}, 1),
		clashes:   make(chan home.Conflict, 16),
		six:       make(map[portKey]sixPort),
		sixReal:   make(map[portKey]uint16),
		bound:     make(map[endKey][]ownSocket),
		leases:    make(map[uint16]lease),
		held:      make(map[netip.AddrPort][]*holding),
		away:      make(map[netip.AddrPort]bool),
		listeners: make(map[*listener]struct{}),
		known:     make(map[int]process),
		netns:     ownNetns(),
		uid:       os.Geteuid(),
		marker:    mark.NewMarker(spec.Mark),
	}
	h.conn = kernel{conn, h}
	if h.filters, err = ownFilters(); err != nil {
		return nil, errors.Join(fmt.Errorf("open home %s: %w", spec.ID, err), conn.Close())
	}
	if h.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(fmt.Errorf("open home %s: %w", spec.ID, err), conn.Close())
	}
	if h.waiter, err = newWaiter(h.stop); err != nil {
		return nil, errors.Join(fmt.Errorf("open home %s: %w", spec.ID, err), unix.Close(h.stop), conn.Close())
	}
	h.running.Go(h.waiter.run)
	h.running.Go(h.watch)
	return h, nil
}

// Engine is loopback.Seccomp.
func (h *Home) Engine() loopback.Engine { return loopback.Seccomp }

// Changes tells of binds, listens, the end of a service, and of every
// ProcessExited. A socket that a living process closes is told of when
// somebody inside next looks for it in vain.
func (h *Home) Changes() <-chan struct{} { return h.changes }

// Conflicts is home.Inside's.
// Capabilities: close(2) is not intercepted, so that it is not reported.
func (h *Home) Capabilities() home.Capabilities { return home.Capabilities{Translates: true} }

func (h *Home) Conflicts() <-chan home.Conflict { return h.clashes }

func (h *Home) changed() {
	select {
	case h.changes <- struct{}{}:
	default:
	}
}

func (h *Home) conflict(service string, proto loopback.Protocol, port uint16) {
	select {
	case h.clashes <- home.Conflict{Service: service, Protocol: proto, Port: port}:
	default:
	}
}

// ProcessExited is called by the process that reaps, after one has ended:
// its sockets may be gone.
func (h *Home) ProcessExited() {
	h.changed()
}

// Close ends the supervisors. A filtered call of a process that is still
// inside answers ENOSYS from then on.
func (h *Home) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.mu.Unlock()
	one := [8]byte{1}
	_, err := unix.Write(h.stop, one[:])
	h.running.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.leases {
		err = errors.Join(err, l.release())
	}
	for _, list := range h.held {
		for _, held := range list {
			held.release()
		}
	}
	h.leases, h.held = nil, nil
	err = errors.Join(err, h.waiter.close(), unix.Close(h.stop), h.conn.Close())
	if err != nil {
		return fmt.Errorf("close home %s: %w", h.spec.ID, err)
	}
	return nil
}

// ownNetns returns the network namespace's cookie, or zero.
func ownNetns() uint64 {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}
