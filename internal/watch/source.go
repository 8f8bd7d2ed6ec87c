package watch

import (
	"errors"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// errNoWatch is the error if a directory gets no inotify watch and is not polled.
var errNoWatch = errors.New("no watch left")

// source is how changes of a directory are learned: from inotify, or by polling.
type source struct {
	*control
	inotify *fsnotify.Watcher // nil if the kernel gave none: all is polled
	pump    *pump             // nil with inotify
	poll    bool              // what has no inotify watch is polled
	limited bool              // the limit on watches was reported
}

// newSource returns the source of a root. That the kernel has no inotify instance
// left is reported.
func newSource(root string, poll bool, c *control) *source {
	s := &source{control: c, poll: poll}
	var err error
	if s.inotify, err = fsnotify.NewWatcher(); err != nil {
		s.inotify, s.limited = nil, true
		s.report(s.instead(watchError(root, err)))
		return s
	}
	s.pump = newPump(s.inotify)
	return s
}

// add adds an inotify watch of the directory real. polled is set if it is to be polled
// instead; errNoWatch is the error if it may not be.
func (s *source) add(real string) (polled bool, err error) {
	if s.inotify != nil {
		err := s.inotify.Add(real)
		if !errors.Is(err, syscall.ENOSPC) {
			s.limited = s.limited && err != nil
			return false, err
		}
		if !s.limited {
			s.limited = true
			s.report(s.instead(watchError(real, err)))
		}
	}
	if !s.poll {
		return true, errNoWatch
	}
	return true, nil
}

// remove removes the inotify watch of the directory real.
func (s *source) remove(real string) {
	// An error means that the watch went with its directory.
	_ = s.inotify.Remove(real)
}

// promote adds inotify watches of directories that are polled, as far as the kernel
// has some again, and calls done for each that got one.
func (s *source) promote(dirs []*directory, done func(real string)) {
	if s.inotify == nil {
		return
	}
	for _, dir := range dirs {
		if !dir.polled {
			continue // by another path
		}
		if err := s.inotify.Add(dir.real); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			continue // gone, or not readable
		}
		done(dir.real)
	}
	s.limited = false
}

// ready returns a channel that has a value when pump has events.
func (s *source) ready() <-chan struct{} {
	if s.pump == nil {
		return nil
	}
	return s.pump.ready
}

// instead adds to a limit what is done instead.
func (s *source) instead(err error) error {
	var limit *LimitError
	if errors.As(err, &limit) {
		limit.Polled = s.poll
	}
	return err
}

func (s *source) close() error {
	if s.inotify == nil {
		return nil
	}
	err := s.inotify.Close()
	s.pump.wait()
	return err
}
