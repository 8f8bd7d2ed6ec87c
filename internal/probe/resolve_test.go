package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/probe/answer"
	"lodge/internal/probe/answer/samples"
)

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// world is a network of a test's. Nothing leaves it.
func world(dialed *atomic.Int64, lookup ...string) Network {
	return Network{
		Lookup: func(context.Context, string) ([]netip.Addr, error) { return addrs(lookup...), nil },
		Own:    func() ([]netip.Addr, error) { return addrs("127.0.0.1", "::1", "192.168.7.2", "fe80::2"), nil },
		Dial: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
			dialed.Add(1)
			return nil, errors.New("a connection was made")
		},
	}
}

// TestNotThisMachine holds that nothing is sent to an address that is not this
// machine's, in any mode, also where a name has one among others.
func TestNotThisMachine(t *testing.T) {
	for _, c := range []struct {
		name   string
		lookup []string
		want   string // "" for allowed
	}{
		{"web.test", []string{"127.0.0.1"}, ""},
		{"web.test", []string{"127.83.20.7", "::1", "0.0.0.0", "::"}, ""},
		{"web.test", []string{"::ffff:127.0.0.1"}, ""},
		{"web.test", []string{"192.168.7.2"}, ""},
		{"web.test", []string{"192.168.7.3"}, "web.test is not this machine: it is 192.168.7.3"},
		{"web.test", []string{"127.0.0.1", "192.0.2.1"}, "web.test is not this machine: it is 192.0.2.1"},
		{"web.test", []string{"::ffff:192.0.2.1"}, "web.test is not this machine: it is 192.0.2.1"},
		{"192.0.2.1", nil, "192.0.2.1 is not this machine"},
		{"8.8.8.8", nil, "8.8.8.8 is not this machine"},
		{"::ffff:8.8.8.8", nil, "::ffff:8.8.8.8 is not this machine: it is 8.8.8.8"},
		{"2001:db8::1", nil, "2001:db8::1 is not this machine"},
		{"fe80::3%lo", nil, "fe80::3%lo is not this machine"},
		{"224.0.0.1", nil, "224.0.0.1 is not this machine"},
		{"255.255.255.255", nil, "255.255.255.255 is not this machine"},
	} {
		var dialed atomic.Int64
		target := Target{Text: c.name, Host: c.name, Port: 80}
		opts := Options{Network: world(&dialed, c.lookup...)}
		_, err := One(t.Context(), target, opts)
		_, errLoad := NewLoad(t.Context(), target, LoadOptions{Options: opts, Mode: ModeConnect})
		opts.UDP = true
		_, errUDP := One(t.Context(), target, opts)
		for _, err := range []error{err, errLoad, errUDP} {
			var remote *Remote
			if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &remote) || err.Error() != c.want) {
				t.Errorf("%s %v: %v, want %q", c.name, c.lookup, err, c.want)
			}
		}
		if n := dialed.Load(); (n > 0) != (c.want == "") {
			t.Errorf("%s %v: %d connections", c.name, c.lookup, n)
		}
		opts.Remote, opts.UDP = true, false
		dialed.Store(0)
		if _, err := One(t.Context(), target, opts); err != nil || dialed.Load() == 0 {
			t.Errorf("%s %v, allowed: %v, %d connections", c.name, c.lookup, err, dialed.Load())
		}
	}
}

func TestNames(t *testing.T) {
	ctx := t.Context()
	for _, name := range []string{"localhost", "web.shop.localhost", "LOCALHOST.", "a.b.c.localhost."} {
		ips, err := systemLookup(ctx, name)
		if err != nil || len(ips) == 0 {
			t.Fatalf("%s: %v, %v", name, ips, err)
		}
		for _, ip := range ips {
			if !ip.Unmap().IsLoopback() {
				t.Errorf("%s: %v", name, ips)
			}
		}
	}
	for name, is := range map[string]bool{"localhost": true, "x.localhost": true, "localhost.test": false, "notlocalhost": false, "": false} {
		if isLocalhostName(name) != is {
			t.Error(name)
		}
	}
	own, err := interfaceAddresses()
	if err != nil || len(own) == 0 {
		t.Errorf("%v, %v", own, err)
	}
	none := Network{Lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, nil }}
	if _, err := none.resolve(ctx, Target{Host: "x.test"}, false); err == nil || !strings.Contains(err.Error(), "the name has no address") {
		t.Error(err)
	}
	gone := Network{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "x", IsNotFound: true}
	}}
	if _, err := gone.resolve(ctx, Target{Host: "x.test"}, false); err == nil || err.Error() != "find x.test: no such name" {
		t.Error(err)
	}
}

// TestEachAddressIsTried has a name with two addresses of which one listens:
// both are reported, and only the one is asked.
func TestEachAddressIsTried(t *testing.T) {
	f := serve(t, script("SSH-2.0-x\r\n"))
	n := Network{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return addrs("127.9.9.9", "127.0.0.1", "127.0.0.1"), nil
	}}
	target := Target{Text: "x.test", Host: "x.test", Port: f.addr.Port()}
	r := find(t, target, Options{Network: n})
	if r.IP != f.addr.Addr() || r.Answer == nil || len(r.Addresses) != 2 || r.Addresses[0].Result != "refused" || r.Addresses[1].Result != "connected" || r.Addresses[0].Family != "ipv4" {
		t.Errorf("%+v", r)
	}
	if got := f.connections.Load(); got != 1 {
		t.Errorf("%d connections", got)
	}
	l, err := NewLoad(t.Context(), target, LoadOptions{Options: Options{Network: n}, Mode: ModeConnect, Count: 20})
	if err != nil {
		t.Fatal(err)
	}
	if s := l.Do(t.Context()); s.Succeeded != 20 || s.IP != f.addr.Addr() || s.Connections != 20 {
		t.Errorf("%+v", s)
	}
}

func datagramServer(t *testing.T, answer func([]byte) []byte) Target {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if out := answer(b[:n]); out != nil {
				_, _ = c.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	target, err := ParseTarget("udp://" + c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestUDP(t *testing.T) {
	say := func(s string) func([]byte) []byte { return func([]byte) []byte { return []byte(s) } }
	lost := 0
	for _, c := range []struct {
		name     string
		answer   func([]byte) []byte
		result   Result
		protocol string
		version  string
	}{
		{"DNS", say(samples.Dnsmasq), Answered, "dns", "2.90"},
		{"DNS that refuses", say(samples.DNSRefused), Answered, "dns", ""},
		{"echo", func(b []byte) []byte { return b }, Answered, "echo", ""},
		{"the first is lost", func(b []byte) []byte {
			if lost++; lost == 1 {
				return nil
			}
			return b
		}, Answered, "echo", ""},
		{"something else", say("what?"), Answered, "unknown", ""},
		{"empty", say(""), Answered, "unknown", ""},
		{"silence", func([]byte) []byte { return nil }, NoReply, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := patience
			if c.result == NoReply {
				timeout = patience / 200
			} else if lost == 0 && c.name == "the first is lost" {
				timeout = patience / 10
			}
			r := find(t, datagramServer(t, c.answer), Options{Timeout: timeout})
			if r.Result != c.result || r.Protocol != loopback.UDP || (r.Answer == nil) != (c.protocol == "") {
				t.Fatalf("%+v", r)
			}
			if r.Answer != nil && (r.Answer.Protocol != c.protocol || r.Answer.Version != c.version) {
				t.Errorf("%+v", r.Answer)
			}
		})
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target, err := ParseTarget(c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if r := find(t, target, Options{UDP: true}); r.Result != Result(answer.Refused) || r.Addresses[0].Error != "connection refused" {
		t.Errorf("nobody: %+v", r)
	}
}
