package helper

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/internal/helperapi"
	"lodge/internal/hosts"
)

func hostsFile(t *testing.T, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNamesGoWithTheClient(t *testing.T) {
	const text = "127.0.0.1 localhost\n"
	// A helper that was killed left this one: no process has that start.
	stale, err := hosts.Set([]byte(text), "1000/1:1/ab", []hosts.Entry{{IP: testIP(3), Names: []string{"old.test"}}})
	if err != nil {
		t.Fatal(err)
	}
	path := hostsFile(t, string(stale))
	a, b := socketPair(t)
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), b, 1000, 1000, Options{HostsFile: path}) }()
	c := helperapi.NewClient(a)
	other := serveFor(t, 1001, Options{HostsFile: path})
	if _, err := c.SetHosts(t.Context(), []hosts.Entry{{IP: testIP(1), Names: []string{"db.shop.test"}}, {IP: netip.MustParseAddr("127.0.0.1"), Names: []string{"web.shop.localhost"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.SetHosts(t.Context(), []hosts.Entry{{IP: testIP(2), Names: []string{"db.other.test"}}}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); !strings.Contains(got, testIP(1).String()+" db.shop.test\n127.0.0.1 web.shop.localhost\n") || !strings.Contains(got, "db.other.test") || strings.Contains(got, "old.test") {
		t.Errorf("got %q", got)
	}
	if err := errors.Join(c.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); strings.Contains(got, "db.shop.test") || !strings.Contains(got, "db.other.test") {
		t.Errorf("after the client has gone: %q", got)
	}
	if _, err := other.SetHosts(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != text {
		t.Errorf("got %q", got)
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	path := hostsFile(t, "")
	c := serveFor(t, 1000, Options{HostsFile: path})
	for _, tc := range []struct {
		entry hosts.Entry
		want  string
	}{
		{hosts.Entry{IP: testIP(1), Names: []string{"bank.example"}}, "not below .test"},
		{hosts.Entry{IP: testIP(1), Names: []string{"test"}}, "not below .test"},
		{hosts.Entry{IP: testIP(1), Names: []string{"x.test\n1.2.3.4 bank.example.test"}}, "not a host name"},
		{hosts.Entry{IP: netip.MustParseAddr("10.0.0.1"), Names: []string{"x.test"}}, "not in 127.64.0.0/10"},
		{hosts.Entry{IP: netip.MustParseAddr("127.0.0.1"), Names: []string{"x.test"}}, "not below .localhost"},
		{hosts.Entry{IP: netip.MustParseAddr("127.0.0.1"), Names: []string{"localhost"}}, "not below .localhost"},
		{hosts.Entry{IP: testIP(1), Names: []string{"x.localhost"}}, "not below .test"},
		{hosts.Entry{IP: netip.MustParseAddr("127.0.0.53"), Names: []string{"x.test"}}, "not in 127.64.0.0/10"},
	} {
		_, err := c.SetHosts(t.Context(), []hosts.Entry{tc.entry})
		var e *helperapi.Error
		if !errors.As(err, &e) || !strings.Contains(e.Cause, tc.want) {
			t.Errorf("%v: %v", tc.entry, err)
		}
	}
	if got := read(t, path); got != "" {
		t.Errorf("got %q", got)
	}
	if _, err := serve(t, 1000).SetHosts(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "keeps no names") {
		t.Errorf("without a hosts file: %v", err)
	}
}

func TestManyNames(t *testing.T) {
	path := hostsFile(t, "")
	c := serveFor(t, 1000, Options{HostsFile: path})
	var entries []hosts.Entry
	for i := range 500 {
		entries = append(entries, hosts.Entry{IP: testIP(byte(i%200 + 1)), Names: []string{"service-with-a-long-name-" + strings.Repeat("x", i%30+1) + ".project.test"}})
	}
	if _, err := c.SetHosts(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(read(t, path), ".project.test"); n != 500 {
		t.Errorf("%d names", n)
	}
}

func TestRemoveHosts(t *testing.T) {
	path := hostsFile(t, "")
	if err := (hosts.File{Path: path}).Set("0/1:1/ab", []hosts.Entry{{IP: testIP(1), Names: []string{"x.test"}}}); err != nil {
		t.Fatal(err)
	}
	if err := hosts.RemoveAll(path); err != nil || read(t, path) != "" {
		t.Errorf("%v, %q", err, read(t, path))
	}
	if err := hosts.RemoveAll(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}

// The web's ports are everybody's on this machine, so this is tried in a
// network namespace of its own.
func TestListenWeb(t *testing.T) {
	needRoot(t)
	if os.Getenv("HELPER_TEST_NETNS") == "" {
		cmd := exec.Command("unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`, os.Args[0], "-test.run=^TestListenWeb$", "-test.v")
		cmd.Env = append(os.Environ(), "HELPER_TEST_NETNS=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestListenWeb") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	m := newMachine(t, "")
	a, b := m.client(alice), m.client(mallory)
	var had []net.Listener
	for _, port := range []uint16{80, 443} {
		lns, err := a.ListenWeb(t.Context(), port)
		if err != nil || len(lns) != 2 {
			t.Fatalf("%v, %v", lns, err)
		}
		had = append(had, lns...)
		if _, err := a.ListenWeb(t.Context(), port); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("a second time: %v", err)
		}
		for _, ln := range lns {
			if addr := ln.Addr().String(); !strings.HasPrefix(addr, "127.0.0.1:") && !strings.HasPrefix(addr, "[::1]:") {
				t.Errorf("listens on %s", addr)
			}
		}
		refused(t, b, port, alice)
	}
	if _, err := a.ListenWeb(t.Context(), 22); err == nil || !strings.Contains(err.Error(), "only 80 and 443") {
		t.Errorf("port 22: %v", err)
	}
	// The sockets alone do not count, nor that the owner has closed them: its
	// session does.
	for _, ln := range had {
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
	}
	refused(t, b, 443, alice)
	refused(t, m.client(0), 443, alice)
	again := listenFreed(t, a, 443)
	for _, ln := range again {
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, ln := range listenFreed(t, b, 443) {
		_ = ln.Close()
	}
	// Where the helper was told whose they are, nobody else has them.
	one := serveFor(t, mallory, Options{WebUser: alice})
	refused(t, one, 443, alice)
	for _, ln := range listenFreed(t, serveFor(t, alice, Options{WebUser: alice}), 443) {
		_ = ln.Close()
	}
}

// listenFreed listens where somebody has just closed his sockets: the helper
// closes its own descriptors of them after the answer that carries them, and
// notices only then that a session is over.
func listenFreed(t *testing.T, c *helperapi.Client, port uint16) []net.Listener {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		lns, err := c.ListenWeb(t.Context(), port)
		if err == nil {
			return lns
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// refused wants the port to be another user's.
func refused(t *testing.T, c *helperapi.Client, port uint16, owner uint32) {
	t.Helper()
	_, err := c.ListenWeb(t.Context(), port)
	var e *helperapi.Error
	if !errors.As(err, &e) || e.Code != helperapi.NotYours || e.Owner == nil || *e.Owner != owner {
		t.Errorf("port %d: %v", port, err)
	}
}
