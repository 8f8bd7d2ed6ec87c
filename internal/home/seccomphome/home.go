package seccomphome

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/seccomphome/hold"
	"lodge/internal/home/seccomphome/processes"
	"lodge/internal/home/seccomphome/relay"
	"lodge/internal/home/seccomphome/route"
	"lodge/internal/home/seccomphome/shim"
	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/loopback"
	"lodge/internal/mark"
)

// Home is an open home; it implements home.Inside.
type Home struct {
	spec home.Spec
	exe  string
	// netns is this process's network namespace, zero where the kernel does not
	// tell.
	netns uint64
	// stop is an eventfd that becomes readable, and stays so, on Close.
	stop int
	// running counts the goroutines of the listeners, the waiter and the watch.
	running sync.WaitGroup

	// What is known of sockets, and the rules that read it.
	kernel *table.Kernel
	memory *table.Memory
	owners *table.Owners
	six    table.SixPorts
	router route.Router
	relay  *relay.Relay

	processes *processes.Table
	marker    *mark.Marker // nil where processes carry no mark
	leases    leases
	holds     *hold.Table
	listens   home.Shared[map[uint32]bool]
	waiter    *waiter
	dialer    dialer
	notices   notices
	listeners listeners
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
	h, err := open(spec, exe)
	if err != nil {
		return nil, fmt.Errorf("open home %s: %w", spec.ID, err)
	}
	return h, nil
}

func open(spec home.Spec, exe string) (*Home, error) {
	if !spec.IP4.Is4() || !spec.IP4.IsLoopback() {
		return nil, fmt.Errorf("%v is not an IPv4 loopback address", spec.IP4)
	}
	if spec.Isolation != loopback.Overlay && spec.Isolation != loopback.Strict {
		return nil, fmt.Errorf("isolation %q: not one of overlay, strict", spec.Isolation)
	}
	kernel, err := table.OpenKernel()
	if err != nil {
		return nil, err
	}
	h := &Home{
		spec: spec, exe: exe,
		netns:   socket.Netns(),
		kernel:  kernel,
		memory:  table.NewMemory(kernel),
		owners:  table.NewOwners(kernel),
		marker:  mark.NewMarker(spec.Mark),
		leases:  newLeases(spec.IP4),
		holds:   hold.New(),
		notices: newNotices(),
		relay:   relay.New(),
	}
	h.router = route.Router{
		IP4: spec.IP4, Strict: spec.Isolation == loopback.Strict, UID: os.Geteuid(),
		Kernel: kernel, Memory: h.memory, Owners: h.owners, Six: &h.six, Gone: h.notices.changed,
	}
	if h.processes, err = processes.New(spec.ID, h.marker); err != nil {
		return nil, errors.Join(err, kernel.Close())
	}
	if h.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(err, kernel.Close())
	}
	if h.waiter, err = newWaiter(h.stop); err != nil {
		return nil, errors.Join(err, unix.Close(h.stop), kernel.Close())
	}
	watch := watch{kernel: kernel, owners: h.owners, changed: h.notices.changed}
	h.running.Go(h.waiter.run)
	h.running.Go(func() { watch.run(h.stop) })
	return h, nil
}

// Engine is loopback.Seccomp.
func (h *Home) Engine() loopback.Engine { return loopback.Seccomp }

// Capabilities reports that programs reach the home as localhost, and that a close
// is not reported: close(2) is not intercepted.
func (h *Home) Capabilities() home.Capabilities { return home.Capabilities{Translates: true} }

// Changes tells of binds, listens, the end of a service, and of every
// ProcessExited. A socket that a living process closes is told of when
// a program inside next looks for it in vain, and by the watch.
func (h *Home) Changes() <-chan struct{} { return h.notices.changes }

// Conflicts is home.Inside's.
func (h *Home) Conflicts() <-chan home.Conflict { return h.notices.conflicts }

// ProcessExited is called by the process that reaps, after one has ended:
// its sockets may be gone.
func (h *Home) ProcessExited() { h.notices.changed() }

// Close ends the supervisors. A filtered call of a process that is still
// inside answers ENOSYS from then on.
func (h *Home) Close() error {
	if !h.listeners.close() {
		return nil
	}
	one := [8]byte{1}
	_, err := unix.Write(h.stop, one[:])
	h.running.Wait()
	h.relay.Close()
	h.holds.Close()
	err = errors.Join(err, h.leases.close(), h.waiter.close(), unix.Close(h.stop), h.kernel.Close())
	if err != nil {
		return fmt.Errorf("close home %s: %w", h.spec.ID, err)
	}
	return nil
}

// notices are what a home tells its owner.
type notices struct {
	changes   chan struct{}
	conflicts chan home.Conflict
}

func newNotices() notices {
	return notices{changes: make(chan struct{}, 1), conflicts: make(chan home.Conflict, 16)}
}

// changed tells that an endpoint may have come or gone.
func (n notices) changed() {
	select {
	case n.changes <- struct{}{}:
	default:
	}
}

// conflict tells of a bind that was refused.
func (n notices) conflict(service string, proto loopback.Protocol, port uint16) {
	select {
	case n.conflicts <- home.Conflict{Service: service, Protocol: proto, Port: port}:
	default:
	}
}
