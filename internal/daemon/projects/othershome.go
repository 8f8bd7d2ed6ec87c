package projects

import (
	"fmt"
	"net/netip"
	"os"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helperapi"
)

// othersHome reports whose home is at an address, if it is another user's.
func othersHome(ip netip.Addr) error {
	uid, ok := helperapi.HomeOf(ip)
	if !ok || uid == uint32(os.Geteuid()) {
		return nil
	}
	return fmt.Errorf("%s has a home at %s", helperconn.UserName(uid), ip)
}
