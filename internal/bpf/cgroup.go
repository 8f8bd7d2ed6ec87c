package bpf

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CgroupID returns the id by which the kernel knows the cgroup whose directory
// dir is: what the programs see, and what INET_DIAG_CGROUP_ID tells.
func CgroupID(dir *os.File) (uint64, error) {
	h, _, err := unix.NameToHandleAt(int(dir.Fd()), "", unix.AT_EMPTY_PATH)
	if err != nil {
		return 0, fmt.Errorf("identify cgroup %s: %w", dir.Name(), err)
	}
	if h.Size() != 8 {
		return 0, fmt.Errorf("identify cgroup %s: a handle of %d bytes, not 8", dir.Name(), h.Size())
	}
	return binary.NativeEndian.Uint64(h.Bytes()), nil
}
