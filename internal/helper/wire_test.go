package helper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pair gives two connected sockets.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		conns[i], err = FromFile(os.NewFile(uintptr(fd), "pair"))
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = conns[0].Close(), conns[1].Close() })
	return conns[0], conns[1]
}

func TestMessages(t *testing.T) {
	a, b := pair(t)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := reply{ID: 7, Error: "x", Home: &homeInfo{Path: "/p", IP4: netip.MustParseAddr("127.83.20.7"), Links: 3}}
	if err := send(a, want, []*os.File{f, f}); err != nil {
		t.Fatal(err)
	}
	var got reply
	files, err := receive(b, &got)
	if err != nil || len(files) != 2 || got.ID != 7 || got.Error != "x" || *got.Home != *want.Home {
		t.Errorf("%+v, %d files, %v", got, len(files), err)
	}
	flags, err := unix.FcntlInt(files[0].Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %x, %v: a descriptor that programs would inherit", flags, err)
	}
	if err := closeAll(files); err != nil {
		t.Error(err)
	}
	if err := send(a, strings.Repeat("x", maxMessage), nil); err == nil {
		t.Error("a message that is too long was sent")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := receive(b, &got); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestBadMessages(t *testing.T) {
	for _, text := range []string{
		"", "{", "null null", `{"id":1}x`, `{"id":-1}`, `{"op":7}`, `{"unknown":1}`, `[]`, `{"ip4":"300.1.1.1"}`,
		`{"id":1,"op":"hello"} {}`, "\x00", `{"pid":1.5}`, `{"pid":99999999999999999999}`,
		`{"op":"` + strings.Repeat("x", maxMessage) + `"}`,
	} {
		a, b := pair(t)
		if _, err := a.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		var req request
		if files, err := receive(b, &req); err == nil {
			t.Errorf("%.40q: %+v, %d files, want an error", text, req, len(files))
		}
	}
}

// A client that sends descriptors gets no answer, and the helper keeps none.
func TestServeRefusesDescriptors(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Serve(t.Context(), b, 65534, 65534, Options{}) }()
	if err := errors.Join(send(a, request{ID: 1, Op: opHello}, []*os.File{w}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "descriptors") {
		t.Errorf("Serve: %v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the helper kept a descriptor: %v", err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"op":"create_home","ip4":"127.83.20.7","strict":true}`))
	f.Add([]byte(`{"id":1,"op":"remove_home","path":"/sys/fs/cgroup/lodge-0-ab/home-127.83.20.7","kill":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var req request
		if err := decode(b, &req); err != nil {
			return
		}
		if len(req.Hosts) == 0 {
			req.Hosts = nil // an empty list is not written
		}
		again, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		var second request
		if err := decode(again, &second); err != nil || !reflect.DeepEqual(second, req) {
			t.Errorf("%+v, %v, want %+v", second, err, req)
		}
	})
}

func TestParsePlace(t *testing.T) {
	const mount = "/sys/fs/cgroup"
	good := mount + "/lodge-1000-0a1b2c3d/home-127.83.20.7"
	p, err := parsePlace(mount, good)
	if err != nil || p.uid != 1000 || p.ip4.String() != "127.83.20.7" || p.path() != good {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{
		"", "/", mount, mount + "/lodge-1000-0a1b2c3d", mount + "/lodge-1000-0a1b2c3d/",
		"/elsewhere/lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "/x/lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "/../cgroup/lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "//lodge-1000-0a1b2c3d/home-127.83.20.7",
		mount + "/lodge-1000-0a1b2c3d/home-127.83.20.7/in",
		mount + "/lodge-1000-0a1b2c3d/home-127.83.20.7/",
		mount + "/lodge-1000-0a1b2c3d/home-127.0.0.1",
		mount + "/lodge-1000-0a1b2c3d/home-10.0.0.1",
		mount + "/lodge-1000-0a1b2c3d/home-127.083.20.7",
		mount + "/lodge-1000-0a1b2c3d/home-::ffff:127.83.20.7",
		mount + "/lodge-1000-0a1b2c3d/home-",
		mount + "/lodge-1000-/home-127.83.20.7",
		mount + "/lodge-1000-XY/home-127.83.20.7",
		mount + "/lodge-01000-ab/home-127.83.20.7",
		mount + "/lodge--1-ab/home-127.83.20.7",
		mount + "/lodge-4294967296-ab/home-127.83.20.7",
		mount + "/lodge-1000-ab-cd/home-127.83.20.7",
		mount + "/lodge-1000/home-127.83.20.7",
		"lodge-1000-ab/home-127.83.20.7",
	} {
		if p, err := parsePlace(mount, bad); err == nil {
			t.Errorf("%q: %+v, want an error", bad, p)
		}
	}
}

func FuzzParsePlace(f *testing.F) {
	f.Add("/m/lodge-1000-0a1b2c3d/home-127.83.20.7")
	f.Fuzz(func(t *testing.T, path string) {
		p, err := parsePlace("/m", path)
		if err == nil && p.path() != path {
			t.Errorf("%q read as %q", path, p.path())
		}
	})
}

func TestOneLine(t *testing.T) {
	err := errors.Join(errors.New("a"), fmt.Errorf("b\nc: %s", strings.Repeat("x", 5000)))
	got := oneLine(err)
	if strings.Contains(got, "\n") || len(got) > 2100 || !strings.HasPrefix(got, "a; b; c") {
		t.Errorf("%.100q, %d bytes", got, len(got))
	}
	if b, err := json.Marshal(reply{Error: got}); err != nil || bytes.Contains(b, []byte("\n")) {
		t.Errorf("%v", err)
	}
}
