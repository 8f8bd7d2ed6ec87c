package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// EventType says what happened to a socket of a home.
type EventType uint8

// The types of event (enum event_type in src/home.h).
const (
	// EventListen: a TCP socket listens.
	EventListen EventType = 1
	// EventBindUDP: a UDP socket was bound to the home.
	EventBindUDP EventType = 2
	// EventClose: a socket of one of the two was closed.
	EventClose EventType = 3
	// EventConflict: a bind was refused, or is about to be, because another
	// service has or leased the port.
	EventConflict EventType = 4
)

// Event is one change of who listens in a home. That an event is missing
// says nothing: the ring drops when there is no reader.
type Event struct {
	Type EventType
	// Proto is IPPROTO_TCP or IPPROTO_UDP; Family AF_INET or AF_INET6.
	Proto  uint8
	Family uint8
	// Addr is what the kernel has, not what the program asked for. It is
	// not set for conflicts, and its port is zero where that is unknown.
	Addr netip.AddrPort
	// Pid is the process, in the pid namespace of the machine.
	Pid uint32
	// Service is the id of the service's cgroup.
	Service uint64
}

// eventSize is sizeof(struct event) in src/home.h.
const eventSize = 40

func parseEvent(b []byte) (Event, error) {
	if len(b) != eventSize {
		return Event{}, fmt.Errorf("read event: %d bytes, not %d", len(b), eventSize)
	}
	e := Event{
		Type:    EventType(b[0]),
		Proto:   b[1],
		Family:  b[2],
		Pid:     binary.NativeEndian.Uint32(b[8:]),
		Service: binary.NativeEndian.Uint64(b[32:]),
	}
	ip := netip.AddrFrom16([16]byte(b[12:28]))
	if e.Family == unix.AF_INET {
		ip = netip.AddrFrom4([4]byte(b[12:16]))
	}
	e.Addr = netip.AddrPortFrom(ip, binary.NativeEndian.Uint16(b[4:]))
	return e, nil
}

// Events reads the ring of one home.
type Events struct {
	ring *ebpf.Map
	r    *ringbuf.Reader
	rec  ringbuf.Record
}

// ReadEvents opens the ring that Hooks.Add gave. It does not take f over. No
// privilege is needed: the descriptor is enough (since Linux 5.19 also where
// kernel.unprivileged_bpf_disabled is set).
func ReadEvents(f *os.File) (*Events, error) {
	m, err := openMap(f)
	if err != nil {
		return nil, fmt.Errorf("open ring of events: %w", err)
	}
	r, err := ringbuf.NewReader(m)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ring of events: %w", err), m.Close())
	}
	return &Events{ring: m, r: r}, nil
}

// Next waits for an event. After Close it returns an error that is
// os.ErrClosed.
func (e *Events) Next() (Event, error) {
	if err := e.r.ReadInto(&e.rec); err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	return parseEvent(e.rec.RawSample)
}

// Close ends Next, from any goroutine.
func (e *Events) Close() error {
	return errors.Join(e.r.Close(), e.ring.Close())
}

// openMap returns the map a descriptor of its own, since it closes it.
func openMap(f *os.File) (*ebpf.Map, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return ebpf.NewMapFromFD(fd)
}
