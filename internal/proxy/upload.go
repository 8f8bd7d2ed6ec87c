package proxy

import (
	"errors"

	"lodge/internal/proxy/buffers"
	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/upstream"
)

// upload sends a request's body to the service while the answer may come
// already.
type upload struct {
	from    http1.Source
	chunked bool
	pool    *buffers.Pool
	cancel  func() // ends a Read of from

	begun bool
	done  chan struct{} // closed when it has ended
	whole bool          // all of the body was read from the client, and sent
}

func newUpload(from http1.Source, chunked bool, pool *buffers.Pool, cancel func()) *upload {
	return &upload{from: from, chunked: chunked, pool: pool, cancel: cancel, done: make(chan struct{})}
}

// start begins to send. stop waits for its end.
func (b *upload) start(u *upstream.Conn) {
	b.begun = true
	go func() {
		defer close(b.done)
		block := b.pool.Block()
		defer b.pool.PutBlock(block)
		// Where a write fails, the service may have answered before it closed: what
		// reads the answer decides.
		err := http1.Relay(&http1.Writer{To: u, Block: block, Chunked: b.chunked}, b.from)
		b.whole = err == nil
		if errors.Is(err, http1.ErrCut) {
			u.Abort() // the service must not take a part of the body for all of it
		}
	}()
}

// ended reports whether all of the body has been sent.
func (b *upload) ended() bool {
	select {
	case <-b.done:
		return b.whole
	default:
		return false
	}
}

// stop ends what has begun, and waits for that. It reports whether all of the body
// has been sent.
func (b *upload) stop() bool {
	if !b.begun {
		return false
	}
	select {
	case <-b.done:
	default:
		b.cancel()
		<-b.done
	}
	return b.whole
}
