package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/capture/ring"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
)

// space is a network namespace of a test, whose lo is up.
type space struct {
	t    *testing.T
	name string
	file *os.File
}

func newSpace(t *testing.T) *space {
	t.Helper()
	needRoot(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the program ip to make network namespaces")
	}
	s := &space{t: t, name: fmt.Sprintf("lodge-tap-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	run("netns", "add", s.name)
	t.Cleanup(func() { run("netns", "del", s.name) })
	run("-n", s.name, "link", "set", "lo", "up")
	f, err := os.Open("/run/netns/" + s.name)
	if err != nil {
		t.Fatal(err)
	}
	s.file = f
	t.Cleanup(func() { _ = f.Close() })
	return s
}

// do runs f on a thread that is in the namespace and is the user uid's.
func (s *space) do(uid int, f func() error) {
	s.t.Helper()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET)
		if err == nil && uid != 0 {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				err = errno
			}
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	if err := <-result; err != nil {
		s.t.Fatal(err)
	}
}

// tapClients serves users in the namespace by one helper.
func (s *space) tapClients(all *shared, uids ...uint32) []*helperapi.Client {
	s.t.Helper()
	var clients []*helperapi.Client
	var served sync.WaitGroup
	for _, uid := range uids {
		var a, b *net.UnixConn
		s.do(0, func() error { a, b = socketPair(s.t); return nil })
		served.Go(func() {
			if err := newSession(b, uid, uid, all, func(bool) {}).serve(context.Background()); err != nil {
				s.t.Error(err)
			}
		})
		clients = append(clients, helperapi.NewClient(a))
	}
	s.t.Cleanup(func() {
		for _, c := range clients {
			_ = c.Close() // some tests did
		}
		served.Wait()
		if n := all.taps.Spaces(); n != 0 {
			s.t.Errorf("after the last client: taps in %d network namespaces", n)
		}
	})
	return clients
}

// talk has two sockets of the user talk over TCP, and returns what was said.
func (s *space) talk(uid int, text string) {
	s.t.Helper()
	var ln net.Listener
	var client net.Conn
	s.do(uid, func() (err error) { ln, err = net.Listen("tcp", "127.0.0.1:0"); return err })
	defer ln.Close()
	s.do(uid, func() (err error) { client, err = net.Dial("tcp", ln.Addr().String()); return err })
	defer client.Close()
	var server net.Conn
	s.do(uid, func() (err error) { server, err = ln.Accept(); return err })
	defer server.Close()
	if _, err := io.WriteString(client, text); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.ReadFull(server, make([]byte, len(text))); err != nil {
		s.t.Fatal(err)
	}
}

// openTap starts a tap whose rings are read
// when a test wants it.
func openTap(t *testing.T, c *helperapi.Client, req helperapi.TapRequest) (*helperapi.Tap, *ring.Rings) {
	t.Helper()
	tap, files, err := helperapi.StartTap(t.Context(), c, req)
	var e *helperapi.Error
	if errors.As(err, &e) && e.Code == helperapi.NoTap {
		t.Skip("needs Linux 6.6: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	source, err := ring.Open(files, tap.RingBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	return tap, source
}

// readAll reads what is in the rings of a tap that has ended.
func readAll(t *testing.T, source ring.Source) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if err := source.Run(ctx, func(p *ring.Packet) error { out.Write(p.Data); return nil }); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTapOfUsers(t *testing.T) {
	s := newSpace(t)
	all := newShared(Options{})
	clients := s.tapClients(all, 0, alice, mallory)
	var taps []*helperapi.Tap
	var sources []*ring.Rings
	for _, c := range clients {
		tap, source := openTap(t, c, helperapi.TapRequest{})
		taps, sources = append(taps, tap), append(sources, source)
	}
	s.talk(alice, "said by alice")
	s.talk(mallory, "said by mallory")
	for i, want := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		live, err := taps[i].Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := taps[i].End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if live != c {
			t.Errorf("tap %d: %+v, at its end %+v", i, live, c)
		}
		if lost := c.Lost(); lost.Packets != 0 || c.Seen.Packets != c.Delivered.Packets+c.NotAllowed.Packets+c.Acks.Packets {
			t.Errorf("tap %d: %+v", i, c)
		}
		got := readAll(t, sources[i])
		if n := sources[i].Counts(); n.Packets != c.Delivered.Packets || n.Bytes != c.Delivered.Bytes {
			t.Errorf("tap %d: read %+v, delivered %+v", i, n, c)
		}
		if a, m := strings.Contains(got, "said by alice"), strings.Contains(got, "said by mallory"); a != want[0] || m != want[1] {
			t.Errorf("tap %d: alice %v, mallory %v, want %v", i, a, m, want)
		}
		if _, err := taps[i].Counts(t.Context()); err == nil {
			t.Error("counts after the end")
		}
	}
}

// TestTapKilled: of a helper that was killed nothing is left at lo.
func TestTapKilled(t *testing.T) {
	s := newSpace(t)
	var c *helperapi.Client
	s.do(0, func() (err error) { c, err = helperapi.Spawn(os.Args[0], "-test.run=^$", asChild); return err })
	defer c.Close()
	_, source := openTap(t, c, helperapi.TapRequest{})
	s.talk(0, "before")
	programs := programsOf(t, c.Pid())
	if len(programs) == 0 {
		t.Fatal("the helper has no programs")
	}
	if err := unix.Kill(c.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// The kernel frees a program when nobody can be running it.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for _, id := range programs {
		for programExists(id) {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("program %d is left", id)
			}
		}
	}
	s.talk(0, "after")
	got := readAll(t, source)
	if !strings.Contains(got, "before") || strings.Contains(got, "after") {
		t.Errorf("read %q", got)
	}
}

// TestTapsAreBounded: a user has so many taps, and so much memory of rings, that
// included which the user keeps after a tap.
func TestTapsAreBounded(t *testing.T) {
	s := newSpace(t)
	all := newShared(Options{})
	clients := s.tapClients(all, alice, alice, mallory)
	cpus := runtime.NumCPU()
	start := func(c *helperapi.Client, bytes int) (*helperapi.Tap, []*os.File, error) {
		return helperapi.StartTap(t.Context(), c, helperapi.TapRequest{RingBytes: bytes})
	}
	refused := func(what string, err error) {
		t.Helper()
		var e *helperapi.Error
		if !errors.As(err, &e) || e.Code != helperapi.TooManyTaps {
			t.Errorf("%s: %v", what, err)
		}
	}
	closeAll := func(files []*os.File) {
		for _, f := range files {
			_ = f.Close()
		}
	}
	page := os.Getpagesize()
	var taps []*helperapi.Tap
	for i := range policy.UserTaps {
		tap, files, err := start(clients[i%2], page)
		if err != nil {
			t.Skip("needs Linux 6.6: ", err)
		}
		closeAll(files)
		taps = append(taps, tap)
	}
	_, _, err := start(clients[0], page)
	refused("one tap too many", err)
	other, files, err := start(clients[2], page)
	if err != nil {
		t.Fatalf("another user's: %v", err)
	}
	closeAll(files)
	for _, tap := range append(taps, other) {
		if _, err := tap.End(t.Context()); err != nil {
			t.Error(err)
		}
	}

	// All of the memory; the reader is a process of the user.
	half := 1
	for half*2*cpus <= policy.UserRingBytes/2 {
		half *= 2
	}
	open := func() (*helperapi.Tap, *ring.Rings) {
		tap, files, err := start(clients[0], half)
		if err != nil {
			t.Fatal(err)
		}
		var source *ring.Rings
		s.do(alice, func() (err error) { source, err = ring.Open(files, tap.RingBytes); return err })
		return tap, source
	}
	_, first := open()
	defer first.Close()
	tap, second := open()
	_, _, err = start(clients[1], half)
	refused("too much memory", err)
	if _, err := tap.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err = start(clients[1], half)
	refused("too much memory, of which a part is a tap's that has ended", err)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	_, third := open()
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTapRefusals: what a client may not ask for, and the helper's one line.
func TestTapRefusals(t *testing.T) {
	s := newSpace(t)
	clients := s.tapClients(newShared(Options{}), alice, alice)
	tap, _ := openTap(t, clients[0], helperapi.TapRequest{RingBytes: os.Getpagesize()})
	start := func(req helperapi.TapRequest) error {
		_, _, err := helperapi.StartTap(t.Context(), clients[0], req)
		return err
	}
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"a size", start(helperapi.TapRequest{RingBytes: 5000}), "power of two"},
		{"too small", start(helperapi.TapRequest{RingBytes: 8}), "power of two"},
		{"negative", start(helperapi.TapRequest{RingBytes: -4096}), "power of two"},
		{"too large", start(helperapi.TapRequest{RingBytes: 1 << 40}), "power of two"},
		{"ports", start(helperapi.TapRequest{Ports: []helperapi.PortRange{{First: 2, Last: 1}}}), "ports 2 to 1"},
		{"prefixes", start(helperapi.TapRequest{Prefixes: make([]netip.Prefix, 2000)}), "2000 prefixes"},
	} {
		if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) || strings.Contains(tc.err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", tc.name, tc.err, tc.want)
		}
	}
	// The number of a tap is the connection's own.
	other, _ := openTap(t, clients[1], helperapi.TapRequest{RingBytes: os.Getpagesize()})
	if _, err := other.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.End(t.Context()); err == nil || !strings.Contains(err.Error(), "none of that number") {
		t.Errorf("end a tap twice: %v", err)
	}
	if _, err := tap.Counts(t.Context()); err != nil {
		t.Error(err)
	}
}
