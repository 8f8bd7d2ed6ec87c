package helper

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
)

// enter moves a process of this user into the cgroup keeper of a home of this
// user.
func (s *session) enter(ip4 netip.Addr, pid int) error {
	if err := helperapi.CheckHome(ip4); err != nil {
		return err
	}
	if pid <= 1 || pid == os.Getpid() {
		return fmt.Errorf("process %d: not one that can enter", pid)
	}
	if err := s.findMount(); err != nil {
		return err
	}
	p, err := s.find(ip4)
	if err != nil {
		return err
	}
	// As long as the pidfd says that the process is alive, its number means
	// this process and no other.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := s.checkOwner(pid); err != nil {
		return err
	}
	procs := filepath.Join(p.Path(), "keeper", "cgroup.procs")
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	if err := writeFile(procs, strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("process %d: enter home %s: %w", pid, ip4, err)
	}
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
		return fmt.Errorf("process %d: ended meanwhile: %w", pid, err)
	}
	return nil
}

// find returns the home ip4 of this user: this session's, or an earlier one's.
func (s *session) find(ip4 netip.Addr) (helperapi.Place, error) {
	if _, ok := s.homes[ip4]; ok {
		return helperapi.Place{Mount: s.mount, Base: s.base, UID: s.uid, IP4: ip4}, nil
	}
	all, err := helperapi.Places(s.mount)
	if err != nil {
		return helperapi.Place{}, err
	}
	for _, p := range all {
		if p.IP4 == ip4 && p.UID == s.uid {
			return p, nil
		}
	}
	return helperapi.Place{}, fmt.Errorf("home %s: no such home of user %d", ip4, s.uid)
}

// checkOwner reports whether all of the process's user ids are the client's
// (proc_pid_status(5), Uid: real, effective, saved, file system).
func (s *session) checkOwner(pid int) error {
	if s.uid == 0 {
		return nil
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	for line := range bytes.Lines(b) {
		rest, ok := strings.CutPrefix(string(line), "Uid:")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		want := strconv.FormatUint(uint64(s.uid), 10)
		for _, f := range fields {
			if f != want {
				return fmt.Errorf("process %d: belongs to user %s, not %s", pid, f, want)
			}
		}
		if len(fields) == 4 {
			return nil
		}
	}
	return fmt.Errorf("process %d: %w", pid, errors.New("its owner is unknown"))
}
