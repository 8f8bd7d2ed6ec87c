package helper

import (
	"context"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// maxUserHomes bounds the homes of one user on the machine, those of its other
// sessions and of earlier helpers included.
const maxUserHomes = 256

// tooManyError says that a user has as many homes as one may have.
type tooManyError struct{ uid uint32 }

func (e *tooManyError) Error() string {
	return fmt.Sprintf("user %d has %d homes, the most that one user may have", e.uid, maxUserHomes)
}

// takenError says that somebody else has the address of a home.
type takenError struct {
	reason string
	owner  uint32
}

func (e *takenError) Error() string { return e.reason }

// free makes sure that nobody has the home ip4, and that this user may have
// one more: what an earlier helper left without a process is removed.
func (s *session) free(ip4 netip.Addr) error {
	if _, ok := s.homes[ip4]; ok {
		p := helperapi.Place{Mount: s.mount, Base: s.base, UID: s.uid, IP4: ip4}
		used, err := isPopulated(p.Path())
		if err != nil {
			return err
		}
		if used {
			return &takenError{fmt.Sprintf("home %s: exists", ip4), s.uid}
		}
		// It was made, and nothing came into it: the client starts again.
		if err := s.removeHome(context.Background(), p.Path(), false); err != nil {
			return err
		}
	}
	all, err := helperapi.Places(s.mount)
	if err != nil {
		return err
	}
	mine := 0
	for _, p := range all {
		if p.UID == s.uid {
			mine++
		}
		if p.IP4 != ip4 {
			continue
		}
		removed, err := removeIfLeft(p)
		if err != nil {
			return err
		}
		if !removed {
			return &takenError{fmt.Sprintf("home %s: in use by user %d (%s)", ip4, p.UID, p.Path()), p.UID}
		}
		if p.UID == s.uid {
			mine--
		}
	}
	if mine >= maxUserHomes {
		return &tooManyError{s.uid}
	}
	return s.unused(ip4)
}

// freeAddress makes sure that names of this user may lead to ip4: no other user
// has a home there or listens there. A home of the engine ebpf is known to the
// helper; one of another engine is only an address.
func (s *session) freeAddress(ip4 netip.Addr) error {
	if err := s.findMount(); err == nil { // without cgroups nobody has such a home
		all, err := helperapi.Places(s.mount)
		if err != nil {
			return err
		}
		found := false
		for _, p := range all {
			if p.IP4 == ip4 && p.UID != s.uid {
				return &notYoursError{"address " + ip4.String(), p.UID}
			}
			found = found || p.IP4 == ip4
		}
		if found {
			return nil
		}
	}
	return s.unused(ip4)
}

// unused makes sure that no other user's server is at ip4.
func (s *session) unused(ip4 netip.Addr) error {
	conn, err := diag.Open()
	if err != nil {
		return nil // a machine that does not tell
	}
	defer func() { _ = conn.Close() }() // only read from
	for _, q := range []struct {
		protocol loopback.Protocol
		family   int
		states   uint32
	}{
		{loopback.TCP, unix.AF_INET, diag.Listening},
		{loopback.TCP, unix.AF_INET6, diag.Listening},
		{loopback.UDP, unix.AF_INET, 1 << diag.StateClose},
		{loopback.UDP, unix.AF_INET6, 1 << diag.StateClose},
	} {
		list, err := conn.Dump(q.protocol, q.family, q.states)
		if err != nil {
			continue // a kernel that does not tell, or a table that changes too fast
		}
		for _, k := range list {
			if k.Src.Addr().Unmap() == ip4 && k.UID != s.uid {
				return &takenError{fmt.Sprintf("home %s: user %d listens on %s", ip4, k.UID, k.Src), k.UID}
			}
		}
	}
	return nil
}
