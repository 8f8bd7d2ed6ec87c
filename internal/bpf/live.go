package bpf

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"lodge/internal/owners"
)

// Live is the machine's map of sockets to processes: raw tracepoints that note
// when connections are opened and who closes them, and a walk over all
// processes' descriptors, made when Owners is called. It only looks. Its
// methods must not be called from several goroutines at once.
//
// There is no hook on system calls: keeping the map up to date at each accept,
// dup, close and recvmsg would tax every system call of the machine all the
// time, and a walk is as exact, and cheap beside what it is asked together
// with, a listing of all sockets.
type Live struct {
	objects liveObjects
	links   []link.Link
	area    *ebpf.Memory // struct scan, shared with the walk
	buf     []byte
	size    int    // holdings in the last answer
	expired uint64 // entries of closed_by that were too old and were removed
}

// The parts of struct scan (src/scan.h).
const (
	scanHeader     = 6 * 4
	scanProcesses  = scanHeader
	scanHoldings   = scanProcesses + maxProcesses*scanProcess
	scanSize       = scanHoldings + maxHoldings*scanHolding
	maxProcesses   = 512
	maxHoldings    = 8192
	scanProcess    = 40
	scanHolding    = 16
	scanMore       = 0
	scanDone       = 1
	scanLost       = 2
	maxRuns        = 1 << 16
	maxScanRetries = 8
)

// OpenLive loads the programs and attaches them. It needs CAP_BPF,
// CAP_PERFMON and CAP_NET_ADMIN, Linux 5.17 (bpf_loop) and the kernel's own
// type information. On error nothing stays.
func OpenLive() (*Live, error) {
	l := &Live{buf: make([]byte, scanSize)}
	if err := l.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("start live map of sockets: %w", err), l.Close())
	}
	return l, nil
}

func (l *Live) open() error {
	if err := l.load(); err != nil {
		return err
	}
	return l.attach()
}

func (l *Live) attach() error {
	for _, p := range []struct {
		name    string
		program *ebpf.Program
	}{
		{"inet_sock_set_state", l.objects.LiveState},
		{"sched_process_exec", l.objects.LiveExec},
		{"sched_process_fork", l.objects.LiveFork},
	} {
		t, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: p.name, Program: p.program})
		if err != nil {
			return fmt.Errorf("attach to %s: %w", p.name, err)
		}
		l.links = append(l.links, t)
	}
	return nil
}

// load loads the programs and has them learn in which pid namespace this
// process is.
func (l *Live) load() error {
	if err := loadLiveObjects(&l.objects, nil); err != nil {
		return fmt.Errorf("load eBPF programs: %w", err)
	}
	if unsafe.Sizeof(liveScan{}) != scanSize {
		return fmt.Errorf("load eBPF programs: struct scan has %d bytes, not %d", unsafe.Sizeof(liveScan{}), scanSize)
	}
	var err error
	if l.area, err = l.objects.Scans.Memory(); err != nil {
		return fmt.Errorf("map the walk's area: %w", err)
	}
	pid, err := l.objects.LiveInit.Run(&ebpf.RunOptions{})
	if err != nil {
		return fmt.Errorf("run eBPF program: %w", err)
	}
	if int(pid) != os.Getpid() {
		return fmt.Errorf("the eBPF program says that this is process %d, not %d", pid, os.Getpid())
	}
	return nil
}

func (l *Live) detach() error {
	var errs []error
	for _, t := range l.links {
		errs = append(errs, t.Close())
	}
	l.links = nil
	return errors.Join(errs...)
}

// Close ends all of it.
func (l *Live) Close() error {
	return errors.Join(l.detach(), l.objects.Close())
}

// Remember keeps the command line of a process that runs already, for the time
// after its end: arguments with a zero after each. What the programs saw
// themselves counts more. start is in clock ticks since boot.
func (l *Live) Remember(pid uint32, start uint64, command []byte) error {
	c := liveCommand{Start: start, Len: uint32(len(command))}
	for i := range min(len(command), len(c.Text)) {
		c.Text[i] = int8(command[i])
	}
	err := l.objects.Commands.Update(pid, &c, ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("remember process %d: %w", pid, err)
	}
	return nil
}

// Owners reports who holds which socket now, and who closed those that are
// gone.
func (l *Live) Owners(ctx context.Context) (*owners.Table, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	for range maxScanRetries {
		t := &owners.Table{Boot: uint64(now.Nano()), Holdings: make([]owners.Holding, 0, l.size+l.size/8)}
		done, err := l.walk(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("find owners of sockets: %w", err)
		}
		if !done {
			continue
		}
		once(t)
		l.size = len(t.Holdings)
		if err := l.addClosed(t); err != nil {
			return nil, fmt.Errorf("find owners of closed sockets: %w", err)
		}
		return t, nil
	}
	return nil, errors.New("find owners of sockets: the processes at which the walk stopped kept ending")
}

// once leaves each socket once to each process: of threads that have another
// table than the first one, several may share it, and the walk tells each.
func once(t *owners.Table) {
	out := t.Holdings[:0]
	for rest := t.Holdings; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Process == rest[0].Process {
			n++
		}
		one := rest[:n]
		rest = rest[n:]
		slices.SortFunc(one, func(a, b owners.Holding) int { return cmp.Compare(a.Inode, b.Inode) })
		out = append(out, slices.CompactFunc(one, func(a, b owners.Holding) bool { return a.Inode == b.Inode })...)
	}
	t.Holdings = out
}

// walk goes over all processes, in runs. It says false if the process at which
// a run stopped is gone at the next one.
func (l *Live) walk(ctx context.Context, t *owners.Table) (bool, error) {
	header := l.buf[:scanHeader]
	clear(header)
	if _, err := l.area.WriteAt(header, 0); err != nil {
		return false, fmt.Errorf("write the walk's area: %w", err)
	}
	for range maxRuns {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if _, err := l.objects.LiveScan.Run(&ebpf.RunOptions{}); err != nil {
			return false, fmt.Errorf("run eBPF program: %w", err)
		}
		if _, err := l.area.ReadAt(header, 0); err != nil {
			return false, fmt.Errorf("read the walk's area: %w", err)
		}
		state := binary.NativeEndian.Uint32(header[12:])
		if state == scanLost {
			return false, nil
		}
		err := l.take(t, binary.NativeEndian.Uint32(header[16:]), binary.NativeEndian.Uint32(header[20:]))
		if err != nil {
			return false, err
		}
		if state == scanDone {
			return true, nil
		}
	}
	return false, errors.New("no end of it")
}

// take adds what one run found.
func (l *Live) take(t *owners.Table, processes, holdings uint32) error {
	if processes > maxProcesses || holdings > maxHoldings {
		return fmt.Errorf("the walk found %d processes and %d sockets in one run", processes, holdings)
	}
	b := l.buf[:processes*scanProcess]
	if _, err := l.area.ReadAt(b, scanProcesses); err != nil {
		return fmt.Errorf("read the walk's area: %w", err)
	}
	// Where each process of this run is in the table.
	places := make([]uint32, 0, maxProcesses)
	for ; len(b) > 0; b = b[scanProcess:] {
		p := parseProcess(b)
		n := len(t.Processes)
		switch {
		case p.PID == 0:
			places = append(places, nowhere)
		case len(places) == 0 && n > 0 && p.PID == t.Processes[n-1].PID && p.Start == t.Processes[n-1].Start:
			places = append(places, uint32(n-1)) // the last run stopped in it
		default:
			places = append(places, uint32(n))
			t.Processes = append(t.Processes, p)
		}
	}
	b = l.buf[:holdings*scanHolding]
	if _, err := l.area.ReadAt(b, scanHoldings); err != nil {
		return fmt.Errorf("read the walk's area: %w", err)
	}
	for ; len(b) > 0; b = b[scanHolding:] {
		p := binary.NativeEndian.Uint32(b[4:])
		if p >= uint32(len(places)) {
			return fmt.Errorf("the walk found a socket of process %d of %d", p, len(places))
		}
		if places[p] == nowhere {
			t.Hidden++
			continue
		}
		t.Holdings = append(t.Holdings, owners.Holding{
			Inode: binary.NativeEndian.Uint32(b), Process: places[p], Opened: binary.NativeEndian.Uint64(b[8:]),
		})
	}
	return nil
}

// nowhere is the place of a process that has no id in this pid namespace.
const nowhere = 1<<32 - 1

// parseProcess reads a struct process (src/who.h).
func parseProcess(b []byte) owners.Process {
	return owners.Process{
		PID:    binary.NativeEndian.Uint32(b),
		Parent: binary.NativeEndian.Uint32(b[4:]),
		UID:    binary.NativeEndian.Uint32(b[8:]),
		Start:  binary.NativeEndian.Uint64(b[16:]),
		Name:   unix.ByteSliceToString(b[24:scanProcess]),
	}
}
