package logs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inMounts runs the test again as root of a mount namespace of its own and
// reports whether this is that run.
func inMounts(t *testing.T) bool {
	t.Helper()
	const mark = "LODGE_TEST_MOUNTS"
	if os.Getenv(mark) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	// With Unshareflags, os/exec makes all mounts private, so that none of
	// the test's gets out.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		t.Fatalf("%v\n%s", err, out)
	case err != nil:
		t.Skipf("no mount namespace can be made here: %v", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("in the mount namespace: %s", out)
	}
	return false
}

func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("a tmpfs cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func TestDiskFull(t *testing.T) {
	if !inMounts(t) {
		return
	}
	dir := t.TempDir()
	mount(t, dir, "size=64k,mode=0700")
	st, clock := open(t, dir, Options{})
	w := st.Writer("web")
	ballast := filepath.Join(dir, "ballast")
	check(t, os.WriteFile(ballast, make([]byte, 40<<10), 0o600))

	var all []string
	put := func(n int) {
		for range n {
			text := fmt.Sprintf("line %05d %s", len(all), strings.Repeat("z", 50))
			all = append(all, text)
			if n, err := fmt.Fprintln(w, text); err != nil || n != len(text)+1 {
				t.Fatal(n, err)
			}
		}
	}
	put(500) // 24 KiB are left: some 250 lines
	select {
	case err := <-st.Err():
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "web") {
			t.Fatal(err)
		}
	default:
		t.Fatal("nobody says that the disk is full")
	}
	onDisk := texts(readAll(t, dir, Query{}))
	if len(onDisk) == 0 || len(onDisk) >= 500 {
		t.Fatalf("%d lines on disk", len(onDisk))
	}
	equal(t, "disk while full", onDisk, all[:len(onDisk)])
	equal(t, "memory while full", texts(st.Tail("web", 500)), all)

	// A reader gets those in memory too.
	f, err := st.ReadAndFollow(Query{})
	check(t, err)
	put(1)
	equal(t, "read and follow while full", drain(t, f, 501), all)
	check(t, f.Close())

	// A second service has the same trouble: no second message. And a retry
	// fails without one.
	fmt.Fprintln(st.Writer("db"), strings.Repeat("z", 5000))
	clock.add(time.Second)
	put(1)
	select {
	case err := <-st.Err():
		t.Error("said twice:", err)
	default:
	}

	// There is room again: all is written, with no gap.
	check(t, os.Remove(ballast))
	put(1) // not yet: a retry was less than a second ago
	if n := len(readAll(t, dir, Query{Services: []string{"web"}})); n != len(onDisk) {
		t.Errorf("%d lines on disk within the second", n)
	}
	clock.add(time.Second)
	st.Flush(time.Hour)
	equal(t, "disk after", texts(readAll(t, dir, Query{Services: []string{"web"}})), all)

	// Full for so long that memory does not suffice.
	free := make([]byte, 4096)
	b, err := os.Create(ballast)
	check(t, err)
	for err == nil {
		_, err = b.Write(free)
	}
	b.Close()
	before := len(all)
	put(3000)
	if err := <-st.Err(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	check(t, os.Remove(ballast))
	check(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m,mode=0700"))
	clock.add(time.Second)
	put(1)
	got := texts(readAll(t, dir, Query{Services: []string{"web"}}))
	mark := -1
	for i, text := range got {
		if strings.HasPrefix(text, "lodge: ") {
			mark = i
		}
	}
	if mark < before {
		t.Fatalf("no line about the loss in %d lines", len(got))
	}
	lost := len(all) - (len(got) - 1)
	if want := fmt.Sprintf("lodge: %d lines lost here: no space left on device", lost); got[mark] != want {
		t.Errorf("%q, want %q", got[mark], want)
	}
	equal(t, "before the loss", got[:mark], all[:mark])
	equal(t, "after the loss", got[mark+1:], all[len(all)-ringLines:])
	check(t, w.Close())
}

func TestReadOnly(t *testing.T) {
	if !inMounts(t) {
		return
	}
	dir := t.TempDir()
	mount(t, dir, "size=1m,mode=0700")
	st, clock := open(t, dir, Options{})
	w := st.Writer("web")
	check(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	fmt.Fprintln(w, "one")
	if err := <-st.Err(); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	check(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	clock.add(time.Second)
	fmt.Fprintln(w, "two")
	equal(t, "lines", texts(readAll(t, dir, Query{})), []string{"one", "two"})
}

func TestDirectoryVanished(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "logs")
	st, clock := open(t, dir, Options{})
	w := st.Writer("web")
	fmt.Fprintln(w, "one")
	clock.add(time.Second)
	fmt.Fprintln(w, "two")
	check(t, os.RemoveAll(dir))
	fmt.Fprintln(w, "three") // into a file without a name
	clock.add(time.Second)
	fmt.Fprintln(w, "four")
	equal(t, "made again", texts(readAll(t, dir, Query{})), []string{"two", "three", "four"})
	select {
	case err := <-st.Err():
		t.Error(err)
	default:
	}

	// Its parent too: that is not ours to make.
	check(t, os.RemoveAll(parent))
	clock.add(time.Second)
	fmt.Fprintln(w, "five")
	if err := <-st.Err(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	equal(t, "memory", texts(st.Tail("web", 2)), []string{"four", "five"})
	if err := st.Close(); err == nil || !strings.Contains(err.Error(), "not written") {
		t.Errorf("closed with lines unwritten: %v", err)
	}
}

func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	check(t, os.WriteFile(outside, []byte("2026-03-04T12:00:00.000000000Z secret\n"), 0o600))
	check(t, syscall.Mkfifo(filepath.Join(dir, "pipe.log"), 0o600))
	check(t, os.Symlink(outside, filepath.Join(dir, "link.log")))
	check(t, os.Mkdir(filepath.Join(dir, "dir.log"), 0o700))
	st, _ := open(t, dir, Options{})
	for _, service := range []string{"pipe", "link", "dir", strings.Repeat("long", 100)} {
		fmt.Fprintln(st.Writer(service), "x")
		if err := <-st.Err(); !strings.Contains(err.Error(), service) {
			t.Errorf("%s: %v", service, err)
		}
	}
	equal(t, "lines", texts(readAll(t, dir, Query{})), []string{})
	equal(t, "tail", texts(readAll(t, dir, Query{Tail: 3})), []string{})
	if data, _ := os.ReadFile(outside); len(data) != 38 {
		t.Error("a link was followed")
	}
}

// TestReadWhileRotating is a reader in another process: it shares nothing
// with the writer but the directory.
func TestReadWhileRotating(t *testing.T) {
	dir := t.TempDir()
	st, err := Open(dir, Options{MaxBytes: 4000, Keep: 400})
	check(t, err)
	defer st.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := st.Writer("web")
		for i := range 20_000 {
			fmt.Fprintf(w, "%06d\n", i)
		}
	}()
	for rounds := 0; ; rounds++ {
		before := "0"
		if tail := st.Tail("web", 1); len(tail) > 0 {
			before = tail[0].Text
		}
		next := 0
		for l, err := range Read(dir, Query{}) {
			check(t, err)
			if l.Text != fmt.Sprintf("%06d", next) {
				t.Fatalf("round %d: %s, want %06d", rounds, l.Text, next)
			}
			next++
		}
		if before != "0" && fmt.Sprintf("%06d", next-1) < before {
			t.Fatalf("round %d: ends at %d, but %s was written before", rounds, next-1, before)
		}
		tail := readAll(t, dir, Query{Tail: 300})
		for i := 1; i < len(tail); i++ {
			if tail[i].Text <= tail[i-1].Text {
				t.Fatalf("tail: %s after %s", tail[i].Text, tail[i-1].Text)
			}
		}
		select {
		case <-done:
			if next == 20_000 {
				return
			}
		default:
		}
	}
}

// TestRotationWaitsForReader: while a reader holds the lock, the file grows
// instead, and no write fails; but not without end.
func TestRotationWaitsForReader(t *testing.T) {
	dir := t.TempDir()
	st, _ := open(t, dir, Options{MaxBytes: 1000, Keep: 1})
	w := st.Writer("web")
	unlock, _ := lockDir(dir, syscall.LOCK_SH)
	put := func(bytes int) {
		for range bytes / 1000 {
			fmt.Fprintln(w, strings.Repeat("x", 1000))
		}
	}
	old := filepath.Join(dir, "web.log.1")
	put(100_000)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Error("rotated under a reader's eyes")
	}
	put(rotateSlack)
	if _, err := os.Stat(old); err != nil {
		t.Error("not rotated for a reader that stays for ever:", err)
	}
	unlock()
	put(2000)
	if info, err := os.Stat(filepath.Join(dir, "web.log")); err != nil || info.Size() > 2000 {
		t.Error("not rotated after the reader was done")
	}
}
