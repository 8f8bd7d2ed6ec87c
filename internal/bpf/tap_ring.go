package bpf

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TapRing is the ring of one tap and CPU: a perf event whose buffer is mapped
// here, so that its memory is charged to this process and not to the reader,
// whose limit (perf_event_mlock_kb, RLIMIT_MEMLOCK) is small. A second event
// writes to the same buffer and wakes the reader at each record; the first one
// wakes it when a quarter of the buffer is full.
type TapRing struct {
	CPU    int
	bytes  int
	main   int
	urgent int // -1 once let go of
	memory []byte
}

// ringMemory is the size of a ring with the control page before the data.
func ringMemory(dataBytes int) int { return os.Getpagesize() + dataBytes }

// openRings opens the rings of all CPUs that are online.
func openRings(dataBytes int) (_ []*TapRing, err error) {
	if dataBytes < os.Getpagesize() || dataBytes&(dataBytes-1) != 0 {
		return nil, fmt.Errorf("ring of %d bytes: the size must be a power of two, and at least a page", dataBytes)
	}
	cpus, err := CPUs()
	if err != nil {
		return nil, err
	}
	var rings []*TapRing
	defer func() {
		if err != nil {
			for _, r := range rings {
				err = errors.Join(err, r.release(), r.Close())
			}
		}
	}()
	for cpu := range cpus {
		r, err := openRing(cpu, dataBytes)
		if errors.Is(err, unix.ENODEV) {
			continue // it is offline
		}
		if err != nil {
			return nil, fmt.Errorf("open ring of CPU %d: %w", cpu, err)
		}
		rings = append(rings, r)
	}
	return rings, nil
}

func openRing(cpu, dataBytes int) (_ *TapRing, err error) {
	r := &TapRing{CPU: cpu, bytes: dataBytes, main: -1, urgent: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.release(), r.Close())
		}
	}()
	if r.main, err = openEvent(cpu, uint32(dataBytes/4), unix.PerfBitWatermark); err != nil {
		return nil, err
	}
	if r.memory, err = unix.Mmap(r.main, 0, ringMemory(dataBytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	if r.urgent, err = openEvent(cpu, 1, 0); err != nil {
		return nil, err
	}
	if err := unix.IoctlSetInt(r.urgent, unix.PERF_EVENT_IOC_SET_OUTPUT, r.main); err != nil {
		return nil, os.NewSyscallError("ioctl PERF_EVENT_IOC_SET_OUTPUT", err)
	}
	return r, nil
}

// openEvent opens an event that programs write to (perf_event_open(2)).
func openEvent(cpu int, wakeup uint32, bits uint64) (int, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_BPF_OUTPUT, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample: 1, Sample_type: unix.PERF_SAMPLE_RAW, Wakeup: wakeup, Bits: bits,
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("perf_event_open", err)
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return -1, errors.Join(os.NewSyscallError("ioctl PERF_EVENT_IOC_ENABLE", err), unix.Close(fd))
	}
	return fd, nil
}

func (r *TapRing) event(urgent bool) int {
	if urgent {
		return r.urgent
	}
	return r.main
}

// release lets go of the memory. If a reader has mapped it, it stays that one's.
func (r *TapRing) release() error {
	var errs []error
	if r.urgent >= 0 {
		errs = append(errs, os.NewSyscallError("close", unix.Close(r.urgent)))
		r.urgent = -1
	}
	if r.memory != nil {
		errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(r.memory)))
		r.memory = nil
	}
	return errors.Join(errs...)
}

// Mapped reports whether the ring's memory is mapped, by this process or by
// another one: the kernel lets an event have no other buffer as long as its own
// is mapped. After the tap is closed, only a reader can have it. One that maps
// the event later is charged for the memory itself.
func (r *TapRing) Mapped() bool {
	return r.main >= 0 && unix.IoctlSetInt(r.main, unix.PERF_EVENT_IOC_SET_OUTPUT, -1) != nil
}

// Bytes returns the size of the ring's data.
func (r *TapRing) Bytes() int { return r.bytes }

// Close closes the ring, of which a tap that is closed has let go.
func (r *TapRing) Close() error {
	if r.main < 0 {
		return nil
	}
	err := os.NewSyscallError("close", unix.Close(r.main))
	r.main = -1
	return err
}
