package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// The flags of struct home in src/home.h.
const (
	flagStrict = 1
	flagIP6    = 2
)

// Home is what the programs know of a home.
type Home struct {
	// IP4 is the home's address.
	IP4 netip.Addr
	// IP6 is the address of IPv6-only sockets, or the zero Addr where there
	// is none: then such sockets cannot be bound inside.
	IP6 netip.Addr
	// Strict says that localhost is the home's and nothing else.
	Strict bool
}

// Hooks is the collection, loaded and attached to one cgroup. Its methods
// must not be called from several goroutines at once.
type Hooks struct {
	objects homeObjects
	links   []*link.RawLink
}

// Attach loads the programs and attaches them to the cgroup base. level is
// the depth of the cgroups that Add names, in the kernel's count (the root of
// the hierarchy is 0); services are one deeper. It needs CAP_BPF and
// CAP_NET_ADMIN. On error nothing stays attached.
func Attach(base *os.File, level uint32) (*Hooks, error) {
	h := &Hooks{}
	if err := h.load(level); err != nil {
		return nil, err
	}
	for _, p := range h.programs() {
		l, err := link.AttachRawLink(link.RawLinkOptions{
			Target:  int(base.Fd()),
			Program: p.program,
			Attach:  p.attach,
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s to %s: %w", p.attach, base.Name(), err), h.Close())
		}
		h.links = append(h.links, l)
	}
	return h, nil
}

func (h *Hooks) load(level uint32) error {
	spec, err := loadHome()
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	if err := spec.Variables["home_level"].Set(level); err != nil {
		return fmt.Errorf("set eBPF variable home_level: %w", err)
	}
	if err := spec.LoadAndAssign(&h.objects, nil); err != nil {
		return fmt.Errorf("load eBPF programs: %w", err)
	}
	return nil
}

type hook struct {
	program *ebpf.Program
	attach  ebpf.AttachType
}

func (h *Hooks) programs() []hook {
	o := &h.objects
	return []hook{
		{o.HomeBind4, ebpf.AttachCGroupInet4Bind},
		{o.HomeBind6, ebpf.AttachCGroupInet6Bind},
		{o.HomeBound4, ebpf.AttachCGroupInet4PostBind},
		{o.HomeBound6, ebpf.AttachCGroupInet6PostBind},
		{o.HomeConnect4, ebpf.AttachCGroupInet4Connect},
		{o.HomeConnect6, ebpf.AttachCGroupInet6Connect},
		{o.HomeSendmsg4, ebpf.AttachCGroupUDP4Sendmsg},
		{o.HomeSendmsg6, ebpf.AttachCGroupUDP6Sendmsg},
		{o.HomeRecvmsg4, ebpf.AttachCGroupUDP4Recvmsg},
		{o.HomeRecvmsg6, ebpf.AttachCGroupUDP6Recvmsg},
		{o.HomeGetpeername4, ebpf.AttachCgroupInet4GetPeername},
		{o.HomeGetpeername6, ebpf.AttachCgroupInet6GetPeername},
		{o.HomeGetsockname4, ebpf.AttachCgroupInet4GetSockname},
		{o.HomeGetsockname6, ebpf.AttachCgroupInet6GetSockname},
		{o.HomeSockops, ebpf.AttachCGroupSockOps},
		{o.HomeRelease, ebpf.AttachCgroupInetSockRelease},
	}
}

// Add makes the cgroup with that id a home. It gives the home's ring of
// events (ReadEvents) and its table of leases (OpenLeases); the caller closes
// both. Nothing is loaded.
func (h *Hooks) Add(id uint64, home Home) (events, leases *os.File, err error) {
	value := homeHome{Ip4: word(home.IP4.As4())}
	if home.IP6.IsValid() {
		b := home.IP6.As16()
		for i := range value.Ip6 {
			value.Ip6[i] = word([4]byte(b[4*i:]))
		}
		value.Flags |= flagIP6
	}
	if home.Strict {
		value.Flags |= flagStrict
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Remove(id))
		}
	}()
	events, err = h.inner(h.objects.EventsOf, ringSpec(), id)
	if err != nil {
		return nil, nil, fmt.Errorf("make ring of events: %w", err)
	}
	leases, err = h.inner(h.objects.LeasesOf, leaseSpec(), id)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make table of leases: %w", err), events.Close())
	}
	if err := h.objects.Homes.Put(id, value); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("add home %s: %w", home.IP4, err), events.Close(), leases.Close())
	}
	return events, leases, nil
}

// inner makes a map, puts it into outer under id, and gives a descriptor.
func (h *Hooks) inner(outer *ebpf.Map, spec *ebpf.MapSpec, id uint64) (*os.File, error) {
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := outer.Put(id, m); err != nil {
		return nil, err
	}
	return dup(m.FD(), spec.Name)
}

// The sizes must be those of struct ring and struct lease_table in src/home.h.
func ringSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "lodge_events", Type: ebpf.RingBuf, MaxEntries: 65536}
}

func leaseSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{
		Name: "lodge_leases", Type: ebpf.Hash, KeySize: 2, ValueSize: 8,
		MaxEntries: 16384, Flags: unix.BPF_F_NO_PREALLOC,
	}
}

// Remove makes the cgroup with that id an ordinary one. It is not an error if
// it was no home.
func (h *Hooks) Remove(id uint64) error {
	var errs []error
	for _, m := range []*ebpf.Map{h.objects.Homes, h.objects.EventsOf, h.objects.LeasesOf} {
		if err := m.Delete(id); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, fmt.Errorf("remove home from map: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Links gives a descriptor of each link. The programs stay attached as long
// as one descriptor of their link is open anywhere. The caller closes them.
func (h *Hooks) Links() ([]*os.File, error) {
	files := make([]*os.File, 0, len(h.links))
	for _, l := range h.links {
		f, err := dup(l.FD(), "bpf_link")
		if err != nil {
			for _, f := range files {
				err = errors.Join(err, f.Close())
			}
			return nil, fmt.Errorf("duplicate link: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

// Close lets go of links, programs and maps. Whoever holds descriptors of the
// links keeps them working.
func (h *Hooks) Close() error {
	var errs []error
	for _, l := range h.links {
		errs = append(errs, l.Close())
	}
	h.links = nil
	return errors.Join(append(errs, h.objects.Close())...)
}

func dup(fd int, name string) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(n), name), nil
}

// word is an address in the byte order of the wire, as the programs hold it.
func word(b [4]byte) uint32 { return binary.NativeEndian.Uint32(b[:]) }
