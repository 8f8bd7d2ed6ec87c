package sockets

import (
	"os"
	"strings"
	"testing"
)

// The shell that starts a server explains it; the server's own master does not.
func TestParentExplains(t *testing.T) {
	a := start(t, -1, "fork 1", nil) // the test, an actor, and a child that is the same program
	table := list(t, Query{Details: true})
	b, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	mine := strings.TrimSpace(string(b))
	checked := 0
	for _, h := range a.holds {
		for _, p := range byInode(table, h.Inode).Processes {
			checked++
			// The children are run as /proc/self/exe, and so named "exe".
			want := os.Getpid()
			if p.PID != a.cmd.Process.Pid {
				want = a.cmd.Process.Pid
				if p.Name != mine && p.ParentName != mine {
					t.Errorf("child %+v: parent %q, want %q", p, p.ParentName, mine)
				}
			} else if p.ParentName == mine || p.ParentName == "" {
				t.Errorf("actor %+v: parent %q", p, p.ParentName)
			}
			if p.ParentPID != want {
				t.Errorf("parent of %d: %d, want %d", p.PID, p.ParentPID, want)
			}
		}
	}
	if checked == 0 {
		t.Error("no holder")
	}
}
