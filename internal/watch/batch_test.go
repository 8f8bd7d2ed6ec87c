package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// closed returns a watcher whose goroutine has ended, to call what that calls.
func closed(t *testing.T, o Options) *Watcher {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestBurstIsOneBatch(t *testing.T) {
	w := closed(t, Options{Root: t.TempDir()})
	var want []string
	for i := range 1500 {
		name := fmt.Sprintf("f%04d", i)
		w.batch.mark(name, true)
		want = append(want, name)
	}
	w.flush()
	if !slices.Equal(w.due, want) {
		t.Errorf("%d files are due, want all %d", len(w.due), len(want))
	}
}

// TestBurstEnds: files that change again and again do not put the delivery off
// as new ones do, and these not for ever.
func TestBurstEnds(t *testing.T) {
	w := closed(t, Options{Root: t.TempDir(), Debounce: time.Second})
	at := func(s float64) time.Time { return time.Unix(0, 0).Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct{ first, another, want float64 }{
		{1, 1, 11},
		{1, 5, 15},
		{1, 90, 100},
		{1, 99, 101},
		{1, 500, 101},
	} {
		w.batch.first, w.batch.another = at(c.first), at(c.another)
		if got := w.batch.latest(); !got.Equal(at(c.want)) {
			t.Errorf("first %v, another %v: latest %v, want %v", c.first, c.another, got.Sub(at(0)), c.want)
		}
	}
	w.batch.mark("a", true)
	w.batch.another = at(1)
	w.batch.mark("a", true)
	if !w.batch.another.Equal(at(1)) {
		t.Error("a file that was pending counts as another")
	}
	w.batch.mark("b", true)
	if w.batch.another.Equal(at(1)) {
		t.Error("another file does not count as one")
	}
}

// TestManyFilesMayPause: between the files of a burst more time may pass than
// after a person's save.
func TestManyFilesMayPause(t *testing.T) {
	w := closed(t, Options{Root: t.TempDir(), Debounce: time.Second})
	for i := range 12 {
		want := time.Second
		if i >= 10 {
			want = 3 * time.Second
		}
		if got := w.batch.pause(); got != want {
			t.Errorf("after %d files: %v, want %v", i, got, want)
		}
		w.batch.mark(fmt.Sprint(i), true)
	}
	w.flush()
	if got := w.batch.pause(); got != time.Second {
		t.Errorf("after the delivery: %v", got)
	}
}

// TestGitIsWaitedFor: while git has its lock, changes are gathered.
func TestGitIsWaitedFor(t *testing.T) {
	for name, gitDir := range map[string]string{"repository": ".git", "worktree": "elsewhere"} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			lock := filepath.Join(root, gitDir, "index.lock")
			write(t, lock, "")
			if gitDir != ".git" {
				write(t, filepath.Join(root, ".git"), "gitdir: "+gitDir+"\n")
			}
			w := closed(t, Options{Root: root, Debounce: time.Hour})
			change := func() { w.batch.mark("a.py", true); w.arm() }
			change()
			w.flush()
			if len(w.due) != 0 {
				t.Fatalf("delivered while git is busy: %q", w.due)
			}
			do(t, os.Remove(lock))
			w.flush()
			if !slices.Equal(w.due, []string{"a.py"}) {
				t.Fatalf("%q is due", w.due)
			}
			// One that was left behind holds nothing up.
			w.due = nil
			write(t, lock, "")
			long := time.Now().Add(-200 * time.Hour)
			do(t, os.Chtimes(lock, long, long))
			change()
			w.flush()
			if !slices.Equal(w.due, []string{"a.py"}) {
				t.Errorf("with an old lock %q is due", w.due)
			}
		})
	}
}
