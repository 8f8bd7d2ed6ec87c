package diag

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// A module can be missing, and come later.
func TestModuleMissing(t *testing.T) {
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Settle(nil) || c.Why(ProtoUDP) != nil {
		t.Skip("needs sock_diag")
	}
	u, err := net.ListenPacket("udp4", "127.83.9.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	at := netip.MustParseAddrPort(u.LocalAddr().String())
	ask := func() Socket {
		t.Helper()
		s, found, err := c.Lookup(loopback.UDP, at)
		if err != nil || !found || s.Src != at {
			t.Fatalf("%+v %v %v", s, found, err)
		}
		return s
	}
	c.diag[tableUDP] = diagState{missing: noModule(tableUDP), next: time.Now().AddDate(100, 0, 0)}
	if s := ask(); !s.FromProc {
		t.Errorf("from sock_diag: %+v", s)
	}
	if list, err := c.Dump(loopback.TCP, unix.AF_INET, Listening); err != nil || slices.ContainsFunc(list, func(s Socket) bool { return s.FromProc }) {
		t.Errorf("TCP from /proc/net: %v", err)
	}
	c.diag[tableUDP].next = c.diag[tableUDP].next.AddDate(-200, 0, 0)
	if s := ask(); s.FromProc || s.Cookie == 0 {
		t.Errorf("the module was not asked again: %+v", s)
	}
}

func TestSources(t *testing.T) {
	list, err := Sources()
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, s := range list {
		if (s.Missing == nil) != (s.Hint() == "") || s.Unreadable != nil || s.Lost() == "" {
			t.Errorf("%+v: hint %q", s, s.Hint())
		}
	}
	s := Source{Protocol: loopback.TCP, Module: "tcp_diag", Missing: noModule(tableTCP)}
	if h := s.Hint(); !strings.Contains(h, "modprobe tcp_diag") || !strings.Contains(h, "CONFIG_INET_DIAG") {
		t.Errorf("hint %q", h)
	}
}
