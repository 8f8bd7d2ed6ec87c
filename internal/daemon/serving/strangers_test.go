package serving

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/service"
)

func TestStrangers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	at := netip.MustParseAddrPort(ln.Addr().String())
	var s strangers
	know := func(owner loopback.Owner) {
		e := loopback.Endpoint{Protocol: loopback.TCP, IP: at.Addr(), Port: at.Port(), Owner: owner}
		s.know(names.New([]names.Project{{ID: "p", Name: "p", Label: "p", Services: []service.Status{{Name: "web", Endpoints: []loopback.Endpoint{e}}}}}))
	}
	if err := s.check(at); err != nil {
		t.Errorf("nothing is known: %v", err)
	}
	know(loopback.Owner{}) // an older keeper does not tell
	if err := s.check(at); err != nil {
		t.Errorf("the owner is not known: %v", err)
	}
	know(loopback.OwnedBy(uint32(os.Geteuid())))
	if err := s.check(at); err != nil {
		t.Errorf("the service's own: %v", err)
	}
	know(loopback.OwnedBy(uint32(os.Geteuid()) + 1))
	if err := s.check(at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("another user's: %v", err)
	}
	if err := s.check(netip.AddrPortFrom(at.Addr(), 1)); err != nil {
		t.Errorf("an address of no service: %v", err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}
