package watch

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A symbolic link to a directory is entered, and the files below it have the
// link's path. Changes of what a link leads to make no event where the link is,
// so links are looked at again with each poll.
//
// Links can lead to large trees elsewhere, and to each other. So each directory is
// entered by a few links only, beside its own path, and what they lead to is bounded
// (tours.go) and entered after the project's own directories.

// maxLinks bounds the links that are looked at again; half of it those in
// directories that links lead to.
const maxLinks = 1000

func isLink(m fs.FileMode) bool { return m&fs.ModeSymlink != 0 }

// isDir reports whether the entry e of the directory in is one, or a link to one.
func (t *tree) isDir(in *directory, rel string, e fs.DirEntry) bool {
	return e.IsDir() || isLink(e.Type()) && t.noteLink(in, rel)
}

// noteLink notes the symbolic link rel, if it is wanted, and reports whether it
// leads to a directory.
func (t *tree) noteLink(in *directory, rel string) (dir bool) {
	if !t.rules.follows(rel, in.ignored) {
		return false
	}
	target := t.kernels.target(filepath.Join(in.real, path.Base(rel)))
	most := maxLinks
	if in.via != nil {
		most /= 2
	}
	if _, known := t.links[rel]; known || len(t.links) < most {
		t.links[rel] = target
	}
	return target.dir
}

func (t *tree) forgetLink(rel string) {
	delete(t.links, rel)
	delete(t.tours.refused, rel)
}

// locate returns where the directory rel is; nil if it is gone, or is not to be
// entered.
func (t *tree) locate(rel string) *directory {
	if rel == "." {
		return &directory{real: t.root}
	}
	parent := t.dirs.at[path.Dir(rel)]
	if parent == nil {
		return nil
	}
	real := filepath.Join(parent.real, path.Base(rel))
	info, err := os.Lstat(real)
	switch {
	case err != nil:
		return nil
	case isLink(info.Mode()):
		return t.locateLink(rel, real, parent)
	}
	return t.tours.within(parent.via, rel, real, inodeOf(info))
}

// locateLink is locate for a symbolic link.
func (t *tree) locateLink(rel, file string, parent *directory) *directory {
	info, err := os.Stat(file)
	if err != nil || !t.tours.mayEnter(inodeOf(info)) {
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
	case t.dirs.isAround(rel, real):
		if own && isAbove(real, t.root) {
			t.tours.refuse(via, "a directory above the project")
		}
		return nil
	case isKernelsPath(real) || t.kernels.has(inodeOf(info).dev, real):
		if own {
			t.tours.refuse(via, "a file system of the kernel's own")
		}
		return nil
	}
	return t.tours.within(via, rel, real, inodeOf(info))
}

// isAbove reports whether the directory dir is above sub.
func isAbove(dir, sub string) bool {
	return dir != sub && (dir == "/" || strings.HasPrefix(sub, dir+"/"))
}
