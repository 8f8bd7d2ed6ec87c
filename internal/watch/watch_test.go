package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const deadline = 20 * time.Second

// start watches root and ends the watching with the test, which fails if a
// goroutine is left.
func start(t *testing.T, root string, patterns ...string) *Watcher {
	t.Helper()
	return startWith(t, Options{Root: root, Patterns: patterns})
}

func startWith(t *testing.T, o Options) *Watcher {
	t.Helper()
	before := runtime.NumGoroutine()
	o.Debounce = 30 * time.Millisecond
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error("closed twice:", err)
		}
		for end := time.Now().Add(deadline); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
				return
			}
		}
	})
	return w
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fence is a file whose change, made after all others, tells that nothing
// else is to come: events keep their order.
const fence = "zz_fence.py"

// upTo makes the fence change and gathers all that changed before it.
func upTo(t *testing.T, w *Watcher, root string) []string {
	t.Helper()
	do(t, os.WriteFile(filepath.Join(root, fence), []byte(time.Now().String()), 0o644))
	var got []string
	timeout := time.After(deadline)
	for {
		select {
		case batch := <-w.Changes():
			if !slices.IsSorted(batch) || len(slices.Compact(slices.Clone(batch))) != len(batch) || len(batch) == 0 {
				t.Errorf("batch is empty, not sorted or not unique: %q", batch)
			}
			got = append(got, batch...)
			if slices.Contains(batch, fence) {
				slices.Sort(got)
				got = slices.Compact(got)
				return slices.DeleteFunc(got, func(s string) bool { return s == fence })
			}
		case err := <-w.Err():
			t.Fatal(err)
		case <-timeout:
			t.Fatalf("no fence; so far %q", got)
		}
	}
}

// await reads changes until all of the wanted files were among them.
func await(t *testing.T, w *Watcher, want ...string) (got []string) {
	t.Helper()
	timeout := time.After(deadline)
	for {
		missing := slices.DeleteFunc(slices.Clone(want), func(f string) bool { return slices.Contains(got, f) })
		if len(missing) == 0 {
			return got
		}
		select {
		case batch := <-w.Changes():
			got = append(got, batch...)
		case err := <-w.Err():
			t.Fatal(err)
		case <-timeout:
			t.Fatalf("no change of %q; so far %q", missing, got)
		}
	}
}

func expect(t *testing.T, w *Watcher, root string, want ...string) {
	t.Helper()
	if got := upTo(t, w, root); !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
}

func TestChanges(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "a.py"), "1")
	write(t, filepath.Join(root, "sub/b.py"), "1")
	w := start(t, root, "*.py")
	a, b := filepath.Join(root, "a.py"), filepath.Join(root, "sub/b.py")

	write(t, a, "2")
	write(t, filepath.Join(root, "a.txt"), "not watched")
	expect(t, w, root, "a.py")

	do(t, os.Chmod(b, 0o600))
	do(t, os.Chmod(filepath.Join(root, "sub"), 0o700))
	expect(t, w, root) // a chmod is no change

	now := time.Now()
	do(t, os.Chtimes(b, now, now))
	expect(t, w, root, "sub/b.py") // a touch is one
	old := now.Add(-time.Hour)
	do(t, os.Chtimes(b, old, old))
	expect(t, w, root, "sub/b.py")

	// An editor's atomic save.
	write(t, filepath.Join(root, "sub/tmp1234.py"), "3")
	do(t, os.Rename(filepath.Join(root, "sub/tmp1234.py"), b))
	expect(t, w, root, "sub/b.py")
	// vim: the old file becomes the backup, the new one is written.
	do(t, os.Rename(b, b+"~"))
	write(t, b, "4")
	do(t, os.Remove(b+"~"))
	expect(t, w, root, "sub/b.py")

	do(t, os.Remove(b))
	expect(t, w, root, "sub/b.py")
	write(t, filepath.Join(root, "sub/came.py"), "")
	do(t, os.Remove(filepath.Join(root, "sub/came.py")))
	expect(t, w, root) // came and went
}

func TestDirectories(t *testing.T) {
	root := t.TempDir()
	w := start(t, root, "*.py")

	for i := range 20 { // files that come before their directory's watch
		write(t, filepath.Join(root, fmt.Sprintf("n%02d/x/y/z.py", i)), "1")
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("n%02d/x/y/z.py", i))
	}
	expect(t, w, root, want...)

	// A renamed directory: its files went from the old place and came to the new.
	do(t, os.Rename(filepath.Join(root, "n00"), filepath.Join(root, "m00")))
	expect(t, w, root, "m00/x/y/z.py", "n00/x/y/z.py")
	write(t, filepath.Join(root, "m00/x/y/z.py"), "2")
	expect(t, w, root, "m00/x/y/z.py")
	// And back, and to and fro before anybody looks.
	for range 10 {
		do(t, os.Rename(filepath.Join(root, "m00"), filepath.Join(root, "n00")))
		do(t, os.Rename(filepath.Join(root, "n00"), filepath.Join(root, "m00")))
	}
	upTo(t, w, root)
	write(t, filepath.Join(root, "m00/x/y/new.py"), "2")
	expect(t, w, root, "m00/x/y/new.py")

	// Two directories change places.
	do(t, os.Rename(filepath.Join(root, "n01"), filepath.Join(root, "t")))
	do(t, os.Rename(filepath.Join(root, "n02"), filepath.Join(root, "n01")))
	do(t, os.Rename(filepath.Join(root, "t"), filepath.Join(root, "n02")))
	expect(t, w, root, "n01/x/y/z.py", "n02/x/y/z.py")
	write(t, filepath.Join(root, "n01/x/y/one.py"), "")
	write(t, filepath.Join(root, "n02/x/y/two.py"), "")
	expect(t, w, root, "n01/x/y/one.py", "n02/x/y/two.py")

	// Out of the root, changed there, and gone for good.
	outside := t.TempDir()
	do(t, os.Rename(filepath.Join(root, "n03"), filepath.Join(outside, "n03")))
	expect(t, w, root, "n03/x/y/z.py")
	write(t, filepath.Join(outside, "n03/x/y/z.py"), "3")
	do(t, os.RemoveAll(filepath.Join(root, "n04")))
	expect(t, w, root, "n04/x/y/z.py")

	// Removed and made again at once.
	do(t, os.RemoveAll(filepath.Join(root, "n05")))
	write(t, filepath.Join(root, "n05/x/y/z.py"), "again")
	expect(t, w, root, "n05/x/y/z.py")
	write(t, filepath.Join(root, "n05/x/y/z.py"), "and again")
	expect(t, w, root, "n05/x/y/z.py")

	// A symbolic link to a directory is followed, also one that takes the place
	// of a directory.
	do(t, os.Symlink(outside, filepath.Join(root, "link")))
	do(t, os.RemoveAll(filepath.Join(root, "n06")))
	do(t, os.Symlink(outside, filepath.Join(root, "n06")))
	expect(t, w, root, "link/n03/x/y/z.py", "n06/n03/x/y/z.py", "n06/x/y/z.py")
	write(t, filepath.Join(outside, "out.py"), "")
	expect(t, w, root, "link/out.py", "n06/out.py")
}

func TestIgnored(t *testing.T) {
	root := t.TempDir()
	git(t, root, "", "init", "-q")
	write(t, filepath.Join(root, ".git/info/exclude"), "excluded\n")
	write(t, filepath.Join(root, ".gitignore"), "dist/\n*.log\n.env\n")
	write(t, filepath.Join(root, "sub/.gitignore"), "gen_*\n")
	for _, p := range []string{"dist/a/b", "node_modules/m/x.js", "__pycache__/x.pyc", "sub/gen_x", "sub/ok", "excluded", ".env", "vendored/lib/x"} {
		write(t, filepath.Join(root, p), "1")
	}
	w := start(t, root, "!vendored/", "!"+"nothing")
	for _, p := range []string{"dist/a/b", "dist/new", "node_modules/m/x.js", "node_modules/n/y.js", "__pycache__/x.pyc", "sub/gen_x", "sub/gen_dir/f", "sub/ok", "excluded",
		".env", "a.log", "sub/.ok.swp", "ok~", ".#ok", ".git/index.lock", "vendored/lib/x"} {
		write(t, filepath.Join(root, p), "2")
	}
	expect(t, w, root, "sub/ok")
	w.Close()
	for rel := range w.tree.dirs.at { // the goroutine has ended
		if rel != "." && rel != "sub" && !strings.HasPrefix(rel, "vendored") {
			t.Errorf("the ignored directory %s was watched", rel)
		}
	}
}

func TestRulesChange(t *testing.T) {
	root := t.TempDir()
	git(t, root, "", "init", "-q")
	write(t, filepath.Join(root, ".gitignore"), "gen/\n")
	write(t, filepath.Join(root, "gen/deep/a.py"), "1")
	write(t, filepath.Join(root, "old/b.py"), "1")
	w := start(t, root, "*.py")
	write(t, filepath.Join(root, "gen/deep/a.py"), "2")
	expect(t, w, root)
	write(t, filepath.Join(root, ".gitignore"), "old/\n")
	expect(t, w, root, "gen/deep/a.py") // not ignored any more
	write(t, filepath.Join(root, "gen/deep/a.py"), "3")
	write(t, filepath.Join(root, "old/b.py"), "3")
	expect(t, w, root, "gen/deep/a.py")
	do(t, os.Remove(filepath.Join(root, ".gitignore")))
	expect(t, w, root, "old/b.py")
	write(t, filepath.Join(root, "gen/.gitignore"), "*.py\n")
	write(t, filepath.Join(root, "gen/deep/a.py"), "4")
	expect(t, w, root)
}

func TestNamedThoughIgnored(t *testing.T) {
	root := t.TempDir()
	git(t, root, "", "init", "-q")
	write(t, filepath.Join(root, ".gitignore"), "dist/\n.env\n/build/\n")
	for _, p := range []string{".env", "dist/manifest.json", "dist/other.json", "dist/x/y", "build/a/b"} {
		write(t, filepath.Join(root, p), "1")
	}
	w := start(t, root, ".env", "dist/manifest.json", "build/", fence)
	for _, p := range []string{".env", "dist/manifest.json", "dist/other.json", "dist/x/y", "build/a/b"} {
		write(t, filepath.Join(root, p), "2")
	}
	expect(t, w, root, ".env", "build/a/b", "dist/manifest.json")
}

func TestBatches(t *testing.T) {
	root := t.TempDir()
	w := start(t, root)
	var want []string
	for i := range 250 {
		name := fmt.Sprintf("f%03d", i)
		write(t, filepath.Join(root, name), "1")
		want = append(want, name)
	}
	expect(t, w, root, want...)
}

// TestSlowReader: what changes while nobody reads is gathered.
func TestSlowReader(t *testing.T) {
	root := t.TempDir()
	w := start(t, root, "*.py")
	for i := range 5 {
		write(t, filepath.Join(root, fmt.Sprintf("%d.py", i)), "1")
		for w.pumpIsBusy() {
			runtime.Gosched()
		}
	}
	expect(t, w, root, "0.py", "1.py", "2.py", "3.py", "4.py")
}

func (w *Watcher) pumpIsBusy() bool {
	w.source.pump.mu.Lock()
	defer w.source.pump.mu.Unlock()
	return len(w.source.pump.events) > 0
}

func TestTooMany(t *testing.T) {
	root := t.TempDir()
	w := start(t, root)
	for d := range 3 {
		dir := filepath.Join(root, fmt.Sprint(d))
		do(t, os.Mkdir(dir, 0o755))
		for i := range 1000 {
			do(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644))
		}
	}
	for timeout := time.After(deadline); ; {
		select {
		case batch := <-w.Changes():
			if slices.Equal(batch, []string{Everything}) {
				return
			}
		case <-timeout:
			// Where the machine is slow, the changes come in parts that are
			// small enough each.
			t.Skip("the changes were never too many at once")
		}
	}
}

// TestOverflow loses events on purpose: it says so, takes anything for
// changed, and sees again what comes after.
func TestOverflow(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "a.py"), "1")
	w := start(t, root)
	w.source.pump.mu.Lock()
	w.source.pump.overflow = true
	w.source.pump.mu.Unlock()
	write(t, filepath.Join(root, "a.py"), "2") // wakes the loop
	select {
	case err := <-w.Err():
		if !errors.Is(err, ErrLost) {
			t.Fatal(err)
		}
	case <-time.After(deadline):
		t.Fatal("no error")
	}
	select {
	case batch := <-w.Changes():
		if !slices.Equal(batch, []string{Everything}) {
			t.Fatalf("batch %q", batch)
		}
	case <-time.After(deadline):
		t.Fatal("no batch")
	}
	write(t, filepath.Join(root, "new/b.py"), "2")
	expect(t, w, root, "new/b.py")
}

func TestVanished(t *testing.T) {
	for name, how := range map[string]func(string) error{
		"removed": os.RemoveAll,
		"renamed": func(s string) error { return os.Rename(s, s+".old") },
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			write(t, filepath.Join(root, "sub/a.py"), "1")
			w := start(t, root)
			do(t, how(root))
			timeout := time.After(deadline)
			for {
				select {
				case <-w.Changes():
				case err := <-w.Err():
					if !errors.Is(err, ErrVanished) || !strings.Contains(err.Error(), root) {
						t.Fatal(err)
					}
					return
				case <-timeout:
					t.Fatal("no error")
				}
			}
		})
	}
}

func TestNewErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for _, o := range []Options{{Root: file}, {Root: file + "x"}, {Root: t.TempDir(), Patterns: []string{"../x"}}} {
		if w, err := New(o); err == nil {
			w.Close()
			t.Errorf("no error for %+v", o)
		}
	}
}

// TestUnreadable: a directory that may not be read is reported, and watched
// when it may be.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read every directory")
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "shut/a.py"), "1")
	do(t, os.Chmod(filepath.Join(root, "shut"), 0))
	w := start(t, root)
	select {
	case err := <-w.Err():
		if !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
	case <-time.After(deadline):
		t.Fatal("no error")
	}
	do(t, os.Chmod(filepath.Join(root, "shut"), 0o755))
	expect(t, w, root, "shut/a.py")
}

// TestLimit runs itself again in a user namespace that may have three watches
// only: the bound of the machine is left alone.
func TestLimit(t *testing.T) {
	const mark = "LODGE_TEST_WATCH_LIMIT"
	if os.Getenv(mark) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestLimit$", "-test.v")
		cmd.Env = append(os.Environ(), mark+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Skipf("no user namespace can be made here: %v", err)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.Contains(string(out), "--- SKIP") {
			t.Skipf("inside the user namespace: %s", out)
		}
		return
	}
	if err := os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("3"), 0); err != nil {
		t.Skipf("the bound of the user namespace cannot be set: %v", err)
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "a/b/c/d.py"), "")
	// Not polled: said once, and the rest is still watched.
	want := "watch " + filepath.Join(root, "a/b/c") + ": no inotify watches left (user.max_inotify_watches=3); " +
		"from here on, changes are not seen; raise it: sysctl -w user.max_inotify_watches=1024"
	w := startWith(t, Options{Root: root, NoPolling: true})
	limited(t, w, want)
	write(t, filepath.Join(root, "a/b/c/new/e.py"), "")
	write(t, filepath.Join(root, "a/f.py"), "")
	expect(t, w, root, "a/f.py")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	w = startWith(t, Options{Root: root, Patterns: []string{"*.py", "*.cfg"}})
	limited(t, w, strings.Replace(want, "changes are not seen", "files are looked at every second instead", 1))
	write(t, filepath.Join(root, "a/b/c/d.py"), "longer")
	await(t, w, "a/b/c/d.py")
	write(t, filepath.Join(root, "a/b/c/x/y.py"), "in new directories")
	await(t, w, "a/b/c/x/y.py")
	do(t, os.Remove(filepath.Join(root, "a/b/c/d.py")))
	await(t, w, "a/b/c/d.py")
	write(t, filepath.Join(root, "a/b/c/.gitignore"), "*.cfg\n")
	write(t, filepath.Join(root, "a/b/c/x/y.py"), "after the rules")
	await(t, w, "a/b/c/x/y.py")
	write(t, filepath.Join(root, "a/b/c/x/z.cfg"), "")
	write(t, filepath.Join(root, "a/b/c/x/z.py"), "")
	if got := await(t, w, "a/b/c/x/z.py"); slices.Contains(got, "a/b/c/x/z.cfg") {
		t.Errorf("an ignored file changed: %q", got)
	}
	do(t, os.RemoveAll(filepath.Join(root, "a/b/c/x")))
	await(t, w, "a/b/c/x/y.py", "a/b/c/x/z.py")

	// Once there are watches again they are used.
	write(t, filepath.Join(root, "a/b/c/d.py"), "back")
	await(t, w, "a/b/c/d.py")
	do(t, os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("1000"), 0))
	for end := time.Now().Add(deadline); ; {
		write(t, filepath.Join(root, "a/b/c/d.py"), time.Now().String())
		await(t, w, "a/b/c/d.py")
		if len(w.source.inotify.WatchList()) == 5 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("watches %q", w.source.inotify.WatchList())
		}
	}
	expect(t, w, root)
}

func limited(t *testing.T, w *Watcher, want string) {
	t.Helper()
	select {
	case err := <-w.Err():
		var limit *LimitError
		if !errors.As(err, &limit) || err.Error() != want {
			t.Fatalf("%v, want %s", err, want)
		}
	case <-time.After(deadline):
		t.Fatal("no error")
	}
}
