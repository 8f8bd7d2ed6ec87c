package bpf

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// MaxTaps is how many taps one network namespace has at a time (MAX_TAPS in
// src/tap.h).
const MaxTaps = 256

// loIndex is the index of lo in every network namespace (LOOPBACK_IFINDEX).
const loIndex = 1

// Taps is the program at the egress of lo of one network namespace, and the
// taps that it serves: each with a filter, rings and counts of its own. Its
// methods may be called from several goroutines.
type Taps struct {
	objects tapObjects
	spec    *ebpf.CollectionSpec
	link    link.Link

	mu    sync.Mutex // guards what follows, and the maps of taps
	inUse [MaxTaps]bool
}

// OpenTaps loads the programs and attaches them in the network namespace netns,
// before all other programs there. It needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN,
// CAP_SYS_ADMIN where netns is not the caller's, and Linux 6.6 (tcx); on an older
// one the error is [ErrNoTCX]. On error nothing stays.
func OpenTaps(netns *os.File) (*Taps, error) {
	t := &Taps{}
	err := t.load()
	if err == nil {
		err = inNetns(netns, t.attach)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start tap of lo: %w", err), t.Close())
	}
	return t, nil
}

// ErrNoTCX says that the kernel has no tcx.
var ErrNoTCX = errors.New("the kernel has no tcx (needs Linux 6.6)")

func (t *Taps) load() error {
	if err := haveTCX(); err != nil {
		return err
	}
	spec, err := loadTap()
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	// Loading changes what it is given.
	if t.spec, err = loadTap(); err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	if err := spec.LoadAndAssign(&t.objects, nil); err != nil {
		return fmt.Errorf("load eBPF programs: %w", err)
	}
	pid, err := t.objects.TapInit.Run(&ebpf.RunOptions{})
	if err != nil {
		return fmt.Errorf("run eBPF program: %w", err)
	}
	if int(pid) != os.Getpid() {
		return fmt.Errorf("the eBPF program says that this is process %d, not %d", pid, os.Getpid())
	}
	return nil
}

// haveTCX returns ErrNoTCX where the kernel has no tcx. It asks for a link to an
// interface that does not exist.
func haveTCX() error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, AttachType: ebpf.AttachTCXEgress, Instructions: returnZero(), License: "Dual MIT/GPL",
	})
	if err != nil {
		return fmt.Errorf("load eBPF program: %w", err)
	}
	defer p.Close()
	l, err := link.AttachTCX(link.TCXOptions{Interface: math.MaxInt32, Program: p, Attach: ebpf.AttachTCXEgress})
	switch {
	case err == nil:
		return errors.Join(errors.New("an interface that does not exist was attached to"), l.Close())
	case errors.Is(err, unix.ENODEV):
		return nil
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%w: %w", ErrNoTCX, ebpf.ErrNotSupported)
	}
	return fmt.Errorf("attach eBPF program: %w", err)
}

func (t *Taps) attach() error {
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: loIndex, Program: t.objects.TapEgress, Attach: ebpf.AttachTCXEgress,
		// What a program before it drops or redirects would not be seen.
		Anchor: link.Head(),
	})
	if err != nil {
		return fmt.Errorf("attach to lo: %w", err)
	}
	t.link = l
	return nil
}

// Close detaches the program. All taps must be closed.
func (t *Taps) Close() error {
	var err error
	if t.link != nil {
		err = t.link.Close()
		t.link = nil
	}
	return errors.Join(err, t.objects.Close())
}

// inNetns calls f on a thread that is in the network namespace and ends with it.
func inNetns(netns *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if err := unix.Setns(int(netns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// TapSpec says which packets a tap gets.
type TapSpec struct {
	// AllUsers gives it everyone's; else only those of which one end is a socket
	// of the user UID.
	AllUsers bool
	UID      uint32
	// Acks gives it TCP's acknowledgements without data, too, Others what is
	// neither TCP nor UDP.
	Acks, Others bool
	// Snaplen is how many bytes of each packet it gets; 0: all that a record can
	// have, which is a whole packet of up to 64 KiB.
	Snaplen uint32
	// Ports and Prefixes bound it to packets of which either end has one of them;
	// empty: to none.
	Ports    []PortRange
	Prefixes []netip.Prefix
	// RingBytes is the size of each CPU's ring, a power of two and at least a page.
	RingBytes int
}

// PortRange is all ports from First to Last.
type PortRange struct{ First, Last uint16 }

// The flags of struct tap in src/tap.h.
const (
	tapAllUsers = 1 << iota
	tapAcks
	tapOthers
	tapPorts
	tapPrefixes
)

// value returns the spec as the program reads it.
func (s *TapSpec) value() *tapTap {
	v := &tapTap{Uid: s.UID, Snaplen: s.Snaplen}
	if v.Snaplen == 0 {
		v.Snaplen = math.MaxUint32
	}
	for flag, set := range map[uint32]bool{
		tapAllUsers: s.AllUsers, tapAcks: s.Acks, tapOthers: s.Others, tapPorts: len(s.Ports) > 0, tapPrefixes: len(s.Prefixes) > 0,
	} {
		if set {
			v.Flags |= flag
		}
	}
	for _, r := range s.Ports {
		for p := uint32(r.First); p <= uint32(r.Last); p++ {
			v.Ports[p>>6] |= 1 << (p & 63)
		}
	}
	return v
}

// prefix returns a prefix as the key of a map: IPv4 is mapped.
func prefix(p netip.Prefix) tapPrefix {
	k := tapPrefix{Len: uint32(p.Bits())}
	if p.Addr().Is4() {
		k.Len += 96
	}
	b := p.Addr().As16()
	for i := range k.Addr {
		k.Addr[i] = word([4]byte(b[4*i:]))
	}
	return k
}
