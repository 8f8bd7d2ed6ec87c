// Package hostnames keeps the names of clients in a hosts file: below .test,
// where a name leads to a home, and below .localhost. A name has one owner, and
// leads to an address of that owner.
//
// Each session has a block of lines of its own, which is marked with its user
// and the helper's process, so that a later helper finds what a killed one left.
package hostnames

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"lodge/internal/helper/claims"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/hosts"
)

// Names are the names of one session in the hosts file. Its methods are called
// by one goroutine at a time.
type Names struct {
	file   string
	uid    uint32
	claims *claims.Holder
	// check reports why no name of this user may lead to an address, or nil.
	check func(netip.Addr) error
	// owner is the mark of the session's block, or "" where it has none.
	owner string
	// have are the keys of the names and addresses that the session has there.
	have map[string]bool
}

// New returns a session of the user uid without names. file is the hosts file,
// or "" for none; check reports why no name of the user may lead to an address,
// or nil.
func New(file string, uid uint32, c *claims.Holder, check func(netip.Addr) error) *Names {
	return &Names{file: file, uid: uid, claims: c, check: check, have: map[string]bool{}}
}

// Empty reports whether the session has written nothing.
func (n *Names) Empty() bool { return n.owner == "" }

// The domains of the names that go into the hosts file, so that no other
// name is hidden: one for testing (RFC 6761, section 6.2), whose names lead to
// homes, and localhost itself (section 6.3), which some resolvers know only
// without anything in front of it.
const (
	homeDomain  = ".test"
	localDomain = ".localhost"
)

// localhost4 is shared: every user's names below .localhost lead there.
func localhost4() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

// checkEntries refuses what is no list of names that any user may have.
func checkEntries(entries []hosts.Entry) error {
	if len(entries) > policy.HostsLines {
		return fmt.Errorf("%d lines for the hosts file, more than %d", len(entries), policy.HostsLines)
	}
	for _, e := range entries {
		domain := localDomain
		if e.IP != localhost4() {
			domain = homeDomain
			if err := helperapi.CheckHome(e.IP); err != nil {
				return err
			}
		}
		for _, n := range e.Names {
			if !strings.HasSuffix(n, domain) {
				return fmt.Errorf("name %q of %s: not below %s", n, e.IP, domain)
			}
		}
		if err := e.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Set replaces the session's names in the hosts file. Names that another user
// has, or that would lead to an address of another user, are refused. Where ctx
// ends before the file is changed, it stays as it was.
func (n *Names) Set(ctx context.Context, entries []hosts.Entry) (refused []helperapi.Refusal, err error) {
	if n.file == "" {
		return nil, errors.New("this helper keeps no names in a hosts file")
	}
	if err := checkEntries(entries); err != nil {
		return nil, err
	}
	if n.owner == "" {
		if n.owner, err = newOwner(n.uid); err != nil {
			return nil, err
		}
	}
	var mine []hosts.Entry
	for _, e := range entries {
		ok, no := n.ownNames(e)
		refused = append(refused, no...)
		if len(ok.Names) > 0 {
			mine = append(mine, ok)
		}
	}
	err = hosts.File{Path: n.file}.Change(ctx, func(text []byte) ([]byte, error) {
		for _, owner := range hosts.Owners(text) {
			if !IsStale(owner) {
				continue
			}
			if text, err = hosts.Set(text, owner, nil); err != nil {
				return nil, err
			}
		}
		var no []helperapi.Refusal
		mine, no = n.withoutOthers(text, mine)
		refused = append(refused, no...)
		return hosts.Set(text, n.owner, mine)
	})
	if err != nil {
		return nil, err
	}
	// What this list has no more is free for others.
	now := map[string]bool{}
	for _, e := range mine {
		if e.IP == localhost4() {
			continue
		}
		now[claims.Address(e.IP)] = true
		for _, name := range e.Names {
			now[claims.Name(name)] = true
		}
	}
	for key := range n.have {
		if !now[key] {
			n.claims.Release(key)
			delete(n.have, key)
		}
	}
	return refused, nil
}

// ownNames claims the address and the names of an entry for this user, and
// returns what the user may have of it.
func (n *Names) ownNames(e hosts.Entry) (ok hosts.Entry, refused []helperapi.Refusal) {
	ok.IP = e.IP
	if e.IP == localhost4() {
		ok.Names = e.Names
		return ok, nil
	}
	err := n.claimName(claims.Address(e.IP), func() error { return n.check(e.IP) })
	for _, name := range e.Names {
		nerr := err
		if nerr == nil {
			nerr = n.claimName(claims.Name(name), nil)
		}
		if nerr != nil {
			refused = append(refused, helperapi.Refusal{IP: e.IP, Name: name, Error: helperapi.OneLine(nerr)})
			continue
		}
		ok.Names = append(ok.Names, name)
	}
	return ok, refused
}

// claimName claims what this session does not have yet, if check allows it.
func (n *Names) claimName(key string, check func() error) error {
	if n.have[key] {
		return nil
	}
	if err := n.claims.Take(key); err != nil {
		return err
	}
	if check != nil {
		if err := check(); err != nil {
			n.claims.Release(key)
			return err
		}
	}
	n.have[key] = true
	return nil
}

// withoutOthers leaves out the names and addresses that the file already has
// from another helper's user, and the names that it has from a person.
func (n *Names) withoutOthers(text []byte, entries []hosts.Entry) (out []hosts.Entry, refused []helperapi.Refusal) {
	type lead struct {
		owner string
		ip    netip.Addr
	}
	names, addresses := map[string]lead{}, map[netip.Addr]string{}
	hosts.Each(text, func(owner string, ip netip.Addr, list []string) {
		if owner == n.owner || n.isMine(owner) {
			return
		}
		if owner != "" {
			addresses[ip] = owner
		}
		for _, name := range list {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			if _, ok := names[name]; !ok {
				names[name] = lead{owner, ip}
			}
		}
	})
	for _, e := range entries {
		ok := hosts.Entry{IP: e.IP}
		for _, name := range e.Names {
			l, taken := names[name]
			other, used := addresses[e.IP]
			switch {
			case e.IP != localhost4() && used:
				refused = append(refused, helperapi.Refusal{IP: e.IP, Name: name, Error: "address " + e.IP.String() + " belongs to " + userOf(other)})
			case taken && e.IP == localhost4() && l.ip.IsLoopback():
				ok.Names = append(ok.Names, name)
			case taken && (l.ip != e.IP || l.owner != ""):
				refused = append(refused, helperapi.Refusal{IP: e.IP, Name: name, Error: "name " + name + " belongs to " + userOf(l.owner)})
			default:
				ok.Names = append(ok.Names, name)
			}
		}
		if len(ok.Names) > 0 {
			out = append(out, ok)
		}
	}
	return out, refused
}

// Drop takes the session's names away again.
func (n *Names) Drop() error {
	if n.owner == "" {
		return nil
	}
	return hosts.File{Path: n.file}.Set(n.owner, nil)
}
