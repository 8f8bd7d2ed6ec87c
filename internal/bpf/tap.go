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
	objects tapLoaded
	spec    *ebpf.CollectionSpec
	cpus    int // that there may be
	// The program is attached by one of them.
	link   link.Link
	socket *os.File

	mu    sync.Mutex // guards what follows, and the maps of taps
	inUse [MaxTaps]bool
}

// tapLoaded is what is loaded: of the two programs the one that is needed.
type tapLoaded struct {
	tapMaps
	tapVariables
	init, program *ebpf.Program
}

// OpenTaps loads the programs and attaches one in the network namespace netns,
// before all other programs there. It needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN,
// and CAP_SYS_ADMIN where netns is not the caller's. Where the kernel has no tcx
// (before Linux 6.6) it filters a packet socket instead, which needs CAP_NET_RAW:
// see [Taps.KnowsSenders]. On error nothing stays.
func OpenTaps(netns *os.File) (*Taps, error) {
	err := haveTCX()
	if err != nil && !errors.Is(err, errNoTCX) {
		return nil, fmt.Errorf("start tap of lo: %w", err)
	}
	return openTaps(netns, err == nil)
}

func openTaps(netns *os.File, tcx bool) (*Taps, error) {
	t := &Taps{}
	err := t.load(tcx)
	if err == nil {
		attach := t.attachSocket
		if tcx {
			attach = t.attachTCX
		}
		err = inNetns(netns, attach)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start tap of lo: %w", err), t.Close())
	}
	return t, nil
}

// errNoTCX says that the kernel has no tcx.
var errNoTCX = errors.New("the kernel has no tcx (needs Linux 6.6)")

func (t *Taps) load(tcx bool) error {
	spec, err := loadTap()
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	// Loading changes what it is given.
	if t.spec, err = loadTap(); err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	if t.cpus, err = possibleCPUs(); err != nil {
		return err
	}
	if err := spec.Variables[tapVarCpus].Set(uint32(t.cpus)); err != nil {
		return fmt.Errorf("set eBPF variable: %w", err)
	}
	spec.Maps[tapMapRingsOf].MaxEntries *= uint32(t.cpus)
	if err := t.objects.load(spec, tcx); err != nil {
		return fmt.Errorf("load eBPF programs: %w", err)
	}
	pid, err := t.objects.init.Run(&ebpf.RunOptions{})
	if err != nil {
		return fmt.Errorf("run eBPF program: %w", err)
	}
	if int(pid) != os.Getpid() {
		return fmt.Errorf("the eBPF program says that this is process %d, not %d", pid, os.Getpid())
	}
	return nil
}

// load loads one of the two programs, and the maps.
func (l *tapLoaded) load(spec *ebpf.CollectionSpec, tcx bool) error {
	var egress struct {
		tapMaps
		tapVariables
		Init    *ebpf.Program `ebpf:"tap_init"`
		Program *ebpf.Program `ebpf:"tap_egress"`
	}
	var packet struct {
		tapMaps
		tapVariables
		Init    *ebpf.Program `ebpf:"tap_init"`
		Program *ebpf.Program `ebpf:"tap_packet"`
	}
	if tcx {
		err := spec.LoadAndAssign(&egress, nil)
		*l = tapLoaded{egress.tapMaps, egress.tapVariables, egress.Init, egress.Program}
		return err
	}
	err := spec.LoadAndAssign(&packet, nil)
	*l = tapLoaded{packet.tapMaps, packet.tapVariables, packet.Init, packet.Program}
	return err
}

func (l *tapLoaded) close() error {
	var errs []error
	for _, p := range []*ebpf.Program{l.init, l.program} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(append(errs, l.tapMaps.Close())...)
}

// haveTCX returns errNoTCX where the kernel has no tcx. It asks for a link to an
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
		return fmt.Errorf("%w: %w", errNoTCX, ebpf.ErrNotSupported)
	}
	return fmt.Errorf("attach eBPF program: %w", err)
}

// KnowsSenders reports whether packets come with the process that sent them and
// the sockets at both ends. If not, only taps of all users can be had.
func (t *Taps) KnowsSenders() bool { return t.link != nil }

func (t *Taps) attachTCX() error {
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: loIndex, Program: t.objects.program, Attach: ebpf.AttachTCXEgress,
		// What a program before it drops or redirects would not be seen.
		Anchor: link.Head(),
	})
	if err != nil {
		return fmt.Errorf("attach to lo: %w", err)
	}
	t.link = l
	return nil
}

// attachSocket opens a packet socket at lo. It sees each packet as it arrives, and
// not as it is sent, too.
func (t *Taps) attachSocket() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open packet socket: %w", os.NewSyscallError("socket", err))
	}
	t.socket = os.NewFile(uintptr(fd), "packets")
	err = os.NewSyscallError("setsockopt PACKET_IGNORE_OUTGOING", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	if err == nil {
		err = os.NewSyscallError("setsockopt SO_ATTACH_BPF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, t.objects.program.FD()))
	}
	if err == nil {
		all := uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8) // network byte order
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: loIndex}))
	}
	if err != nil {
		return fmt.Errorf("open packet socket at lo: %w", err)
	}
	return nil
}

// Close detaches the program. All taps must be closed.
func (t *Taps) Close() error {
	var err error
	if t.link != nil {
		err = t.link.Close()
		t.link = nil
	}
	if t.socket != nil {
		err = errors.Join(err, t.socket.Close())
		t.socket = nil
	}
	return errors.Join(err, t.objects.close())
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
	// Snaplen is how many bytes of each packet it gets; 0: all.
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
	v := &tapTap{Uid: s.UID, Snaplen: s.Snaplen, Many: uint32(s.RingBytes / 4)}
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
