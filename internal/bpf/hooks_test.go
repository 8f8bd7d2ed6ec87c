package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
)

func TestAttach(t *testing.T) {
	dir := newCgroup(t)
	h, err := Attach(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	count := func(want int) {
		t.Helper()
		n, err := Attached(dir.Name())
		if err != nil || n != want {
			t.Errorf("%d programs attached, %v, want %d", n, err, want)
		}
	}
	count(len(h.programs()))
	events, leases, err := h.Add(42, Home{IP4: netip.MustParseAddr("127.83.20.7"), IP6: netip.MustParseAddr("fd6c::1"), Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	var value homeHome
	if err := h.objects.Homes.Lookup(uint64(42), &value); err != nil {
		t.Fatal(err)
	}
	// As in the packet, and not as a number.
	if value.Ip4 != binary.NativeEndian.Uint32([]byte{127, 83, 20, 7}) || value.Flags != flagStrict|flagIP6 {
		t.Errorf("home %+v", value)
	}
	table, err := OpenLeases(leases)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(table.Put(50000, 7), table.Delete(50000), table.Delete(50000), table.Close(), leases.Close()); err != nil {
		t.Error(err)
	}
	ring, err := ReadEvents(events)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := ring.Next()
		ended <- err
	}()
	if err := errors.Join(ring.Close(), events.Close()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	if err := errors.Join(h.Remove(42), h.Remove(42)); err != nil {
		t.Error(err)
	}
	if err := h.objects.Homes.Lookup(uint64(42), &value); !errors.Is(err, ebpf.ErrKeyNotExist) {
		t.Errorf("home after Remove: %v", err)
	}
	// Another descriptor of the links keeps the hooks.
	links, err := h.Links()
	if err != nil {
		t.Fatal(err)
	}
	n := len(h.programs())
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	count(n)
	for _, f := range links {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	count(0)
}

func TestParseEvent(t *testing.T) {
	b := make([]byte, eventSize)
	b[0], b[1], b[2] = 1, 6, 2
	binary.NativeEndian.PutUint16(b[4:], 3000)
	binary.NativeEndian.PutUint32(b[8:], 99)
	copy(b[12:], []byte{127, 83, 20, 7})
	binary.NativeEndian.PutUint64(b[32:], 1<<40)
	e, err := parseEvent(b)
	want := Event{EventListen, 6, 2, netip.MustParseAddrPort("127.83.20.7:3000"), 99, 1 << 40}
	if err != nil || e != want {
		t.Errorf("%+v, %v, want %+v", e, err, want)
	}
	b[2] = 10
	copy(b[12:], netip.MustParseAddr("fd6c::1").AsSlice())
	if e, err := parseEvent(b); err != nil || e.Addr.String() != "[fd6c::1]:3000" {
		t.Errorf("%+v, %v", e, err)
	}
	for _, bad := range [][]byte{nil, b[:39], append(b, 0)} {
		if _, err := parseEvent(bad); err == nil {
			t.Errorf("%d bytes: no error", len(bad))
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(make([]byte, eventSize))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseEvent(b) })
}

// TestListenEvent: both ways in which a sock_ops program finds out who is
// running give the same event.
func TestListenEvent(t *testing.T) {
	if os.Getenv("LODGE_TEST_LISTEN") != "" {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		return
	}
	for _, mayAsk := range []bool{true, false} {
		t.Run(fmt.Sprint(mayAsk), func(t *testing.T) {
			if mayAsk && !sockOpsMayAsk() {
				t.Skip("this kernel's sock_ops programs may not ask for the current cgroup")
			}
			dir := newCgroup(t)
			mount, err := os.Open(filepath.Dir(dir.Name()))
			if err != nil {
				t.Fatal(err)
			}
			defer mount.Close()
			level, err := Level(mount)
			if err != nil {
				t.Fatal(err)
			}
			h, err := attach(dir, level+1, mayAsk)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			id, err := CgroupID(dir)
			if err != nil {
				t.Fatal(err)
			}
			events, leases, err := h.Add(id, Home{IP4: netip.MustParseAddr("127.127.254.77")})
			if err != nil {
				t.Fatal(err)
			}
			defer events.Close()
			defer leases.Close()
			ring, err := ReadEvents(events)
			if err != nil {
				t.Fatal(err)
			}
			defer ring.Close()
			service := filepath.Join(dir.Name(), "web")
			if err := os.Mkdir(service, 0o755); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(service)
			web, err := os.Open(service)
			if err != nil {
				t.Fatal(err)
			}
			defer web.Close()
			webID, err := CgroupID(web)
			if err != nil {
				t.Fatal(err)
			}
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, "-test.run=^TestListenEvent$")
			cmd.Env = append(os.Environ(), "LODGE_TEST_LISTEN=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(web.Fd())}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, want := range []EventType{EventListen, EventClose} {
				e, err := ring.Next()
				if err != nil || e.Type != want || e.Service != webID || e.Addr.Addr().String() != "127.127.254.77" && e.Type == EventListen {
					t.Errorf("%+v, %v, want type %d of service %d", e, err, want, webID)
				}
			}
		})
	}
}
