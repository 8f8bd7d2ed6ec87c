package helper

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"lodge/internal/helperapi"
	"lodge/internal/hosts"
	"lodge/internal/procfs"
)

// The domains of the names that go into the hosts file, so that nobody's name
// is hidden: one for testing (RFC 6761, section 6.2), whose names lead to
// homes, and localhost itself (section 6.3), which some resolvers know only
// without anything in front of it.
const (
	homeDomain  = ".test"
	localDomain = ".localhost"
)

// maxHosts bounds the lines that one client may have.
const maxHosts = 4096

// localhost4 is shared: every user's names below .localhost lead there.
func localhost4() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

// checkEntries refuses what is no list of names that any user may have.
func checkEntries(entries []hosts.Entry) error {
	if len(entries) > maxHosts {
		return fmt.Errorf("%d lines for the hosts file, more than %d", len(entries), maxHosts)
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

// setHosts replaces the client's names in the hosts file. A name has one owner,
// and leads to an address of that owner; names that would not are refused.
func (s *session) setHosts(ctx context.Context, entries []hosts.Entry) (refused []helperapi.Refusal, err error) {
	if s.options.HostsFile == "" {
		return nil, errors.New("this helper keeps no names in a hosts file")
	}
	if err := checkEntries(entries); err != nil {
		return nil, err
	}
	if s.hostsOwner == "" {
		if s.hostsOwner, err = hostsOwner(s.uid); err != nil {
			return nil, err
		}
	}
	var mine []hosts.Entry
	for _, e := range entries {
		ok, no := s.ownNames(e)
		refused = append(refused, no...)
		if len(ok.Names) > 0 {
			mine = append(mine, ok)
		}
	}
	err = hosts.File{Path: s.options.HostsFile}.Change(ctx, func(text []byte) ([]byte, error) {
		for _, owner := range hosts.Owners(text) {
			if !isStale(owner) {
				continue
			}
			if text, err = hosts.Set(text, owner, nil); err != nil {
				return nil, err
			}
		}
		var no []helperapi.Refusal
		mine, no = s.withoutOthers(text, mine)
		refused = append(refused, no...)
		return hosts.Set(text, s.hostsOwner, mine)
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
		now[addressKey(e.IP)] = true
		for _, n := range e.Names {
			now[nameKey(n)] = true
		}
	}
	for key := range s.names {
		if !now[key] {
			s.unclaim(key)
			delete(s.names, key)
		}
	}
	return refused, nil
}

func nameKey(n string) string { return "name " + n }

func addressKey(ip4 netip.Addr) string { return "address " + ip4.String() }

// ownNames claims the address and the names of an entry for this user, and
// gives what the user may have of it.
func (s *session) ownNames(e hosts.Entry) (ok hosts.Entry, refused []helperapi.Refusal) {
	ok.IP = e.IP
	if e.IP == localhost4() {
		ok.Names = e.Names
		return ok, nil
	}
	err := s.claimName(addressKey(e.IP), func() error { return s.freeAddress(e.IP) })
	for _, n := range e.Names {
		nerr := err
		if nerr == nil {
			nerr = s.claimName(nameKey(n), nil)
		}
		if nerr != nil {
			refused = append(refused, helperapi.Refusal{IP: e.IP, Name: n, Error: oneLine(nerr)})
			continue
		}
		ok.Names = append(ok.Names, n)
	}
	return ok, refused
}

// claimName claims what this session does not have yet, if check allows it.
func (s *session) claimName(key string, check func() error) error {
	if s.names[key] {
		return nil
	}
	if err := s.claim(key); err != nil {
		return err
	}
	if check != nil {
		if err := check(); err != nil {
			s.unclaim(key)
			return err
		}
	}
	s.names[key] = true
	return nil
}

// withoutOthers leaves out the names and addresses that the file already has
// from another helper's user, and the names that it has from a person.
func (s *session) withoutOthers(text []byte, entries []hosts.Entry) (out []hosts.Entry, refused []helperapi.Refusal) {
	type lead struct {
		owner string
		ip    netip.Addr
	}
	names, addresses := map[string]lead{}, map[netip.Addr]string{}
	hosts.Each(text, func(owner string, ip netip.Addr, list []string) {
		if owner == s.hostsOwner || s.isMine(owner) {
			return
		}
		if owner != "" {
			addresses[ip] = owner
		}
		for _, n := range list {
			n = strings.ToLower(strings.TrimSuffix(n, "."))
			if _, ok := names[n]; !ok {
				names[n] = lead{owner, ip}
			}
		}
	})
	for _, e := range entries {
		ok := hosts.Entry{IP: e.IP}
		for _, n := range e.Names {
			l, taken := names[n]
			other, used := addresses[e.IP]
			switch {
			case e.IP != localhost4() && used:
				refused = append(refused, helperapi.Refusal{IP: e.IP, Name: n, Error: "address " + e.IP.String() + " belongs to " + userOf(other)})
			case taken && e.IP == localhost4() && l.ip.IsLoopback():
				ok.Names = append(ok.Names, n)
			case taken && (l.ip != e.IP || l.owner != ""):
				refused = append(refused, helperapi.Refusal{IP: e.IP, Name: n, Error: "name " + n + " belongs to " + userOf(l.owner)})
			default:
				ok.Names = append(ok.Names, n)
			}
		}
		if len(ok.Names) > 0 {
			out = append(out, ok)
		}
	}
	return out, refused
}

// isMine reports whether a block is that of another client of the same user.
func (s *session) isMine(owner string) bool {
	uid, _, ok := strings.Cut(owner, "/")
	return ok && uid == strconv.FormatUint(uint64(s.uid), 10)
}

func userOf(owner string) string {
	if owner == "" {
		return "another line of the hosts file"
	}
	uid, _, _ := strings.Cut(owner, "/")
	return "user " + uid
}

// hostsOwner makes the mark of one client's block: its user, the helper's
// process, and what tells it from the other clients.
func hostsOwner(uid uint32) (string, error) {
	start, err := procfs.StartTime(os.Getpid())
	if err != nil {
		return "", err
	}
	var random [4]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%d/%d:%d/%s", uid, os.Getpid(), start, hex.EncodeToString(random[:])), nil
}

// dropHosts takes the client's names away again.
func (s *session) dropHosts() error {
	if s.hostsOwner == "" {
		return nil
	}
	return hosts.File{Path: s.options.HostsFile}.Set(s.hostsOwner, nil)
}

// isStale reports whether a block's helper was killed before it could remove it.
func isStale(owner string) bool {
	pid, start, ok := helperOf(owner)
	return ok && !procfs.Alive(pid, start)
}

// isOurs reports whether a block is one of this process.
func isOurs(owner string) bool {
	pid, _, ok := helperOf(owner)
	return ok && pid == os.Getpid()
}

// helperOf reads the helper's process out of a block's mark.
func helperOf(owner string) (pid int, start uint64, ok bool) {
	parts := strings.Split(owner, "/")
	if len(parts) != 3 {
		return 0, 0, false // not one of ours
	}
	p, st, ok := strings.Cut(parts[1], ":")
	pid, err := strconv.Atoi(p)
	start, serr := strconv.ParseUint(st, 10, 64)
	return pid, start, ok && err == nil && serr == nil
}
