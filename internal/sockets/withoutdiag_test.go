package sockets

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"lodge/internal/loopback"
	"lodge/test/nodiag"
)

// withoutDiag is a role: it lists all sockets without sock_diag, or without any
// netlink, as JSON.
func (r *role) withoutDiag() {
	r.check(nodiag.Filter{All: r.arg == "all"}.Install(), "set filter")
	table, err := List(context.Background(), Query{Unix: true, Details: true, TCPInfo: true, AllNamespaces: r.arg == "spaces"})
	r.check(err, "list")
	r.check(json.NewEncoder(os.Stdout).Encode(table), "print")
}

func listWithoutDiag(t *testing.T, arg string) *Table {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=withoutDiag "+arg)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var table Table
	if err := json.Unmarshal(out, &table); err != nil {
		t.Fatal(err)
	}
	return &table
}

func TestListWithoutDiag(t *testing.T) {
	dir := t.TempDir()
	actors := []*actor{start(t, -1, "many 3", nil), start(t, -1, "fork 2", nil), start(t, -1, "unix "+dir, nil)}
	want := list(t, Query{Unix: true})
	for _, arg := range []string{"", "all"} {
		got := listWithoutDiag(t, arg)
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "/proc/net") {
			t.Errorf("%q: warnings %q", arg, got.Warnings)
		}
		if got.UnknownOwners < want.UnknownOwners && os.Geteuid() != 0 {
			t.Errorf("%q: %d unknown owners, %d with sock_diag", arg, got.UnknownOwners, want.UnknownOwners)
		}
		rows := make(map[uint32]*Row)
		for i := range got.Rows {
			if r := &got.Rows[i]; r.Inode != 0 {
				rows[r.Inode] = r
			}
		}
		compared := 0
		for i := range want.Rows {
			w := &want.Rows[i]
			of := slices.IndexFunc(actors, func(a *actor) bool {
				return slices.ContainsFunc(a.holds, func(h held) bool { return h.Inode == w.Inode })
			})
			if of < 0 || w.Protocol == loopback.TCP && w.State == "bound" {
				continue // another's, or not in /proc/net
			}
			g := rows[w.Inode]
			if g == nil {
				t.Errorf("%q: missing %+v", arg, w)
				continue
			}
			compared++
			agree(t, w, g)
		}
		if compared < 60 {
			t.Errorf("%q: only %d sockets compared", arg, compared)
		}
	}
}

// agree compares a row of /proc/net with sock_diag's.
func agree(t *testing.T, w, g *Row) {
	t.Helper()
	same := func(what string, w, g any) {
		t.Helper()
		a, _ := json.Marshal(w)
		b, _ := json.Marshal(g)
		if string(a) != string(b) {
			t.Errorf("%s: sock_diag %s, /proc/net %s", what, a, b)
		}
	}
	same("protocol", w.Protocol, g.Protocol)
	same("family", w.Family, g.Family)
	same("state", w.State, g.State)
	same("local", w.Local, g.Local)
	same("remote", w.Remote, g.Remote)
	same("scope", w.Scope, g.Scope)
	same("path", w.Path, g.Path)
	same("type", w.Type, g.Type)
	same("processes", pidsOf(w.Processes), pidsOf(g.Processes))
	same("v6only", w.V6Only, g.V6Only)
	if g.Source != SourceProc || g.Cookie != 0 || g.CgroupID != 0 || g.BacklogLimit != nil || g.TCP != nil {
		t.Errorf("it tells what is not known: %+v", g)
	}
	if w.Protocol == "unix" {
		if g.UID != nil || g.RecvQueue != nil || g.SendQueue != nil || g.Backlog != nil || g.Peer != nil {
			t.Errorf("it tells what is not known: %+v", g)
		}
		return
	}
	same("uid", w.UID, g.UID)
	same("received", w.RecvQueue, g.RecvQueue)
	same("sent", w.SendQueue, g.SendQueue)
	same("backlog", w.Backlog, g.Backlog)
	if (w.Peer == nil) != (g.Peer == nil) {
		t.Errorf("peer: sock_diag %+v, /proc/net %+v", w.Peer, g.Peer)
	} else if w.Peer != nil {
		same("peer", []any{w.Peer.Inode, pidsOf(w.Peer.Processes)}, []any{g.Peer.Inode, pidsOf(g.Peer.Processes)})
	}
}

// The sockets of other network namespaces are read there.
func TestSpacesWithoutDiag(t *testing.T) {
	space, name := newSpace(t)
	a := start(t, space, "many 1", nil)
	table := listWithoutDiag(t, "spaces")
	rows := make(map[uint32]*Row)
	for i := range table.Rows {
		rows[table.Rows[i].Inode] = &table.Rows[i]
	}
	found := 0
	for _, h := range a.holds {
		if strings.Contains(h.What, "not listening") {
			continue
		}
		if r := rows[h.Inode]; r == nil || r.NamespaceName != name || r.Source != SourceProc || !holdsIt(r.Processes, h.PID) {
			t.Errorf("%s: %+v", h.What, r)
		}
		found++
	}
	if found == 0 {
		t.Error("no socket compared")
	}
}
