package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
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
	// Netns is the cookie of the network namespace that the home is in
	// (SO_NETNS_COOKIE). Sockets of another one are left alone; 0 is every one.
	Netns uint64
	// UID is the user who made the home. Another user's server at its address
	// has no listener: programs inside are not led there.
	UID uint32
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
	return attach(base, level, sockOpsMayAsk())
}

// sockOpsMayAsk reports whether a sock_ops program may ask for the current
// process's cgroup. Older kernels than 6.16 need a longer way.
func sockOpsMayAsk() bool {
	return features.HaveProgramHelper(ebpf.SockOps, asm.FnGetCurrentAncestorCgroupId) == nil
}

func attach(base *os.File, level uint32, mayAsk bool) (*Hooks, error) {
	h := &Hooks{}
	if err := h.load(level, mayAsk); err != nil {
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

func (h *Hooks) load(level uint32, sockOpsMayAsk bool) error {
	spec, err := loadHome()
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	var mayAsk uint32
	if sockOpsMayAsk {
		mayAsk = 1
	}
	var mayRead uint32
	if features.HaveProgramHelper(ebpf.CGroupSockAddr, asm.FnProbeReadKernel) == nil {
		mayRead = 1
	}
	for name, value := range map[string]uint32{"home_level": level, "sockops_may_ask": mayAsk, "may_read_kernel": mayRead} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set eBPF variable %s: %w", name, err)
		}
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
		{o.HomeCreate, ebpf.AttachCGroupInetSockCreate},
		{o.HomeRelease, ebpf.AttachCgroupInetSockRelease},
	}
}

// Migrate returns a descriptor of the program that a keeper attaches to a group
// of SO_REUSEPORT sockets (socket(7), SO_ATTACH_REUSEPORT_EBPF) so that
// connections in the queue of one that is closed go to another. It needs Linux
// 5.14.
func (h *Hooks) Migrate() (*os.File, error) { return dup(h.objects.HomeMigrate.FD(), "migrate") }

// Add makes the cgroup with that id a home. It gives the home's ring of
// events (ReadEvents) and its table of leases (OpenLeases); the caller closes
// both. Nothing is loaded.
func (h *Hooks) Add(id uint64, home Home) (events, leases *os.File, err error) {
	value := homeHome{Ip4: word(home.IP4.As4()), Netns: home.Netns, Uid: home.UID}
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
	// The kernel waits for a grace period of RCU at each change of a map of maps:
	// both wait for the same one.
	var ringErr, tableErr error
	var both sync.WaitGroup
	both.Go(func() { events, ringErr = h.inner(h.objects.EventsOf, ringSpec(), id) })
	both.Go(func() { leases, tableErr = h.inner(h.objects.LeasesOf, leaseSpec(), id) })
	both.Wait()
	if ringErr != nil || tableErr != nil {
		for _, f := range []*os.File{events, leases} {
			if f != nil {
				err = errors.Join(err, f.Close())
			}
		}
		return nil, nil, errors.Join(fmt.Errorf("make ring of events and table of leases: %w", errors.Join(ringErr, tableErr)), err)
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

// ringSpec is a ring of 16 KiB, or of a page where pages are larger. It may
// overflow without harm: an event only says that it is time to look.
func ringSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "lodge_events", Type: ebpf.RingBuf, MaxEntries: uint32(max(16<<10, os.Getpagesize()))}
}

// leaseSpec must be as struct lease_table in src/home.h.
func leaseSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{
		Name: "lodge_leases", Type: ebpf.Hash, KeySize: 2, ValueSize: 8,
		MaxEntries: 1024, Flags: unix.BPF_F_NO_PREALLOC,
	}
}

// Remove makes the cgroup with that id an ordinary one. It is not an error if
// it was no home.
func (h *Hooks) Remove(id uint64) error {
	var errs [3]error
	var all sync.WaitGroup // see Add
	for i, m := range []*ebpf.Map{h.objects.Homes, h.objects.EventsOf, h.objects.LeasesOf} {
		all.Go(func() {
			if err := m.Delete(id); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				errs[i] = fmt.Errorf("remove home from map: %w", err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs[:]...)
}

// Links returns a descriptor of each link. The programs stay attached as long
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

// Attached counts the programs of a home that are attached to the cgroup at
// path: all of Hooks' or, once every link is closed, none.
func Attached(path string) (int, error) {
	dir, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("count hooks: %w", err)
	}
	defer dir.Close()
	count := 0
	for _, p := range new(Hooks).programs() {
		r, err := link.QueryPrograms(link.QueryOptions{Target: int(dir.Fd()), Attach: p.attach})
		if err != nil {
			return 0, fmt.Errorf("count hooks of %s: %s: %w", path, p.attach, err)
		}
		count += len(r.Programs)
	}
	return count, nil
}
