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
	"time"

	"github.com/fsnotify/fsnotify"
)

// directory is one watched directory.
type directory struct {
	// real is its path without symbolic links.
	real string
	// via is set if a symbolic link leads to it, or to a directory above it; then
	// id is its own, and entries counts what was read of it.
	via     *tour
	id      inode
	entries int
	polled  bool // it has no inotify watch
	// rules is the modification time of its .gitignore, if it is polled.
	rules int64
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
	// The directory may have several paths, by symbolic links. One that is gone
	// meanwhile took along all that it held.
	for _, rel := range slices.Clone(w.byReal[path.Dir(e.Name)]) {
		if dir := w.dirs[rel]; dir != nil {
			w.handleIn(dir, path.Join(rel, path.Base(e.Name)), e)
		}
	}
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		// What is left was reached by links. Where these lead now shows the next poll.
		for _, rel := range slices.Clone(w.byReal[e.Name]) {
			w.drop(rel, true)
			if _, isLink := w.links[rel]; isLink {
				w.links[rel] = linkTarget{}
			}
		}
	}
}

// handleIn takes an event about rel, which is in dir.
func (w *Watcher) handleIn(dir *directory, rel string, e fsnotify.Event) {
	name := path.Base(rel)
	if name == ".gitignore" {
		w.rulesChanged, w.stirred = true, true
	}
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		// Rename is about the old name; the new one gets a Create.
		w.forgetLink(rel)
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
	if !isLink(info.Mode()) {
		w.forgetLink(rel)
	}
	if info.IsDir() || isLink(info.Mode()) && w.noteLink(dir, rel) {
		if e.Has(fsnotify.Create) && w.dirs[rel] != nil {
			w.drop(rel, true)
		}
		// A chmod can make a directory readable that was not.
		if e.Has(fsnotify.Create) || e.Has(fsnotify.Chmod) {
			w.enter(dir, rel)
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

// enter watches the directory rel in parent, if it is wanted and not watched.
// Its files count as changed.
func (w *Watcher) enter(parent *directory, rel string) {
	if w.dirs[rel] != nil {
		return
	}
	if watch, ignored := w.enters(rel, parent); watch {
		if err := w.add(rel, ignored, true, sliceTime); err != nil {
			w.report(err)
		}
	}
}

// isFile leaves out sockets, pipes and devices.
func isFile(m fs.FileMode) bool { return m.IsRegular() || m&fs.ModeSymlink != 0 }

// countsIn reports whether the file rel in dir is one to report.
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

// enters reports whether to watch the directory rel in parent, and whether it is
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
// them count as changed: they came before the watch. Only the root is an error if
// it may not be read. What links lead to comes last, and may wait in w.later.
func (w *Watcher) add(rel string, ignored, fresh bool, limit time.Duration) error {
	stack := []todo{{rel, ignored, fresh}}
	for len(stack) > 0 && !w.stopping() {
		t := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		dir, err := w.watch(t.rel, t.ignored)
		if err != nil {
			return err
		}
		if dir != nil {
			w.read(t, dir, func(next todo) { stack = append(stack, next) })
		}
	}
	w.enterLater(limit)
	return nil
}

// watch watches one directory and reads its ignore rules; nil if it is gone
// or may not be read.
func (w *Watcher) watch(rel string, ignored bool) (*directory, error) {
	dir := w.locate(rel)
	if dir == nil {
		return nil, nil
	}
	before, err := os.Lstat(dir.real)
	if err != nil || !before.IsDir() {
		return nil, nil
	}
	if err := w.listen(dir); err != nil {
		switch {
		case errors.Is(err, errNoWatch):
			return nil, nil
		case rel == ".":
			return nil, watchError(dir.real, err)
		case !isGone(err):
			w.report(watchError(dir.real, err))
		}
		return nil, nil
	}
	dir.ignored, dir.files = ignored, map[string]int64{}
	w.dirs[rel] = dir
	w.byReal[dir.real] = append(w.byReal[dir.real], rel)
	w.count(dir, 1)
	if dir.polled {
		w.polled++
		dir.rules = w.rulesTime(dir)
	}
	// fsnotify follows a symbolic link that took the directory's place.
	if after, err := os.Lstat(dir.real); err != nil || !os.SameFile(before, after) {
		w.unwatch(rel)
		return nil, nil
	}
	w.ignore.load(rel)
	return dir, nil
}

// listen asks the kernel to tell of changes in dir, or makes it one that is
// polled. Where neither can be it returns errNoWatch.
func (w *Watcher) listen(dir *directory) error {
	if others := w.byReal[dir.real]; len(others) > 0 {
		dir.polled = w.dirs[others[0]].polled
		return nil
	}
	if w.inotify != nil {
		err := w.inotify.Add(dir.real)
		if !errors.Is(err, syscall.ENOSPC) {
			w.limited = w.limited && err != nil
			return err
		}
		if !w.limited { // else told already
			w.limited = true
			w.report(w.instead(watchError(dir.real, err)))
		}
	}
	dir.polled = true
	if !w.poll {
		return errNoWatch
	}
	return nil
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

// each reads the watched directory rel piece by piece, so that a huge one costs
// no memory, until do returns false. It reports whether it read all of it.
func (w *Watcher) each(rel string, do func(fs.DirEntry) bool) bool {
	dir := w.dirs[rel].real
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		if !isGone(err) && !errors.Is(err, syscall.ELOOP) {
			w.report(watchError(dir, err))
		}
		return false
	}
	defer f.Close()
	for {
		if w.stopping() {
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
				w.report(watchError(dir, err))
			}
			return false
		}
	}
}

// drop forgets the directory rel and all below it; if gone, its files count as
// changed.
func (w *Watcher) drop(rel string, gone bool) {
	for d, dir := range w.dirs {
		if !isBelow(d, rel) {
			continue
		}
		if gone {
			for name := range dir.files {
				w.mark(path.Join(d, name), true)
			}
		}
		w.unwatch(d)
	}
	for link := range w.links {
		if link != rel && isBelow(link, rel) {
			w.forgetLink(link)
		}
	}
}

// isBelow reports whether rel is dir or below it.
func isBelow(rel, dir string) bool { return rel == dir || strings.HasPrefix(rel, dir+"/") }

// unwatch removes one watch. fsnotify keeps the old path for what is below a
// renamed directory, so every one must be removed by hand and added anew.
func (w *Watcher) unwatch(rel string) {
	dir := w.dirs[rel]
	delete(w.dirs, rel)
	w.ignore.forget(rel)
	w.count(dir, -1)
	if dir.polled {
		w.polled--
	}
	if others := slices.DeleteFunc(w.byReal[dir.real], func(o string) bool { return o == rel }); len(others) > 0 {
		w.byReal[dir.real] = others
		return
	}
	delete(w.byReal, dir.real)
	if !dir.polled {
		// An error says that the watch went with its directory.
		_ = w.inotify.Remove(dir.real)
	}
}

// rebuild starts over after events were lost.
func (w *Watcher) rebuild() {
	for rel := range w.dirs {
		w.unwatch(rel)
	}
	w.forgetLinks()
	w.ignore = newIgnorer(w.root)
	if err := w.add(".", false, false, sliceTime); err != nil {
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
		w.each(rel, func(e fs.DirEntry) bool {
			child := path.Join(rel, e.Name())
			if w.isDir(dir, child, e) {
				w.enter(dir, child)
			} else {
				w.note(dir, child, e, true)
			}
			return true
		})
	}
}
