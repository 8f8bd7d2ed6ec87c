package watch

import (
	"errors"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// maxQueued bounds the events that wait for the watcher while it reads a
// large new directory. More count as an overflow, as in the kernel's queue.
const maxQueued = 1 << 16

// pump always reads the channels of fsnotify, in a goroutine of its own: fsnotify sends
// some errors while it holds the lock that Add and Remove need, so that the goroutine
// that calls these cannot be the one that reads.
type pump struct {
	ready chan struct{} // has a value when there is something to take
	done  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	events   []fsnotify.Event
	errs     []error
	overflow bool
}

func newPump(w *fsnotify.Watcher) *pump {
	p := &pump{ready: make(chan struct{}, 1)}
	p.done.Go(func() {
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				p.event(e)
			case err, ok := <-w.Errors:
				if !ok {
					return
				}
				p.error(err)
			}
			select {
			case p.ready <- struct{}{}:
			default:
			}
		}
	})
	return p
}

func (p *pump) event(e fsnotify.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.events); n > 0 && p.events[n-1].Name == e.Name && p.events[n-1].Op == e.Op {
		return // a file that is being written
	}
	if len(p.events) == maxQueued {
		p.overflow = true
		return
	}
	p.events = append(p.events, e)
}

func (p *pump) error(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, fsnotify.ErrEventOverflow):
		p.overflow = true
	case isGone(err):
		// A watch that fsnotify wanted to remove went with its directory.
	case len(p.errs) < 16:
		p.errs = append(p.errs, err)
	}
}

func (p *pump) take() (events []fsnotify.Event, overflow bool, errs []error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	events, overflow, errs = p.events, p.overflow, p.errs
	p.events, p.overflow, p.errs = nil, false, nil
	return events, overflow, errs
}

// wait returns after fsnotify has closed its channels.
func (p *pump) wait() { p.done.Wait() }
