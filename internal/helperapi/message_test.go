package helperapi

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"lodge/internal/fdpass"

	"golang.org/x/sys/unix"
)

// pair returns two connected sockets.
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
	f, closed := watched(t)
	want := Reply{ID: 7, Result: []byte(`{"path":"/p"}`)}
	g := homeGrant(t, f, "in", "link", "link")
	if err := errors.Join(SendReply(a, &want, g), g.Close()); err != nil {
		t.Fatal(err)
	}
	got, g, err := ReceiveReply(b)
	if err != nil || g.Len() != 3 || got.ID != 7 || string(got.Result) != string(want.Result) {
		t.Fatalf("%+v, %+v, %v", got, g, err)
	}
	if _, ok := g.TakeOne("link"); ok {
		t.Error("one of two was taken")
	}
	links := g.Take("link")
	in, ok := g.TakeOne("in")
	if len(links) != 2 || !ok || g.Len() != 0 {
		t.Errorf("%v, %v; left %+v", links, in, g)
	}
	if err := fdpass.Close(append(links, in)); err != nil {
		t.Error(err)
	}
	closed()
	if err := SendReply(a, &Reply{Error: strings.Repeat("x", maxMessage)}, nil); err == nil {
		t.Error("a message that is too long was sent")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReceiveReply(b); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestNoGrant(t *testing.T) {
	var g *Grant
	if _, ok := g.TakeOne("x"); ok || g.Len() != 0 || g.Take("x") != nil || g.Close() != nil {
		t.Error("a grant that is nil has something")
	}
}

func TestBadMessages(t *testing.T) {
	for _, text := range []string{
		"", "{", "null null", `{"id":1}x`, `{"id":-1}`, `{"op":7}`, `{"unknown":1}`, `[]`,
		`{"id":1,"op":"hello"} {}`, "\x00", `{"id":1.5}`, `{"id":99999999999999999999}`,
		`{"op":"` + strings.Repeat("x", maxMessage) + `"}`,
	} {
		a, b := pair(t)
		if _, err := a.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if req, err := ReceiveRequest(b); err == nil {
			t.Errorf("%.40q: %+v, want an error", text, req)
		}
	}
}

func TestBadArguments(t *testing.T) {
	for _, text := range []string{`[]`, `{"x":1}`, `{"ip4":"300.1.1.1"}`, `{"ip4":7}`, `{"ip4":"127.0.0.1"} {}`} {
		var args CreateHomeRequest
		if err := DecodeArgs([]byte(text), &args); err == nil {
			t.Errorf("%s: %+v", text, args)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"op":"create_home","args":{"ip4":"127.83.20.7","strict":true}}`))
	f.Add([]byte(`{"id":1,"op":"remove_home","args":{"path":"/sys/fs/cgroup/lodge-0-ab/home-127.83.20.7","kill":true}}`))
	f.Add([]byte(`{"id":1,"op":"set_hosts","args":{"hosts":[{"ip":"127.83.20.7","names":["a.test"]}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var req, second Request
		if err := decode(b, &req, true); err != nil {
			return
		}
		for _, args := range []any{&CreateHomeRequest{}, &RemoveHomeRequest{}, &SetHostsRequest{}, &EnterRequest{}, &ListenWebRequest{}, &HelloRequest{}} {
			_ = DecodeArgs(req.Args, args) // must not panic
		}
		again, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(again, &second, true); err != nil || second.ID != req.ID || second.Op != req.Op {
			t.Errorf("%+v, %v, want %+v", second, err, req)
		}
	})
}
