package bpf

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"lodge/internal/capture/ring"
	"lodge/internal/capture/unixcalls"
	"lodge/internal/decode"
)

// unixTapped is a tap of Unix sockets with what came of it.
type unixTapped struct {
	t         testing.TB
	ns        *os.File
	tap       *UnixTap
	source    *ring.Records
	assembler *unixcalls.Assembler
	cancel    context.CancelFunc
	done      chan error

	conns   []*unixConn
	refused []unixcalls.Attempt
}

// unixConn is what a connection carried: missing bytes are zeros.
type unixConn struct {
	*unixcalls.Conn
	sent        [2][]byte
	pieces      [2]int
	missing     [2]int64
	ended       [2]bool
	descriptors int
	pids        map[uint32]bool
}

func (u *unixTapped) Open(c *unixcalls.Conn) {
	one := &unixConn{Conn: c, pids: map[uint32]bool{}}
	c.Owner = one
	u.conns = append(u.conns, one)
}

func (u *unixTapped) Data(c *unixcalls.Conn, s decode.Side, p unixcalls.Piece) {
	one := c.Owner.(*unixConn)
	one.miss(s, p.Missing)
	one.sent[s] = append(one.sent[s], p.Data...)
	one.pieces[s]++
	one.descriptors += p.Descriptors
	one.pids[p.From.PID] = true
}

func (u *unixTapped) End(c *unixcalls.Conn, s decode.Side, _ time.Time, missing int64, _ decode.End) {
	one := c.Owner.(*unixConn)
	one.miss(s, missing)
	one.ended[s] = true
}

func (u *unixTapped) Refused(a unixcalls.Attempt) { u.refused = append(u.refused, a) }

func (c *unixConn) miss(s decode.Side, n int64) {
	c.missing[s] += n
	c.sent[s] = append(c.sent[s], make([]byte, n)...)
}

// newUnixTap taps a network namespace of the test's own.
func newUnixTap(t testing.TB, spec UnixSpec) *unixTapped {
	t.Helper()
	u := &unixTapped{t: t, ns: newLo(t)}
	u.start(spec)
	return u
}

func (u *unixTapped) start(spec UnixSpec) {
	u.t.Helper()
	if spec.RingBytes == 0 {
		spec.RingBytes = 4 << 20
	}
	spec.Netns = u.ns
	tap, err := OpenUnixTap(spec)
	if err != nil {
		u.t.Fatal(err)
	}
	u.tap = tap
	u.t.Cleanup(func() {
		if err := tap.Close(); err != nil {
			u.t.Error(err)
		}
	})
	var files []*os.File
	for _, r := range tap.Rings() {
		f, err := r.File()
		if err != nil {
			u.t.Fatal(err)
		}
		files = append(files, f)
	}
	if u.source, err = ring.OpenRecords(files, spec.RingBytes, unixcalls.RecordSize); err != nil {
		u.t.Fatal(err)
	}
	u.assembler = unixcalls.New(u)
}

// read reads the tap.
func (u *unixTapped) read() {
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel, u.done = cancel, make(chan error, 1)
	go func() { u.done <- u.source.Run(ctx, u.assembler.Record) }()
}

// end ends the tap, reads what it has, and checks that the counts add up.
func (u *unixTapped) end() TapCounts {
	u.t.Helper()
	if err := u.tap.Close(); err != nil {
		u.t.Fatal(err)
	}
	if u.cancel == nil {
		u.read()
	}
	u.cancel()
	if err := <-u.done; err != nil {
		u.t.Fatal(err)
	}
	if err := u.source.Close(); err != nil {
		u.t.Error(err)
	}
	u.assembler.Close()
	c, err := u.tap.Counts()
	if err != nil {
		u.t.Fatal(err)
	}
	if had := u.assembler.Counts(); had.Calls != c.Delivered.Packets || had.Bytes != c.Delivered.Bytes || had.Unread+had.Unsure+had.Evicted != 0 {
		u.t.Errorf("read %+v of %+v", had, c)
	}
	return c
}

// pair returns two connected sockets of the namespace, the client's first, by a listener
// at a path.
func (u *unixTapped) pair(network, path string) (client, server *net.UnixConn) {
	u.t.Helper()
	inNamespace(u.t, u.ns, func() error {
		ln, err := net.ListenUnix(network, &net.UnixAddr{Net: network, Name: path})
		if err != nil {
			return err
		}
		defer ln.Close()
		if client, err = net.DialUnix(network, nil, &net.UnixAddr{Net: network, Name: path}); err != nil {
			return err
		}
		server, err = ln.AcceptUnix()
		return err
	})
	u.t.Cleanup(func() {
		_ = client.Close() // some tests did
		_ = server.Close()
	})
	return client, server
}

// only returns the connection of a path.
func (u *unixTapped) only(path string) *unixConn {
	u.t.Helper()
	var found []*unixConn
	for _, c := range u.conns {
		if c.Path == path {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		u.t.Fatalf("%d connections to %s, of %d", len(found), path, len(u.conns))
	}
	return found[0]
}

// equal checks what a side sent, but for what is missing.
func (c *unixConn) equal(t testing.TB, s decode.Side, want []byte, missing int64) {
	t.Helper()
	got := c.sent[s]
	if c.missing[s] != missing || len(got) != len(want) {
		t.Errorf("side %d: %d bytes of %d, missing %d, want %d", s, len(got), len(want), c.missing[s], missing)
		return
	}
	for i := range got {
		if got[i] != want[i] && (missing == 0 || got[i] != 0) {
			t.Fatalf("side %d: byte %d is %#x, want %#x", s, i, got[i], want[i])
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + rand.IntN(255))
	}
	return b
}

// receive reads n bytes, in the background.
func receive(t testing.TB, c net.Conn, n int) (wait func() []byte) {
	done := make(chan []byte, 1)
	go func() {
		b := make([]byte, n)
		got := 0
		for got < n {
			m, err := c.Read(b[got:])
			if err != nil {
				t.Error(err)
				break
			}
			got += m
		}
		done <- b[:got]
	}()
	return func() []byte {
		t.Helper()
		select {
		case b := <-done:
			return b
		case <-time.After(tapPatience):
			t.Fatal("what was sent does not come")
			return nil
		}
	}
}
