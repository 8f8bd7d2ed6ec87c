package sockets

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
	"lodge/internal/sockets/netif"
)

// space is a network namespace that sockets are read from.
type space struct {
	inode  uint32 // zero for the one that lodge runs in
	name   string
	conns  [2]*diag.Conn // two, so that two dumps go on at once
	scopes netif.Addresses
	expect int // TCP sockets, or zero if that is not known
	// counted: expect is known.
	counted bool
}

// open opens what is needed to read the namespace that the calling thread is
// in. A Conn stays there, whatever thread uses it.
func (s *space) open() error {
	for i := range s.conns {
		c, err := diag.Open()
		if err != nil {
			s.close()
			return err
		}
		s.conns[i] = c
	}
	s.expect, s.counted = countTCP()
	return nil
}

// look reads the interfaces of the namespace that the calling thread is in, or
// takes them from hints.
func (s *space) look(h *Hints) error {
	if h != nil && h.scopes != nil {
		s.scopes = *h.scopes
		return nil
	}
	var err error
	if s.scopes, err = netif.Read(); err == nil && h != nil {
		known := s.scopes
		h.scopes = &known
	}
	return err
}

// openAll is open and look.
func (s *space) openAll() error {
	if err := s.open(); err != nil {
		return err
	}
	if s.settle() {
		for _, c := range s.conns {
			if err := c.OpenProcNet(); err != nil {
				s.close()
				return err
			}
		}
	}
	if err := s.look(nil); err != nil {
		s.close()
		return err
	}
	return nil
}

// countTCP reports how many TCP sockets there are in the network namespace that
// the calling thread is in, by the kernel's own count (proc(5),
// /proc/net/sockstat).
func countTCP() (n int, ok bool) {
	for _, name := range []string{"sockstat", "sockstat6"} {
		var buf [1024]byte // more than the kernel says
		if b, err := procfs.ReadSmall(unix.AT_FDCWD, "/proc/thread-self/net/"+name, buf[:]); err == nil {
			n += parseSockstat(b)
			ok = true
		}
	}
	return n, ok
}

// parseSockstat adds up the sockets in use and in TIME_WAIT.
func parseSockstat(b []byte) int {
	n := 0
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) == 0 || string(f[0]) != "TCP:" && string(f[0]) != "TCP6:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			if k := string(f[i]); k == "inuse" || k == "tw" {
				if v, err := strconv.ParseUint(string(f[i+1]), 10, 24); err == nil {
					n += int(v)
				}
			}
		}
	}
	return n
}

func (s *space) close() {
	for i, c := range s.conns {
		if c != nil {
			_ = c.Close() // only read from
			s.conns[i] = nil
		}
	}
}

// spaceDir is where ip-netns(8) keeps the names of namespaces.
const spaceDir = "/run/netns"

// otherSpaces opens the network namespaces that processes are in or that have
// a name, but for the own one. What cannot be opened is told in warnings.
func otherSpaces() (list []space, warnings []string, err error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return nil, nil, fmt.Errorf("find network namespaces: %w", err)
	}
	seen := map[uint64]bool{st.Ino: true}
	var lost []error
	try := func(path, name string, pid int) {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
				lost = append(lost, err)
			}
			return
		}
		defer func() { _ = unix.Close(fd) }() // only to enter by
		var st unix.Stat_t
		var fs unix.Statfs_t
		if unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.NSFS_MAGIC || unix.Fstat(fd, &st) != nil || seen[st.Ino] {
			return
		}
		seen[st.Ino] = true
		s := space{inode: uint32(st.Ino), name: name}
		if name == "" {
			s.name = containerOf(pid)
		}
		if err := inSpace(fd, s.openAll); err != nil {
			lost = append(lost, err)
			return
		}
		list = append(list, s)
	}
	names, err := os.ReadDir(spaceDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		lost = append(lost, err)
	}
	for _, n := range names {
		try(filepath.Join(spaceDir, n.Name()), n.Name(), 0)
	}
	proc, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return list, nil, fmt.Errorf("open /proc: %w", err)
	}
	defer func() { _ = unix.Close(proc) }() // only read from
	pids, err := holders.ListProcesses(proc)
	if err != nil {
		return list, nil, err
	}
	hidden := 0
	for _, pid := range pids {
		name := strconv.Itoa(pid) + "/ns/net"
		err := unix.Fstatat(proc, name, &st, 0)
		switch {
		case err == nil && !seen[st.Ino]:
			try("/proc/"+name, "", pid)
		case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
			hidden++
		}
	}
	switch {
	case hidden == 1:
		warnings = append(warnings, "the network namespace of 1 process may not be looked into")
	case hidden > 1:
		warnings = append(warnings, fmt.Sprintf("the network namespaces of %d processes may not be looked into", hidden))
	}
	if len(lost) > 0 {
		warnings = append(warnings, fmt.Sprintf("%d network namespaces cannot be read: %v", len(lost), lost[0]))
	}
	return list, warnings, nil
}

// containerOf returns the name of the container that a process is in, or "".
func containerOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return ""
	}
	return procfs.Container(procfs.ParseCgroup(b))
}

// inSpace calls f on a thread of its own that has entered the network
// namespace of fd, and that ends with it. f starts no goroutine.
func inSpace(fd int, f func() error) error {
	result := make(chan error)
	go func() {
		// Never unlocked: the runtime ends the thread with the goroutine, so
		// that no other goroutine is ever run in the wrong namespace.
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The first thread cannot end, and would take /proc/self with it.
			defer runtime.UnlockOSThread()
			result <- inSpace(fd, f)
			return
		}
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		result <- f()
	}()
	return <-result
}

// settle is [diag.Conn.Settle] for both Conns of a namespace.
func (s *space) settle() bool {
	var known diag.Support
	missing := s.conns[0].Settle(&known)
	return s.conns[1].Settle(&known) || missing
}

// recall is [diag.Conn.Recall] for both Conns.
func (s *space) recall(known *diag.Support) {
	for _, c := range s.conns {
		c.Recall(known)
	}
}

// learn makes what each of the Conns has found out known to both, and to known.
func (s *space) learn(known *diag.Support) {
	for _, c := range s.conns {
		c.Learn(known)
	}
	s.recall(known)
}
