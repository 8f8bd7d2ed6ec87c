package bpf

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// newNamespace makes a network namespace that is removed after the test, and
// gives its file and its name.
func newNamespace(t testing.TB, n int) (*os.File, string) {
	t.Helper()
	name := fmt.Sprintf("lodge-live-%d-%d", os.Getpid(), n)
	ip(t, "netns", "add", name)
	t.Cleanup(func() { ip(t, "netns", "del", name) })
	f, err := os.Open("/run/netns/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, name
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// inNamespace runs f on a thread that is in the namespace and ends with it.
func inNamespace(t testing.TB, ns *os.File, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestLiveNamespaces: a connection between two network namespaces whose last
// acknowledgement is lost, so that the side that closed last stays, without a
// process.
func TestLiveNamespaces(t *testing.T) {
	l := openLive(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the program ip to make network namespaces")
	}
	one, oneName := newNamespace(t, 1)
	two, twoName := newNamespace(t, 2)
	ip(t, "-n", oneName, "link", "add", "lodge0", "type", "veth", "peer", "name", "lodge0", "netns", twoName)
	ip(t, "-n", oneName, "addr", "add", "10.213.77.1/24", "dev", "lodge0")
	ip(t, "-n", twoName, "addr", "add", "10.213.77.2/24", "dev", "lodge0")
	ip(t, "-n", oneName, "link", "set", "lodge0", "up")
	ip(t, "-n", twoName, "link", "set", "lodge0", "up")

	var ln net.Listener
	var client, server net.Conn
	inNamespace(t, two, func() (err error) { ln, err = net.Listen("tcp", "10.213.77.2:0"); return err })
	defer ln.Close()
	inNamespace(t, one, func() (err error) { client, err = net.Dial("tcp", ln.Addr().String()); return err })
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	// The server closes first and is acknowledged, the client's turn is lost.
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("read: %v, want EOF", err)
	}
	ip(t, "-n", twoName, "link", "set", "lodge0", "down")
	from, to := netip.MustParseAddrPort(client.LocalAddr().String()), netip.MustParseAddrPort(ln.Addr().String())
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	table := ask(t, l)
	for _, tc := range []struct {
		name          string
		local, remote netip.AddrPort
		ns            *os.File
	}{{"last", from, to, one}, {"first", to, from, two}} {
		c, ok := closedAt(table, tc.local, tc.remote)
		if !ok {
			t.Errorf("who closed %s is not known", tc.name)
			continue
		}
		if p := table.Processes[c.Process]; int(p.PID) != os.Getpid() || c.Namespace != inodeOf(t, int(tc.ns.Fd())) {
			t.Errorf("closed %s: %+v by %+v", tc.name, c, p)
		}
	}
}
