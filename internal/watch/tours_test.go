package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// linksError reads the one error of links that are not followed.
func linksError(t *testing.T, w *Watcher) string {
	t.Helper()
	select {
	case err := <-w.Err():
		if !errors.Is(err, ErrLinks) {
			t.Fatal(err)
		}
		return err.Error()
	case <-time.After(deadline):
		t.Fatal("no error")
	}
	return ""
}

// TestLinksThatLeadAway: links that lead to each other, to the root and to what
// the kernel makes up cost no more than the directories that there are, are told
// once, and what is in the project is watched.
func TestLinksThatLeadAway(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "root")
	const farm = 60
	for i := range farm {
		dir := filepath.Join(root, "farm", fmt.Sprint(i))
		do(t, os.MkdirAll(dir, 0o755))
		for j := range farm {
			if i != j {
				do(t, os.Symlink(fmt.Sprintf("../%d", j), filepath.Join(dir, fmt.Sprintf("l%d", j))))
			}
		}
	}
	do(t, os.Mkdir(filepath.Join(root, "d"), 0o755))
	for link, target := range map[string]string{"root": "/", "above": top, "proc": "/proc", "sys": "/sys/kernel", "fds": "/dev/fd", "around": "."} {
		do(t, os.Symlink(target, filepath.Join(root, link)))
	}
	w := start(t, root, "**/*.txt")
	got := linksError(t, w)
	for _, want := range []string{
		"above leads to " + top + ", a directory above the project", "root leads to /, a directory above the project",
		"fds leads to /proc/", "proc leads to /proc, a file system of the kernel's own", "sys leads to /sys/kernel, a file system of the kernel's own",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	write(t, filepath.Join(root, "d/z.txt"), "z")
	await(t, w, "d/z.txt")
	write(t, filepath.Join(root, "farm/7/z.txt"), "z")
	await(t, w, "farm/7/z.txt")
	do(t, w.Close())
	if n := w.tree.tours.all.dirs; n > maxWays*farm || len(w.tree.links) > maxLinks {
		t.Errorf("%d directories are entered by links, %d links looked at", n, len(w.tree.links))
	}
	if len(w.Err()) > 0 {
		t.Error("another error:", <-w.Err())
	}
}

func TestLinksInACycle(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	for _, dir := range []string{"a", "b"} {
		write(t, filepath.Join(outside, dir, "f.py"), "")
	}
	do(t, os.Symlink("../b", filepath.Join(outside, "a/b")))
	do(t, os.Symlink("../a", filepath.Join(outside, "b/a")))
	do(t, os.Symlink(filepath.Join(outside, "a"), filepath.Join(root, "x")))
	w := start(t, root, "*.py")
	write(t, filepath.Join(outside, "a/f.py"), "changed")
	write(t, filepath.Join(outside, "b/f.py"), "changed")
	expect(t, w, root, "x/b/f.py", "x/f.py")
}

// TestManyLinksToOneDirectory: a few of them count, and when one of these is gone
// another.
func TestManyLinksToOneDirectory(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "f.py"), "")
	var all []string
	for i := range maxWays + 1 {
		link := fmt.Sprint("l", i)
		do(t, os.Symlink(outside, filepath.Join(root, link)))
		all = append(all, link+"/f.py")
	}
	w := start(t, root, "*.py")
	write(t, filepath.Join(outside, "f.py"), "changed")
	got := upTo(t, w, root)
	if len(got) != maxWays {
		t.Fatalf("changed %q", got)
	}
	do(t, os.Remove(filepath.Join(root, filepath.Dir(got[0]))))
	await(t, w, slices.DeleteFunc(slices.Clone(all), func(f string) bool { return slices.Contains(got[1:], f) })...)
	write(t, filepath.Join(outside, "f.py"), "changed again")
	expect(t, w, root, slices.DeleteFunc(all, func(f string) bool { return f == got[0] })...)
}

// TestLinkToALargeTree: one that is too large is told, and keeps neither other
// links nor the project's own directories out.
func TestLinkToALargeTree(t *testing.T) {
	root, large, small := t.TempDir(), t.TempDir(), t.TempDir()
	for i := range maxTourDirs + 10 {
		do(t, os.MkdirAll(filepath.Join(large, fmt.Sprint(i%2), fmt.Sprint(i)), 0o755))
	}
	write(t, filepath.Join(small, "deep/er/f.py"), "")
	do(t, os.Symlink(large, filepath.Join(root, "a-large")))
	do(t, os.Symlink(small, filepath.Join(root, "b-small")))
	write(t, filepath.Join(root, "own/f.py"), "")
	w := start(t, root, "*.py")
	if got, want := linksError(t, w), fmt.Sprintf("a-large leads to %s, more than %d directories", large, maxTourDirs); !strings.Contains(got, want) || strings.Contains(got, "b-small") {
		t.Errorf("got %s, want %s", got, want)
	}
	write(t, filepath.Join(small, "deep/er/f.py"), "changed")
	write(t, filepath.Join(root, "own/f.py"), "changed")
	await(t, w, "b-small/deep/er/f.py", "own/f.py")
	do(t, w.Close())
	if n := w.tree.tours.all.dirs; n > maxTourDirs+3 {
		t.Errorf("%d directories are entered by links", n)
	}
}

// TestLinkBounds: files, depth, and a link that appears later and is entered in
// pieces.
func TestLinkBounds(t *testing.T) {
	root, deep, many := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(deep, strings.Repeat("d/", maxTourDepth+2), "f.py"), "")
	write(t, filepath.Join(deep, "f.py"), "")
	for i := range 500 {
		write(t, filepath.Join(many, fmt.Sprint(i), "f.py"), "")
	}
	do(t, os.Symlink(deep, filepath.Join(root, "deep")))
	w := start(t, root, "*.py")
	if got := linksError(t, w); !strings.Contains(got, "more than 32 directories deep") {
		t.Error(got)
	}
	do(t, os.Symlink(many, filepath.Join(root, "many")))
	await(t, w, "many/0/f.py", "many/250/f.py", "many/499/f.py")
	do(t, w.Close())

	via := &tour{link: "many", target: many, entries: maxTourEntries}
	if w.tree.tours.within(via, "many/x", "/x", inode{1, 1}) != nil || !strings.Contains(w.tree.tours.refused["many"], "more than 100000 files") {
		t.Errorf("as many files as may be: %q", w.tree.tours.refused)
	}
}

// TestLinksToWhatTheKernelMakesUp: looking at such a file is no change of it.
func TestLinksToWhatTheKernelMakesUp(t *testing.T) {
	w := start(t, t.TempDir())
	do(t, w.Close())
	for _, file := range []string{"/proc/self/stat", "/dev/null", "/proc/self/fd"} {
		if got := w.tree.kernels.target(file); got.mtime != 0 || strings.HasPrefix(file, "/proc/") && got.ino != 0 {
			t.Errorf("%s: %+v", file, got)
		}
	}
	if isKernelsPath("/dev/shm/project") || isKernelsPath("/developer") || !isKernelsPath("/dev") || !isKernelsPath("/sys/fs") {
		t.Error("wrong directories of the kernel")
	}
}

// TestEndDuringAWalk: a walk through the project or through links stops when the
// watching is to end.
func TestEndDuringAWalk(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	for i := range 200 {
		write(t, filepath.Join(root, fmt.Sprint(i), "f.py"), "")
		write(t, filepath.Join(outside, fmt.Sprint(i), "f.py"), "")
	}
	do(t, os.Symlink(outside, filepath.Join(root, "link")))
	done := make(chan struct{})
	close(done)
	if w, err := New(Options{Root: root, Done: done}); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v, %v", w, err)
	}
	w := start(t, root)
	do(t, w.Close())
	rest := []todo{{rel: "link"}}
	w.tree.drop("link", false)
	w.tree.later, w.poller.looking = slices.Clone(rest), []look{{"0", false}}
	w.tree.enterLater(time.Hour)
	w.poller.proceed()
	if !slices.Equal(w.tree.later, rest) || len(w.poller.looking) != 1 || w.tree.dirs.at["link"] != nil {
		t.Error("the walk went on")
	}
	n := len(w.tree.dirs.at)
	w.tree.drop("0", false)
	if err := w.tree.add("0", false, false, time.Hour); err != nil || len(w.tree.dirs.at) != n-1 {
		t.Errorf("the walk went on: %v", err)
	}
}
