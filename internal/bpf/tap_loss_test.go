package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/capture/ring"
)

// TestTapLoss: a ring of one page, which is not read: what does not fit is counted,
// exactly, and what is in the ring is read.
func TestTapLoss(t *testing.T) {
	s := anyTapSpace(t)
	before := transmitted(t, s.ns)
	d := tapStopped(t, s.taps, TapSpec{AllUsers: true, Others: true, RingBytes: os.Getpagesize()})
	u, w := s.packet(0, "127.0.0.1:0"), s.packet(0, "127.0.0.1:0")
	for range 1000 {
		if _, err := u.WriteTo(make([]byte, 100), w.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	live, err := d.tap.Counts()
	if err != nil {
		t.Fatal(err)
	}
	if live.Delivered.Packets == 0 || live.RingFull.Packets < 900 {
		t.Errorf("%+v", live)
	}
	d.read()
	// One more that fits on each CPU, so that its ring says what it lost before.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(tapPatience); d.source.Counts().Packets < live.Delivered.Packets; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("what is in the rings is not read")
		}
	}
	for _, r := range d.tap.Rings() {
		s.do(0, func() error {
			var cpus unix.CPUSet
			cpus.Set(r.CPU)
			if err := unix.SchedSetaffinity(0, &cpus); err != nil {
				return err
			}
			_, err := u.WriteTo([]byte("the last one"), w.LocalAddr())
			return err
		})
	}
	c := d.end()
	if sent := transmitted(t, s.ns) - before; c.Seen.Packets != sent || sent < 1001 || c.Delivered.Packets+c.RingFull.Packets != sent {
		t.Errorf("%d packets were sent: %+v", sent, c)
	}
	if c.Seen.Bytes < 1000*142 || c.Lost() != c.RingFull {
		t.Errorf("%+v", c)
	}
	if lost := d.source.Counts().Lost; lost != c.RingFull.Packets {
		t.Errorf("the rings say that %d are lost: %+v", lost, c)
	}
}

// TestTapFlood: a reader that stands still costs the sender nothing but the work
// of finding that the ring is full.
func TestTapFlood(t *testing.T) {
	s := anyTapSpace(t)
	const n = 5000
	flood := func() time.Duration {
		u, w := s.packet(0, "127.0.0.1:0"), s.packet(0, "127.0.0.1:0")
		defer u.Close()
		defer w.Close()
		b := make([]byte, 1000)
		to := w.LocalAddr().(*net.UDPAddr).AddrPort()
		started := time.Now()
		for range n {
			if _, err := u.WriteToUDPAddrPort(b, to); err != nil {
				t.Fatal(err)
			}
		}
		return time.Since(started)
	}
	flood()
	alone := min(flood(), flood(), flood())
	d := tapStopped(t, s.taps, TapSpec{AllUsers: true, RingBytes: 1 << 20})
	flood()
	tapped := min(flood(), flood(), flood())
	d.read()
	c := d.end()
	t.Logf("%v without a tap, %v with one that is not read: %+v", alone, tapped, c)
	if c.RingFull.Packets == 0 || c.Delivered.Packets == 0 || c.Seen.Packets < 4*n {
		t.Errorf("%+v", c)
	}
	// Far from any measure, but a sender that waits for a reader does not end.
	if tapped > 10*alone {
		t.Errorf("%v instead of %v", tapped, alone)
	}
}

// TestTapWakes: a single packet is seen at once, also after a long pause and in
// the shadow of one before it.
func TestTapWakes(t *testing.T) {
	s := anyTapSpace(t)
	tap, err := s.taps.Add(TapSpec{AllUsers: true, RingBytes: 1 << 20}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for _, r := range tap.Rings() {
		f, err := r.File()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	source, err := ring.Open(files, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan time.Duration, 100)
	ctx := t.Context()
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		done <- source.Run(ctx, func(p *ring.Packet) error {
			select {
			case <-stop:
				return os.ErrClosed
			default:
			}
			arrived <- time.Since(p.Time)
			return nil
		})
	}()
	u, w := s.packet(0, "127.0.0.1:0"), s.packet(0, "127.0.0.1:0")
	var worst time.Duration
	for _, pause := range []time.Duration{0, 0, time.Millisecond, 5 * time.Millisecond, 9 * time.Millisecond, 10 * time.Millisecond,
		11 * time.Millisecond, 15 * time.Millisecond, 300 * time.Millisecond, 0, 700 * time.Millisecond, 8 * time.Millisecond} {
		timer := time.NewTimer(pause)
		<-timer.C
		if _, err := u.WriteTo([]byte("x"), w.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		select {
		case d := <-arrived:
			worst = max(worst, d)
		case <-time.After(tapPatience):
			t.Fatal("a packet does not come")
		}
	}
	t.Logf("at most %v", worst)
	if worst > 5*time.Second {
		t.Errorf("a packet came after %v", worst)
	}
	close(stop)
	if _, err := u.WriteTo([]byte("x"), w.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != os.ErrClosed {
		t.Errorf("the error of handle: %v", err)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if err := tap.Close(); err != nil {
		t.Error(err)
	}
	for _, r := range tap.Rings() {
		if r.Held() {
			t.Error("a ring is there that its reader has closed")
		}
	}
}

// TestTapLargeDatagram: the largest datagram there is, and what a snaplen
// leaves of it.
func TestTapLargeDatagram(t *testing.T) {
	s := anyTapSpace(t)
	all := tapLo(t, s.taps, TapSpec{AllUsers: true})
	short := tapLo(t, s.taps, TapSpec{AllUsers: true, Snaplen: 65500})
	u, w := s.packet(0, "127.0.0.1:0"), s.packet(0, "127.0.0.1:0")
	var sent [][]byte
	for _, n := range []int{65507, 0, 65379, 65378, 65377, 65507, 1} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		if _, err := u.WriteTo(b, w.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, b)
	}
	all.end()
	short.end()
	if len(all.packets) != len(sent) || len(short.packets) != len(sent) {
		t.Fatalf("%d and %d packets of %d", len(all.packets), len(short.packets), len(sent))
	}
	for i, b := range sent {
		if got := all.packets[i]; !bytes.Equal(got.payload, b) || got.OrigLen != len(b)+42 {
			t.Errorf("datagram of %d bytes: %d of %d", len(b), len(got.payload), got.OrigLen)
		}
		if got := short.packets[i]; !bytes.HasPrefix(b, got.payload) || len(got.Data) != min(65500, len(b)+42) || got.OrigLen != len(b)+42 {
			t.Errorf("datagram of %d bytes, cut: %d of %d", len(b), len(got.Data), got.OrigLen)
		}
	}
}

// TestTapFilters: by port and by address, of either end.
func TestTapFilters(t *testing.T) {
	s := anyTapSpace(t)
	u := s.packet(0, "127.0.0.1:0")
	server := s.packet(0, "127.64.1.1:0")
	six := s.packet(0, "[::1]:0")
	port := uint16(server.LocalAddr().(*net.UDPAddr).Port)
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, p := range list {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	for _, tc := range []struct {
		name string
		spec TapSpec
		want int
	}{
		{"all", TapSpec{}, 4},
		{"port", TapSpec{Ports: []PortRange{{port, port}}}, 2},
		{"ports", TapSpec{Ports: []PortRange{{1, 1}, {port, port}}}, 2},
		{"other ports", TapSpec{Ports: []PortRange{{0, 0}, {1, 5}}}, 0},
		{"all ports", TapSpec{Ports: []PortRange{{0, 65535}}}, 4},
		{"home", TapSpec{Prefixes: prefixes("127.64.1.1/32")}, 2},
		{"homes", TapSpec{Prefixes: prefixes("127.99.0.0/16", "127.64.0.0/10")}, 2},
		{"IPv4", TapSpec{Prefixes: prefixes("0.0.0.0/0")}, 3},
		{"IPv6", TapSpec{Prefixes: prefixes("::1/128")}, 1},
		{"everything", TapSpec{Prefixes: prefixes("::/0")}, 4},
		{"other homes", TapSpec{Prefixes: prefixes("127.64.1.2/31", "127.64.1.0/32")}, 0},
		{"home and other port", TapSpec{Prefixes: prefixes("127.64.1.1/32"), Ports: []PortRange{{1, 5}}}, 0},
	} {
		tc.spec.AllUsers = true
		d := tapLo(t, s.taps, tc.spec)
		s.send(u, server, "asks")
		s.send(server, u, "answers")
		s.send(u, u, "other")
		s.send(six, six, "IPv6")
		c := d.end()
		if len(d.packets) != tc.want || c.Filtered.Packets != uint64(4-tc.want) {
			t.Errorf("%s: %d packets, %+v", tc.name, len(d.packets), c)
		}
	}
}

// TestTapManyTaps: all that there may be, and one more; each has its own.
func TestTapManyTaps(t *testing.T) {
	s := anyTapSpace(t)
	var taps []*Tap
	for {
		tap, err := s.taps.Add(TapSpec{AllUsers: true, RingBytes: os.Getpagesize()}, MaxTaps-6)
		if err != nil {
			t.Logf("%d taps: %v", len(taps), err)
			break
		}
		taps = append(taps, tap)
	}
	if len(taps) != 6 {
		t.Errorf("%d taps", len(taps))
	}
	s.say2(0)
	for i, tap := range taps {
		if err := tap.Close(); err != nil {
			t.Error(err)
		}
		c, err := tap.Counts()
		if err != nil || c.Delivered.Packets != 1 {
			t.Errorf("tap %d: %+v, %v", i, c, err)
		}
	}
	d := tapLo(t, s.taps, TapSpec{AllUsers: true})
	s.say2(0)
	if c := d.end(); c.Seen.Packets != 1 {
		t.Errorf("in the place of another tap: %+v", c)
	}
}

// TestTapLongSegments: IPv6 segments that are longer than the length field of
// their header, which lo may be set to have.
func TestTapLongSegments(t *testing.T) {
	s := anyTapSpace(t)
	s.do(0, func() error {
		if out, err := exec.Command("ip", "link", "set", "lo", "gso_max_size", "200000").CombinedOutput(); err != nil {
			t.Logf("ip: %v: %s", err, out)
		}
		return nil
	})
	d := tapLo(t, s.taps, TapSpec{AllUsers: true, RingBytes: 32 << 20})
	ln := s.listen(0, "tcp", "[::1]:0")
	c := s.dial(0, "tcp", ln.Addr().String())
	a := s.accept(0, ln)
	sent := make([]byte, 8<<20)
	for i := range sent {
		sent[i] = byte(i * i >> 8)
	}
	go func() {
		_, _ = c.Write(sent)
		_ = c.Close()
	}()
	if got, err := io.ReadAll(a); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	counts := d.end()
	longest, first := 0, uint32(0)
	got := make([]byte, len(sent))
	for i := range d.packets {
		p := &d.packets[i]
		if p.to != ln.Addr().(*net.TCPAddr).Port {
			continue
		}
		seq := binary.BigEndian.Uint32(p.transport[4:])
		if p.tcp&2 != 0 {
			first = seq + 1
			continue
		}
		if len(p.Data) != p.OrigLen {
			t.Errorf("%d bytes of %d", len(p.Data), p.OrigLen)
		}
		if len(p.payload) > 0 {
			copy(got[seq-first:], p.payload)
		}
		longest = max(longest, p.OrigLen)
	}
	t.Logf("longest packet: %d bytes; %+v", longest, counts)
	if !bytes.Equal(got, sent) {
		t.Error("the payloads are not what was sent")
	}
}

// TestTapPacketSocket: the same without tcx: each packet once, as it arrives, and
// nothing of who sent it.
func TestTapPacketSocket(t *testing.T) {
	ns := newLo(t)
	s := &space{t: t, ns: ns, taps: packetTaps(t, ns)}
	before := transmitted(t, ns)
	if _, err := s.taps.Add(TapSpec{UID: bob, RingBytes: os.Getpagesize()}, 0); !errors.Is(err, ErrNoOwners) {
		t.Errorf("a tap of one user: %v", err)
	}
	all := tapLo(t, s.taps, TapSpec{AllUsers: true, Others: true, Acks: true})
	some := tapLo(t, s.taps, TapSpec{AllUsers: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10")}})
	tiny := tapStopped(t, s.taps, TapSpec{AllUsers: true, RingBytes: os.Getpagesize()})
	for _, host := range []string{"127.0.0.1", "127.64.1.1", "::1"} {
		any := net.JoinHostPort(host, "0")
		ln := s.listen(alice, "tcp", any)
		c := s.dial(bob, "tcp", ln.Addr().String())
		a := s.accept(alice, ln)
		s.say(c, a, host+" asks")
		s.say(a, c, host+" answers")
		if err := errors.Join(c.Close(), a.Close()); err != nil {
			t.Fatal(err)
		}
		u := s.packet(0, any)
		for range 20 {
			s.send(u, u, host+" UDP")
		}
		long := make([]byte, 65507)
		if host == "::1" {
			long = long[:65000]
		}
		if _, err := u.WriteTo(long, u.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	tiny.read()
	c, cs, ct := all.end(), some.end(), tiny.end()
	if sent := transmitted(t, ns) - before; c.Seen.Packets != sent || c.Delivered != c.Seen {
		t.Errorf("lo has sent %d packets: %+v", sent, c)
	}
	if cs.Seen != c.Seen || cs.Delivered.Packets != uint64(len(some.packets)) || cs.Acks.Packets == 0 || cs.Filtered.Packets == 0 {
		t.Errorf("of one home: %+v", cs)
	}
	if ct.Seen != c.Seen || ct.RingFull.Packets == 0 {
		t.Errorf("in a tiny ring: %+v", ct)
	}
	texts := map[string]int{}
	for i := range all.packets {
		p := &all.packets[i]
		texts[string(p.payload)]++
		if p.PID != 0 || p.UID != ring.NoUID || p.DstUID != ring.NoUID || p.OrigLen != len(p.Data) {
			t.Errorf("%+v", p.Packet)
		}
	}
	for _, host := range []string{"127.0.0.1", "127.64.1.1", "::1"} {
		if texts[host+" asks"] != 1 || texts[host+" answers"] != 1 || texts[host+" UDP"] != 20 {
			t.Errorf("%s: %v", host, texts)
		}
	}
	for i := range some.packets {
		if p := &some.packets[i]; len(p.payload) > 0 && len(p.payload) < 100 && !bytes.HasPrefix(p.payload, []byte("127.64.1.1")) {
			t.Errorf("of one home: %q", p.payload)
		}
	}
}
