package bpf

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of include/uapi/linux/io_uring.h that the test needs.
const (
	uringParams   = 120 // sizeof(struct io_uring_params)
	uringSQE      = 64  // sizeof(struct io_uring_sqe)
	uringCQE      = 16  // sizeof(struct io_uring_cqe)
	uringOpSocket = 45  // IORING_OP_SOCKET, Linux 5.19
	uringOpSend   = 26  // IORING_OP_SEND, Linux 5.6
	uringGetEvent = 1   // IORING_ENTER_GETEVENTS
	uringOffSQ    = 0
	uringOffCQ    = 0x8000000
	uringOffSQEs  = 0x10000000
)

// TestLiveUring: a descriptor that no system call of the kind gave.
func TestLiveUring(t *testing.T) {
	l := openLive(t)
	got := uring(t, uringOpSocket, func(sqe []byte) {
		binary.NativeEndian.PutUint32(sqe[4:], unix.AF_INET)                       // fd: the domain
		binary.NativeEndian.PutUint64(sqe[8:], unix.SOCK_STREAM|unix.SOCK_CLOEXEC) // off: the type
	})
	if got == -int(unix.EINVAL) {
		t.Skip("needs IORING_OP_SOCKET (Linux 5.19)")
	}
	if got < 0 {
		t.Fatalf("IORING_OP_SOCKET: %v", unix.Errno(-got))
	}
	defer unix.Close(got)
	if pids := holders(ask(t, l), inodeOf(t, got)); !slices.Equal(pids, []int{os.Getpid()}) {
		t.Errorf("held by %v, want %d", pids, os.Getpid())
	}
}

// uring has io_uring do one operation, and returns its result.
func uring(t *testing.T, op byte, fill func(sqe []byte)) int {
	t.Helper()
	params := make([]byte, uringParams)
	fd, err := setupUring(params)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		t.Skipf("needs io_uring: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	word := func(at int) int { return int(binary.NativeEndian.Uint32(params[at:])) }
	entries, cqEntries := word(0), word(4)
	// struct io_sqring_offsets is at 40, struct io_cqring_offsets at 80.
	sqTail, sqArray, cqes := word(40+4), word(40+24), word(80+20)
	mem := func(off int64, size int) []byte {
		b, err := unix.Mmap(fd, off, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Munmap(b) })
		return b
	}
	sq := mem(uringOffSQ, sqArray+4*entries)
	sqe := mem(uringOffSQEs, entries*uringSQE)
	cq := mem(uringOffCQ, cqes+cqEntries*uringCQE)

	sqe[0] = op
	fill(sqe)
	binary.NativeEndian.PutUint32(sq[sqArray:], 0)
	binary.NativeEndian.PutUint32(sq[sqTail:], 1)
	n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), 1, 1, uringGetEvent, 0, 0)
	if errno != 0 || n != 1 {
		t.Fatalf("io_uring_enter: %d, %v", n, errno)
	}
	return int(int32(binary.NativeEndian.Uint32(cq[cqes+8:])))
}

// setupUring makes a ring of four entries and fills params in.
func setupUring(params []byte) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params[0])), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
