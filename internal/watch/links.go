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
)

// A symbolic link to a directory is entered, and the files below it have the
// link's path. Changes of what a link leads to make no event where the link is,
// so links are looked at again with each poll.

const (
	// maxLinks bounds the links that are looked at again.
	maxLinks = 1000
	// maxLinked bounds the directories that are reached by links: links can lead
	// to large trees elsewhere, and to each other.
	maxLinked = 4096
)

// ErrLinks says that symbolic links lead to more directories than are watched.
var ErrLinks = errors.New("symbolic links lead to too many directories")

// linkTarget is what a symbolic link leads to; zero if nothing.
type linkTarget struct {
	dev, ino uint64
	dir      bool
	mtime    int64 // of a file (Unix, ns)
}

func targetOf(file string) linkTarget {
	info, err := os.Stat(file)
	if err != nil {
		return linkTarget{}
	}
	t := linkTarget{dir: info.IsDir()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		t.dev, t.ino = uint64(st.Dev), st.Ino
	}
	if !t.dir {
		t.mtime = info.ModTime().UnixNano()
	}
	return t
}

func isLink(m fs.FileMode) bool { return m&fs.ModeSymlink != 0 }

// isDir reports whether the entry e of the directory in is one, or a link to one.
func (w *Watcher) isDir(in *directory, rel string, e fs.DirEntry) bool {
	return e.IsDir() || isLink(e.Type()) && w.noteLink(in, rel)
}

// noteLink notes the symbolic link rel, if it is wanted, and reports whether it
// leads to a directory.
func (w *Watcher) noteLink(in *directory, rel string) (dir bool) {
	if !w.wants.wants(rel) && !w.wants.mayWant(rel) {
		return false
	}
	if !w.wants.names(rel, false) && !w.wants.leadsTo(rel) && (in.ignored || w.ignore.ignores(rel, false)) {
		return false
	}
	t := targetOf(filepath.Join(in.real, path.Base(rel)))
	if _, known := w.links[rel]; known || len(w.links) < maxLinks {
		w.links[rel] = t
	}
	return t.dir
}

// locate returns where the directory rel is; nil if it is gone, or if following
// a link would lead to a directory above, and so around for ever.
func (w *Watcher) locate(rel string) *directory {
	if rel == "." {
		return &directory{real: w.root}
	}
	parent := w.dirs[path.Dir(rel)]
	if parent == nil {
		return nil
	}
	real := filepath.Join(parent.real, path.Base(rel))
	info, err := os.Lstat(real)
	if err != nil {
		return nil
	}
	link := isLink(info.Mode())
	if link {
		if real, err = filepath.EvalSymlinks(real); err != nil || w.isAround(rel, real) {
			return nil
		}
	}
	if link || parent.linked {
		switch {
		case w.linked == maxLinked:
			w.linked++ // told once
			w.report(fmt.Errorf("watch %s: %w (%d); those beyond are not watched", filepath.Join(w.root, rel), ErrLinks, maxLinked))
			return nil
		case w.linked > maxLinked:
			return nil
		}
	}
	return &directory{real: real, linked: link || parent.linked}
}

// isAround reports whether real is one of the directories above rel, or above
// one of these.
func (w *Watcher) isAround(rel, real string) bool {
	for above := rel; above != "."; {
		above = path.Dir(above)
		dir := w.dirs[above]
		if dir != nil && (real == "/" || dir.real == real || strings.HasPrefix(dir.real, real+"/")) {
			return true
		}
	}
	return false
}

// pollLinks looks at what links lead to now.
func (w *Watcher) pollLinks() {
	for rel, before := range w.links {
		parent := w.dirs[path.Dir(rel)]
		if parent == nil {
			delete(w.links, rel)
			continue
		}
		now := targetOf(filepath.Join(parent.real, path.Base(rel)))
		if now == before {
			continue
		}
		w.links[rel] = now
		if before.dir || now.dir {
			w.drop(rel, true)
			if now.dir {
				w.enter(parent, rel)
			}
			continue
		}
		if w.countsIn(rel, parent) {
			_, was := parent.files[path.Base(rel)]
			w.mark(rel, was)
		}
	}
}
