package helper

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/hosts"
)

// flood asks without end and reads nothing, until the helper takes no more.
func flood(t *testing.T, conn *net.UnixConn) {
	t.Helper()
	if err := conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for i := range 100_000 {
		if helperapi.SendRequest(conn, &helperapi.Request{ID: uint64(i), Op: helperapi.OpHello}) != nil {
			return
		}
	}
	t.Fatal("the helper takes everything")
}

// Clients that read nothing, send nonsense or say nothing delay nobody, nor the
// end.
func TestTheHelperEndsWhateverItsClientsDo(t *testing.T) {
	needRoot(t)
	m := newMachine(t, "127.0.0.1 localhost\n")
	for range 3 {
		flood(t, m.connect(mallory))
		m.connect(mallory)
	}
	a := m.client(alice)
	m.home(a, testIP(46))
	if no := m.set(a, line(testIP(46), "db.shop.test")); no != "" {
		t.Error(no)
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
	if got := read(t, m.hosts); got != "127.0.0.1 localhost\n" {
		t.Errorf("after the end the hosts file is %q", got)
	}
}

func TestOneUserCannotHaveAllClients(t *testing.T) {
	needRoot(t)
	m := newMachine(t, "")
	var last *helperapi.Client
	for range policy.UserClients + 1 {
		last = helperapi.NewClient(m.connect(mallory))
		t.Cleanup(func() { _ = last.Close() })
		_, err := last.Hello(t.Context())
		if err != nil {
			if !strings.Contains(err.Error(), "it has 32 clients already") {
				t.Errorf("refused: %v", err)
			}
			m.client(alice)
			return
		}
	}
	t.Error("no bound")
}

func TestGuests(t *testing.T) {
	a, b := socketPair(t)
	g := newGuests()
	g.limit = 4
	add := func(uid uint32, conn *net.UnixConn) *guest {
		t.Helper()
		one, err := g.add(uid, conn)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	busy := add(1, a)
	busy.idle.Store(false)
	idle := add(1, b)
	add(2, a).idle.Store(false)
	add(3, a).idle.Store(false)
	if _, err := g.add(2, a); err == nil {
		t.Error("a user who has one gets another when all are taken")
	}
	add(4, a).idle.Store(false)
	if _, err := b.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("the idle client of the user who has most goes on: %v", err)
	}
	g.remove(idle) // as its session does when it sees the end
	if g.number() != 4 {
		t.Errorf("%d clients", g.number())
	}
	if _, err := g.add(5, a); err == nil {
		t.Error("a client that has something was sent away")
	}
	g.remove(busy)
	add(5, a)
}

// Every user can lock what it can open, such as the directory of the hosts file.
func TestAUserLocksTheHostsFile(t *testing.T) {
	needRoot(t)
	m := newMachine(t, "")
	for _, path := range []string{m.hosts, m.hosts[:strings.LastIndexByte(m.hosts, '/')]} {
		err := as(mallory, func() error {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = unix.Close(fd) })
			return unix.Flock(fd, unix.LOCK_EX)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if no := m.set(m.client(alice), line(testIP(47), "db.shop.test")); no != "" || m.names()["db.shop.test"] == "" {
		t.Errorf("%q, %v", no, m.names())
	}
}

func TestAKilledHelpersBlockGoesAtTheStart(t *testing.T) {
	needRoot(t)
	stale, err := hosts.Set([]byte("127.0.0.1 localhost\n"), "1000/1:1/ab", []hosts.Entry{line(testIP(48), "old.test")})
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, string(stale))
	m.client(alice) // it serves
	if got := read(t, m.hosts); got != "127.0.0.1 localhost\n" {
		t.Errorf("got %q", got)
	}
}
