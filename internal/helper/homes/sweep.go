package homes

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/loopback"
)

// sweep removes what earlier helpers left: see [Homes.Sweep].
func sweep(mount string, uid uint32, shared *Shared) (*helperapi.Swept, error) {
	out := &helperapi.Swept{}
	all, err := helperapi.Places(mount)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if !policy.Allows(helperapi.OpSweep, uid, p.UID) {
			continue
		}
		removed, err := removeIfLeft(p)
		if err != nil {
			return nil, err
		}
		if removed {
			out.Homes = append(out.Homes, p.Path())
		}
	}
	if err := sweepBases(mount, uid, shared); err != nil {
		return nil, err
	}
	out.Addresses, err = sweepAddresses(mount)
	return out, err
}

// sweepBases removes the bases that have no home and no helper.
func sweepBases(mount string, uid uint32, shared *Shared) error {
	shared.making.Lock()
	defer shared.making.Unlock()
	entries, err := os.ReadDir(mount)
	if err != nil {
		return fmt.Errorf("list homes: %w", err)
	}
	for _, e := range entries {
		owner, ok := helperapi.ParseBase(e.Name())
		if !ok || !policy.Allows(helperapi.OpSweep, uid, owner) {
			continue
		}
		if err := dropBase(filepath.Join(mount, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func sweepAddresses(mount string) ([]netip.Addr, error) {
	// The addresses are listed first: one that is added after its home was
	// made is then never taken for a leftover.
	addresses, err := homeAddresses6()
	if err != nil || len(addresses) == 0 {
		return nil, err
	}
	all, err := helperapi.Places(mount)
	if err != nil {
		return nil, err
	}
	homes := map[netip.Addr]bool{}
	for _, p := range all {
		homes[loopback.Home6(p.IP4)] = true
	}
	var removed []netip.Addr
	for _, a := range addresses {
		if homes[a] {
			continue
		}
		if err := removeAddress6(a); err != nil {
			return removed, err
		}
		removed = append(removed, a)
	}
	return removed, nil
}
