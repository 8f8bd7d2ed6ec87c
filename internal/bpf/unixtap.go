package bpf

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// UnixTap is one reader's view of what processes send by Unix sockets: programs at
// the system calls of the whole machine, with rings and counts of their own. They
// cost every system call something, so they are attached only while somebody reads.
// Its methods must not be called from several goroutines at once.
type UnixTap struct {
	objects unixtapObjects
	links   []link.Link
	rings   []*TapRing
	open    bool
	final   TapCounts
}

// UnixSpec says what a UnixTap gets.
type UnixSpec struct {
	// Netns is the network namespace of which one end of a connection must be.
	Netns *os.File
	// AllUsers gives it everyone's; else only what processes of the user UID send, or
	// send to a socket of that user.
	AllUsers bool
	UID      uint32
	// Reader is the process that reads the tap, which is left out: what it writes would
	// be read by itself. 0: none.
	Reader uint32
	// MaxCall is how many bytes of each call are copied; 0: as many as are the default.
	MaxCall int
	// RingBytes is the size of each CPU's ring, a power of two and at least a page.
	RingBytes int
}

// defaultMaxCall is how many bytes of one call are copied.
const defaultMaxCall = 1 << 20

// How the programs do a system call (enum kind in src/calls.h).
const (
	callWrite = iota + 1
	callWritev
	callSendto
	callSendmsg
	callSendmmsg
	callSendfile
	callSplice
	callConnect
	callShutdown
	callSocketcall
)

// callABI is how an architecture makes system calls, in 64 and 32 bits: by their
// numbers, and where struct pt_regs has the arguments. The registers are in the order
// that ptrace(2) shows.
type callABI struct {
	numbers, compat     map[int]uint8
	numberAt            uint32 // 0: not known
	args, compatArgs    [6]uint32
	inCompatStatus      uint32 // a bit of thread_info.status, x86
	inCompatThreadFlags uint32 // a bit of thread_info.flags, arm64
}

// callABIs are those of the architectures that are known: of the kernel,
// arch/x86/include/asm/ptrace.h, arch/x86/entry/syscalls/syscall_32.tbl,
// arch/arm64/include/asm/ptrace.h, arch/arm/tools/syscall.tbl.
func callABIs() map[string]callABI {
	native := map[int]uint8{
		unix.SYS_WRITE: callWrite, unix.SYS_WRITEV: callWritev, unix.SYS_PWRITEV2: callWritev, unix.SYS_SENDTO: callSendto,
		unix.SYS_SENDMSG: callSendmsg, unix.SYS_SENDMMSG: callSendmmsg, unix.SYS_SENDFILE: callSendfile, unix.SYS_SPLICE: callSplice,
		unix.SYS_CONNECT: callConnect, unix.SYS_SHUTDOWN: callShutdown,
	}
	return map[string]callABI{
		"amd64": {
			numbers: native,
			compat: map[int]uint8{
				4: callWrite, 146: callWritev, 379: callWritev, 369: callSendto, 370: callSendmsg, 345: callSendmmsg, 187: callSendfile,
				239: callSendfile, 313: callSplice, 362: callConnect, 373: callShutdown, 102: callSocketcall,
			},
			numberAt:       120,                                 // orig_rax
			args:           [6]uint32{112, 104, 96, 56, 72, 64}, // rdi, rsi, rdx, r10, r8, r9
			compatArgs:     [6]uint32{40, 88, 96, 104, 112, 32}, // ebx, ecx, edx, esi, edi, ebp
			inCompatStatus: 2,                                   // TS_COMPAT
		},
		"arm64": {
			numbers: native,
			compat: map[int]uint8{
				4: callWrite, 146: callWritev, 393: callWritev, 289: callWrite, 290: callSendto, 296: callSendmsg, 374: callSendmmsg,
				187: callSendfile, 239: callSendfile, 340: callSplice, 283: callConnect, 293: callShutdown,
			},
			args:                [6]uint32{0, 8, 16, 24, 32, 40}, // x0 to x5
			compatArgs:          [6]uint32{0, 8, 16, 24, 32, 40},
			inCompatThreadFlags: 1 << 22, // TIF_32BIT
		},
	}
}

// OpenUnixTap loads the programs and attaches them. It needs CAP_BPF and
// CAP_PERFMON, Linux 5.19 and the kernel's own type information. On error nothing
// stays.
func OpenUnixTap(spec UnixSpec) (*UnixTap, error) {
	t := &UnixTap{}
	err := t.load(spec)
	if err == nil {
		err = t.attach()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start tap of Unix sockets: %w", err), t.detach(), t.release())
	}
	t.open = true
	return t, nil
}

// load loads the programs, has them learn in which pid namespace this process is, and
// makes the rings.
func (t *UnixTap) load(spec UnixSpec) error {
	s, err := loadUnixtap()
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	cpus, err := possibleCPUs()
	if err != nil {
		return err
	}
	s.Maps[unixtapMapCallRings].MaxEntries = uint32(cpus)
	s.Maps[unixtapMapScratches].MaxEntries = uint32(cpus)
	if err := spec.set(s); err != nil {
		return err
	}
	ring := s.Maps[unixtapMapCallRing].Copy()
	if err := s.LoadAndAssign(&t.objects, nil); err != nil {
		return fmt.Errorf("load eBPF programs: %w", err)
	}
	pid, err := t.objects.UnixtapInit.Run(&ebpf.RunOptions{})
	if err != nil {
		return fmt.Errorf("run eBPF program: %w", err)
	}
	if int(pid) != os.Getpid() {
		return fmt.Errorf("the eBPF program says that this is process %d, not %d", pid, os.Getpid())
	}
	if t.rings, err = openRings(ring, spec.RingBytes); err != nil {
		return err
	}
	var todo group // each waits for a grace period of RCU
	for _, r := range t.rings {
		todo.do(func() error {
			if err := t.objects.CallRings.Put(uint32(r.CPU), r.ring); err != nil {
				return fmt.Errorf("add ring of CPU %d: %w", r.CPU, err)
			}
			return nil
		})
	}
	return todo.wait()
}

// set fills the constants of the programs in.
func (u *UnixSpec) set(s *ebpf.CollectionSpec) error {
	abi, ok := callABIs()[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("the system calls of %s are not known: %w", runtime.GOARCH, ebpf.ErrNotSupported)
	}
	var st unix.Stat_t
	if u.Netns != nil {
		if err := unix.Fstat(int(u.Netns.Fd()), &st); err != nil {
			return os.NewSyscallError("fstat", err)
		}
	}
	maxCall := uint64(u.MaxCall)
	if maxCall == 0 {
		maxCall = defaultMaxCall
	}
	var all uint32
	if u.AllUsers {
		all = 1
	}
	for name, v := range map[string]any{
		unixtapVarKinds: table(abi.numbers), unixtapVarCompatKinds: table(abi.compat), unixtapVarNrAt: abi.numberAt,
		unixtapVarArgAt: abi.args, unixtapVarCompatArgAt: abi.compatArgs, unixtapVarCompatStatus: abi.inCompatStatus,
		unixtapVarCompatFlags: abi.inCompatThreadFlags, unixtapVarNetns: uint32(st.Ino), unixtapVarAllUsers: all,
		unixtapVarOnlyUid: u.UID, unixtapVarReader: u.Reader, unixtapVarMany: uint32(u.RingBytes / 4), unixtapVarMaxCall: maxCall,
	} {
		if err := s.Variables[name].Set(v); err != nil {
			return fmt.Errorf("set eBPF variable: %w", err)
		}
	}
	return nil
}

// table returns a map of system calls as the programs have it.
func table(m map[int]uint8) (out [512]uint8) {
	for nr, kind := range m {
		out[nr] = kind
	}
	return out
}

func (t *UnixTap) attach() error {
	for _, p := range []struct {
		name    string
		program *ebpf.Program
	}{
		// Calls that were entered before the first one are not known when they are over.
		{"sys_exit", t.objects.UnixtapExit},
		{"io_uring_complete", t.objects.UnixtapUring},
		{"sys_enter", t.objects.UnixtapEnter},
	} {
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: p.name, Program: p.program})
		if err != nil {
			if p.name == "io_uring_complete" && errors.Is(err, os.ErrNotExist) {
				continue // this kernel has no io_uring
			}
			return fmt.Errorf("attach to %s: %w", p.name, err)
		}
		t.links = append(t.links, l)
	}
	return nil
}

func (t *UnixTap) detach() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	return errors.Join(errs...)
}

// release lets go of the rings and the programs. When the rings are out of their map,
// no program counts any more: the kernel waits for those that run at each change of a
// map of maps.
func (t *UnixTap) release() error {
	var todo group
	for _, r := range t.rings {
		todo.do(func() error {
			if err := t.objects.CallRings.Delete(uint32(r.CPU)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("remove ring: %w", err)
			}
			return nil
		})
	}
	err := todo.wait()
	if t.open {
		final, cerr := readUnixCounts(t.objects.CallCounts, true)
		t.final, t.open = final, false
		err = errors.Join(err, cerr)
	}
	for _, r := range t.rings {
		err = errors.Join(err, r.release())
	}
	return errors.Join(err, t.objects.Close())
}

// Rings returns the tap's rings, one for each CPU that was online: see [Tap.Rings].
func (t *UnixTap) Rings() []*TapRing { return t.rings }

// Counts returns what became of the calls until now, and after Close of all of them.
func (t *UnixTap) Counts() (TapCounts, error) {
	if !t.open {
		return t.final, nil
	}
	return readUnixCounts(t.objects.CallCounts, false)
}

// Close ends the tap, and its counts are final.
func (t *UnixTap) Close() error {
	if !t.open {
		return nil
	}
	return errors.Join(t.detach(), t.release())
}

// readUnixCounts is readCounts of a tap of Unix sockets.
func readUnixCounts(m *ebpf.Map, final bool) (TapCounts, error) {
	return addUp(final, func() (out TapCounts, err error) {
		var cpus []unixtapCounts
		if err := m.Lookup(uint32(0), &cpus); err != nil {
			return out, fmt.Errorf("read counts of tap: %w", err)
		}
		for i := range cpus {
			c := &cpus[i]
			out.Seen.Packets += c.Seen
			out.Seen.Bytes += c.SeenBytes
			// In the order of enum outcome in src/calls.h.
			for j, o := range []*Count{&out.Delivered, &out.RingFull, &out.NoRing, &out.Failed, &out.TooLarge, &out.NotCopied, &out.NoRoom} {
				o.Packets += c.Calls[j]
				o.Bytes += c.Bytes[j]
			}
		}
		return out, nil
	})
}

// ProbeUnixTap asks whether taps of Unix sockets work on this kernel. It attaches
// nothing and leaves nothing behind.
func ProbeUnixTap() Feature {
	err := mayLoad()
	if err == nil {
		t := &UnixTap{}
		err = errors.Join(t.load(UnixSpec{AllUsers: true, RingBytes: os.Getpagesize()}), t.release())
	}
	return feature("tap_unix", "its programs load", err)
}
