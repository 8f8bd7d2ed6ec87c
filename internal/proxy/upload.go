package proxy

import (
	"errors"
	"io"
	"time"
)

// upload sends a request's body to the service while the answer may come
// already.
type upload struct {
	c     *h1conn
	begun bool
	done  chan struct{} // closed when it has ended
	whole bool          // all of the body was read from the client, and sent
}

func (b *upload) start(u *upConn) {
	b.begun = true
	b.c.e.wg.Go(func() {
		defer close(b.done)
		err := b.run(u)
		b.c.readDue.Store(0)
		b.whole = err == nil
		if errors.Is(err, errBody) {
			u.c.Close() // the service must not take a part of the body for all of it
		}
	})
}

// errBody is a client that does not send the body that it has announced.
var errBody = errors.New("the body broke off")

func (b *upload) run(u *upConn) error {
	c := b.c
	limited := &io.LimitedReader{R: c.br, N: c.length}
	var src io.Reader = limited
	if c.chunked {
		src = newChunks(c.br)
	}
	block := c.e.buffers.block()
	defer c.e.buffers.putBlock(block)
	p := piece{block: block[:], chunked: c.chunked}
	for {
		c.readDue.Store(c.e.now.Load() + int64(c.e.lim.StallTime))
		n, err := src.Read(p.room())
		c.readDue.Store(0)
		if n > 0 {
			// Where this fails, the service may have answered before it closed:
			// what reads the answer decides.
			if _, err := u.c.Write(p.frame(n)); err != nil {
				return err
			}
		}
		switch {
		case err == nil && (c.chunked || limited.N > 0):
			continue
		case !c.chunked && limited.N == 0:
			return nil
		case err != io.EOF || !c.chunked:
			return errBody
		}
		trailer, err := readTrailer(c.br)
		if err != nil {
			return errBody
		}
		_, err = u.c.Write(appendTrailer([]byte("0\r\n"), trailer))
		return err
	}
}

// finish is called when the answer has been relayed, and reports whether the body
// has been sent too. If it has not, nobody wants it any more.
func (b *upload) finish() bool {
	select {
	case <-b.done:
	default:
		b.stop()
	}
	return b.whole
}

// stop ends the upload.
func (b *upload) stop() {
	b.c.c.SetReadDeadline(time.Unix(1, 0)) // the one way to end a Read; where it fails, the connection is closed
	<-b.done
	b.c.c.SetReadDeadline(time.Time{})
}
