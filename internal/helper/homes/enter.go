package homes

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/procfs"
)

// enter moves a process of the user uid into the cgroup keeper of a home.
func enter(p helperapi.Place, uid uint32, pid int) error {
	// As long as the process of the pidfd is alive, its number means
	// this process and no other.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	ids, err := procfs.UserIDs(pid)
	if err != nil {
		return err
	}
	if !policy.MayMove(uid, ids) {
		return fmt.Errorf("process %d: belongs to user %d, not %d", pid, other(ids, uid), uid)
	}
	procs := filepath.Join(p.Path(), "keeper", "cgroup.procs")
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	if err := writeFile(procs, strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("process %d: enter home %s: %w", pid, p.IP4, err)
	}
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
		return fmt.Errorf("process %d: ended meanwhile: %w", pid, err)
	}
	return nil
}

// other returns the first of a process's user ids that is not uid.
func other(ids [4]uint32, uid uint32) uint32 {
	for _, id := range ids {
		if id != uid {
			return id
		}
	}
	return uid
}

// placeOf returns the home ip4 of the user uid, whichever helper made it.
func placeOf(mount string, ip4 netip.Addr, uid uint32) (helperapi.Place, error) {
	all, err := helperapi.Places(mount)
	if err != nil {
		return helperapi.Place{}, err
	}
	for _, p := range all {
		if p.IP4 == ip4 && policy.Allows(helperapi.OpEnter, uid, p.UID) {
			return p, nil
		}
	}
	return helperapi.Place{}, fmt.Errorf("home %s: no such home of user %d", ip4, uid)
}
