package sockets

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"lodge/internal/sockets/holders"
)

// early answers a query; asked counts the questions to its live map.
type early struct {
	answers Answers
	fresh   *holders.Owners
	asked   int
}

func (e *early) Answers(context.Context) Answers {
	e.answers.Live = e
	return e.answers
}

func (e *early) Owners(context.Context) (*holders.Owners, error) {
	e.asked++
	return e.fresh, nil
}

// What was asked before the sockets were read is used where it leaves no question, and
// asked again where it does.
func TestOwnersAskedBefore(t *testing.T) {
	l, err := net.Listen("tcp4", "127.83.1.9:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	filter := Filter{Ports: []uint16{uint16(l.Addr().(*net.TCPAddr).Port)}}
	row := rowOf(t, list(t, Query{Filter: filter}), l.Addr().String())
	holds := holders.NewOwners(
		[]*holders.Process{{PID: os.Getpid(), Start: row.Processes[0].Start, Name: "old"}}, []holders.Holding{{Inode: row.Inode}})
	none := holders.NewOwners(nil, nil)
	for _, c := range []struct {
		name  string
		owner *holders.Owners
		err   error
		asked int
		warn  string
	}{
		{"known", holds, nil, 0, ""},
		{"opened since", none, nil, 1, ""},
		{"not asked", nil, nil, 1, ""},
		{"no map", nil, holders.ErrNoLive, 0, ""},
		{"refused", nil, errors.New("gone away"), 0, "gone away"},
	} {
		e := &early{answers: Answers{Owners: c.owner, OwnersErr: c.err}, fresh: holds}
		table := list(t, Query{Filter: filter, Asked: e})
		got := rowOf(t, table, l.Addr().String())
		if !holdsIt(got.Processes, os.Getpid()) || e.asked != c.asked {
			t.Errorf("%s: asked %d times, %+v", c.name, e.asked, got)
		}
		if p := got.Processes[0]; p.Name != row.Processes[0].Name || p.Command != row.Processes[0].Command || p.UID != row.Processes[0].UID {
			t.Errorf("%s: %+v, want %+v", c.name, p, row.Processes[0])
		}
		if w := strings.Join(table.Warnings, "\n"); !strings.Contains(w, c.warn) || c.warn == "" && w != "" {
			t.Errorf("%s: warnings %q", c.name, w)
		}
	}
	// A process that has the id by now is not the one that held the socket.
	holds.Processes[0].Start--
	got := rowOf(t, list(t, Query{Filter: filter, Asked: &early{answers: Answers{Owners: holds}}}), l.Addr().String())
	if p := got.Processes[0]; p.Name != "old" || p.Command != "" {
		t.Errorf("another process's facts: %+v", p)
	}
}
