package homes

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"lodge/internal/bpf"
	"lodge/internal/helper/claims"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/loopback"
)

// Create makes a home. The caller closes the grant. The error is a
// [*TakenError] or a [*policy.NotYoursError] where another user has the address,
// and a [*TooManyError] where this one has too many.
func (h *Homes) Create(ctx context.Context, ip4 netip.Addr, strict bool) (*helperapi.CreateHomeReply, *helperapi.Grant, error) {
	if err := helperapi.CheckHome(ip4); err != nil {
		return nil, nil, err
	}
	mount, err := h.mount.find()
	if err != nil {
		return nil, nil, err
	}
	key := claims.Address(ip4)
	if err := h.claims.Take(key); err != nil {
		return nil, nil, err
	}
	if err = h.free(ip4, mount); err == nil {
		err = ctx.Err()
	}
	var rep *helperapi.CreateHomeReply
	g := &helperapi.Grant{}
	if err == nil {
		rep, err = h.make(mount, ip4, strict, g)
	}
	if err != nil {
		h.claims.Release(key)
		return nil, nil, errors.Join(err, g.Close())
	}
	return rep, g, nil
}

// free makes sure that no other user has the home ip4: what an earlier helper
// left without a process is removed.
func (h *Homes) free(ip4 netip.Addr, mount string) error {
	if p, ok := h.own(ip4); ok {
		used, err := isPopulated(p.Path())
		if err != nil {
			return err
		}
		if used {
			return &TakenError{fmt.Sprintf("home %s: exists", ip4), h.uid}
		}
		// It was made, and no process came into it: the client starts again.
		if err := h.remove(p); err != nil {
			return err
		}
	}
	all, err := helperapi.Places(mount)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.IP4 != ip4 {
			continue
		}
		removed, err := removeIfLeft(p)
		if err != nil {
			return err
		}
		if !removed {
			return &TakenError{fmt.Sprintf("home %s: in use by user %d (%s)", ip4, p.UID, p.Path()), p.UID}
		}
	}
	return unused(ip4, h.uid)
}

// make makes a home at a free address, and puts its descriptors into g, also
// where it fails.
func (h *Homes) make(mount string, ip4 netip.Addr, strict bool, g *helperapi.Grant) (rep *helperapi.CreateHomeReply, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.base.open(mount, h.uid, h.shared); err != nil {
		return nil, err
	}
	p := h.base.place(ip4)
	defer func() {
		if err != nil {
			// The descriptors in g hold none of these cgroups.
			err = errors.Join(err, removePlace(context.Background(), p, false), h.closeIfEmpty())
		}
	}()
	if err := h.plant(p); err != nil {
		return nil, err
	}
	rep = &helperapi.CreateHomeReply{Path: p.Path(), IP4: ip4}
	in, err := openDir(g, helperapi.FileIn, filepath.Join(p.Path(), "in"))
	if err != nil {
		return nil, err
	}
	if _, err := openDir(g, helperapi.FileHome, p.Path()); err != nil {
		return nil, err
	}
	id, err := bpf.CgroupID(in)
	if err != nil {
		return nil, err
	}
	home := bpf.Home{IP4: ip4, IP6: loopback.Home6(ip4), Strict: strict, Netns: h.netns, UID: h.uid}
	if err := addAddress6(home.IP6); err != nil {
		// A machine without IPv6 has no IPv6-only sockets either.
		home.IP6, rep.IP6Reason = netip.Addr{}, err.Error()
	}
	rep.IP6 = home.IP6
	events, leases, err := h.base.hooks.Add(id, home)
	if err != nil {
		return nil, err
	}
	g.Add(helperapi.FileEvents, events)
	g.Add(helperapi.FileLeases, leases)
	migrate, err := h.base.hooks.Migrate()
	if err != nil {
		return nil, errors.Join(err, h.base.hooks.Remove(id))
	}
	g.Add(helperapi.FileMigrate, migrate)
	links, err := h.base.hooks.Links()
	if err != nil {
		return nil, errors.Join(err, h.base.hooks.Remove(id))
	}
	g.Add(helperapi.FileLink, links...)
	h.homes[ip4] = id
	return rep, nil
}

// openDir opens a cgroup for the client.
func openDir(g *helperapi.Grant, name, path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	g.Add(name, f)
	return f, nil
}

// plant makes the cgroups of a home, if the user may have one more.
func (h *Homes) plant(p helperapi.Place) error {
	h.shared.making.Lock()
	defer h.shared.making.Unlock()
	n, err := count(p.Mount, h.uid)
	if err != nil {
		return err
	}
	if n >= policy.UserHomes {
		return &TooManyError{h.uid}
	}
	return makeTree(p, h.uid, h.gid)
}
