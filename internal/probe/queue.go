package probe

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/probe/answer"
)

// QueueSource tells of the queue in which a listener keeps connections that its
// program has not accepted yet.
type QueueSource interface {
	// Queue returns how many connections wait at the listener of the addresses,
	// and how many may; ok is false where there is no such listener in this network
	// namespace. Of several listeners it is the fullest.
	Queue(ctx context.Context, ips []netip.Addr, port uint16) (waiting, limit int, ok bool)
	// Overflows returns how many connections have found the queue of a listener
	// full, at all listeners of this network namespace.
	Overflows() (n uint64, ok bool)
}

// AcceptQueue is what was seen of a listener's queue of connections that wait for
// accept. When one more than Limit wait it is full: the kernel drops what comes
// then, and the client sends it again after 1 s, 3 s, 7 s.
type AcceptQueue struct {
	// Waiting is the most that were seen to wait, Limit how many may; both are
	// absent where the listener was not found.
	Waiting *int `json:"waiting,omitempty"`
	Limit   *int `json:"limit,omitempty"`
	// Full says that the queue was full, as far as that could be seen.
	Full bool `json:"full"`
	// Overflows is how often a queue was found full meanwhile (ListenOverflows), at
	// all listeners of the network namespace.
	Overflows uint64 `json:"overflows"`
}

// slow is how long an operation takes at least in which the kernel has sent
// something again: TCP_RTO_MIN is 200 ms, a SYN waits for 1 s.
const slow = 150 * time.Millisecond

// isSentAgain reports whether the kernel has sent something on a connection more
// than once: its SYN, or data that was not acknowledged.
func isSentAgain(c net.Conn) bool {
	if in, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = in.NetConn()
	}
	tc, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return false
	}
	again := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		again = err == nil && info.Total_retrans > 0
	})
	return err == nil && again
}

// lookAt is how often a queue is looked at.
const lookAt = 200 * time.Millisecond

// queueWatch looks at a listener's queue while connections are made.
type queueWatch struct {
	source QueueSource
	where  func() ([]netip.Addr, uint16)
	before uint64
	known  bool // before is
	nudge  chan struct{}
	end    context.CancelFunc
	ended  sync.WaitGroup

	// Of the goroutine that looks, until it has ended.
	waiting, limit int
	found, full    bool

	unanswered atomic.Int64 // connections that were not answered in time
}

// watchQueue begins to look; source may be nil.
func watchQueue(ctx context.Context, source QueueSource, proto loopback.Protocol, where func() ([]netip.Addr, uint16)) *queueWatch {
	w := &queueWatch{source: source, where: where, nudge: make(chan struct{}, 1), end: func() {}}
	if source == nil || proto != loopback.TCP {
		w.source = nil
		return w
	}
	w.before, w.known = source.Overflows()
	ctx, w.end = context.WithCancel(context.WithoutCancel(ctx))
	w.ended.Go(func() {
		tick := time.NewTicker(lookAt)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-w.nudge:
			}
			w.look(ctx)
		}
	})
	return w
}

func (w *queueWatch) look(ctx context.Context) {
	ips, port := w.where()
	waiting, limit, ok := w.source.Queue(ctx, ips, port)
	if !ok {
		return
	}
	// sk_acceptq_is_full: one more than the limit fits.
	if full := waiting > limit; !w.found || full && !w.full || full == w.full && waiting > w.waiting {
		w.waiting, w.limit, w.found, w.full = waiting, limit, true, full
	}
}

// failed notes how an operation failed, and looks at once where the queue may be
// the cause.
func (w *queueWatch) failed(kind answer.Failure) {
	if kind != answer.Timeout && kind != answer.Reset {
		return
	}
	if kind == answer.Timeout {
		w.unanswered.Add(1)
	}
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// close ends the looking. If wanted it looks once more and returns what was seen:
// nil where that is nothing. sentAgain is on how many connections something was
// sent again.
func (w *queueWatch) close(sentAgain int64, wanted bool) *AcceptQueue {
	w.end()
	w.ended.Wait()
	if w.source == nil || !wanted {
		return nil
	}
	w.look(context.Background())
	q := &AcceptQueue{}
	if w.found {
		q.Waiting, q.Limit, q.Full = &w.waiting, &w.limit, w.full
	}
	if after, ok := w.source.Overflows(); ok && w.known && after > w.before {
		q.Overflows = after - w.before
	}
	// It may have been full between two looks: the counter is of all listeners, so
	// something of what was done here must have been dropped as well.
	q.Full = q.Full || w.found && q.Overflows > 0 && (sentAgain > 0 || w.unanswered.Load() > 0)
	if !w.found && q.Overflows == 0 {
		return nil
	}
	return q
}
