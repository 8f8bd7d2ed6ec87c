package helperapi

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// patience bounds what a test waits for.
const patience = time.Minute

// puppet is a helper whose answers the test gives.
type puppet struct {
	t    *testing.T
	conn *net.UnixConn
}

func newPuppet(t *testing.T) (*Client, puppet) {
	t.Helper()
	a, b := pair(t)
	_ = b.SetDeadline(time.Now().Add(patience))
	c := NewClient(a)
	t.Cleanup(func() { _ = c.Close() })
	return c, puppet{t, b}
}

func (p puppet) next(op string) Request {
	p.t.Helper()
	var req Request
	if _, err := Receive(p.conn, &req); err != nil || req.Op != op {
		p.t.Fatalf("asked for %q, %v; want %q", req.Op, err, op)
	}
	return req
}

func (p puppet) answer(rep Reply, files ...*os.File) {
	p.t.Helper()
	if err := errors.Join(Send(p.conn, rep, files), CloseFiles(files)); err != nil {
		p.t.Fatal(err)
	}
}

// A home that is made for a call that was given up is removed, and the next one
// at its address waits for that.
func TestALateHomeIsRemoved(t *testing.T) {
	c, p := newPuppet(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	create := func(ctx context.Context) {
		hf, err := c.CreateHome(ctx, someHome(), false)
		if err == nil {
			err = hf.Close()
		}
		result <- err
	}
	go create(ctx)
	first := p.next(OpCreateHome)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("given up: %v", err)
	}
	go create(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p.answer(Reply{ID: first.ID, Home: &HomeInfo{Path: "/late", IP4: someHome()}}, w)
	remove := p.next(OpRemoveHome) // and not the second home
	if remove.Path != "/late" || !remove.Kill {
		t.Errorf("%+v", remove)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a descriptor of the late home stays open")
	}
	p.answer(Reply{ID: remove.ID})
	second := p.next(OpCreateHome)
	var files []*os.File
	for range 5 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p.answer(Reply{ID: second.ID, Home: &HomeInfo{Path: "/second", IP4: someHome()}}, files...)
	if err := <-result; err != nil {
		t.Errorf("the second home: %v", err)
	}
}

// A call that is given up while the helper reads nothing leaves the connection
// as it was.
func TestGivenUpWhileNothingIsRead(t *testing.T) {
	c, p := newPuppet(t)
	// Requests are written, and given up, until one more does not fit.
	for calls := 0; ; calls++ {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, err := c.Hello(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || c.Err() != nil || calls > 10_000 {
			t.Fatalf("after %d calls: %v, %v", calls, err, c.Err())
		}
		c.mu.Lock()
		full := len(c.calls) <= calls && calls > 10
		c.mu.Unlock()
		if full {
			break
		}
	}
	asked := make(chan error, 1)
	go func() {
		_, err := c.Hello(t.Context())
		asked <- err
		_ = c.Close()
	}()
	for {
		var req Request
		if _, err := Receive(p.conn, &req); err != nil {
			break // the client has its answer, and has closed
		}
		_ = Send(p.conn, Reply{ID: req.ID, Hello: &Hello{Version: Version}}, nil)
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

func TestAfterTheHelperHasGone(t *testing.T) {
	c, p := newPuppet(t)
	result := make(chan error, 1)
	go func() {
		_, err := c.Hello(t.Context())
		result <- err
	}()
	p.next(OpHello)
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, ErrGone) {
		t.Errorf("the call under way: %v", err)
	}
	if _, err := c.Hello(t.Context()); !errors.Is(err, ErrGone) || !errors.Is(c.Err(), ErrGone) {
		t.Errorf("the next call: %v", err)
	}
	if _, err := c.CreateHome(t.Context(), someHome(), false); !errors.Is(err, ErrGone) {
		t.Errorf("a home: %v", err)
	}
}

// someHome is an address for a home that nobody makes.
func someHome() netip.Addr { return netip.AddrFrom4([4]byte{127, 127, 254, 9}) }
