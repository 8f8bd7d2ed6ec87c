package unotify

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// handleCacheMax bounds how many threads' handles a listener keeps open.
const handleCacheMax = 64

// Handles keeps a pidfd for each thread that asked lately. A pidfd never
// leads to another process than the one that it was opened for, so a thread
// id that is used again is noticed: the old handle answers ESRCH.
type Handles struct {
	byThread map[uint32]int
}

func (h *Handles) Close() {
	for tid, fd := range h.byThread {
		_ = unix.Close(fd) // nothing was written to it
		delete(h.byThread, tid)
	}
}

// open returns a pidfd for a thread. The caller asks valid afterwards.
func (h *Handles) open(tid uint32) (int, error) {
	if fd, ok := h.byThread[tid]; ok {
		return fd, nil
	}
	if len(h.byThread) >= handleCacheMax {
		h.Close()
	}
	// Since Linux 6.9 a thread has a pidfd of its own; before, only its group.
	fd, err := unix.PidfdOpen(int(tid), unix.PIDFD_THREAD)
	if errors.Is(err, unix.EINVAL) {
		var group int
		if group, err = ThreadGroup(tid); err != nil {
			return -1, err
		}
		fd, err = unix.PidfdOpen(group, 0)
	}
	if err != nil {
		return -1, err
	}
	if h.byThread == nil {
		h.byThread = make(map[uint32]int)
	}
	h.byThread[tid] = fd
	return fd, nil
}

func (h *Handles) drop(tid uint32) {
	if fd, ok := h.byThread[tid]; ok {
		_ = unix.Close(fd) // nothing was written to it
		delete(h.byThread, tid)
	}
}

// Duplicate returns a duplicate of a thread's descriptor.
func (h *Handles) Duplicate(tid uint32, fd int) (int, error) {
	for range 2 {
		pidfd, err := h.open(tid)
		if err != nil {
			return -1, err
		}
		got, err := unix.PidfdGetfd(pidfd, fd, 0)
		if !errors.Is(err, unix.ESRCH) {
			return got, err
		}
		// The handle is of a thread that had this id before.
		h.drop(tid)
	}
	return -1, unix.ESRCH
}

// ThreadGroup reads the process id that a thread belongs to.
func ThreadGroup(tid uint32) (int, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(int(tid)) + "/status")
	if err != nil {
		return 0, err
	}
	value, ok := StatusField(string(status), "Tgid")
	if !ok {
		return 0, fmt.Errorf("read status of thread %d: no Tgid", tid)
	}
	return strconv.Atoi(value)
}

// StatusField returns one line of /proc/PID/status (proc(5)).
func StatusField(status, name string) (string, bool) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// ReadMemory copies from a thread's memory. The caller asks valid afterwards.
// A part that cannot be read is EFAULT.
func ReadMemory(tid uint32, at uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	remote := unix.RemoteIovec{Base: uintptr(at), Len: len(b)}
	n, _, errno := unix.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	switch {
	case errno == unix.ENOSYS:
		return memoryFile(tid, at, b, os.O_RDONLY)
	case errno != 0:
		return errno
	case int(n) != len(b):
		return unix.EFAULT
	}
	return nil
}

// WriteMemory copies into a thread's memory, after the caller asked valid.
func WriteMemory(tid uint32, at uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	remote := unix.RemoteIovec{Base: uintptr(at), Len: len(b)}
	n, _, errno := unix.Syscall6(unix.SYS_PROCESS_VM_WRITEV, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	switch {
	case errno == unix.ENOSYS:
		return memoryFile(tid, at, b, os.O_WRONLY)
	case errno != 0:
		return errno
	case int(n) != len(b):
		return unix.EFAULT
	}
	return nil
}

// memoryFile is for kernels that were built without process_vm_readv
// (CONFIG_CROSS_MEMORY_ATTACH).
func memoryFile(tid uint32, at uint64, b []byte, mode int) error {
	f, err := os.OpenFile("/proc/"+strconv.Itoa(int(tid))+"/mem", mode, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // writes to it are not buffered
	if int64(at) < 0 {
		return unix.EFAULT
	}
	if mode == os.O_RDONLY {
		_, err = f.ReadAt(b, int64(at))
	} else {
		_, err = f.WriteAt(b, int64(at))
	}
	if err != nil {
		return unix.EFAULT
	}
	return nil
}

// ReadAddress copies a socket address of n bytes, as the kernel would: what is
// too long or negative is not read at all, and refused by the kernel later.
func ReadAddress(tid uint32, at uint64, n int32) (Address, error) {
	a := Address{Len: n}
	if n <= 0 || n > AddressMax {
		return a, nil
	}
	return a, ReadMemory(tid, at, a.Bytes[:n])
}

// DescriptorFlags reads the flags of a thread's descriptor, which hold
// O_CLOEXEC too (proc(5), fdinfo).
func DescriptorFlags(tid uint32, fd int) (int, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(int(tid)) + "/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, err
	}
	value, ok := StatusField(string(text), "flags")
	if !ok {
		return 0, fmt.Errorf("read flags of descriptor %d: none", fd)
	}
	n, err := strconv.ParseUint(value, 8, 32)
	return int(n), err
}
