package watch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The bounds of what is entered by one link of the project's own directories, and
// by all together.
const (
	maxTourDirs      = 4096
	maxTourEntries   = 100_000
	maxLinkedDirs    = 2 * maxTourDirs
	maxLinkedEntries = 2 * maxTourEntries
	// maxWays bounds by how many paths one directory is entered by links.
	maxWays = 3
	// maxTourDepth bounds how many directories deep below a link.
	maxTourDepth = 32
)

// ErrLinks is the error if symbolic links are not followed, or not as far as they lead.
var ErrLinks = errors.New("symbolic links are not followed")

// tour is what is entered by one link of the project's own directories.
type tour struct {
	link, target  string
	dirs, entries int
}

// tours bound what is entered by symbolic links.
type tours struct {
	kernels kernelFS
	// byLink holds by how many paths each directory was entered by links, and all
	// how many directories and entries these are.
	byLink map[inode]int
	all    tour
	// refused are the links that are not followed, or not to their end, and why.
	// untold: there are new ones.
	refused map[string]string
	untold  bool
	// freed: a directory was left, so that another may be entered.
	freed bool
}

func newTours(kernels kernelFS) *tours {
	return &tours{kernels: kernels, byLink: map[inode]int{}, refused: map[string]string{}}
}

// within returns the directory rel of a tour, if the bounds allow it and few
// other links lead there. Without a tour it is one of the project's own.
func (ts *tours) within(via *tour, rel, real string, id inode) *directory {
	if via == nil {
		return &directory{real: real}
	}
	switch {
	case !ts.mayEnter(id) || rel != via.link && ts.kernels.has(id.dev, real):
		return nil
	case strings.Count(rel, "/")-strings.Count(via.link, "/") > maxTourDepth:
		ts.refuse(via, fmt.Sprintf("more than %d directories deep", maxTourDepth))
		return nil
	case ts.isFull(via):
		return nil
	}
	return &directory{real: real, via: via, id: id}
}

// isFull reports whether a tour is at a bound, and refuses the rest of its link then.
func (ts *tours) isFull(via *tour) bool {
	switch {
	case via.dirs >= maxTourDirs:
		ts.refuse(via, fmt.Sprintf("more than %d directories", maxTourDirs))
	case via.entries >= maxTourEntries:
		ts.refuse(via, fmt.Sprintf("more than %d files", maxTourEntries))
	case ts.all.dirs >= maxLinkedDirs:
		ts.refuse(via, fmt.Sprintf("more than %d directories with other links", maxLinkedDirs))
	case ts.all.entries >= maxLinkedEntries:
		ts.refuse(via, fmt.Sprintf("more than %d files with other links", maxLinkedEntries))
	default:
		return false
	}
	return true
}

// refuse notes that a link is not followed, or not to its end.
func (ts *tours) refuse(via *tour, why string) {
	if _, known := ts.refused[via.link]; !known {
		ts.refused[via.link] = fmt.Sprintf("%s leads to %s, %s", via.link, via.target, why)
		ts.untold = true
	}
}

// err returns the error that names the links that are not followed, if there are new
// ones; else nil.
func (ts *tours) err(root string) error {
	const most = 5
	if !ts.untold {
		return nil
	}
	ts.untold = false
	var which []string
	for _, link := range slices.Sorted(maps.Keys(ts.refused)) {
		if len(which) == most {
			which = append(which, fmt.Sprintf("%d more", len(ts.refused)-most))
			break
		}
		which = append(which, ts.refused[link])
	}
	if len(which) > 0 {
		return fmt.Errorf("watch %s: %w, or not to their end: %s; changes there are not seen", root, ErrLinks, strings.Join(which, "; "))
	}
	return nil
}

// count adds a directory that was entered by a link to what is bounded, or with sign
// -1 removes it.
func (ts *tours) count(dir *directory, sign int) {
	if dir.via == nil {
		return
	}
	for _, t := range []*tour{dir.via, &ts.all} {
		t.dirs += sign
		t.entries += sign * dir.entries
	}
	ts.byLink[dir.id] += sign
	if ts.byLink[dir.id] == 0 {
		delete(ts.byLink, dir.id)
	}
	ts.freed = ts.freed || sign < 0
}

// countEntry counts an entry that was read of a directory that was entered by a link.
func (ts *tours) countEntry(dir *directory) {
	dir.entries++
	dir.via.entries++
	ts.all.entries++
}

// mayEnter reports whether a directory may be entered by one more link.
func (ts *tours) mayEnter(id inode) bool { return ts.byLink[id] < maxWays }
