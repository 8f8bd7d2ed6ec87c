// Package watch reports which files of a project changed, in debounced batches, and
// detects a service that is restarted because of its own writes.
//
// It leaves out what git ignores, editors' swap and backup files, and changes of
// permissions. It restarts nothing, and does not read files. Linux only: it relies
// on inotify(7), through fsnotify, and polls directories for which the kernel has no
// inotify watch left.
//
// A [Watcher] is made of a tree (the watched directories and the walks that find
// them), rules (which files count), a source (inotify, or else polling), a poller
// (what inotify does not report), and a batch (the changes that wait for quiet).
package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Everything is the only path of a batch if any file may have changed: events were
// lost, or too many came.
const Everything = "."

// ErrVanished is the error if the root was removed, renamed or replaced. No more
// changes come after it.
var ErrVanished = errors.New("the directory is gone")

// ErrEnded is the error of New if [Options.Done] was closed while it read the directories.
var ErrEnded = errors.New("ended")

// ErrLost is the error if the kernel dropped events because its queue was full
// (inotify(7), IN_Q_OVERFLOW).
var ErrLost = errors.New("events were lost")

// Options are what to watch.
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
	*control
	changes chan []string
	close   sync.Once
	wait    sync.WaitGroup
	err     error // of closing; written in close

	// The rest belongs to the goroutine of run (and to New before it).

	source *source
	tree   *tree
	poller *poller
	batch  *batch
	timer  *time.Timer // of the next delivery
	due    []string    // sorted, to be delivered now
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
	w := &Watcher{control: newControl(o.Done), changes: make(chan []string), batch: newBatch(o.Debounce), timer: stoppedTimer()}
	w.source = newSource(root, !o.NoPolling, w.control)
	w.tree = newTree(root, info, newRules(root, wants), w.source, w.batch, w.control)
	w.poller = newPoller(w.tree)
	err = w.tree.add(".", false, false, firstTime)
	if err == nil && w.stopping() {
		err = fmt.Errorf("watch %s: %w", root, ErrEnded)
	}
	if err != nil {
		_ = w.source.close() // the first error is the one to return
		return nil, err
	}
	w.wait.Go(w.run)
	return w, nil
}

// stoppedTimer returns a timer that does not fire before Reset.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// Changes delivers batches of changed files: relative to the root, sorted,
// none twice. What changes in one burst is one batch. A batch of just Everything
// (".") means that any file may have changed. While no batch is received, changes are
// gathered, not lost. The channel is closed by Close.
func (w *Watcher) Changes() <-chan []string { return w.changes }

// Err delivers what went wrong without an end to the watching (ErrLost, a
// *LimitError, a directory that may not be read), or with one (ErrVanished).
// It holds some errors for a slow receiver and drops those beyond. It is never
// closed.
func (w *Watcher) Err() <-chan error { return w.errs }

// Close ends the watching and returns when all goroutines have ended.
func (w *Watcher) Close() error {
	w.close.Do(func() {
		close(w.stop)
		w.err = w.source.close()
		w.wait.Wait()
	})
	return w.err
}

func (w *Watcher) run() {
	defer close(w.changes)
	defer w.timer.Stop()
	defer w.poller.tick.Stop()
	for {
		var out chan<- []string
		if len(w.due) > 0 {
			out = w.changes
		}
		w.poller.schedule()
		select {
		case <-w.stop:
			return
		case out <- w.due:
			w.due = nil
		case <-w.poller.tick.C:
			w.poller.begin()
			w.arm()
		case <-w.unfinished():
			w.tree.enterLater(sliceTime)
			w.poller.proceed()
			w.arm()
		case <-w.source.ready():
			w.take()
			w.arm()
		case <-w.timer.C:
			w.flush()
		}
	}
}

// unfinished returns a channel that is ready if a walk or a poll is to go on; else nil.
func (w *Watcher) unfinished() <-chan struct{} {
	if len(w.tree.later) == 0 && len(w.poller.looking) == 0 {
		return nil
	}
	ch := make(chan struct{})
	close(ch)
	return ch
}

// take takes the events of the source.
func (w *Watcher) take() {
	events, overflow, errs := w.source.pump.take()
	for _, err := range errs {
		w.report(watchError(w.tree.root, err))
	}
	if w.tree.vanished {
		return
	}
	for _, e := range events {
		w.tree.handle(e)
	}
	if overflow {
		w.batch.lose()
		w.report(fmt.Errorf("watch %s: %w (fs.inotify.max_queued_events=%d)",
			w.tree.root, ErrLost, readSysctl("fs.inotify.max_queued_events")))
	}
}

// arm sets the timer if there is news to deliver.
func (w *Watcher) arm() {
	if wait, news := w.batch.wait(time.Now()); news {
		w.timer.Reset(wait)
	}
}

// flush makes the batch due.
func (w *Watcher) flush() {
	b, t := w.batch, w.tree
	if longest := b.longest(); t.rules.gitIsBusy(longest) && time.Since(b.first) < longest {
		w.timer.Reset(b.quiet)
		return
	}
	b.end()
	if !t.rootIsThere() {
		t.vanish()
	}
	switch {
	case t.vanished:
	case b.lost:
		w.poller.looking = nil
		t.rebuild()
	case b.rulesChanged:
		t.resync()
	}
	w.due = b.take(w.due, t.isNews)
}
