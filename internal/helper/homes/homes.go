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
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/helper/claims"
	"lodge/internal/helperapi"
	"lodge/internal/procfs"
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

	// mu guards what follows. It is held while the hooks are attached and a home
	// is made, never while processes are ended. It is taken before shared.making.
	mu    sync.Mutex
	mount string
	// The base and its hooks exist while the session has a home.
	base  string
	lock  *os.File
	hooks *bpf.Hooks
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

// mountPoint returns where cgroup2 is mounted.
func (h *Homes) mountPoint() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mount == "" {
		mount, err := procfs.CgroupMount()
		if err != nil {
			return "", err
		}
		h.mount = mount
	}
	return h.mount, nil
}

// own returns the place of a home of this session.
func (h *Homes) own(ip4 netip.Addr) (helperapi.Place, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.homes[ip4]
	return h.place(ip4), ok
}

// place is where this session makes the home ip4. The caller holds mu.
func (h *Homes) place(ip4 netip.Addr) helperapi.Place {
	return helperapi.Place{Mount: h.mount, Base: h.base, UID: h.uid, IP4: ip4}
}

// open makes the base and attaches the hooks to it, if that was not done. The
// caller holds mu.
func (h *Homes) open() (err error) {
	if h.hooks != nil {
		return nil
	}
	root, err := os.Open(h.mount)
	if err != nil {
		return fmt.Errorf("open cgroup2: %w", err)
	}
	defer root.Close()
	level, err := bpf.Level(root)
	if err != nil {
		return err
	}
	base, lock, err := h.makeBase()
	if err != nil {
		return err
	}
	// The home is one below the base, the cgroup in one below the home.
	hooks, err := bpf.Attach(lock, level+3)
	if err != nil {
		return errors.Join(err, unix.Rmdir(filepath.Join(h.mount, base)), lock.Close())
	}
	h.base, h.lock, h.hooks = base, lock, hooks
	return nil
}

// makeBase makes the base and locks it. The caller holds mu.
func (h *Homes) makeBase() (base string, lock *os.File, err error) {
	h.shared.making.Lock()
	defer h.shared.making.Unlock()
	var random [4]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	base = helperapi.BaseName(h.uid, hex.EncodeToString(random[:]))
	path := filepath.Join(h.mount, base)
	if err := makeDir(path); err != nil {
		return "", nil, err
	}
	lock, held, err := lockBase(path)
	if err == nil && !held {
		err = fmt.Errorf("lock cgroup %s: another process has it", path)
	}
	if err != nil {
		return "", nil, errors.Join(err, unix.Rmdir(path))
	}
	return base, lock, nil
}

// closeIfEmpty lets go of the hooks when there is no home left. The caller holds
// mu.
func (h *Homes) closeIfEmpty() error {
	if h.hooks == nil || len(h.homes) > 0 {
		return nil
	}
	return h.drop()
}

// drop lets go of hooks and base. Homes that are in use go on without. The
// caller holds mu.
func (h *Homes) drop() error {
	if h.hooks == nil {
		return nil
	}
	path := filepath.Join(h.mount, h.base)
	errs := []error{h.hooks.Close(), h.lock.Close()}
	h.base, h.lock, h.hooks = "", nil, nil
	return errors.Join(append(errs, dropBase(path))...)
}

// Close ends the session. Homes in which nothing runs are removed, the others
// stay as they are.
func (h *Homes) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for ip4 := range h.homes {
		p := h.place(ip4)
		used, err := isPopulated(p.Path())
		if err == nil && !used {
			err = removePlace(context.Background(), p, false)
		}
		errs = append(errs, err)
	}
	clear(h.homes)
	return errors.Join(append(errs, h.drop())...)
}
