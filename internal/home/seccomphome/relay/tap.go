package relay

import (
	"io"
	"net"
	"sync"
	"time"

	"lodge/internal/home/feed"
)

// Tap is one that is told what connections carry: a queue of frames, and the goroutine
// that writes them. Who fills the queue never waits.
type Tap struct {
	out  *net.UnixConn
	wake chan struct{} // there is something
	full chan struct{} // there is much
	quit chan struct{} // closed: nothing more comes

	mu     sync.Mutex // guards what follows
	ended  bool
	totals feed.Totals
	// The queue is a ring: used bytes from first on.
	queue       []byte
	first, used int
}

const (
	// queueSize bounds what waits for a tap.
	queueSize = 8 << 20
	// spare is kept free of bytes, for the begin and the end of connections.
	spare = 256 << 10
	// pause is how long the writer waits for more, so that a flood does not wake it
	// for each piece. It is told of a queue that is a quarter full at once.
	pause = 2 * time.Millisecond
	// lastWords is how long a tap that does not read holds up the end of the home.
	lastWords = time.Second
)

func newTap(out *net.UnixConn) *Tap {
	return &Tap{
		out: out, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), quit: make(chan struct{}),
		queue: make([]byte, queueSize), totals: feed.Totals{Lost: map[string]feed.Count{}},
	}
}

// begin tells the tap that it sees what happens from now on.
func (t *Tap) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(feed.Header{Kind: feed.Ready, At: moment()}, nil)
}

// put queues a frame, and counts it with n bytes of its connection. ok is false where
// there was no place.
func (t *Tap) put(h feed.Header, payload []byte, n int) (ok bool) {
	h.Size = len(payload)
	need := feed.HeaderSize + len(payload)
	if h.Kind == feed.Data {
		need += spare
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return true
	}
	t.totals.Seen.Add(n)
	if len(t.queue)-t.used < need {
		t.count(feed.QueueFull, n)
		return false
	}
	t.totals.Delivered.Add(n)
	t.add(h, payload)
	return true
}

// lose counts what is not in the queue, with n bytes.
func (t *Tap) lose(why string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.totals.Seen.Add(n)
		t.count(why, n)
	}
}

// outside counts a connection that is not to a service of the home.
func (t *Tap) outside() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.totals.Seen.Add(0)
		t.totals.Outside.Add(0)
	}
}

// count counts what was lost. The caller holds t.mu.
func (t *Tap) count(why string, n int) {
	c := t.totals.Lost[why]
	c.Add(n)
	t.totals.Lost[why] = c
}

// add queues a frame, for which there is a place. The caller holds t.mu.
func (t *Tap) add(h feed.Header, payload []byte) {
	var b [feed.HeaderSize]byte
	h.Put(b[:])
	if t.used == 0 {
		signal(t.wake)
	}
	for _, part := range [][]byte{b[:], payload} {
		at := (t.first + t.used) % len(t.queue)
		n := copy(t.queue[at:], part)
		copy(t.queue, part[n:])
		t.used += len(part)
	}
	if t.used > len(t.queue)/4 {
		signal(t.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// next returns what can be written at once. It stays where it is until taken.
func (t *Tap) next() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue[t.first:min(t.first+t.used, len(t.queue))]
}

// taken frees the first n bytes of the queue.
func (t *Tap) taken(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first = (t.first + n) % len(t.queue)
	t.used -= n
}

// write writes what is queued, until the tap has ended, and the totals at last.
func (t *Tap) write() {
	defer func() {
		_ = t.out.Close() // what could not be written, the reader misses
		t.mu.Lock()
		defer t.mu.Unlock()
		t.queue, t.first, t.used = nil, 0, 0 // connections that go on know the tap
	}()
	wait := time.NewTimer(pause)
	defer wait.Stop()
	for over := false; !over; {
		select {
		case <-t.wake:
			wait.Reset(pause)
			select {
			case <-t.full:
			case <-t.quit:
			case <-wait.C:
			}
		case <-t.quit:
			over = true
		}
		for b := t.next(); len(b) > 0; b = t.next() {
			n, err := t.out.Write(b)
			if err != nil {
				return // it is gone, which awaitEnd sees too
			}
			t.taken(n)
		}
	}
	t.mu.Lock()
	payload := encode(t.totals)
	t.mu.Unlock()
	b := make([]byte, feed.HeaderSize, feed.HeaderSize+len(payload))
	h := feed.Header{Kind: feed.Counts, At: moment(), Size: len(payload)}
	h.Put(b)
	_, _ = t.out.Write(append(b, payload...)) // as above
}

// awaitEnd waits until the reader is gone, or says that it is enough by closing its side.
func (t *Tap) awaitEnd() { _, _ = io.Copy(io.Discard, t.out) }

// end makes nothing more be queued.
func (t *Tap) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.ended = true
		close(t.quit)
	}
}

// hurry bounds the time that the rest may take.
func (t *Tap) hurry() { _ = t.out.SetWriteDeadline(time.Now().Add(lastWords)) }
