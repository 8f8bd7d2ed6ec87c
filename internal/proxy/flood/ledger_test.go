package flood

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// addressed is a connection between two addresses, and nothing else.
type addressed struct {
	net.Conn
	remote, local netip.AddrPort
}

func (a addressed) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(a.remote) }
func (a addressed) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(a.local) }

func testLedger(client func(_, _ netip.AddrPort) (string, bool)) *Ledger {
	return NewLedger(client, 8192, time.Hour)
}

// TestWhoIsAClient: an address of the network, half of one of IPv6, and on this
// machine what the caller says.
func TestWhoIsAClient(t *testing.T) {
	l := testLedger(func(client, server netip.AddrPort) (string, bool) {
		return fmt.Sprint(client, server), client.Port() != 9
	})
	of := func(remote string) *Account {
		return l.accountOf(addressed{remote: netip.MustParseAddrPort(remote), local: netip.MustParseAddrPort("127.0.0.1:443")})
	}
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"[2001:db8::1]:1", "[2001:db8::2:3:4]:2", true},
		{"[fe80::1%eth0]:1", "[fe80::2%eth0]:2", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"127.0.0.1:1", "127.0.0.1:2", false},
	} {
		if got := of(c.one) == of(c.other); got != c.same {
			t.Errorf("%s and %s are one client: %v", c.one, c.other, got)
		}
	}
	if of("127.0.0.1:9") != nil || of("[::1]:9") != nil {
		t.Error("a client that is not known has an account")
	}
}

// TestPenalty: a client that flooded is let in one after the other with a small
// budget, for as long as it is remembered, and no other is.
func TestPenalty(t *testing.T) {
	l := testLedger(nil)
	of := func(ip string) *Account {
		return l.accountOf(addressed{remote: netip.AddrPortFrom(netip.MustParseAddr(ip), 1)})
	}
	bad, good := of("192.0.2.1"), of("192.0.2.2")
	for l.charge(bad, l.step()) {
	}
	now := time.Now()
	if got := l.turn(good, now); got != 0 {
		t.Errorf("another client waits %v", got)
	}
	if a, b := l.connBudget(bad), l.connBudget(good); a.burst >= b.burst {
		t.Errorf("its budget is %v, another's %v", a.burst, b.burst)
	}
	for i := range 31 {
		if got, want := l.turn(bad, now), time.Duration(i)*admitEvery; got != want {
			t.Errorf("connection %d waits %v, want %v", i, got, want)
		}
	}
	if got := l.turn(bad, now); got <= admitMost {
		t.Errorf("connection 32 waits %v", got)
	}
	if got := l.turn(bad, now.Add(2*l.penalty)); got != 0 {
		t.Errorf("later it waits %v", got)
	}
	if l.watching.Load() == 0 {
		t.Error("new connections are not looked at")
	}
}

// TestUnknownClients: those that are not known are never refused for others,
// and make the ledger ask.
func TestUnknownClients(t *testing.T) {
	l := testLedger(nil)
	for range 10 * clientShare * 16 {
		if !l.charge(nil, l.step()) {
			t.Fatal("refused")
		}
	}
	if l.watching.Load() == 0 {
		t.Error("new connections are not looked at")
	}
}

// TestAccountsAreBounded: penalised clients are kept for longest.
func TestAccountsAreBounded(t *testing.T) {
	l := testLedger(nil)
	of := func(i int) *Account {
		ip := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
		return l.accountOf(addressed{remote: netip.AddrPortFrom(ip, 1)})
	}
	bad := of(0)
	l.penalise(bad)
	for i := range 3 * maxAccounts {
		of(i + 1)
	}
	if len(l.accounts) > maxAccounts {
		t.Errorf("%d clients are remembered", len(l.accounts))
	}
	if of(0) != bad {
		t.Error("the penalised one was forgotten")
	}
}
