package helper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/internal/fdpass"
	"lodge/internal/helperapi"
	"lodge/internal/procfs"
)

// serve serves uid within this process. The client and the helper are closed
// after the test.
func serve(t *testing.T, uid uint32) *helperapi.Client { return serveFor(t, uid, Options{}) }

func serveFor(t *testing.T, uid uint32, o Options) *helperapi.Client {
	t.Helper()
	a, b := socketPair(t)
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), b, uid, uid, o) }()
	c := helperapi.NewClient(a)
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return c
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes cgroups and loads eBPF programs")
	}
}

// testIP returns a home's address that no other test of this package uses.
func testIP(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 127, 254, n}) }

func TestHello(t *testing.T) {
	c := serve(t, 1000)
	for range 2 {
		h, err := c.Probe(t.Context())
		if err != nil || h.UID != 1000 || h.Pid != os.Getpid() || len(h.Capabilities) == 0 {
			t.Fatalf("%+v, %v", h, err)
		}
		ok, why := h.CanMakeHomes()
		t.Logf("can make homes: %v %s", ok, why)
		if ok == (why != "") {
			t.Errorf("%v and %q", ok, why)
		}
	}
}

// What a client may not ask for, and the helper's one line.
func TestRefusals(t *testing.T) {
	needRoot(t)
	c := serve(t, 65534)
	root := serve(t, 0)
	ctx := t.Context()
	hf, err := root.CreateHome(ctx, testIP(1), false)
	if err != nil {
		t.Fatal(err)
	}
	defer hf.Close()
	mount, err := procfs.CgroupMount()
	if err != nil {
		t.Fatal(err)
	}
	create := func(ip string) error { _, err := c.CreateHome(ctx, netip.MustParseAddr(ip), false); return err }
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"not loopback", create("10.0.0.1"), "not in 127.64.0.0/10"},
		{"localhost itself", create("127.0.0.1"), "not in 127.64.0.0/10"},
		{"IPv6", create("::1"), "not in"},
		{"mapped", create("::ffff:127.83.20.7"), "not in"},
		{"taken", create(testIP(1).String()), "in use by user 0"},
		{"somebody else's home", c.RemoveHome(ctx, hf.Path, true), "belongs to user 0"},
		{"the root cgroup", c.RemoveHome(ctx, mount, true), "not that of a home"},
		{"up and down", c.RemoveHome(ctx, mount+"/lodge-65534-ab/../lodge-0-cd/home-127.83.20.7", true), "not that of a home"},
		{"process 1", c.Enter(ctx, testIP(1), 1), "not one that can enter"},
		{"no process", c.Enter(ctx, testIP(1), -5), "not one that can enter"},
		{"no home", c.Enter(ctx, testIP(9), os.Getppid()), "no such home of user 65534"},
		{"somebody else's home to enter", c.Enter(ctx, testIP(1), os.Getppid()), "no such home of user 65534"},
	} {
		var e *helperapi.Error
		if !errors.As(tc.err, &e) || !strings.Contains(e.Cause, tc.want) || strings.Contains(tc.err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", tc.name, tc.err, tc.want)
		}
	}
	// Removing what is not there is done already.
	if err := c.RemoveHome(ctx, mount+"/lodge-65534-abcd/home-"+testIP(8).String(), true); err != nil {
		t.Error(err)
	}
	if err := root.RemoveHome(ctx, hf.Path, false); err != nil {
		t.Error(err)
	}
}

func TestUnknownOperation(t *testing.T) {
	a, b := socketPair(t)
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), b, 1000, 1000, Options{}) }()
	for op, want := range map[string]string{"dance": `operation "dance": unknown`, helperapi.OpHello: ""} {
		if err := helperapi.SendRequest(a, &helperapi.Request{ID: 1, Op: op}); err != nil {
			t.Fatal(err)
		}
		if rep, _, err := helperapi.ReceiveReply(a); err != nil || !strings.HasPrefix(rep.Error, want) || want == "" && rep.Error != "" || want != "" && rep.Code != helperapi.UnknownOperation {
			t.Errorf("%s: %+v, %v", op, rep, err)
		}
	}
	if err := errors.Join(a.Close(), <-done); err != nil {
		t.Error(err)
	}
}

func TestOwnership(t *testing.T) {
	needRoot(t)
	c := serve(t, 65534)
	hf, err := c.CreateHome(t.Context(), testIP(2), true)
	if err != nil {
		t.Fatal(err)
	}
	defer hf.Close()
	if base := filepath.Base(filepath.Dir(hf.Path)); !strings.HasPrefix(base, "lodge-65534-") {
		t.Errorf("base %s", base)
	}
	for name, own := range map[string]bool{
		"..": false, ".": true, "cgroup.procs": true, "cgroup.threads": true, "cgroup.subtree_control": true,
		"keeper": true, "keeper/cgroup.procs": true, "in": true, "in/cgroup.procs": true, "in/cgroup.kill": true,
		"cgroup.freeze": false,
	} {
		st, err := os.Stat(filepath.Join(hf.Path, name))
		if err != nil {
			t.Error(err)
			continue
		}
		uid, gid := owner(st)
		if (uid == 65534) != own || uid != gid {
			t.Errorf("%s: owned by %d:%d", name, uid, gid)
		}
	}
	if len(hf.Links) != 17 || len(hf.Files()) != 22 {
		t.Errorf("%d links, %d files", len(hf.Links), len(hf.Files()))
	}
	if err := c.RemoveHome(t.Context(), hf.Path, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(hf.Path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("base: %v", err)
	}
}

func TestGivenUpCall(t *testing.T) {
	a, b := socketPair(t)
	c := helperapi.NewClient(a)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := c.Hello(ctx)
		result <- err
	}()
	first, err := helperapi.ReceiveRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("given up: %v", err)
	}
	// The late answer, with a descriptor, does not reach the next call.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	g := &helperapi.Grant{}
	g.Add("late", null)
	defer g.Close()
	if err := helperapi.SendReply(b, &helperapi.Reply{ID: first.ID, Error: "late"}, g); err != nil {
		t.Fatal(err)
	}
	if told, err := helperapi.ReceiveRequest(b); err != nil || told.Op != helperapi.OpCancel || told.ID != first.ID {
		t.Fatalf("the helper is told %+v, %v", told, err)
	}
	go func() {
		_, err := c.Hello(t.Context())
		result <- err
	}()
	second, err := helperapi.ReceiveRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := helperapi.SendReply(b, &helperapi.Reply{ID: second.ID, Hello: &helperapi.Hello{Version: helperapi.Version}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("next call: %v", err)
	}
}

func TestOtherVersion(t *testing.T) {
	a, b := socketPair(t)
	c := helperapi.NewClient(a)
	go func() {
		req, _ := helperapi.ReceiveRequest(b)
		_ = helperapi.SendReply(b, &helperapi.Reply{ID: req.ID, Hello: &helperapi.Hello{Version: helperapi.Version + 1}}, nil)
	}()
	if _, err := c.Hello(t.Context()); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("%v", err)
	}
}

// The greeting is understood by every version, with the bytes of version 3.
func TestGreetingOfVersion3(t *testing.T) {
	a, b := socketPair(t)
	c := helperapi.NewClient(a)
	go func() {
		if _, err := b.Read(make([]byte, 100)); err != nil {
			t.Error(err)
		}
		_, _ = b.Write([]byte(`{"id":1,"hello":{"version":3,"uid":1000,"pid":7,"capabilities":null}}`))
	}()
	_, err := c.Hello(t.Context())
	var v *helperapi.VersionError
	if !errors.As(err, &v) || v.Helper != 3 || v.Hint() != "sudo lodge setup" {
		t.Errorf("an older helper: %v", err)
	}

	a, b = socketPair(t)
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), b, 1000, 1000, Options{}) }()
	buf := make([]byte, 1000)
	_, err = a.Write([]byte(`{"id":1,"op":"hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	n, err := a.Read(buf)
	var old struct {
		ID    int
		Hello struct{ Version int }
	}
	if err = errors.Join(err, json.Unmarshal(buf[:n], &old)); err != nil || old.ID != 1 || old.Hello.Version != helperapi.Version {
		t.Errorf("an older client reads %s, %v", buf[:n], err)
	}
	if err := errors.Join(a.Close(), <-done); err != nil {
		t.Error(err)
	}
}

func TestServeListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "helper.sock")
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeListener(ctx, ln, Options{}, func(err error) { t.Error(err) }) }()
	var clients []*helperapi.Client
	for range 3 {
		c, err := helperapi.Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := c.Hello(t.Context())
		if err != nil || h.UID != uint32(os.Getuid()) {
			t.Errorf("%+v, %v: the user is that of the peer", h, err)
		}
		clients = append(clients, c)
	}
	if err := clients[0].Close(); err != nil {
		t.Error(err)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("ServeListener does not end")
	}
	if _, err := clients[1].Hello(t.Context()); err == nil {
		t.Error("a session goes on after the end")
	}
	for _, c := range clients[1:] {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDialNobody(t *testing.T) {
	if _, err := helperapi.Dial(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := helperapi.Spawn("/nonexistent/lodge"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// A client that sends descriptors gets no answer, and the helper keeps none.
func TestServeRefusesDescriptors(t *testing.T) {
	a, b := socketPair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Serve(t.Context(), b, 65534, 65534, Options{}) }()
	if err := sendWith(a, `{"id":1,"op":"hello"}`, w); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "descriptors") {
		t.Errorf("Serve: %v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the helper kept a descriptor: %v", err)
	}
}

// sendWith sends a packet with a descriptor, which it closes.
func sendWith(conn *net.UnixConn, text string, f *os.File) error {
	_, err := fdpass.Write(conn, []byte(text), []*os.File{f})
	return errors.Join(err, f.Close())
}

func TestOneLine(t *testing.T) {
	err := errors.Join(errors.New("a"), fmt.Errorf("b\nc: %s", strings.Repeat("x", 5000)))
	got := helperapi.OneLine(err)
	if strings.Contains(got, "\n") || len(got) > 2100 || !strings.HasPrefix(got, "a; b; c") {
		t.Errorf("%.100q, %d bytes", got, len(got))
	}
	if b, err := json.Marshal(helperapi.Reply{Error: got}); err != nil || bytes.Contains(b, []byte("\n")) {
		t.Errorf("%v", err)
	}
}
