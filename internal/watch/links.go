package watch

import (
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
//
// Links can lead to large trees elsewhere, and to each other. So each directory is
// entered by a few links only, beside its own path, and what they lead to is bounded
// (tour.go) and entered after the project's own directories.

const (
	// maxLinks bounds the links that are looked at again; half of it those in
	// directories that links lead to.
	maxLinks = 1000
)

// inode identifies a file while it is there.
type inode struct{ dev, ino uint64 }

func inodeOf(info fs.FileInfo) inode {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return inode{uint64(st.Dev), st.Ino}
	}
	return inode{}
}

// linkTarget is what a symbolic link leads to; zero if nothing.
type linkTarget struct {
	inode
	dir   bool
	mtime int64 // of a regular file (Unix, ns)
}

// targetOf returns what a symbolic link leads to. Of what the kernel makes up,
// times and inodes change by looking at it, and mean nothing.
func (w *Watcher) targetOf(file string) linkTarget {
	info, err := os.Stat(file)
	if err != nil {
		return linkTarget{}
	}
	t := linkTarget{inode: inodeOf(info), dir: info.IsDir()}
	switch {
	case w.isKernels(t.dev, file):
		t.ino = 0
	case info.Mode().IsRegular():
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
	t := w.targetOf(filepath.Join(in.real, path.Base(rel)))
	most := maxLinks
	if in.via != nil {
		most /= 2
	}
	if _, known := w.links[rel]; known || len(w.links) < most {
		w.links[rel] = t
	}
	return t.dir
}

func (w *Watcher) forgetLink(rel string) {
	delete(w.links, rel)
	delete(w.refused, rel)
}

// locate returns where the directory rel is; nil if it is gone, or is not to be
// entered.
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
	switch {
	case err != nil:
		return nil
	case isLink(info.Mode()):
		return w.locateLink(rel, real, parent)
	}
	return w.within(parent.via, rel, real, inodeOf(info))
}

// locateLink is locate for a symbolic link.
func (w *Watcher) locateLink(rel, file string, parent *directory) *directory {
	info, err := os.Stat(file)
	if err != nil || w.byLink[inodeOf(info)] >= maxWays {
		return nil
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil
	}
	via, own := parent.via, parent.via == nil
	if own {
		via = &tour{link: rel, target: real}
	}
	switch {
	case w.isAround(rel, real):
		if own && isAbove(real, w.root) {
			w.refuse(via, "a directory above the project")
		}
		return nil
	case isKernelsPath(real) || w.isKernels(inodeOf(info).dev, real):
		if own {
			w.refuse(via, "a file system of the kernel's own")
		}
		return nil
	}
	return w.within(via, rel, real, inodeOf(info))
}

// isAbove reports whether the directory dir is above sub.
func isAbove(dir, sub string) bool {
	return dir != sub && (dir == "/" || strings.HasPrefix(sub, dir+"/"))
}

// isAround reports whether real is one of the directories above rel, or above
// one of these: a link that leads there leads around for ever.
func (w *Watcher) isAround(rel, real string) bool {
	for above := rel; above != "."; {
		above = path.Dir(above)
		dir := w.dirs[above]
		if dir != nil && (dir.real == real || isAbove(real, dir.real)) {
			return true
		}
	}
	return false
}

// pollLink looks at what the link rel leads to now. If retry, a directory that was
// not entered may be so now.
func (w *Watcher) pollLink(rel string, retry bool) {
	before, known := w.links[rel]
	if !known {
		return
	}
	parent := w.dirs[path.Dir(rel)]
	if parent == nil {
		w.forgetLink(rel)
		return
	}
	now := w.targetOf(filepath.Join(parent.real, path.Base(rel)))
	if now == before {
		if now.dir && retry {
			w.enter(parent, rel)
		}
		return
	}
	w.links[rel] = now
	if before.dir || now.dir {
		delete(w.refused, rel)
		w.drop(rel, true)
		if now.dir {
			w.enter(parent, rel)
		}
		return
	}
	if w.countsIn(rel, parent) {
		_, was := parent.files[path.Base(rel)]
		w.mark(rel, was)
	}
}
