package ebpfhome

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Programs inside are led to sockets of the home, whoever their user is, and to
// those of its user at its address; to another user's they are not.
func TestAnotherUsersServer(t *testing.T) {
	const mallory = 65533
	c := spawn(t)
	for _, isolation := range both {
		h := newHome(t, c, isolation)
		client, own := puppetIn(t, h, "web"), puppetIn(t, h, "db")
		same, other := outside(t), outside(t)
		for _, p := range []*puppet{own, other} {
			p.ok(order{Op: "setuid", Value: mallory})
		}
		for i, network := range []string{"tcp4", "tcp6only", "udp4", "udp6only"} {
			family, typ := familyOf(network)
			local, there := fmt.Sprintf("127.0.0.1:%d", 24720+i), fmt.Sprintf("%s:%d", h.spec.IP4, 24720+i)
			if family == unix.AF_INET6 {
				local, there = fmt.Sprintf("[::1]:%d", 24720+i), fmt.Sprintf("[%s]:%d", h.spec.IP6, 24720+i)
			}
			for _, tc := range []struct {
				who    string
				server *puppet
				at     string
				led    bool
			}{
				{"a program of the home with another user", own, local, true},
				{"a server outside of the home's user", same, there, true},
				{"another user's server", other, there, false},
			} {
				fd := tc.server.mustServe(network, tc.at)
				if got := arrives(client, tc.server, fd, family, typ, local); got != tc.led {
					t.Errorf("%s: %s: led to %s: %v", isolation, network, tc.who, got)
				}
				tc.server.close(fd)
			}
		}
	}
}

// arrives reports whether what a client sends, connected and not, comes to the
// server's socket fd. Nobody else listens at that port.
func arrives(client, server *puppet, fd, family, typ int, to string) bool {
	client.t.Helper()
	s := client.socket(family, typ)
	defer client.close(s)
	r := client.connect(s, family, to)
	if typ == unix.SOCK_STREAM {
		if r.Err != "" && r.Err != "ECONNREFUSED" {
			client.t.Errorf("connect: %s", r.Err)
		}
		return r.Err == ""
	}
	client.do(order{Op: "send", FD: s, Data: "connected"}) // refused where nobody is
	loose := client.socket(family, typ)
	defer client.close(loose)
	client.do(order{Op: "sendto", FD: loose, Family: family, Addr: netip.MustParseAddrPort(to), Data: "loose"})
	first, second := server.do(order{Op: "recvnow", FD: fd}), server.do(order{Op: "recvnow", FD: fd})
	if (first.Data == "") != (second.Data == "") {
		client.t.Errorf("it reads %q and %q", first.Data, second.Data)
	}
	return first.Data != ""
}
