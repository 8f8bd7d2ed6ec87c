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

func TestNameParents(t *testing.T) {
	list := []*Process{
		{PID: 5000001, Start: 50, Name: "worker", ParentPID: 5000002},
		nil,
		{PID: 5000002, Start: 40, Name: "worker", ParentPID: 5000003},
		{PID: 5000003, Start: 30, Name: "bash", ParentPID: 0},
		// Its parent's id has gone to a younger process.
		{PID: 5000004, Start: 20, Name: "orphan", ParentPID: 5000003},
		// Whose parent is not there any more.
		{PID: 5000005, Start: 20, Name: "lost", ParentPID: 5000009},
	}
	nameParents(list)
	for i, want := range map[int]string{0: "bash", 2: "bash", 3: "", 4: "", 5: ""} {
		if got := list[i].ParentName; got != want {
			t.Errorf("%s: %q, want %q", list[i].Name, got, want)
		}
	}
}
