package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/probe/answer"
)

// worker makes operations, one at a time, on a connection that it keeps where
// the mode does.
type worker struct {
	l     *Load
	shard *shard

	mu   sync.Mutex // guards conn, which cut closes from another goroutine
	conn net.Conn
	over bool // cut was called
	// again says that conn is counted as one on which something was sent again.
	again bool

	limit *io.LimitedReader
	read  *bufio.Reader
	out   []byte // what an echo sends
	in    []byte
	seq   uint64
}

// cut ends what the worker waits for.
func (w *worker) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.conn != nil {
		_ = w.conn.Close()
	}
}

// drop closes the connection.
func (w *worker) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		_ = w.conn.Close()
	}
	w.conn = nil
}

// noteSentAgain counts the worker's connection, once, if the kernel had to send
// something on it again.
func (w *worker) noteSentAgain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == nil || w.again || !isSentAgain(w.conn) {
		return
	}
	w.again = true
	w.shard.sentAgain.Add(1)
}

// open returns the worker a connection, and reports whether it is one that was used before.
func (w *worker) open(ctx context.Context) (reused bool, err error) {
	if w.conn != nil {
		return true, w.conn.SetDeadline(time.Now().Add(w.l.opts.Timeout))
	}
	c, err := w.l.dial(ctx, w.shard)
	if err != nil {
		return false, err
	}
	_ = c.SetDeadline(time.Now().Add(w.l.opts.Timeout))
	w.mu.Lock()
	if w.conn, w.again = c, false; w.over {
		_ = c.Close()
	}
	w.mu.Unlock()
	if w.l.opts.Mode == ModeHTTP && secure(w.l.target.Scheme) {
		// Measured, not trusted: nothing secret is sent.
		conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
		if isName(w.l.target.Host) {
			conf.ServerName = strings.TrimSuffix(w.l.target.Host, ".")
		}
		t := tls.Client(c, conf)
		if err := t.HandshakeContext(ctx); err != nil {
			w.drop()
			return false, err
		}
		w.mu.Lock()
		w.conn = t
		w.mu.Unlock()
	}
	return false, nil
}

func secure(scheme string) bool { return scheme == "https" || scheme == "wss" || scheme == "tls" }

// operate makes one operation, and reports whether its connection is any good for
// the next. Closing it is not part of the operation.
func (w *worker) operate(ctx context.Context) (keep bool, err error) {
	switch w.l.opts.Mode {
	case ModeConnect:
		_, err = w.open(ctx)
		return false, err
	case ModeEcho:
		err = w.echo(ctx)
		keep = err == nil
	case ModeHTTP:
		keep, err = w.fetch(ctx)
	}
	return keep && !w.l.opts.New, err
}

// maxDatagram is what UDP over IPv4 holds.
const maxDatagram = 65507

// piece is how much of an echo is sent before it is read back: less than any
// socket's buffers, so that both sides never wait for each other.
const piece = 16 << 10

// echo sends bytes that differ each time and reads them back.
func (w *worker) echo(ctx context.Context) error {
	if w.out == nil {
		w.out, w.in = make([]byte, w.l.opts.Size), make([]byte, min(w.l.opts.Size, piece))
		if w.l.proto == loopback.UDP {
			w.in = make([]byte, maxDatagram+1)
		}
	}
	if _, err := w.open(ctx); err != nil {
		return err
	}
	w.seq++
	fill(w.out, w.seq)
	if w.l.proto == loopback.UDP {
		return w.echoDatagram()
	}
	for rest := w.out; len(rest) > 0; {
		part := rest[:min(len(rest), piece)]
		rest = rest[len(part):]
		n, err := w.conn.Write(part)
		w.shard.sent.Add(int64(n))
		if err != nil {
			return err
		}
		n, err = io.ReadFull(w.conn, w.in[:len(part)])
		w.shard.received.Add(int64(n))
		if err != nil {
			return err
		}
		if !bytes.Equal(w.in[:len(part)], part) {
			return &errBad{answer.BadAnswer, "what came back is not what was sent"}
		}
	}
	return nil
}

// echoDatagram passes over late answers to earlier datagrams.
func (w *worker) echoDatagram() error {
	n, err := w.conn.Write(w.out)
	w.shard.sent.Add(int64(n))
	for err == nil {
		n, err = w.conn.Read(w.in)
		w.shard.received.Add(int64(n))
		if err == nil && bytes.Equal(w.in[:n], w.out) {
			return nil
		}
	}
	return err
}

// fill writes bytes that follow from seq (a xorshift sequence).
func fill(b []byte, seq uint64) {
	x := seq*0x9e3779b97f4a7c15 | 1
	for i := range b {
		if i%8 == 0 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		b[i] = byte(x >> (8 * (i % 8)))
	}
}
