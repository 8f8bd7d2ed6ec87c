package nonehome

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/mark"
)

// Daemons that cleared their environment are their service's, and Kill ends
// them.
func TestDaemonsWithoutEnvironment(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	h := mark.Of(t.Name(), "x")
	if err := mark.Set(h); err != nil {
		t.Skip("marks cannot be had:", err)
	}
	in, err := Open(home.Spec{ID: "none-test", Mark: h})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}()
	daemons := make(map[string]int)
	for _, service := range []string{"web", "db"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		pid, err := in.Start(home.Command{
			Service: service, Path: "/bin/sh", Files: []*os.File{nil, w, w},
			Args: []string{"sh", "-c", `(setsid env -i sh -c 'echo; exec sleep 1000 >/dev/null 2>&1' &)`},
		})
		_ = w.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		pids, err := in.Pids(service)
		if err != nil || len(pids) != 1 || pids[0] == pid {
			t.Fatalf("processes of %s: %v, %v", service, pids, err)
		}
		daemons[service] = pids[0]
	}
	if all, err := in.Pids(""); err != nil || len(all) != 2 {
		t.Errorf("all processes: %v, %v", all, err)
	}
	if err := in.Kill("web"); err != nil {
		t.Error(err)
	}
	if _, err := unix.Wait4(daemons["web"], nil, 0, nil); err != nil {
		t.Error(err)
	}
	if pids, err := in.Pids("web"); err != nil || len(pids) != 0 {
		t.Errorf("left of web: %v, %v", pids, err)
	}
	if pids, err := in.Pids("db"); err != nil || !slices.Equal(pids, []int{daemons["db"]}) {
		t.Errorf("processes of db: %v, %v", pids, err)
	}
	if err := in.Kill(""); err != nil {
		t.Error(err)
	}
	if _, err := unix.Wait4(daemons["db"], nil, 0, nil); err != nil {
		t.Error(err)
	}
}
