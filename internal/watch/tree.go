package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// tree is the watched directories of a root. It finds them (walk.go), follows the
// symbolic links in them (links.go), and takes the events about them: changes of
// files that count go to the batch.
type tree struct {
	*control
	root     string
	rootInfo os.FileInfo
	vanished bool // the root is gone

	rules  *rules
	source *source
	batch  *batch

	dirs    directories
	links   map[string]linkTarget // wanted symbolic links, by path relative to root
	tours   *tours
	kernels kernelFS
	later   []todo // what links lead to and is to be entered
}

func newTree(root string, info os.FileInfo, r *rules, s *source, b *batch, c *control) *tree {
	kernels := kernelFS{}
	return &tree{
		control: c, root: root, rootInfo: info, rules: r, source: s, batch: b,
		dirs: newDirectories(), links: map[string]linkTarget{}, tours: newTours(kernels), kernels: kernels,
	}
}

// handle takes one event, in the order in which the kernel queued it.
func (t *tree) handle(e fsnotify.Event) {
	gone := e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)
	if e.Name == t.root {
		if gone {
			t.vanish()
		}
		return
	}
	// The directory may have several paths, by symbolic links. One that is gone
	// meanwhile took along all that it held.
	for _, rel := range t.dirs.paths(path.Dir(e.Name)) {
		if dir := t.dirs.at[rel]; dir != nil {
			t.handleIn(dir, path.Join(rel, path.Base(e.Name)), e)
		}
	}
	if gone {
		// The paths that are left are those by links. The next poll shows where these
		// lead now.
		for _, rel := range t.dirs.paths(e.Name) {
			t.drop(rel, true)
			if _, isLink := t.links[rel]; isLink {
				t.links[rel] = linkTarget{}
			}
		}
	}
}

// handleIn takes an event about rel, which is in dir.
func (t *tree) handleIn(dir *directory, rel string, e fsnotify.Event) {
	name := path.Base(rel)
	if name == ".gitignore" {
		t.batch.changeRules()
	}
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		// Rename is about the old name; the new one gets a Create.
		t.forgetLink(rel)
		if t.dirs.at[rel] != nil {
			t.drop(rel, true)
			return
		}
		if _, was := dir.files[name]; was {
			delete(dir.files, name)
			t.batch.mark(rel, true)
		}
		return
	}
	info, err := os.Lstat(e.Name)
	if err != nil {
		return // a Remove follows
	}
	if !isLink(info.Mode()) {
		t.forgetLink(rel)
	}
	if info.IsDir() || isLink(info.Mode()) && t.noteLink(dir, rel) {
		if e.Has(fsnotify.Create) && t.dirs.at[rel] != nil {
			t.drop(rel, true)
		}
		// A chmod can make a directory readable that was not.
		if e.Has(fsnotify.Create) || e.Has(fsnotify.Chmod) {
			t.enter(dir, rel)
		}
		return
	}
	if t.dirs.at[rel] != nil {
		t.drop(rel, true) // a file took the place of a directory
	}
	if !isFile(info.Mode()) || !t.rules.counts(rel, dir.ignored) {
		return
	}
	before, was := dir.files[name]
	now := info.ModTime().UnixNano()
	if e.Op == fsnotify.Chmod && was && before == now {
		return
	}
	dir.files[name] = now
	t.batch.mark(rel, was)
}

// isFile leaves out sockets, pipes and devices.
func isFile(m fs.FileMode) bool { return m.IsRegular() || m&fs.ModeSymlink != 0 }

// isNews leaves out files that came and went within one batch, such as those
// that an editor renames over the real one, and those that a new .gitignore
// ignores.
func (t *tree) isNews(rel string, before, rulesChanged bool) bool {
	if rulesChanged && !t.counts(rel) {
		return false
	}
	if before {
		return true
	}
	_, err := os.Lstat(filepath.Join(t.root, rel))
	return err == nil
}

// counts reports whether changes of the file rel are reported.
func (t *tree) counts(rel string) bool {
	dir := t.dirs.at[path.Dir(rel)]
	if dir == nil { // it went, and took the file along
		return !t.rules.ignoredFromRoot(rel)
	}
	return t.rules.counts(rel, dir.ignored)
}

// watch watches one directory and reads its ignore rules; nil if it is gone
// or may not be read.
func (t *tree) watch(rel string, ignored bool) (*directory, error) {
	dir := t.locate(rel)
	if dir == nil {
		return nil, nil
	}
	before, err := os.Lstat(dir.real)
	if err != nil || !before.IsDir() {
		return nil, nil
	}
	if other := t.dirs.other(dir.real); other != nil {
		dir.polled = other.polled
	} else if dir.polled, err = t.source.add(dir.real); err != nil {
		switch {
		case errors.Is(err, errNoWatch):
			return nil, nil
		case rel == ".":
			return nil, watchError(dir.real, err)
		case !isGone(err):
			t.report(watchError(dir.real, err))
		}
		return nil, nil
	}
	dir.ignored, dir.files = ignored, map[string]int64{}
	t.dirs.add(rel, dir)
	t.tours.count(dir, 1)
	if dir.polled {
		dir.rules = rulesTime(dir)
	}
	// fsnotify follows a symbolic link that took the directory's place.
	if after, err := os.Lstat(dir.real); err != nil || !os.SameFile(before, after) {
		t.unwatch(rel)
		return nil, nil
	}
	t.rules.ignore.load(rel)
	return dir, nil
}

func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.EINVAL) || errors.Is(err, fsnotify.ErrNonExistentWatch)
}

// rulesTime returns when the .gitignore of dir was changed last (Unix, ns); 0 if it has none.
func rulesTime(dir *directory) int64 {
	info, err := os.Lstat(filepath.Join(dir.real, ".gitignore"))
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// drop forgets the directory rel and all below it; if gone, its files count as
// changed.
func (t *tree) drop(rel string, gone bool) {
	for d, dir := range t.dirs.at {
		if !isBelow(d, rel) {
			continue
		}
		if gone {
			for name := range dir.files {
				t.batch.mark(path.Join(d, name), true)
			}
		}
		t.unwatch(d)
	}
	for link := range t.links {
		if link != rel && isBelow(link, rel) {
			t.forgetLink(link)
		}
	}
}

// isBelow reports whether rel is dir or below it.
func isBelow(rel, dir string) bool { return rel == dir || strings.HasPrefix(rel, dir+"/") }

// unwatch removes one watch. fsnotify keeps the old path for what is below a
// renamed directory, so every one must be removed by hand and added anew.
func (t *tree) unwatch(rel string) {
	dir, last := t.dirs.remove(rel)
	t.rules.ignore.forget(rel)
	t.tours.count(dir, -1)
	if last && !dir.polled {
		t.source.remove(dir.real)
	}
}

// clear removes all watches and links.
func (t *tree) clear() {
	for _, rel := range t.dirs.sorted() {
		t.unwatch(rel)
	}
	clear(t.links)
	clear(t.tours.refused)
	t.later = nil
}

// rootIsThere reports whether the root is still the directory that New found.
func (t *tree) rootIsThere() bool {
	info, err := os.Lstat(t.root)
	return err == nil && os.SameFile(info, t.rootInfo)
}

// vanish ends the watching, once.
func (t *tree) vanish() {
	if t.vanished {
		return
	}
	t.vanished = true
	t.clear()
	t.report(fmt.Errorf("watch %s: %w", t.root, ErrVanished))
}

// rebuild starts over after events were lost.
func (t *tree) rebuild() {
	t.clear()
	t.rules.reset()
	if err := t.add(".", false, false, sliceTime); err != nil {
		t.report(err)
	}
}
