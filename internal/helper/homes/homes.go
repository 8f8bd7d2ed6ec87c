// Package homes makes, enters and removes homes of the engine ebpf: their
// cgroups, the hooks of package bpf that are attached above them, and their IPv6
// addresses on lo.
//
// A home is a tree of cgroups:
//
//	<cgroup2>/lodge-<uid>-<random>/   one for each session; the hooks are here
//	    home-<address>/               one for each home; the user owns it
//	        keeper/                   the process that looks after the home
//	        in/<service>/             the processes inside
package homes

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"lodge/internal/helper/claims"
	"lodge/internal/helperapi"
)

// Shared is what the sessions of one helper have in common.
type Shared struct {
	// making is held while the homes of a user are counted and one is added, and
	// while a base is made and locked, or those that are left are looked for.
	making sync.Mutex
}

// Homes are the homes of one session. Its methods may be called by several
// goroutines, but for one address by one at a time.
type Homes struct {
	uid, gid uint32
	// netns is the client's network namespace, by its cookie.
	netns  uint64
	claims *claims.Holder
	shared *Shared
	mount  mount

	// mu guards what follows. It is held while the hooks are attached and a home
	// is made, never while processes are ended. It is taken before shared.making.
	mu sync.Mutex
	// base exists while the session has a home.
	base  base
	homes map[netip.Addr]uint64 // to the id of the cgroup in
}

// New returns a session of the user uid, whose cgroups are given to uid and gid.
func New(uid, gid uint32, netns uint64, c *claims.Holder, shared *Shared) *Homes {
	return &Homes{uid: uid, gid: gid, netns: netns, claims: c, shared: shared, homes: map[netip.Addr]uint64{}}
}

// Empty reports whether the session has no home.
func (h *Homes) Empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.homes) == 0
}

// own returns the place of a home of this session.
func (h *Homes) own(ip4 netip.Addr) (helperapi.Place, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.homes[ip4]
	return h.base.place(ip4), ok
}

// closeIfEmpty removes the base when there is no home left. The caller holds mu.
func (h *Homes) closeIfEmpty() error {
	if len(h.homes) > 0 {
		return nil
	}
	return h.base.drop()
}

// Enter moves a process of this user into the cgroup keeper of a home of this
// user: this session's, or an earlier one's.
func (h *Homes) Enter(ip4 netip.Addr, pid int) error {
	if err := helperapi.CheckHome(ip4); err != nil {
		return err
	}
	if pid <= 1 || pid == os.Getpid() {
		return fmt.Errorf("process %d: not one that can enter", pid)
	}
	mount, err := h.mount.find()
	if err != nil {
		return err
	}
	p, ok := h.own(ip4)
	if !ok {
		if p, err = placeOf(mount, ip4, h.uid); err != nil {
			return err
		}
	}
	return enter(p, h.uid, pid)
}

// Sweep removes what earlier helpers left: homes of this user (of every user,
// if it is root) without a process and without a helper, and addresses that
// belong to no home at all.
func (h *Homes) Sweep() (*helperapi.Swept, error) {
	mount, err := h.mount.find()
	if err != nil {
		return nil, err
	}
	return sweep(mount, h.uid, h.shared)
}

// Close ends the session. Homes in which no process is are removed, the others
// stay as they are.
func (h *Homes) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for ip4 := range h.homes {
		p := h.base.place(ip4)
		used, err := isPopulated(p.Path())
		if err == nil && !used {
			err = removePlace(context.Background(), p, false)
		}
		errs = append(errs, err)
	}
	clear(h.homes)
	return errors.Join(append(errs, h.base.drop())...)
}
