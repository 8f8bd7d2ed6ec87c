package sockets

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/sockets/holders"
)

// ownHome returns a home's address that only this test process uses: others may
// run the same test at the same time.
func ownHome(n int) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+n+pid>>16&0x1f, pid>>8&0xff, pid&0xff)
}

// hold starts an actor that listens at a home's address, with an environment
// as the seccomp engine makes it.
func hold(t *testing.T, ip, id, service string) *actor {
	t.Helper()
	return start(t, -1, "home "+ip, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "LODGE_HOME_ID="+id, "LODGE_SERVICE="+service)
	})
}

// home listens at the address arg, and connects to itself from 127.0.0.1.
func (r *role) home() {
	l := r.listener(unix.AF_INET, addr4(r.arg, 0), 8)
	r.has(l, "listener")
	c, s := r.connect(l, unix.AF_INET, r.nameOf(l))
	r.has(c, "client")
	r.has(s, "server")
	r.has(r.listener(unix.AF_INET, addr4("127.0.0.1", 0), 8), "outside")
	r.ready()
	r.stay()
}

func byInode(table *Table, inode uint32) *Row {
	for i := range table.Rows {
		if table.Rows[i].Inode == inode {
			return &table.Rows[i]
		}
	}
	return nil
}

func TestHomesByEnvironment(t *testing.T) {
	id := fmt.Sprint("shop-", os.Getpid())
	a := hold(t, ownHome(0), id, "web")
	other := hold(t, ownHome(1), "another", "db")
	q := Query{Homes: []holders.Home{{IP4: netip.MustParseAddr(ownHome(0)), Project: "shop", ID: id}}}
	table := list(t, q)
	for _, h := range a.holds {
		r := byInode(table, h.Inode)
		if r == nil || r.Project != "shop" || r.Service != "web" || len(r.Processes) != 1 || r.Processes[0].Project != "shop" {
			t.Errorf("%s: %+v", h.What, r)
		}
		if h.What == "client" && (r.Peer == nil || r.Peer.Project != "shop" || r.Peer.Service != "web") {
			t.Errorf("%s: peer %+v", h.What, r.Peer)
		}
	}
	for _, h := range other.holds {
		if r := byInode(table, h.Inode); r == nil || r.Project != "" || r.Service != "" {
			t.Errorf("of another's home: %+v", r)
		}
	}
	q.Filter = Filter{Projects: []string{"shop"}}
	few := list(t, q)
	if len(few.Rows) != len(a.holds) {
		t.Errorf("project shop has %d sockets: %+v", len(few.Rows), few.Rows)
	}
	q.Filter.Services = []string{"db"}
	if few := list(t, q); len(few.Rows) != 0 {
		t.Errorf("service db of shop has %+v", few.Rows)
	}
}

// cgroup2 finds where the unified hierarchy is mounted.
func cgroup2(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		before, after, _ := strings.Cut(line, " - ")
		if strings.HasPrefix(after, "cgroup2 ") {
			return strings.Fields(before)[4]
		}
	}
	t.Skip("no cgroup2 is mounted")
	return ""
}

func TestHomesByCgroup(t *testing.T) {
	needRoot(t)
	ip := ownHome(2)
	base := filepath.Join(cgroup2(t), fmt.Sprintf("lodge-%d-%x", os.Getuid(), os.Getpid()))
	dir := filepath.Join(base, "home-"+ip, "in", "api%2e1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip("cannot make a cgroup:", err)
	}
	t.Cleanup(func() {
		for d := dir; d != filepath.Dir(base); d = filepath.Dir(d) {
			if err := os.Remove(d); err != nil {
				t.Error(err)
			}
		}
	})
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := start(t, -1, "home "+ip, func(cmd *exec.Cmd) {
		as(t, 0)(cmd)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(f.Fd())
	})
	table := list(t, Query{Details: true, Homes: []holders.Home{{IP4: netip.MustParseAddr(ip), Project: "shop"}}})
	for _, h := range a.holds {
		r := byInode(table, h.Inode)
		if r == nil || r.Project != "shop" || r.Service != "api.1" || !strings.HasSuffix(r.Processes[0].Cgroup, "/in/api%2e1") {
			t.Errorf("%s: %+v", h.What, r)
		}
	}
	a.end()
}

// What marks a process of a home can be copied: a process of another user is
// inside only if the keeper is its ancestor.
func TestAnotherUsersProcessIsNotInside(t *testing.T) {
	needRoot(t)
	id := fmt.Sprint("copied-", os.Getpid())
	ip := ownHome(3)
	a := start(t, -1, "home "+ip, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "LODGE_HOME_ID="+id, "LODGE_SERVICE=web")
		as(t, 65533)(cmd)
	})
	keeper := start(t, -1, "home "+ip, nil)
	for _, c := range []struct {
		keeper int
		want   string
	}{{0, "web"}, {os.Getpid(), "web"}, {keeper.cmd.Process.Pid, ""}} {
		table := list(t, Query{Homes: []holders.Home{{IP4: netip.MustParseAddr(ip), Project: "shop", ID: id, Keeper: c.keeper}}})
		for _, h := range a.holds {
			if r := byInode(table, h.Inode); r == nil || r.Service != c.want {
				t.Errorf("%s, keeper %d: %+v", h.What, c.keeper, r)
			}
		}
	}
}
