// Package watch says which files of a project changed, a little after they
// did and without repeating itself, and notices when a service is restarted
// by its own writes.
//
// It knows what nobody wants to hear about: what git ignores, editors' swap
// and backup files, changes of permissions. It does not restart anything, and
// it does not look at the content of files. Linux only: it relies on
// inotify(7), through fsnotify, and reads directories from time to time where
// the kernel has no inotify watch left.
package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	defaultDebounce = 100 * time.Millisecond
	// maxPending is the number of changed files, not yet delivered, above
	// which the answer is "everything may have changed".
	maxPending = 2_000
)

// Everything is the single path of a batch that says that any file may have
// changed: events were lost, or far too many came.
const Everything = "."

// ErrVanished says that the root was removed, renamed or replaced. No more
// changes come after it.
var ErrVanished = errors.New("the directory is gone")

// ErrEnded says that [Options.Done] was closed while New read the directories.
var ErrEnded = errors.New("ended")

// ErrLost says that the kernel dropped events because its queue was full
// (inotify(7), IN_Q_OVERFLOW).
var ErrLost = errors.New("events were lost")

// Options says what to watch.
type Options struct {
	// Root is a directory. A symbolic link to one is followed once, at New.
	Root string
	// Patterns are compared with paths relative to Root as in .gitignore:
	// "*.py" matches in any directory, "src/*.py" in one, "src/" everything
	// below any directory of that name, "**" any number of directories, and
	// "!x" takes back. Without a pattern that adds, every file counts. A
	// pattern without wildcards (".env") also names a file that git ignores.
	Patterns []string
	// Debounce is how long nothing must change until the changes are
	// delivered; zero means 100 ms. Files that change again and again put that
	// off ten times as long at most; a burst of changes of different files (a
	// git checkout, a generator) is delivered at its end, at the latest after a
	// hundred times as long.
	Debounce time.Duration
	// NoPolling leaves directories unwatched for which the kernel has no
	// inotify watch left. Otherwise they are read every second.
	NoPolling bool
	// Done, if not nil, ends New and all walks when it is closed. Close is needed
	// all the same.
	Done <-chan struct{}
}

// Watcher watches one directory and what is below it. Make it with New.
type Watcher struct {
	root     string
	rootInfo os.FileInfo
	quiet    time.Duration
	wants    patterns
	ignore   *ignorer

	inotify *fsnotify.Watcher // nil if the kernel gave none: all is polled
	pump    *pump             // nil with inotify
	poll    bool              // what has no inotify watch is polled
	changes chan []string
	errs    chan error
	stop    chan struct{}
	done    <-chan struct{} // Options.Done
	close   sync.Once
	wait    sync.WaitGroup
	err     error // of closing; written in close

	// The rest belongs to the goroutine of run (and to New before it).

	dirs map[string]*directory // by path relative to root
	// byReal lists the paths in dirs by which each directory is reached: more
	// than one where symbolic links lead to it.
	byReal map[string][]string
	links  map[string]linkTarget // wanted symbolic links, by path relative to root
	// byLink holds by how many paths each directory was entered by links, linked how
	// many these are, refused the links that are not followed and why. untold: there
	// are new ones. freed: what a link leads to was left, and another may enter it.
	byLink               map[inode]int
	linked               tour
	refused              map[string]string
	untold, freed, retry bool
	kernels              map[uint64]bool // device numbers of file systems that the kernel makes up
	later                []todo          // what links lead to and is to be entered
	looking              []look          // what is left of a poll
	polled               int             // how many of dirs have no inotify watch
	tick                 *time.Timer     // of the next poll
	ticks                bool            // tick is set
	took, before         time.Duration   // of the last poll, and of the one before
	// pending are the changes that wait for quiet: whether the file was there
	// before the first of them.
	pending map[string]bool
	// What flush has to do, and whether there was news since the timer was
	// set: files that do not count must not put the delivery off.
	lost, flood, rulesChanged, stirred bool
	first                              time.Time // when the oldest of these came; zero if none
	another                            time.Time // when a file changed last that was not pending
	vanished                           bool
	limited                            bool // the limit on watches was reported
	timer                              *time.Timer
	due                                []string // sorted, to be delivered now
}

// New starts to watch. Directories that may not be read are left out and
// reported on Err, and so are the kernel's limits (a *LimitError).
func New(o Options) (*Watcher, error) {
	wants, err := parsePatterns(o.Patterns)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(o.Root)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, watchError(o.Root, err)
	}
	info, err := os.Lstat(root)
	if err != nil {
		return nil, watchError(o.Root, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("watch %s: not a directory", o.Root)
	}
	w := &Watcher{
		root:     root,
		rootInfo: info,
		quiet:    o.Debounce,
		wants:    wants,
		ignore:   newIgnorer(root),
		poll:     !o.NoPolling,
		changes:  make(chan []string),
		errs:     make(chan error, 16),
		stop:     make(chan struct{}),
		done:     o.Done,
		byLink:   map[inode]int{},
		refused:  map[string]string{},
		kernels:  map[uint64]bool{},
		dirs:     map[string]*directory{},
		byReal:   map[string][]string{},
		links:    map[string]linkTarget{},
		pending:  map[string]bool{},
		timer:    time.NewTimer(time.Hour),
		tick:     time.NewTimer(time.Hour),
	}
	w.timer.Stop()
	w.tick.Stop()
	if w.quiet <= 0 {
		w.quiet = defaultDebounce
	}
	if w.inotify, err = fsnotify.NewWatcher(); err != nil {
		w.inotify, w.limited = nil, true
		w.report(w.instead(watchError(root, err)))
	} else {
		w.pump = newPump(w.inotify)
	}
	err = w.add(".", false, false, firstTime)
	if err == nil && w.stopping() {
		err = fmt.Errorf("watch %s: %w", root, ErrEnded)
	}
	if err != nil {
		_ = w.closeInotify() // the first error is the one to tell
		return nil, err
	}
	w.wait.Go(w.run)
	return w, nil
}

func (w *Watcher) closeInotify() error {
	if w.inotify == nil {
		return nil
	}
	err := w.inotify.Close()
	w.pump.wait()
	return err
}

// Changes delivers batches of changed files: relative to the root, sorted,
// none twice. What changes in one burst is one batch. A batch of just Everything
// (".") says that any file may have changed. While nobody reads, changes are gathered,
// not lost. The channel is closed by Close.
func (w *Watcher) Changes() <-chan []string { return w.changes }

// Err delivers what went wrong without an end to the watching (ErrLost, a
// *LimitError, a directory that may not be read), or with one (ErrVanished).
// It holds some errors for a slow reader and drops those beyond. It is never
// closed.
func (w *Watcher) Err() <-chan error { return w.errs }

// Close ends the watching and returns when all goroutines have ended.
func (w *Watcher) Close() error {
	w.close.Do(func() {
		close(w.stop)
		w.err = w.closeInotify()
		w.wait.Wait()
	})
	return w.err
}

func (w *Watcher) run() {
	defer close(w.changes)
	defer w.timer.Stop()
	defer w.tick.Stop()
	var events <-chan struct{}
	if w.pump != nil {
		events = w.pump.ready
	}
	for {
		var out chan<- []string
		if len(w.due) > 0 {
			out = w.changes
		}
		w.schedule()
		more := w.more()
		select {
		case <-w.stop:
			return
		case out <- w.due:
			w.due = nil
		case <-w.tick.C:
			w.ticks = false
			w.pollAll()
			w.arm()
		case <-more:
			w.enterLater(sliceTime)
			w.pollMore()
			w.arm()
		case <-events:
			events, overflow, errs := w.pump.take()
			for _, err := range errs {
				w.report(watchError(w.root, err))
			}
			if w.vanished {
				continue
			}
			for _, e := range events {
				w.handle(e)
			}
			if overflow {
				w.lost, w.stirred = true, true
				w.report(fmt.Errorf("watch %s: %w (fs.inotify.max_queued_events=%d)",
					w.root, ErrLost, readSysctl("fs.inotify.max_queued_events")))
			}
			w.arm()
		case <-w.timer.C:
			w.flush()
		}
	}
}

// more returns a channel that is ready if a walk or a poll is to go on; else nil.
func (w *Watcher) more() <-chan struct{} {
	if len(w.later) == 0 && len(w.looking) == 0 {
		return nil
	}
	ch := make(chan struct{})
	close(ch)
	return ch
}

// arm sets the timer if there is news to deliver.
func (w *Watcher) arm() {
	if !w.stirred {
		return
	}
	w.stirred = false
	now := time.Now()
	if w.first.IsZero() {
		w.first = now
	}
	w.timer.Reset(min(w.pause(), max(w.latest().Sub(now), 0)))
}

// flush makes what is pending due.
func (w *Watcher) flush() {
	if w.gitIsBusy() && time.Since(w.first) < maxBurst*w.quiet {
		w.timer.Reset(w.quiet)
		return
	}
	w.first, w.another = time.Time{}, time.Time{}
	if !w.rootIsThere() {
		w.vanish()
	}
	switch {
	case w.vanished:
	case w.lost:
		w.rebuild()
	case w.rulesChanged:
		w.resync()
	}
	for rel, before := range w.pending {
		if w.isNews(rel, before) {
			w.due = append(w.due, rel)
		}
	}
	slices.Sort(w.due)
	w.due = slices.Compact(w.due)
	if w.lost || w.flood || len(w.due) > maxPending || slices.Contains(w.due, Everything) {
		w.due = []string{Everything}
	}
	w.lost, w.flood, w.rulesChanged, w.stirred = false, false, false, false
	clear(w.pending)
}

// isNews leaves out files that came and went within one batch, such as those
// that an editor renames over the real one, and those that a new .gitignore
// ignores.
func (w *Watcher) isNews(rel string, before bool) bool {
	if w.rulesChanged && !w.counts(rel) {
		return false
	}
	if before {
		return true
	}
	_, err := os.Lstat(filepath.Join(w.root, rel))
	return err == nil
}

// mark notes that a file changed; before reports whether it was there.
func (w *Watcher) mark(rel string, before bool) {
	w.stirred = true
	if w.flood {
		w.another = time.Now()
		return
	}
	if _, ok := w.pending[rel]; !ok {
		w.pending[rel] = before
		w.another = time.Now()
	}
	if len(w.pending) > maxPending {
		w.flood = true
		clear(w.pending)
	}
}

func (w *Watcher) report(err error) {
	select {
	case w.errs <- err:
	default: // somebody who does not read has heard enough
	}
}

func (w *Watcher) rootIsThere() bool {
	info, err := os.Lstat(w.root)
	return err == nil && os.SameFile(info, w.rootInfo)
}

// vanish ends the watching, once.
func (w *Watcher) vanish() {
	if w.vanished {
		return
	}
	w.vanished = true
	for rel := range w.dirs {
		w.unwatch(rel)
	}
	w.forgetLinks()
	w.report(fmt.Errorf("watch %s: %w", w.root, ErrVanished))
}
