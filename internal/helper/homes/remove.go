package homes

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"

	"lodge/internal/helper/claims"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/loopback"
)

// Remove removes a home of this client, also one that an earlier helper made.
// The processes in it are ended first if kill is true; ctx bounds how long they
// are waited for.
func (h *Homes) Remove(ctx context.Context, path string, kill bool) error {
	mount, err := h.mount.find()
	if err != nil {
		return err
	}
	p, err := helperapi.ParsePlace(mount, path)
	if err != nil {
		return err
	}
	if !policy.Allows(helperapi.OpRemoveHome, h.uid, p.UID) {
		return &policy.NotYoursError{What: "home " + path, Owner: p.UID}
	}
	if err := removePlace(ctx, p, kill); err != nil {
		return err
	}
	return h.removed(p)
}

// remove removes a home of this session in which no process is.
func (h *Homes) remove(p helperapi.Place) error {
	if err := removePlace(context.Background(), p, false); err != nil {
		return err
	}
	return h.removed(p)
}

// removed lets go of what belongs to a home whose cgroups are removed.
func (h *Homes) removed(p helperapi.Place) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Base != h.base.name {
		return dropBase(p.BasePath())
	}
	if id, ok := h.homes[p.IP4]; ok {
		err = h.base.hooks.Remove(id)
		delete(h.homes, p.IP4)
		h.claims.Release(claims.Address(p.IP4))
	}
	return errors.Join(err, h.closeIfEmpty())
}

// removeIfLeft removes a home in which no process is and after which no
// helper looks.
func removeIfLeft(p helperapi.Place) (removed bool, err error) {
	used, err := isPopulated(p.Path())
	if err != nil || used {
		return false, err
	}
	lock, held, err := lockBase(p.BasePath())
	if err != nil || !held {
		return false, err
	}
	err = errors.Join(removePlace(context.Background(), p, false), lock.Close())
	return err == nil, errors.Join(err, dropBase(p.BasePath()))
}

// removePlace removes the cgroups of a home, and its address if no other home
// has the same.
func removePlace(ctx context.Context, p helperapi.Place, kill bool) error {
	if kill {
		if err := killTree(ctx, p.Path()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := removeTree(p.Path()); err != nil {
		return err
	}
	all, err := helperapi.Places(p.Mount)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.IP4 == p.IP4 {
			return nil
		}
	}
	return removeAddress6(loopback.Home6(p.IP4))
}

// Key returns what a call about the home at path is ordered by, together with
// those of [Homes.Create] and [Homes.Enter] for its address; ok is false where
// the path is that of no home.
func Key(path string) (uid uint32, ip4 netip.Addr, ok bool) {
	// Where the cgroups are mounted makes no difference.
	p, err := helperapi.ParsePlace(filepath.Dir(filepath.Dir(path)), path)
	return p.UID, p.IP4, err == nil
}
