package watch

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// directory is one watched directory.
type directory struct {
	// ignored directories are watched only for what a pattern names in them.
	ignored bool
	// files holds the modification time (Unix, ns) of each file that counts:
	// it tells a touch from a chmod, and which files went with a directory.
	files map[string]int64
}

// handle takes one event, in the order in which the kernel queued it.
func (w *Watcher) handle(e fsnotify.Event) {
	if e.Name == w.root {
		if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
			w.vanish()
		}
		return
	}
	rel, ok := strings.CutPrefix(e.Name, strings.TrimSuffix(w.root, "/")+"/")
	if !ok {
		return
	}
	name := path.Base(rel)
	dir := w.dirs[path.Dir(rel)]
	if dir == nil {
		return // the directory went meanwhile, with all that it held
	}
	if name == ".gitignore" {
		w.rulesChanged, w.stirred = true, true
	}
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		// Rename is about the old name; the new one gets a Create.
		if w.dirs[rel] != nil {
			w.drop(rel, true)
			return
		}
		if _, was := dir.files[name]; was {
			delete(dir.files, name)
			w.mark(rel, true)
		}
		return
	}
	info, err := os.Lstat(e.Name)
	if err != nil {
		return // a Remove follows
	}
	if info.IsDir() {
		if e.Has(fsnotify.Create) && w.dirs[rel] != nil {
			w.drop(rel, true)
		}
		// A chmod can make a directory readable that was not.
		if w.dirs[rel] == nil && (e.Has(fsnotify.Create) || e.Has(fsnotify.Chmod)) {
			if watch, ignored := w.enters(rel, dir); watch {
				if err := w.add(rel, ignored, true); err != nil {
					w.report(err)
				}
			}
		}
		return
	}
	if w.dirs[rel] != nil {
		w.drop(rel, true) // a file took the place of a directory
	}
	if !isFile(info.Mode()) || !w.countsIn(rel, dir) {
		return
	}
	before, was := dir.files[name]
	now := info.ModTime().UnixNano()
	if e.Op == fsnotify.Chmod && was && before == now {
		return
	}
	dir.files[name] = now
	w.mark(rel, was)
}

// isFile leaves out sockets, pipes and devices. A symbolic link counts as
// itself, not as what it leads to.
func isFile(m fs.FileMode) bool { return m.IsRegular() || m&fs.ModeSymlink != 0 }

// countsIn says whether the file rel in dir is one to report.
func (w *Watcher) countsIn(rel string, dir *directory) bool {
	if !w.wants.wants(rel) {
		return false
	}
	return w.wants.names(rel, false) || !dir.ignored && !w.ignore.ignores(rel, false)
}

func (w *Watcher) counts(rel string) bool {
	dir := w.dirs[path.Dir(rel)]
	if dir == nil { // it went, and took the file along
		return !w.ignoredFromRoot(rel)
	}
	return w.countsIn(rel, dir)
}

func (w *Watcher) ignoredFromRoot(rel string) bool {
	ignored := false
	for i := 0; i <= len(rel); i++ {
		if i < len(rel) && rel[i] != '/' {
			continue
		}
		part, isDir := rel[:i], i < len(rel)
		ignored = !w.wants.names(part, isDir) && (ignored || w.ignore.ignores(part, isDir))
	}
	return ignored
}

// enters says whether to watch the directory rel in parent, and whether it is
// ignored but for what patterns name in it.
func (w *Watcher) enters(rel string, parent *directory) (watch, ignored bool) {
	if !w.wants.mayWant(rel) {
		return false, false
	}
	named := w.wants.names(rel, true)
	ignored = !named && (parent.ignored || w.ignore.ignores(rel, true))
	if ignored && !w.wants.leadsTo(rel) {
		return false, true
	}
	return named || !isLinkedWorktree(filepath.Join(w.root, rel)), ignored
}

// add watches the directory rel and those below it. If fresh, the files in
// them count as changed: they came before the watch. A directory that is gone
// again or may not be read is no error; the limit on watches is one, and what
// was not reached stays unwatched.
func (w *Watcher) add(rel string, ignored, fresh bool) error {
	type todo struct {
		rel     string
		ignored bool
	}
	stack := []todo{{rel, ignored}}
	for len(stack) > 0 {
		t := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		dir, err := w.watch(t.rel, t.ignored)
		if err != nil {
			return err
		}
		if dir == nil {
			continue
		}
		w.each(t.rel, func(e fs.DirEntry) {
			child := path.Join(t.rel, e.Name())
			if e.IsDir() {
				if watch, ignored := w.enters(child, dir); watch && w.dirs[child] == nil {
					stack = append(stack, todo{child, ignored})
				}
				return
			}
			w.note(dir, child, e, fresh)
		})
	}
	return nil
}

// watch watches one directory and reads its ignore rules; nil if it is gone
// or may not be read.
func (w *Watcher) watch(rel string, ignored bool) (*directory, error) {
	full := filepath.Join(w.root, rel)
	before, err := os.Lstat(full)
	if err != nil || !before.IsDir() {
		return nil, nil
	}
	if err := w.inotify.Add(full); err != nil {
		switch {
		case errors.Is(err, syscall.ENOSPC):
			if w.limited {
				return nil, nil // said already
			}
			w.limited = true
			return nil, watchError(full, err)
		case rel == ".":
			return nil, watchError(full, err)
		case !isGone(err):
			w.report(watchError(full, err))
		}
		return nil, nil
	}
	w.limited = false
	// fsnotify follows a symbolic link that took the directory's place.
	if after, err := os.Lstat(full); err != nil || !os.SameFile(before, after) {
		w.unwatch(rel)
		return nil, nil
	}
	dir := &directory{ignored: ignored, files: map[string]int64{}}
	w.dirs[rel] = dir
	w.ignore.load(rel)
	return dir, nil
}

func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.EINVAL) || errors.Is(err, fsnotify.ErrNonExistentWatch)
}

// note takes a file found in a directory into the list of those that count.
func (w *Watcher) note(dir *directory, rel string, e fs.DirEntry, fresh bool) {
	if !isFile(e.Type()) || !w.countsIn(rel, dir) {
		return
	}
	info, err := e.Info()
	if err != nil {
		return
	}
	name := e.Name()
	if _, known := dir.files[name]; known {
		return // events tell about it
	}
	dir.files[name] = info.ModTime().UnixNano()
	if fresh {
		w.mark(rel, false)
	}
}

// each reads a directory piece by piece, so that a huge one costs no memory.
func (w *Watcher) each(rel string, do func(fs.DirEntry)) {
	f, err := os.OpenFile(filepath.Join(w.root, rel), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		if !isGone(err) && !errors.Is(err, syscall.ELOOP) {
			w.report(watchError(filepath.Join(w.root, rel), err))
		}
		return
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(512)
		for _, e := range entries {
			do(e)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !isGone(err) {
				w.report(watchError(filepath.Join(w.root, rel), err))
			}
			return
		}
	}
}

// drop forgets the directory rel and all below it; if gone, its files count as
// changed.
func (w *Watcher) drop(rel string, gone bool) {
	for d, dir := range w.dirs {
		if d != rel && !strings.HasPrefix(d, rel+"/") {
			continue
		}
		if gone {
			for name := range dir.files {
				w.mark(path.Join(d, name), true)
			}
		}
		w.unwatch(d)
	}
}

// unwatch removes one watch. fsnotify keeps the old path for what is below a
// renamed directory, so every one must be removed by hand and added anew.
func (w *Watcher) unwatch(rel string) {
	delete(w.dirs, rel)
	w.ignore.forget(rel)
	// An error says that the watch went with its directory.
	_ = w.inotify.Remove(filepath.Join(w.root, rel))
}

// rebuild starts over after events were lost.
func (w *Watcher) rebuild() {
	for rel := range w.dirs {
		w.unwatch(rel)
	}
	w.ignore = newIgnorer(w.root)
	if err := w.add(".", false, false); err != nil {
		w.report(err)
	}
}

// resync takes new ignore rules into account. Directories that stay are
// watched all along. Files that were ignored until now count as changed.
func (w *Watcher) resync() {
	known := make([]string, 0, len(w.dirs))
	for rel := range w.dirs {
		known = append(known, rel)
	}
	slices.Sort(known) // parents before what is in them
	for _, rel := range known {
		dir := w.dirs[rel]
		if dir == nil {
			continue // dropped with its parent
		}
		if rel != "." {
			watch, ignored := w.enters(rel, w.dirs[path.Dir(rel)])
			if !watch {
				w.drop(rel, false)
				continue
			}
			dir.ignored = ignored
		}
		w.ignore.load(rel)
		for name := range dir.files {
			if !w.countsIn(path.Join(rel, name), dir) {
				delete(dir.files, name)
			}
		}
		w.each(rel, func(e fs.DirEntry) {
			child := path.Join(rel, e.Name())
			if !e.IsDir() {
				w.note(dir, child, e, true)
				return
			}
			if w.dirs[child] != nil {
				return
			}
			if watch, ignored := w.enters(child, dir); watch {
				if err := w.add(child, ignored, true); err != nil {
					w.report(err)
				}
			}
		})
	}
}
