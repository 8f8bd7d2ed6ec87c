package ebpfhome

import (
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

// watch starts the goroutines that read the ring; Close waits for them.
func (in *inside) watch() {
	closes := make(chan struct{}, 1)
	in.watching.Go(func() {
		defer close(closes)
		in.read(closes)
	})
	in.watching.Go(func() { in.tellAgain(closes) })
}

// read drains the ring until it is closed.
func (in *inside) read(closes chan<- struct{}) {
	for {
		e, err := in.events.Next()
		if err != nil {
			return // os.ErrClosed: a ring has no other end
		}
		switch e.Type {
		case bpf.EventConflict:
			in.tellConflict(e)
			continue
		case bpf.EventClose:
			poke(closes)
		case bpf.EventListen:
			in.handOver(e.Addr.Port())
		}
		poke(in.changes)
	}
}

func (in *inside) tellAgain(closes <-chan struct{}) {
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
				poke(in.changes)
			}
		}
		if next < len(afterClose) {
			timer.Reset(afterClose[next])
		}
	}
}

// poke leaves a value for whoever looks next.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (in *inside) tellConflict(e bpf.Event) {
	c := home.Conflict{Protocol: loopback.TCP, Port: e.Addr.Port()}
	if e.Proto == unix.IPPROTO_UDP {
		c.Protocol = loopback.UDP
	}
	in.mu.Lock()
	c.Service = in.names[e.Service]
	in.mu.Unlock()
	select {
	case in.conflicts <- c:
	default:
	}
}
