package sockets

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

func allScopes() []loopback.Scope {
	return []loopback.Scope{loopback.ScopeLoopback, loopback.ScopeHome, loopback.ScopeLAN, loopback.ScopeContainer, loopback.ScopeLinkLocal, loopback.ScopeAll, loopback.ScopeMulticast}
}

// runFilter is what the kernel does (net/ipv4/inet_diag.c, inet_diag_bc_run), with
// the checks of inet_diag_bc_audit.
func runFilter(t interface{ Fatalf(string, ...any) }, code []byte, r *diag.Record) bool {
	at := 0
	for at < len(code) {
		op := code[at]
		yes, no := int(code[at+1]), int(binary.NativeEndian.Uint16(code[at+2:]))
		if yes < 4 || yes%4 != 0 || no < 4 || no%4 != 0 || at+no > len(code)+4 {
			t.Fatalf("bad jump at %d: yes %d, no %d of %d", at, yes, no, len(code))
		}
		ok := true
		switch op {
		case 1: // INET_DIAG_BC_JMP
			ok = false
		case 7, 8: // INET_DIAG_BC_S_COND, INET_DIAG_BC_D_COND
			ip, port := &r.Local, r.LocalPort
			if op == 8 {
				ip, port = &r.Remote, r.RemotePort
			}
			family, bits := code[at+4], int(code[at+5])
			want := int32(binary.NativeEndian.Uint32(code[at+8:]))
			ok = want == -1 || want == int32(port)
			switch {
			case family == unix.AF_INET && netip.AddrFrom16(*ip).Is4In6():
				ok = ok && netip.PrefixFrom(netip.AddrFrom4([4]byte(code[at+12:at+16])), bits).Contains(netip.AddrFrom4([4]byte(ip[12:])))
			case family == unix.AF_INET6 && r.Family == unix.AF_INET6:
				ok = ok && netip.PrefixFrom(netip.AddrFrom16([16]byte(code[at+12:at+28])), bits).Contains(netip.AddrFrom16(*ip))
			case family != unix.AF_UNSPEC:
				ok = false
			}
		default:
			t.Fatalf("operation %d at %d", op, at)
		}
		if ok {
			at += yes
		} else {
			at += no
		}
	}
	return at == len(code)
}

func TestCompileBytes(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are a little-endian machine's")
	}
	for _, test := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"nothing", Filter{}, ""},
		{"one port", Filter{Ports: []uint16{5432}}, "070c1000" + "0000000038150000" + "01041000" + "080c1000" + "0000000038150000"},
		{"port and address", Filter{Ports: []uint16{80}, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
			"070c1000" + "0000000050000000" + "01041000" + "080c3400" + "0000000050000000" +
				"07101400" + "02200000ffffffff7f000001" + "01041400" + "08101400" + "02200000ffffffff7f000001"},
	} {
		if got := hex.EncodeToString(test.filter.bytecode()); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
	var many Filter
	for p := range 60000 {
		many.Ports = append(many.Ports, uint16(p))
	}
	if got := many.bytecode(); got != nil {
		t.Errorf("%d bytes for too many ports", len(got))
	}
}

// The filter takes at least what matchSocket takes, for any socket.
func TestBytecodeLeavesNothingOut(t *testing.T) {
	ip := rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.MustParseAddr(rapid.SampledFrom([]string{"127.0.0.1", "127.83.1.1", "10.1.2.3", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "fe80::1", "2001:db8::1", "224.0.0.1", "169.254.0.9"}).Draw(t, "ip"))
	})
	port := rapid.SampledFrom([]uint16{0, 22, 80, 5432, 65535})
	rapid.Check(t, func(t *rapid.T) {
		r := diag.Record{Proto: diag.ProtoTCP, State: diag.StateEstablished, LocalPort: port.Draw(t, "lp"), RemotePort: port.Draw(t, "rp")}
		a, b := ip.Draw(t, "local"), ip.Draw(t, "remote")
		r.Family = unix.AF_INET6
		if a.Is4() && b.Is4() {
			r.Family = unix.AF_INET
		}
		r.Local, r.Remote = a.As16(), b.As16()
		var q Query
		q.Filter.Ports = rapid.SliceOfN(port, 0, 3).Draw(t, "ports")
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			x := ip.Draw(t, "prefix")
			q.Filter.Addresses = append(q.Filter.Addresses, netip.PrefixFrom(x, rapid.IntRange(0, x.BitLen()).Draw(t, "bits")))
		}
		q.Filter.Scopes = rapid.SliceOfN(rapid.SampledFrom(allScopes()), 0, 2).Draw(t, "scopes")
		s := &Snapshot{spaces: make([]space, 1)}
		if code := q.Filter.bytecode(); q.matchSocket(s, &r) && !runFilter(t, code, &r) {
			t.Fatalf("%v %v: left out by %x", a, b, code)
		}
	})
}
