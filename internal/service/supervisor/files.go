package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lodge/internal/service"
	"lodge/internal/watch"
)

// fileWatch watches the files of a service. It belongs to the service's loop alone.
type fileWatch struct {
	lifetime
	files   *watch.Watcher
	watched service.Spec // what files was made for
	unseen  chan error   // why there is no files
}

// watcher returns the changes of the files that the service watches; nil where
// it watches none. One watcher lives as long as the session, or until the
// definition says something else. A service whose files cannot be watched runs
// all the same; what is wrong is told as a warning, by unwatched.
func (r *fileWatch) watcher(sp service.Spec, end <-chan struct{}) <-chan []string {
	was := r.watched
	if r.files != nil && (sp.WatchRoot != was.WatchRoot || sp.WatchNoPolling != was.WatchNoPolling || !slices.Equal(sp.Watch, was.Watch)) {
		r.closeFiles()
	}
	if len(sp.Watch) == 0 {
		return nil
	}
	if r.files == nil {
		r.unseen = nil
		w, err := watch.New(watch.Options{Root: sp.WatchRoot, Patterns: sp.Watch, NoPolling: sp.WatchNoPolling, Done: end})
		if err != nil {
			r.unseen = make(chan error, 1)
			r.unseen <- err
			return nil
		}
		r.files, r.watched, r.unseen = w, sp, nil
	}
	return r.files.Changes()
}

// watchErrors returns what goes wrong with the watching.
func (r *fileWatch) watchErrors() <-chan error {
	if r.files == nil {
		return r.unseen
	}
	return r.files.Err()
}

// unwatched tells that files are not watched, or not as they should be.
func (r *fileWatch) unwatched(p *process, err error) {
	r.note(p, err.Error())
	kind := warnWatch
	if errors.Is(err, watch.ErrLinks) {
		kind = warnLinks
	}
	r.warn(kind, err.Error())
}

// forgetChanges drops the changes that wait to be delivered: the process that is
// about to start reads the files as they are now.
func (r *fileWatch) forgetChanges() {
	if r.files == nil {
		return
	}
	for {
		select {
		case <-r.files.Changes():
		default:
			return
		}
	}
}

func (r *fileWatch) closeFiles() {
	r.unseen = nil
	r.warn(warnWatch, "")
	r.warn(warnLinks, "")
	if r.files != nil {
		_ = r.files.Close() // it was only read from
		r.files = nil
	}
}

func changedText(files []string) string {
	switch {
	case len(files) == 1 && files[0] == watch.Everything:
		return "many files changed"
	case len(files) == 1:
		return files[0] + " changed"
	}
	return fmt.Sprintf("%d files changed: %s", len(files), strings.Join(files[:min(3, len(files))], ", "))
}

// mends returns the changes of files while the service rests in such a state;
// nil where it does not, or watches none.
func (r *fileWatch) mends() <-chan []string {
	if r.files == nil || !mendable(r.status().State) {
		return nil
	}
	return r.files.Changes()
}
