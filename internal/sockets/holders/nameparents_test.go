package holders

import (
	"testing"
)

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
	NameParents(list)
	for i, want := range map[int]string{0: "bash", 2: "bash", 3: "", 4: "", 5: ""} {
		if got := list[i].ParentName; got != want {
			t.Errorf("%s: %q, want %q", list[i].Name, got, want)
		}
	}
}
