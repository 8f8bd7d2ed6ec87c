package helperapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/fdpass"
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

// next returns the next request; what gives up another one is skipped, where
// that is not asked for.
func (p puppet) next(op string) *Request {
	p.t.Helper()
	for {
		req, err := ReceiveRequest(p.conn)
		if err == nil && req.Op == OpCancel && op != OpCancel {
			continue
		}
		if err != nil || req.Op != op {
			p.t.Fatalf("asked for %+v, %v; want %q", req, err, op)
		}
		return req
	}
}

// answer answers a request; result may be nil. It closes the descriptors.
func (p puppet) answer(id uint64, result any, g *Grant) {
	p.t.Helper()
	rep := Reply{ID: id}
	var err error
	if h, ok := result.(*Hello); ok {
		rep.Hello = h
	} else if result != nil {
		rep.Result, err = json.Marshal(result)
	}
	if err = errors.Join(err, SendReply(p.conn, &rep, g), g.Close()); err != nil {
		p.t.Fatal(err)
	}
}

// homeGrant is the descriptors of a home, all of them closed with f.
func homeGrant(t *testing.T, f *os.File, names ...string) *Grant {
	t.Helper()
	g := &Grant{}
	for _, name := range names {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		g.Add(name, os.NewFile(uintptr(fd), name))
	}
	_ = f.Close()
	return g
}

// watched returns a file, and a function that waits until every copy of it is
// closed.
func watched(t *testing.T) (*os.File, func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return w, func() {
		t.Helper()
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a descriptor stays open: %v", err)
		}
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
	if told := p.next(OpCancel); told.ID != first.ID {
		t.Errorf("the helper is told to give up call %d, not %d", told.ID, first.ID)
	}
	go create(t.Context())
	// The home was on its way.
	f, closed := watched(t)
	p.answer(first.ID, CreateHomeReply{Path: "/late", IP4: someHome()}, homeGrant(t, f, FileIn))
	remove := p.next(OpRemoveHome) // and not the second home
	var args RemoveHomeRequest
	if err := DecodeArgs(remove.Args, &args); err != nil || args.Path != "/late" || !args.Kill {
		t.Errorf("%+v, %v", args, err)
	}
	closed()
	p.answer(remove.ID, nil, nil)
	second := p.next(OpCreateHome)
	f, closed = watched(t)
	p.answer(second.ID, CreateHomeReply{Path: "/second", IP4: someHome()},
		homeGrant(t, f, FileMigrate, FileLink, FileIn, FileHome, FileEvents, FileLeases, FileLink))
	if err := <-result; err != nil {
		t.Errorf("the second home: %v", err)
	}
	closed()
}

// What the helper sends that is not what was asked for is an error, and none of
// its descriptors stays open.
func TestGrantsThatAreNotAsked(t *testing.T) {
	for name, names := range map[string][]string{
		"one is missing":   {FileIn, FileHome, FileEvents, FileMigrate, FileLink},
		"one comes twice":  {FileIn, FileIn, FileHome, FileEvents, FileLeases, FileMigrate},
		"none":             {},
		"one is not known": {"x", FileHome, FileEvents, FileLeases, FileMigrate},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := newPuppet(t)
			result := make(chan error, 1)
			go func() {
				_, err := c.CreateHome(t.Context(), someHome(), false)
				result <- err
			}()
			req := p.next(OpCreateHome)
			f, closed := watched(t)
			p.answer(req.ID, CreateHomeReply{Path: "/x", IP4: someHome()}, homeGrant(t, f, names...))
			if err := <-result; err == nil || !strings.Contains(err.Error(), "lacks the descriptor") {
				t.Errorf("%v", err)
			}
			closed()
		})
	}
}

// An error, and a reply to no call, close what comes with them; a reply whose
// names do not fit its descriptors ends the connection.
func TestDescriptorsNobodyTakes(t *testing.T) {
	c, p := newPuppet(t)
	result := make(chan error, 1)
	ask := func() { go func() { result <- c.Enter(t.Context(), someHome(), 7) }() }
	ask()
	req := p.next(OpEnter)
	f, closed := watched(t)
	g := homeGrant(t, f, "x", "y")
	if err := errors.Join(SendReply(p.conn, &Reply{ID: req.ID, Error: "no"}, g), g.Close()); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := <-result; !errors.As(err, &e) || e.Cause != "no" {
		t.Errorf("%v", err)
	}
	closed()

	f, closed = watched(t)
	p.answer(4711, nil, homeGrant(t, f, "x"))
	closed()

	ask()
	req = p.next(OpEnter)
	f, closed = watched(t)
	if _, err := fdpass.Write(p.conn, fmt.Appendf(nil, `{"id":%d,"files":["a","b"]}`, req.ID), []*os.File{f}); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := <-result; !errors.Is(err, ErrGone) {
		t.Errorf("%v", err)
	}
	closed()
}

// Replies come in another order than requests, many at once.
func TestRepliesInAnyOrder(t *testing.T) {
	c, p := newPuppet(t)
	const calls = 2 * CallsUnderWay
	paths := make(chan string, calls)
	for i := range calls {
		go func() {
			path := strconv.Itoa(i)
			err := c.RemoveHome(t.Context(), path, false)
			var e *Error
			if !errors.As(err, &e) || e.Cause != path {
				t.Errorf("asked for %s, answered %v", path, err)
			}
			paths <- path
		}()
	}
	var open []*Request
	answer := func() {
		req := open[len(open)-1] // the last one first
		open = open[:len(open)-1]
		var args RemoveHomeRequest
		if err := errors.Join(DecodeArgs(req.Args, &args), SendReply(p.conn, &Reply{ID: req.ID, Error: args.Path}, nil)); err != nil {
			t.Error(err)
		}
	}
	for range calls {
		if len(open) == CallsUnderWay {
			answer() // there are no more until one is answered
		}
		open = append(open, p.next(OpRemoveHome))
	}
	for len(open) > 0 {
		answer()
	}
	for range calls {
		<-paths
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
		req, err := ReceiveRequest(p.conn)
		if err != nil {
			break // the client has its answer, and has closed
		}
		if req.Op == OpHello {
			_ = SendReply(p.conn, &Reply{ID: req.ID, Hello: &Hello{Version: Version}}, nil)
		}
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
