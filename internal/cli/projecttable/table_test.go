package projecttable

import (
	"net/netip"
	"testing"

	"lodge/internal/loopback"
)

func TestPorts(t *testing.T) {
	ep := func(proto loopback.Protocol, ip string, port uint16) loopback.Endpoint {
		return loopback.Endpoint{Protocol: proto, IP: netip.MustParseAddr(ip), Port: port}
	}
	for _, c := range []struct {
		eps  []loopback.Endpoint
		want string
	}{
		{nil, "-"},
		{[]loopback.Endpoint{ep(loopback.TCP, "127.83.1.2", 8000)}, "8000"},
		{[]loopback.Endpoint{ep(loopback.UDP, "127.83.1.2", 53)}, "53/udp"},
		{[]loopback.Endpoint{
			ep(loopback.UDP, "127.83.1.2", 53), ep(loopback.TCP, "::1", 8000), ep(loopback.TCP, "127.83.1.2", 443),
			ep(loopback.TCP, "127.83.1.2", 8000), ep(loopback.TCP, "127.83.1.2", 53),
		}, "53,443,8000,53/udp"},
	} {
		if got := ports(c.eps); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
