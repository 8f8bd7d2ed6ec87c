package watch

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"
)

const (
	// sliceTime is about how long the work for links or for a poll goes on until
	// events are handled again; a few directories are always done.
	sliceTime = 50 * time.Millisecond
	sliceDirs = 64
	// firstTime is how long New enters links; the rest follows later.
	firstTime = time.Second
)

// todo is a directory to enter.
type todo struct {
	rel            string
	ignored, fresh bool
}

// enter watches the directory rel in parent, if it is wanted and not watched.
// Its files count as changed.
func (t *tree) enter(parent *directory, rel string) {
	if t.dirs.at[rel] != nil {
		return
	}
	if watch, ignored := t.rules.enters(rel, parent.ignored); watch {
		if err := t.add(rel, ignored, true, sliceTime); err != nil {
			t.report(err)
		}
	}
}

// add watches the directory rel and those below it. If fresh, the files in
// them count as changed: they came before the watch. Only the root is an error if
// it may not be read. What links lead to comes last, and may wait in t.later.
func (t *tree) add(rel string, ignored, fresh bool, limit time.Duration) error {
	stack := []todo{{rel, ignored, fresh}}
	for len(stack) > 0 && !t.stopping() {
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		dir, err := t.watch(next.rel, next.ignored)
		if err != nil {
			return err
		}
		if dir != nil {
			t.read(next, dir, func(below todo) { stack = append(stack, below) })
		}
	}
	t.enterLater(limit)
	return nil
}

// read reads a directory that is entered. Directories in it that are the
// project's own are given to own; those that links lead to wait in t.later.
func (t *tree) read(at todo, dir *directory, own func(todo)) {
	t.each(dir, func(e fs.DirEntry) bool {
		if dir.via != nil {
			if t.tours.isFull(dir.via) {
				return false
			}
			t.tours.countEntry(dir)
		}
		child := path.Join(at.rel, e.Name())
		if !t.isDir(dir, child, e) {
			t.note(dir, child, e, at.fresh)
			return true
		}
		if watch, ignored := t.rules.enters(child, dir.ignored); watch && t.dirs.at[child] == nil {
			next := todo{child, ignored, at.fresh}
			if dir.via != nil || isLink(e.Type()) {
				t.later = append(t.later, next)
			} else {
				own(next)
			}
		}
		return true
	})
}

// enterLater enters what links lead to, breadth first, so that a large tree does
// not keep small ones out. It stops after a while; the rest stays in t.later.
func (t *tree) enterLater(limit time.Duration) {
	began := time.Now()
	for n := 0; len(t.later) > 0; n++ {
		if t.stopping() || n >= sliceDirs && time.Since(began) > limit {
			return
		}
		next := t.later[0]
		t.later = t.later[1:]
		if t.dirs.at[next.rel] != nil {
			continue
		}
		if dir, _ := t.watch(next.rel, next.ignored); dir != nil { // only the root's is an error
			t.read(next, dir, nil)
		}
	}
	t.later = nil
	if err := t.tours.err(t.root); err != nil {
		t.report(err)
	}
}

// note adds a file found in a directory to those that count.
func (t *tree) note(dir *directory, rel string, e fs.DirEntry, fresh bool) {
	if !isFile(e.Type()) || !t.rules.counts(rel, dir.ignored) {
		return
	}
	info, err := e.Info()
	if err != nil {
		return
	}
	name := e.Name()
	if _, known := dir.files[name]; known {
		return // events report its changes
	}
	dir.files[name] = info.ModTime().UnixNano()
	if fresh {
		t.batch.mark(rel, false)
	}
}

// each reads a directory piece by piece, so that a huge one costs no memory, until do
// returns false. It reports whether it read all of it.
func (t *tree) each(dir *directory, do func(fs.DirEntry) bool) bool {
	f, err := os.OpenFile(dir.real, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		if !isGone(err) && !errors.Is(err, syscall.ELOOP) {
			t.report(watchError(dir.real, err))
		}
		return false
	}
	defer f.Close()
	for {
		if t.stopping() {
			return false
		}
		entries, err := f.ReadDir(512)
		for _, e := range entries {
			if !do(e) {
				return false
			}
		}
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			if !isGone(err) {
				t.report(watchError(dir.real, err))
			}
			return false
		}
	}
}

// resync takes new ignore rules into account. Directories that stay are
// watched all along. Files that were ignored until now count as changed.
func (t *tree) resync() {
	for _, rel := range t.dirs.sorted() {
		dir := t.dirs.at[rel]
		if dir == nil {
			continue // dropped with its parent
		}
		if rel != "." {
			watch, ignored := t.rules.enters(rel, t.dirs.at[path.Dir(rel)].ignored)
			if !watch {
				t.drop(rel, false)
				continue
			}
			dir.ignored = ignored
		}
		t.rules.ignore.load(rel)
		for name := range dir.files {
			if !t.rules.counts(path.Join(rel, name), dir.ignored) {
				delete(dir.files, name)
			}
		}
		t.each(dir, func(e fs.DirEntry) bool {
			child := path.Join(rel, e.Name())
			if t.isDir(dir, child, e) {
				t.enter(dir, child)
			} else {
				t.note(dir, child, e, true)
			}
			return true
		})
	}
}
