package helperapi

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

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
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := Reply{ID: 7, Error: "x", Home: &HomeInfo{Path: "/p", IP4: netip.MustParseAddr("127.83.20.7"), Links: 3}}
	if err := Send(a, want, []*os.File{f, f}); err != nil {
		t.Fatal(err)
	}
	var got Reply
	files, err := Receive(b, &got)
	if err != nil || len(files) != 2 || got.ID != 7 || got.Error != "x" || *got.Home != *want.Home {
		t.Errorf("%+v, %d files, %v", got, len(files), err)
	}
	flags, err := unix.FcntlInt(files[0].Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %x, %v: a descriptor that programs would inherit", flags, err)
	}
	if err := CloseFiles(files); err != nil {
		t.Error(err)
	}
	if err := Send(a, strings.Repeat("x", maxMessage), nil); err == nil {
		t.Error("a message that is too long was sent")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(b, &got); !errors.Is(err, io.EOF) {
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
		var req Request
		if files, err := Receive(b, &req); err == nil {
			t.Errorf("%.40q: %+v, %d files, want an error", text, req, len(files))
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"op":"create_home","ip4":"127.83.20.7","strict":true}`))
	f.Add([]byte(`{"id":1,"op":"remove_home","path":"/sys/fs/cgroup/lodge-0-ab/home-127.83.20.7","kill":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var req Request
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
		var second Request
		if err := decode(again, &second); err != nil || !reflect.DeepEqual(second, req) {
			t.Errorf("%+v, %v, want %+v", second, err, req)
		}
	})
}
