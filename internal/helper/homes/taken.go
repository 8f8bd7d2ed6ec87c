package homes

import (
	"fmt"
	"net/netip"

	"lodge/internal/helper/claims"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/procfs"
	"lodge/internal/sockets/diag"
)

// TooManyError reports that a user has as many homes as one may have.
type TooManyError struct{ UID uint32 }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("user %d has %d homes, the most that one user may have", e.UID, policy.UserHomes)
}

// TakenError reports that the address of a home is in use, and by which user.
type TakenError struct {
	Reason string
	Owner  uint32
}

func (e *TakenError) Error() string { return e.Reason }

// count returns how many homes of a user there are.
func count(mount string, uid uint32) (n int, err error) {
	all, err := helperapi.Places(mount)
	for _, p := range all {
		if p.UID == uid {
			n++
		}
	}
	return n, err
}

// CheckAddress makes sure that names of the user uid may lead to ip4: no other
// user has a home there or listens there. A home of the engine ebpf is known to
// the helper; one of another engine is only an address.
func CheckAddress(ip4 netip.Addr, uid uint32) error {
	if mount, err := procfs.CgroupMount(); err == nil { // without cgroups there is no such home
		all, err := helperapi.Places(mount)
		if err != nil {
			return err
		}
		found := false
		for _, p := range all {
			if p.IP4 == ip4 && p.UID != uid {
				return &policy.NotYoursError{What: claims.Address(ip4), Owner: p.UID}
			}
			found = found || p.IP4 == ip4
		}
		if found {
			return nil
		}
	}
	return unused(ip4, uid)
}

// unused makes sure that no other user's server is at ip4.
func unused(ip4 netip.Addr, uid uint32) error {
	conn, err := diag.Open()
	if err != nil {
		return nil // a machine that does not tell
	}
	defer func() { _ = conn.Close() }() // only read from
	for _, q := range diag.Servers() {
		list, err := conn.Dump(q.Protocol, q.Family, q.States)
		if err != nil {
			continue // a kernel that does not tell, or a table that changes too fast
		}
		for _, k := range list {
			if k.Src.Addr().Unmap() == ip4 && k.UID != uid {
				return &TakenError{fmt.Sprintf("home %s: user %d listens on %s", ip4, k.UID, k.Src), k.UID}
			}
		}
	}
	return nil
}
