package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/hosts"
	"lodge/internal/procfs"
)

// Three users beside each other: root and two ordinary ones.
const (
	alice   = 65534
	mallory = 65533
)

// as calls do on a thread that is the user uid's. The thread ends with it
// (runtime.LockOSThread).
func as(uid int, do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if uid != 0 {
			// The raw call changes this thread alone (nptl(7)).
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				result <- errno
				return
			}
		}
		result <- do()
	}()
	return <-result
}

// machine is a helper for all users.
type machine struct {
	t      *testing.T
	socket string
	hosts  string
	stop   func() error
}

func newMachine(t *testing.T, hostsText string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "lh")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, socket: filepath.Join(dir, "s"), hosts: filepath.Join(dir, "hosts")}
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: m.socket, Net: "unixpacket"})
	err = errors.Join(err, os.Chmod(dir, 0o755), os.Chmod(m.socket, 0o666), os.WriteFile(m.hosts, []byte(hostsText), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- ServeListener(ctx, ln, Options{HostsFile: m.hosts}, func(err error) { t.Log("told:", err) })
	}()
	m.stop = func() error {
		cancel()
		m.stop = func() error { return nil }
		select {
		case err := <-done:
			return errors.Join(err, ln.Close())
		case <-time.After(patience):
			return errors.New("the helper does not end")
		}
	}
	t.Cleanup(func() {
		if err := errors.Join(m.stop(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return m
}

// connect returns a connection of the user uid.
func (m *machine) connect(uid int) *net.UnixConn {
	m.t.Helper()
	var conn *net.UnixConn
	err := as(uid, func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: m.socket}); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		conn, err = helperapi.FromFile(os.NewFile(uintptr(fd), "helper"))
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (m *machine) client(uid int) *helperapi.Client {
	m.t.Helper()
	c := helperapi.NewClient(m.connect(uid))
	m.t.Cleanup(func() { _ = c.Close() })
	if h, err := c.Hello(m.t.Context()); err != nil || h.UID != uint32(uid) {
		m.t.Fatalf("%+v, %v; want user %d", h, err, uid)
	}
	return c
}

func (m *machine) home(c *helperapi.Client, ip netip.Addr) *helperapi.HomeFiles {
	m.t.Helper()
	hf, err := c.CreateHome(m.t.Context(), ip, false)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = hf.Close() })
	return hf
}

// names returns where the names of the hosts file lead.
func (m *machine) names() map[string]string {
	out := map[string]string{}
	hosts.Each([]byte(read(m.t, m.hosts)), func(_ string, ip netip.Addr, list []string) {
		for _, n := range list {
			out[n] += ip.String()
		}
	})
	return out
}

// set asks for names and says of which it was told that another has them.
func (m *machine) set(c *helperapi.Client, entries ...hosts.Entry) string {
	m.t.Helper()
	refused, err := c.SetHosts(m.t.Context(), entries)
	if err != nil {
		m.t.Fatal(err)
	}
	var out []string
	for _, r := range refused {
		out = append(out, r.Name+": "+r.Error)
	}
	return strings.Join(out, "\n")
}

func line(ip netip.Addr, names ...string) hosts.Entry { return hosts.Entry{IP: ip, Names: names} }

// listenAs listens on a port of ip as the user uid.
func listenAs(t *testing.T, uid int, ip netip.Addr) {
	t.Helper()
	err := as(uid, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: ip.As4()}), unix.Listen(fd, 1))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestANameHasOneOwner(t *testing.T) {
	needRoot(t)
	start, err := procfs.StartTime(1)
	if err != nil {
		t.Fatal(err)
	}
	// Beside a person's lines there is the block of another helper that runs.
	text, err := hosts.Set([]byte("10.9.8.7 printer.test Scanner.Test.\n"), fmt.Sprintf("%d/1:%d/ab", mallory, start), []hosts.Entry{line(testIP(49), "elsewhere.test")})
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, string(text))
	a, b, root := m.client(alice), m.client(mallory), m.client(0)
	m.home(a, testIP(40))
	m.home(b, testIP(41))
	local := line(netip.AddrFrom4([4]byte{127, 0, 0, 1}), "web.shop.localhost")
	if no := m.set(a, line(testIP(40), "db.shop.test", "shop.test", "printer.test", "scanner.test", "elsewhere.test"), local); no !=
		"printer.test: name printer.test belongs to another line of the hosts file\n"+
			"scanner.test: name scanner.test belongs to another line of the hosts file\n"+
			"elsewhere.test: name elsewhere.test belongs to user 65533" {
		t.Errorf("the first: %s", no)
	}
	if no := m.set(b, line(testIP(41), "db.shop.test", "db.mine.test"), local); no != "db.shop.test: name db.shop.test belongs to user 65534" {
		t.Errorf("the second: %s", no)
	}
	if no := m.set(root, line(testIP(42), "db.shop.test")); !strings.Contains(no, "belongs to user 65534") {
		t.Errorf("root: %s", no)
	}
	want := map[string]string{
		"db.shop.test": testIP(40).String(), "shop.test": testIP(40).String(), "db.mine.test": testIP(41).String(),
		"web.shop.localhost": "127.0.0.1127.0.0.1", "printer.test": "10.9.8.7", "elsewhere.test": testIP(49).String(),
	}
	got := m.names()
	for n, ip := range want {
		if got[n] != ip {
			t.Errorf("%s leads to %q, want %q", n, got[n], ip)
		}
	}
	// Another session of the same user may have it too, and a name that its owner
	// gives up is kept for a moment.
	if no := m.set(m.client(alice), line(testIP(40), "db.shop.test")); no != "" {
		t.Errorf("another daemon of the owner: %s", no)
	}
	// What a name may not look like is not written, whoever asks.
	before := read(t, m.hosts)
	for _, n := range []string{"DB.shop.test", "db.shop.test.", "db.shop.test\n1.2.3.4 bank.example.test", "db\t.test", "db .test", "#.test", "..test", ".test", "-x.test", "xn--ü.test", strings.Repeat("a", 64) + ".test", "a\x00.test"} {
		if _, err := b.SetHosts(t.Context(), []hosts.Entry{line(testIP(41), n)}); err == nil {
			t.Errorf("%q is taken", n)
		}
	}
	if got := read(t, m.hosts); got != before {
		t.Errorf("the hosts file is %q, was %q", got, before)
	}
}

func TestAnAddressHasOneOwner(t *testing.T) {
	needRoot(t)
	m := newMachine(t, "")
	a, b, root := m.client(alice), m.client(mallory), m.client(0)
	hf := m.home(a, testIP(43))
	// A home of the engine seccomp is an address with a name, or with a server.
	if no := m.set(a, line(testIP(44), "s.test")); no != "" {
		t.Fatal(no)
	}
	listenAs(t, alice, testIP(45))
	for _, ip := range []netip.Addr{testIP(43), testIP(44), testIP(45)} {
		for who, c := range map[string]*helperapi.Client{"another user": b, "root": root} {
			if hf, err := c.CreateHome(t.Context(), ip, false); !helperapi.Taken(err) {
				t.Errorf("%s makes a home at %s: %v", who, ip, err)
				if err == nil {
					_ = hf.Close()
				}
			}
			if no := m.set(c, line(ip, "other.test")); !strings.Contains(no, "user 65534") {
				t.Errorf("%s has a name for %s: %q", who, ip, no)
			}
		}
	}
	if n := m.names(); n["other.test"] != "" || n["s.test"] != testIP(44).String() {
		t.Errorf("%v", n)
	}
	// A stranger who comes later does not cost the owner its names.
	listenAs(t, mallory, testIP(44))
	if no := m.set(a, line(testIP(44), "s.test", "t.test")); no != "" {
		t.Errorf("the owner: %s", no)
	}
	// Nor can another user enter a home or take it down.
	if err := b.Enter(t.Context(), testIP(43), os.Getppid()); err == nil {
		t.Error("another user enters")
	}
	if err := b.RemoveHome(t.Context(), hf.Path, true); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("another user removes: %v", err)
	}
	if _, err := root.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(hf.Path); err != nil {
		t.Errorf("swept: %v", err)
	}
	// The address is free when its owner has gone.
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		hf, err := b.CreateHome(t.Context(), testIP(43), false)
		if err == nil {
			_ = hf.Close()
			break
		}
		if !helperapi.Taken(err) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestHomesOfOneUserAreBounded(t *testing.T) {
	needRoot(t)
	c, other := serve(t, 65531), serve(t, 65530)
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 127, byte(240 + i/200), byte(i%200 + 1)}) }
	for i := range policy.UserHomes {
		hf, err := c.CreateHome(t.Context(), at(i), false)
		if err != nil {
			t.Fatalf("home %d: %v", i, err)
		}
		if err := hf.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateHome(t.Context(), at(policy.UserHomes), false)
	var e *helperapi.Error
	if !errors.As(err, &e) || e.Code != helperapi.TooManyHomes || !strings.Contains(e.Cause, "256 homes") {
		t.Errorf("one more: %v", err)
	}
	// Another session of that user has no more either, another user has.
	if _, err := serve(t, 65531).CreateHome(t.Context(), at(policy.UserHomes), false); !errors.As(err, &e) || e.Code != helperapi.TooManyHomes {
		t.Errorf("another session: %v", err)
	}
	hf, err := other.CreateHome(t.Context(), at(policy.UserHomes), false)
	if err != nil {
		t.Fatalf("another user: %v", err)
	}
	if err := hf.Close(); err != nil {
		t.Error(err)
	}
}
