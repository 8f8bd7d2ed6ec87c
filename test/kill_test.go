package test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func kill(pid int) error { return unix.Kill(pid, unix.SIGKILL) }

// kill9 kills a process and waits until it is gone, or a zombie.
func kill9(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	defer unix.Close(fd)
	if err := kill(pid); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
	for deadline := time.Now().Add(limit); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(deadline)/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue // Go's own signals
		}
		if err != nil || n != 1 {
			t.Fatalf("process %d does not end: %v", pid, err)
		}
		return
	}
}

// links lists the eBPF links of the machine that are attached to a cgroup,
// with its id (bpf(2), BPF_LINK_GET_NEXT_ID and struct bpf_link_info).
func links(t *testing.T) map[uint32]uint64 {
	t.Helper()
	const (
		getFDByID  = 30 // BPF_LINK_GET_FD_BY_ID, include/uapi/linux/bpf.h
		getNextID  = 31 // BPF_LINK_GET_NEXT_ID
		getInfo    = 15 // BPF_OBJ_GET_INFO_BY_FD
		typeCgroup = 3  // BPF_LINK_TYPE_CGROUP
	)
	out := make(map[uint32]uint64)
	for id := uint32(0); ; {
		next := struct{ start, next, flags uint32 }{start: id}
		if _, _, errno := unix.Syscall(unix.SYS_BPF, getNextID, uintptr(unsafe.Pointer(&next)), unsafe.Sizeof(next)); errno == unix.ENOENT {
			return out
		} else if errno != 0 {
			t.Fatalf("list eBPF links: %v", errno)
		}
		id = next.next
		by := struct{ id, next, flags uint32 }{id: id}
		fd, _, errno := unix.Syscall(unix.SYS_BPF, getFDByID, uintptr(unsafe.Pointer(&by)), unsafe.Sizeof(by))
		if errno != 0 {
			continue // gone meanwhile
		}
		var info struct {
			kind, id, prog, _ uint32
			cgroup            uint64
			_                 [64]byte
		}
		ask := struct {
			fd, size uint32
			at       uint64
		}{uint32(fd), uint32(unsafe.Sizeof(info)), uint64(uintptr(unsafe.Pointer(&info)))}
		_, _, errno = unix.Syscall(unix.SYS_BPF, getInfo, uintptr(unsafe.Pointer(&ask)), unsafe.Sizeof(ask))
		_ = unix.Close(int(fd))
		if errno == 0 && info.kind == typeCgroup {
			out[id] = info.cgroup
		}
	}
}

// linksOf returns the ids of the links at the cgroups of this environment, of
// which there must be some with ebpf.
func linksOf(t *testing.T, e *env) []uint32 {
	t.Helper()
	if e.engine != ebpf {
		return nil
	}
	ids := make(map[uint64]bool)
	for _, c := range e.cgroups {
		for _, dir := range []string{c, filepath.Dir(c)} {
			// The id of a cgroup is the number of its directory (cgroups(7)).
			var st unix.Stat_t
			if unix.Stat(dir, &st) == nil {
				ids[st.Ino] = true
			}
		}
	}
	var out []uint32
	for id, cgroup := range links(t) {
		if ids[cgroup] {
			out = append(out, id)
		}
	}
	if len(out) == 0 {
		t.Errorf("no eBPF link is attached to the cgroups %v: the check that they go away means nothing", e.cgroups)
	}
	return out
}

// noLinks waits until none of the links is there any more.
func noLinks(t *testing.T, ids []uint32) {
	t.Helper()
	if len(ids) == 0 {
		return // only root may list them
	}
	eventually(t, func() string {
		now := links(t)
		for _, id := range ids {
			if _, ok := now[id]; ok {
				return "an eBPF link is left"
			}
		}
		return ""
	})
}
