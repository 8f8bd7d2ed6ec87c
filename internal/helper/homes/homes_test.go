package homes

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	"lodge/internal/helper/claims"
	"lodge/internal/helperapi"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes cgroups and loads eBPF programs")
	}
}

// session returns a session of the user uid, which ends with the test.
func session(t *testing.T, uid uint32, table *claims.Table, shared *Shared) *Homes {
	t.Helper()
	h := New(uid, uid, 0, table.Holder(uid), shared)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func create(t *testing.T, h *Homes, ip4 netip.Addr) *helperapi.CreateHomeReply {
	t.Helper()
	rep, g, err := h.Create(t.Context(), ip4, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	return rep
}

func TestSweepAddresses(t *testing.T) {
	needRoot(t)
	ip6 := netip.MustParseAddr("fd6c:6f64:6765::7f7f:fe63")
	if err := addAddress6(ip6); err != nil {
		t.Skip("no IPv6: " + err.Error())
	}
	table, shared := claims.New(), new(Shared)
	home := create(t, session(t, 65534, table, shared), netip.MustParseAddr("127.127.253.3"))
	swept, err := session(t, 0, table, shared).Sweep()
	if err != nil {
		t.Fatal(err)
	}
	all, err := homeAddresses6()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(all, ip6) {
		t.Errorf("%s is left; swept %+v", ip6, swept)
	}
	if !slices.Contains(all, home.IP6) {
		t.Errorf("the address of a home in use was swept: %+v", swept)
	}
	if slices.Contains(swept.Homes, home.Path) {
		t.Error("an empty home of a session that lives was swept")
	}
}

// Homes of one session are made, entered into the hooks and removed at the same
// time at several addresses: all of them are there, then none.
func TestHomesAtTheSameTime(t *testing.T) {
	needRoot(t)
	h := session(t, 65534, claims.New(), new(Shared))
	var all sync.WaitGroup
	for i := range byte(8) {
		all.Go(func() {
			ip4 := netip.AddrFrom4([4]byte{127, 127, 253, 10 + i})
			for range 3 {
				rep, g, err := h.Create(t.Context(), ip4, i%2 == 0)
				if err != nil {
					t.Error(err)
					return
				}
				if g.Len() < 10 {
					t.Errorf("%d descriptors", g.Len())
				}
				_, err = os.Stat(rep.Path)
				if err = errors.Join(err, g.Close(), h.Remove(t.Context(), rep.Path, true)); err != nil {
					t.Error(err)
				}
				if _, err := os.Stat(rep.Path); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("after it was removed: %v", err)
				}
			}
		})
	}
	all.Wait()
	if !h.Empty() || h.base.hooks != nil || !h.claims.Empty() {
		t.Errorf("left: %v, %v", h.homes, h.base)
	}
}

func TestKey(t *testing.T) {
	uid, ip4, ok := Key("/m/lodge-1000-0a1b2c3d/home-127.83.20.7")
	if !ok || uid != 1000 || ip4.String() != "127.83.20.7" {
		t.Errorf("%d, %s, %v", uid, ip4, ok)
	}
	for _, bad := range []string{"", "/", "x", "/m/lodge-1000-0a1b2c3d/home-127.83.20.7/in", "/m/../lodge-1000-ab/home-127.83.20.7"} {
		if _, _, ok := Key(bad); ok {
			t.Errorf("%q", bad)
		}
	}
}
