package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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

const (
	// sliceTime is about how long the work for links or for a poll goes on until
	// events are handled again; a few directories are always done.
	sliceTime = 50 * time.Millisecond
	sliceDirs = 64
	// firstTime is how long New enters links; the rest follows later.
	firstTime = time.Second
)

// ErrLinks says that symbolic links are not followed, or not as far as they lead.
var ErrLinks = errors.New("symbolic links are not followed")

// tour is what is entered by one link of the project's own directories.
type tour struct {
	link, target  string
	dirs, entries int
}

// todo is a directory to enter.
type todo struct {
	rel            string
	ignored, fresh bool
}

// within returns the directory rel of a tour, if the bounds allow it and few
// other links lead there. Without a tour it is one of the project's own.
func (w *Watcher) within(via *tour, rel, real string, id inode) *directory {
	if via == nil {
		return &directory{real: real}
	}
	switch {
	case w.byLink[id] >= maxWays || rel != via.link && w.isKernels(id.dev, real):
		return nil
	case strings.Count(rel, "/")-strings.Count(via.link, "/") > maxTourDepth:
		w.refuse(via, fmt.Sprintf("more than %d directories deep", maxTourDepth))
		return nil
	case w.isFull(via):
		return nil
	}
	return &directory{real: real, via: via, id: id}
}

// isFull reports whether a tour is at its end, and has that told.
func (w *Watcher) isFull(via *tour) bool {
	switch {
	case via.dirs >= maxTourDirs:
		w.refuse(via, fmt.Sprintf("more than %d directories", maxTourDirs))
	case via.entries >= maxTourEntries:
		w.refuse(via, fmt.Sprintf("more than %d files", maxTourEntries))
	case w.linked.dirs >= maxLinkedDirs:
		w.refuse(via, fmt.Sprintf("more than %d directories with other links", maxLinkedDirs))
	case w.linked.entries >= maxLinkedEntries:
		w.refuse(via, fmt.Sprintf("more than %d files with other links", maxLinkedEntries))
	default:
		return false
	}
	return true
}

// refuse notes that a link is not followed, or not to its end.
func (w *Watcher) refuse(via *tour, why string) {
	if _, known := w.refused[via.link]; !known {
		w.refused[via.link] = fmt.Sprintf("%s leads to %s, %s", via.link, via.target, why)
		w.untold = true
	}
}

// tellLinks reports the links that are not followed, if there are new ones.
func (w *Watcher) tellLinks() {
	const most = 5
	if !w.untold {
		return
	}
	w.untold = false
	var which []string
	for _, link := range slices.Sorted(maps.Keys(w.refused)) {
		if len(which) == most {
			which = append(which, fmt.Sprintf("%d more", len(w.refused)-most))
			break
		}
		which = append(which, w.refused[link])
	}
	if len(which) > 0 {
		w.report(fmt.Errorf("watch %s: %w, or not to their end: %s; changes there are not seen", w.root, ErrLinks, strings.Join(which, "; ")))
	}
}

// count adds a directory that was entered by a link to what is bounded, or takes it
// away.
func (w *Watcher) count(dir *directory, sign int) {
	if dir.via == nil {
		return
	}
	for _, t := range []*tour{dir.via, &w.linked} {
		t.dirs += sign
		t.entries += sign * dir.entries
	}
	w.byLink[dir.id] += sign
	if w.byLink[dir.id] == 0 {
		delete(w.byLink, dir.id)
	}
	w.freed = w.freed || sign < 0
}

// read reads a directory that is entered. Directories in it that are the
// project's own are given to own; those that links lead to wait in w.later.
func (w *Watcher) read(t todo, dir *directory, own func(todo)) {
	w.each(t.rel, func(e fs.DirEntry) bool {
		if dir.via != nil {
			if w.isFull(dir.via) {
				return false
			}
			dir.entries++
			dir.via.entries++
			w.linked.entries++
		}
		child := path.Join(t.rel, e.Name())
		if !w.isDir(dir, child, e) {
			w.note(dir, child, e, t.fresh)
			return true
		}
		if watch, ignored := w.enters(child, dir); watch && w.dirs[child] == nil {
			next := todo{child, ignored, t.fresh}
			if dir.via != nil || isLink(e.Type()) {
				w.later = append(w.later, next)
			} else {
				own(next)
			}
		}
		return true
	})
}

// enterLater enters what links lead to, breadth first, so that a large tree does
// not keep small ones out. It stops after a while; the rest stays in w.later.
func (w *Watcher) enterLater(limit time.Duration) {
	began := time.Now()
	for n := 0; len(w.later) > 0; n++ {
		if w.stopping() || n >= sliceDirs && time.Since(began) > limit {
			return
		}
		t := w.later[0]
		w.later = w.later[1:]
		if w.dirs[t.rel] != nil {
			continue
		}
		if dir, _ := w.watch(t.rel, t.ignored); dir != nil { // only the root's is an error
			w.read(t, dir, nil)
		}
	}
	w.later = nil
	w.tellLinks()
}

func (w *Watcher) forgetLinks() {
	clear(w.links)
	clear(w.refused)
	w.later, w.looking = nil, nil
}

// stopping reports whether the watching ends.
func (w *Watcher) stopping() bool {
	select {
	case <-w.stop:
		return true
	case <-w.done:
		return true
	default:
		return false
	}
}

// isKernels reports whether the file system of a device number, in which a file
// is, is one that the kernel makes up, such as proc.
func (w *Watcher) isKernels(dev uint64, file string) bool {
	is, known := w.kernels[dev]
	if !known {
		var st unix.Statfs_t
		if err := unix.Statfs(file, &st); err != nil {
			return false
		}
		switch int64(st.Type) {
		case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
			unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC, unix.PSTOREFS_MAGIC,
			unix.EFIVARFS_MAGIC, unix.BPF_FS_MAGIC, unix.BINFMTFS_MAGIC, unix.NSFS_MAGIC, unix.HUGETLBFS_MAGIC,
			configfsMagic, fusectlMagic, mqueueMagic:
			is = true
		}
		w.kernels[dev] = is
	}
	return is
}

// Magic numbers that package unix lacks (statfs(2); the kernel's fs/configfs/mount.c,
// fs/fuse/control.c, ipc/mqueue.c).
const (
	configfsMagic = 0x62656570
	fusectlMagic  = 0x65735543
	mqueueMagic   = 0x19800202
)

// isKernelsPath reports whether a path is where these file systems, and devices,
// are. /dev/shm holds ordinary files.
func isKernelsPath(real string) bool {
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if isBelow(real, dir) {
			return !isBelow(real, "/dev/shm")
		}
	}
	return false
}
