package watch

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	// pollEvery is the time between two polls, where one takes little time
	// itself; else it is pollRest times what the last two took at least.
	pollEvery = time.Second
	pollRest  = 20
)

// errNoWatch says that a directory gets no inotify watch and is not polled.
var errNoWatch = errors.New("no watch left")

// instead adds to a limit what is done instead.
func (w *Watcher) instead(err error) error {
	var limit *LimitError
	if errors.As(err, &limit) {
		limit.Polled = w.poll
	}
	return err
}

// schedule sets the time of the next poll, if there is something to poll.
func (w *Watcher) schedule() {
	if !w.ticks && !w.vanished && len(w.looking) == 0 && (w.polled > 0 || len(w.links) > 0) {
		// One that was long only because the machine was busy does not count.
		w.tick.Reset(max(pollEvery, pollRest*min(w.took, w.before)))
		w.ticks = true
	}
}

// look is something to look at again: a polled directory, or a link.
type look struct {
	rel  string
	link bool
}

// pollAll begins to look at all that the kernel does not tell about. It goes on in
// pieces, so that events are handled meanwhile.
func (w *Watcher) pollAll() {
	began := time.Now()
	if !w.rootIsThere() {
		w.vanish()
		return
	}
	if w.polled > 0 {
		polled := slices.DeleteFunc(slices.Sorted(maps.Keys(w.dirs)), func(rel string) bool { return !w.dirs[rel].polled })
		w.promote(polled)
		for _, rel := range polled {
			w.looking = append(w.looking, look{rel, false})
		}
	}
	clear(w.kernels) // a device number can stand for another file system by now
	for _, rel := range slices.Sorted(maps.Keys(w.links)) {
		w.looking = append(w.looking, look{rel, true})
	}
	w.retry, w.freed = w.freed, false
	w.before, w.took = w.took, time.Since(began)
	w.pollMore()
}

// pollMore goes on with a poll for a while.
func (w *Watcher) pollMore() {
	began := time.Now()
	for len(w.looking) > 0 && time.Since(began) < sliceTime && !w.stopping() {
		l := w.looking[0]
		w.looking = w.looking[1:]
		if l.link {
			w.pollLink(l.rel, w.retry)
		} else if dir := w.dirs[l.rel]; dir != nil { // also one that has just got a watch
			w.pollDir(l.rel, dir)
		}
	}
	w.took += time.Since(began)
}

// promote gives polled directories an inotify watch, as far as the kernel has
// some again.
func (w *Watcher) promote(polled []string) {
	if w.inotify == nil {
		return
	}
	for _, rel := range polled {
		dir := w.dirs[rel]
		if !dir.polled {
			continue // by another path
		}
		if err := w.inotify.Add(dir.real); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			continue // gone, or not readable
		}
		for _, other := range w.byReal[dir.real] {
			w.dirs[other].polled = false
			w.polled--
		}
	}
	w.limited = false
}

// pollDir compares a directory with what is known of it.
func (w *Watcher) pollDir(rel string, dir *directory) {
	info, err := os.Lstat(dir.real)
	if err != nil || !info.IsDir() {
		w.drop(rel, true)
		return
	}
	if rules := w.rulesTime(dir); rules != dir.rules {
		dir.rules = rules
		w.rulesChanged, w.stirred = true, true
	}
	seen := make(map[string]bool, len(dir.files))
	whole := w.each(rel, func(e fs.DirEntry) bool {
		child := path.Join(rel, e.Name())
		if w.isDir(dir, child, e) {
			w.enter(dir, child)
			return true
		}
		if !isFile(e.Type()) || !w.countsIn(child, dir) {
			return true
		}
		info, err := e.Info()
		if err != nil {
			return true
		}
		before, known := dir.files[e.Name()]
		now := info.ModTime().UnixNano()
		seen[e.Name()] = true
		if !known || now != before {
			dir.files[e.Name()] = now
			w.mark(child, known)
		}
		return true
	})
	if !whole {
		return
	}
	for name := range dir.files {
		if !seen[name] {
			delete(dir.files, name)
			w.mark(path.Join(rel, name), true)
		}
	}
}

// rulesTime returns when the .gitignore of dir was changed last; 0 if it has none.
func (w *Watcher) rulesTime(dir *directory) int64 {
	info, err := os.Lstat(filepath.Join(dir.real, ".gitignore"))
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}
