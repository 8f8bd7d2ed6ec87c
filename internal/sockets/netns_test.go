package sockets

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connectTo connects to the address arg.
func (r *role) connectTo() {
	fd := r.socket(unix.AF_INET, unix.SOCK_STREAM)
	host, port, _ := strings.Cut(r.arg, ":")
	r.check(unix.Connect(fd, addr4(host, atoi(port))), "connect")
	r.has(fd, "client")
	r.ready()
	r.stay()
}

// serve accepts one connection, on the address arg.
func (r *role) serve() {
	host, port, _ := strings.Cut(r.arg, ":")
	l := r.listener(unix.AF_INET, addr4(host, atoi(port)), 8)
	r.has(l, "listener")
	r.ready()
	fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	r.check(err, "accept")
	r.stay()
	_ = unix.Close(fd) // to the end
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// A connection from one network namespace to another has both its ends, but
// the same loopback addresses in both are two connections.
func TestBetweenNamespaces(t *testing.T) {
	a, nameA := newSpace(t)
	b, nameB := newSpace(t)
	run(t, "ip", "-n", nameA, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", nameB)
	for name, ip := range map[string]string{nameA: "10.9.8.1/24", nameB: "10.9.8.2/24"} {
		run(t, "ip", "-n", name, "addr", "add", ip, "dev", "veth0")
		run(t, "ip", "-n", name, "link", "set", "veth0", "up")
	}
	server := start(t, b, "serve 10.9.8.2:7001", nil)
	client := start(t, a, "connectTo 10.9.8.2:7001", nil)
	for _, space := range []int{a, b} {
		start(t, space, "serve 127.0.0.1:7002", nil)
		start(t, space, "connectTo 127.0.0.1:7002", nil)
	}
	table, err := List(t.Context(), Query{AllNamespaces: true, Filter: Filter{Ports: []uint16{7001, 7002}}})
	if err != nil {
		t.Fatal(err)
	}
	far := 0
	for i := range table.Rows {
		r := &table.Rows[i]
		if r.NamespaceName != nameA && r.NamespaceName != nameB {
			continue // of another run of this test
		}
		switch {
		case r.State == "listen":
			if r.Peer != nil {
				t.Errorf("peer of a listener: %+v", r)
			}
		case r.Peer == nil:
			t.Errorf("no peer: %+v", r)
		case r.Inode == client.holds[0].Inode:
			far++
			if !slices.Equal(pidsOf(r.Peer.Processes), []int{server.cmd.Process.Pid}) || r.NamespaceName != nameA || r.Scope != "container" {
				t.Errorf("client: %+v, peer %+v", r, r.Peer)
			}
		case r.Peer.Inode == client.holds[0].Inode:
			far++
			if r.NamespaceName != nameB || !holdsIt(r.Processes, server.cmd.Process.Pid) {
				t.Errorf("server: %+v", r)
			}
		default:
			for j := range table.Rows {
				if p := &table.Rows[j]; p.Inode == r.Peer.Inode && p.Namespace != r.Namespace {
					t.Errorf("joined with another namespace: %+v and %+v", r, p)
				}
			}
		}
	}
	if far != 2 {
		t.Errorf("%d ends between the namespaces", far)
	}
}

// After looking into other namespaces every thread is in its own.
func TestThreadsStayInTheirNamespace(t *testing.T) {
	space, _ := newSpace(t)
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := inSpace(space, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, task := range tasks {
		// A thread that is ending is one that was there.
		for {
			got, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net")
			if err != nil || got == before {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("thread %s is in %s, not %s", task.Name(), got, before)
				break
			}
			runtime.Gosched()
		}
	}
}
