package ebpfhome

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/home"
	"lodge/internal/loopback"
)

// A close is told by the kernel just before the socket is gone, and again
// after these times, when it surely is. (Linux has no hook that runs later and
// may be used here.)
var afterClose = [...]time.Duration{2 * time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond}

// watch reads the ring of events and tells of them.
type watch struct {
	events    *bpf.Events
	groups    *groups
	ports     *ports
	changes   chan struct{}
	conflicts chan home.Conflict
	running   sync.WaitGroup
}

// startWatch starts the goroutines that read the ring.
func startWatch(events *bpf.Events, groups *groups, ports *ports) *watch {
	w := &watch{
		events: events, groups: groups, ports: ports,
		changes:   make(chan struct{}, 1),
		conflicts: make(chan home.Conflict, 16),
	}
	closes := make(chan struct{}, 1)
	w.running.Go(func() {
		defer close(closes)
		w.read(closes)
	})
	w.running.Go(func() { w.tellAgain(closes) })
	return w
}

// close closes the ring, and waits for the goroutines.
func (w *watch) close() error {
	err := w.events.Close()
	w.running.Wait()
	return err
}

// read drains the ring until it is closed.
func (w *watch) read(closes chan<- struct{}) {
	for {
		e, err := w.events.Next()
		if err != nil {
			return // os.ErrClosed: a ring has no other end
		}
		switch e.Type {
		case bpf.EventConflict:
			w.tellConflict(e)
			continue
		case bpf.EventClose:
			poke(closes)
		case bpf.EventListen:
			w.ports.handOver(e.Addr.Port())
		}
		poke(w.changes)
	}
}

func (w *watch) tellAgain(closes <-chan struct{}) {
	next := len(afterClose)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case _, ok := <-closes:
			if !ok {
				return
			}
			next = 0
		case <-timer.C:
			if next < len(afterClose) {
				next++
				poke(w.changes)
			}
		}
		if next < len(afterClose) {
			timer.Reset(afterClose[next])
		}
	}
}

// poke leaves a value in a channel that has room for one.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *watch) tellConflict(e bpf.Event) {
	c := home.Conflict{Protocol: loopback.TCP, Port: e.Addr.Port()}
	if e.Proto == unix.IPPROTO_UDP {
		c.Protocol = loopback.UDP
	}
	c.Service = w.groups.name(e.Service)
	select {
	case w.conflicts <- c:
	default:
	}
}
