package homes

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/procfs"
)

// Enter moves a process of this user into the cgroup keeper of a home of this
// user.
func (h *Homes) Enter(ip4 netip.Addr, pid int) error {
	if err := helperapi.CheckHome(ip4); err != nil {
		return err
	}
	if pid <= 1 || pid == os.Getpid() {
		return fmt.Errorf("process %d: not one that can enter", pid)
	}
	p, err := h.find(ip4)
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
	ids, err := procfs.UserIDs(pid)
	if err != nil {
		return err
	}
	if !policy.MayMove(h.uid, ids) {
		return fmt.Errorf("process %d: belongs to user %d, not %d", pid, other(ids, h.uid), h.uid)
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

// other returns the first of a process's user ids that is not uid.
func other(ids [4]uint32, uid uint32) uint32 {
	for _, id := range ids {
		if id != uid {
			return id
		}
	}
	return uid
}

// find returns the home ip4 of this user: this session's, or an earlier one's.
func (h *Homes) find(ip4 netip.Addr) (helperapi.Place, error) {
	mount, err := h.mountPoint()
	if err != nil {
		return helperapi.Place{}, err
	}
	if p, ok := h.own(ip4); ok {
		return p, nil
	}
	all, err := helperapi.Places(mount)
	if err != nil {
		return helperapi.Place{}, err
	}
	for _, p := range all {
		if p.IP4 == ip4 && policy.Allows(helperapi.OpEnter, h.uid, p.UID) {
			return p, nil
		}
	}
	return helperapi.Place{}, fmt.Errorf("home %s: no such home of user %d", ip4, h.uid)
}
