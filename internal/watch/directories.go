package watch

import (
	"maps"
	"path"
	"slices"
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

// directories are the watched directories, by the paths that lead to them.
type directories struct {
	at map[string]*directory // by path relative to the root
	// byReal lists the paths in at by which each directory is reached: more
	// than one if symbolic links lead to it.
	byReal map[string][]string
	polled int // how many in at have no inotify watch
}

func newDirectories() directories {
	return directories{at: map[string]*directory{}, byReal: map[string][]string{}}
}

// add adds a directory at the path rel.
func (ds *directories) add(rel string, dir *directory) {
	ds.at[rel] = dir
	ds.byReal[dir.real] = append(ds.byReal[dir.real], rel)
	if dir.polled {
		ds.polled++
	}
}

// remove removes the path rel. It returns the directory, and whether no other path
// leads to it.
func (ds *directories) remove(rel string) (dir *directory, last bool) {
	dir = ds.at[rel]
	delete(ds.at, rel)
	if dir.polled {
		ds.polled--
	}
	if others := slices.DeleteFunc(ds.byReal[dir.real], func(o string) bool { return o == rel }); len(others) > 0 {
		ds.byReal[dir.real] = others
		return dir, false
	}
	delete(ds.byReal, dir.real)
	return dir, true
}

// other returns the directory real if a path leads to it already; else nil.
func (ds *directories) other(real string) *directory {
	if paths := ds.byReal[real]; len(paths) > 0 {
		return ds.at[paths[0]]
	}
	return nil
}

// paths returns the paths by which the directory real is reached.
func (ds *directories) paths(real string) []string { return slices.Clone(ds.byReal[real]) }

// sorted returns all paths, those of parents before those of what is in them.
func (ds *directories) sorted() []string { return slices.Sorted(maps.Keys(ds.at)) }

// promoted notes that the directory real got an inotify watch.
func (ds *directories) promoted(real string) {
	for _, rel := range ds.byReal[real] {
		ds.at[rel].polled = false
		ds.polled--
	}
}

// isAround reports whether real is one of the directories above rel, or above
// one of these: a link that leads there makes a cycle.
func (ds *directories) isAround(rel, real string) bool {
	for above := rel; above != "."; {
		above = path.Dir(above)
		dir := ds.at[above]
		if dir != nil && (dir.real == real || isAbove(real, dir.real)) {
			return true
		}
	}
	return false
}
