package bpf

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNoUprobes says that uprobes cannot be had here, or are not used.
var ErrNoUprobes = errors.New("uprobes are not used here")

// pmuType has the number of the kernel's performance monitoring unit for uprobes
// (Documentation/ABI/testing/sysfs-bus-event_source-devices-uprobe).
const pmuType = "/sys/bus/event_source/devices/uprobe/type"

// uprobePMU returns that number.
func uprobePMU() (uint32, error) {
	switch runtime.GOARCH {
	case "amd64", "arm64":
	default:
		return 0, fmt.Errorf("%w: the registers of %s are not known", ErrNoUprobes, runtime.GOARCH)
	}
	b, err := os.ReadFile(pmuType)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("%w: the kernel has none (%s is not there)", ErrNoUprobes, pmuType)
	}
	if err != nil {
		return 0, fmt.Errorf("look for uprobes: %w", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("look for uprobes: read %s: %w", pmuType, err)
	}
	return uint32(n), nil
}

// Attach puts a probe at an offset of the file, in all processes that map it, those
// that come later too. It must be where an instruction begins: the kernel writes a
// breakpoint there, in the processes' copies of the page. The probe goes with the
// Secrets. The file is found by its descriptor, so that no other can take its place.
func (s *Secrets) Attach(f *os.File, kind SecretKind, offset uint64) error {
	p, err := s.program(kind)
	if err != nil {
		return err
	}
	cpus, err := OnlineCPUs()
	if err != nil {
		return err
	}
	path, err := unix.ByteSliceFromString("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return err
	}
	attr := unix.PerfEventAttr{
		Type: s.pmu, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Ext1: uint64(uintptr(unsafe.Pointer(&path[0]))), // config1: the path
		Ext2: offset,                                    // config2: the offset
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-time.After(heldAfter):
		return fmt.Errorf("attach uprobe: %w", ErrHeld)
	}
	// A CPU has to be named where all processes are meant; the program runs on all.
	fd, err := unix.PerfEventOpen(&attr, -1, cpus[0], -1, unix.PERF_FLAG_FD_CLOEXEC)
	runtime.KeepAlive(path)
	runtime.KeepAlive(f)
	if err != nil {
		return fmt.Errorf("attach uprobe: %w", os.NewSyscallError("perf_event_open", err))
	}
	err = os.NewSyscallError("ioctl PERF_EVENT_IOC_SET_BPF", unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, p.FD()))
	if err == nil {
		err = os.NewSyscallError("ioctl PERF_EVENT_IOC_ENABLE", unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("attach uprobe: %w", err), closeProbe(fd))
	}
	s.sites = append(s.sites, fd)
	return nil
}

func closeProbe(fd int) error { return os.NewSyscallError("close", unix.Close(fd)) }
