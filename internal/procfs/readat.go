package procfs

import (
	"errors"
	"syscall"
)

// ReadSmall reads a file that the kernel hands out in one piece into buf, by one
// read. It does not register the descriptor with Go's poller, which takes as long
// as the rest. The path is relative to the open directory dir; AT_FDCWD is the
// working directory.
func ReadSmall(dir int, path string, buf []byte) ([]byte, error) {
	fd, err := syscall.Openat(dir, path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syscall.Close(fd) }() // only read from
	n, err := read(fd, buf)
	return buf[:max(n, 0)], err
}

// ReadStart reads the beginning of a file into buf, as much as fits. The path is
// relative to the open directory dir.
func ReadStart(dir int, path string, buf []byte) ([]byte, error) {
	fd, err := syscall.Openat(dir, path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syscall.Close(fd) }() // only read from
	total := 0
	for total < len(buf) {
		n, err := read(fd, buf[total:])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	return buf[:total], nil
}

func read(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
