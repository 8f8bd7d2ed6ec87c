package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lodge/internal/procfs"
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

func (p puppet) next(op string) request {
	p.t.Helper()
	var req request
	if _, err := receive(p.conn, &req); err != nil || req.Op != op {
		p.t.Fatalf("asked for %q, %v; want %q", req.Op, err, op)
	}
	return req
}

func (p puppet) answer(rep reply, files ...*os.File) {
	p.t.Helper()
	if err := errors.Join(send(p.conn, rep, files), closeAll(files)); err != nil {
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
		hf, err := c.CreateHome(ctx, testIP(1), false)
		if err == nil {
			err = hf.Close()
		}
		result <- err
	}
	go create(ctx)
	first := p.next(opCreateHome)
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
	p.answer(reply{ID: first.ID, Home: &homeInfo{Path: "/late", IP4: testIP(1)}}, w)
	remove := p.next(opRemoveHome) // and not the second home
	if remove.Path != "/late" || !remove.Kill {
		t.Errorf("%+v", remove)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a descriptor of the late home stays open")
	}
	p.answer(reply{ID: remove.ID})
	second := p.next(opCreateHome)
	var files []*os.File
	for range 5 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p.answer(reply{ID: second.ID, Home: &homeInfo{Path: "/second", IP4: testIP(1)}}, files...)
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
		var req request
		if _, err := receive(p.conn, &req); err != nil {
			break // the client has its answer, and has closed
		}
		_ = send(p.conn, reply{ID: req.ID, Hello: &Hello{Version: Version}}, nil)
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
	p.next(opHello)
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, ErrGone) {
		t.Errorf("the call under way: %v", err)
	}
	if _, err := c.Hello(t.Context()); !errors.Is(err, ErrGone) || !errors.Is(c.Err(), ErrGone) {
		t.Errorf("the next call: %v", err)
	}
	if _, err := c.CreateHome(t.Context(), testIP(1), false); !errors.Is(err, ErrGone) {
		t.Errorf("a home: %v", err)
	}
}

// Many homes are asked for and given up at any moment: none is left, and the
// same helper goes on.
func TestHomesThatAreGivenUp(t *testing.T) {
	needRoot(t)
	c := serve(t, 65534)
	mount, err := procfs.CgroupMount()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		hf, err := c.CreateHome(ctx, testIP(30), false)
		if err == nil {
			err = errors.Join(hf.Close(), c.RemoveHome(t.Context(), hf.Path, true))
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		cancel()
		if err != nil {
			t.Fatalf("after %d ms: %v", i, err)
		}
	}
	// The next one is as if nothing had been.
	hf, err := c.CreateHome(t.Context(), testIP(30), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hf.Close(), c.RemoveHome(t.Context(), hf.Path, true)); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(mount, "lodge-65534-*", "home-"+testIP(30).String())); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A home of this client in which nobody is was made for a call that is
// forgotten: it is made anew.
func TestAHomeIsMadeAnew(t *testing.T) {
	needRoot(t)
	c := serve(t, 65534)
	for range 2 {
		hf, err := c.CreateHome(t.Context(), testIP(31), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := hf.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTypedErrors(t *testing.T) {
	owner := uint32(7)
	for _, tc := range []struct {
		err  error
		code Code
		own  *uint32
	}{
		{errors.New("x"), "", nil},
		{fmt.Errorf("a: %w", &takenError{"x", 7}), HomeTaken, &owner},
		{&notYoursError{addressKey(netip.MustParseAddr("127.83.20.7")), 7}, HomeTaken, &owner},
		{&notYoursError{nameKey("a.test"), 7}, NotYours, &owner},
		{&tooManyError{7}, TooManyHomes, nil},
	} {
		var r reply
		r.explain(tc.err)
		if r.Code != tc.code || (r.Owner == nil) != (tc.own == nil) || r.Owner != nil && *r.Owner != *tc.own {
			t.Errorf("%v: %+v", tc.err, r)
		}
		_, _, err := answer{rep: &r}.result("do it")
		if Taken(err) != (tc.code == HomeTaken) {
			t.Errorf("%v: taken is %v", err, Taken(err))
		}
	}
}
