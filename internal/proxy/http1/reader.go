package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"lodge/internal/proxy/buffers"
)

// Reader reads messages from a connection. Its buffer comes from a pool, and
// makes place for a larger one where a head does not fit.
type Reader struct {
	*bufio.Reader
	src  io.Reader
	pool *buffers.Pool
}

// Open has r read src. It must have been released, or be new.
func (r *Reader) Open(src io.Reader, pool *buffers.Pool) {
	r.Reader, r.src, r.pool = pool.Reader(src), src, pool
}

// Release gives the buffer back, with what it holds.
func (r *Reader) Release() {
	if r.Reader != nil {
		r.pool.PutReader(r.Reader)
		r.Reader = nil
	}
}

// Pending returns what was read from the connection and not yet taken. It is
// valid until the next read.
func (r *Reader) Pending() []byte {
	b, _ := r.Peek(r.Buffered()) // all of it is there
	return b
}

// grow puts what is buffered into a buffer of size bytes.
func (r *Reader) grow(size int) {
	had := r.Pending()
	big := bufio.NewReaderSize(&prefixed{append([]byte(nil), had...), r.src}, size)
	big.Peek(len(had)) // fills it with just that
	r.pool.PutReader(r.Reader)
	r.Reader = big
}

// prefixed reads bytes that were read already, and then the rest.
type prefixed struct {
	first []byte
	rest  io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		if len(p.first) == 0 {
			p.first = nil
		}
		return n, nil
	}
	return p.rest.Read(b)
}

// ErrHeadTooLong is a head that is longer than the limit.
var ErrHeadTooLong = errors.New("its head is too long")

// ErrNotHTTP is an answer that does not begin like one of HTTP/1.
var ErrNotHTTP = errors.New("it answered, but not in HTTP/1")

// headEnd says how the end of a head is found.
type headEnd uint8

const (
	strictEnd  headEnd = iota // CR LF CR LF
	lenientEnd                // an empty line, whatever the lines end in
)

// head waits for the end of a head, and returns its length in bytes. Empty
// lines before it are skipped (RFC 9112, section 2.2).
func (r *Reader) head(limit int, end headEnd) (int, error) {
	searched := 0
	for {
		b := r.Pending()
		if searched == 0 {
			if n := emptyLines(b, end); n > 0 {
				r.Discard(n) // it is there
				b = b[n:]
			}
			if end == lenientEnd && !beginsLikeHTTP(b) {
				return 0, ErrNotHTTP
			}
		}
		n := 0
		if n, searched = end.find(b, searched); n > limit {
			return 0, ErrHeadTooLong
		} else if n > 0 {
			return n, nil
		}
		if len(b) >= limit {
			return 0, ErrHeadTooLong
		}
		_, err := r.Peek(len(b) + 1)
		if errors.Is(err, bufio.ErrBufferFull) {
			r.grow(limit + 4)
			continue
		}
		if err != nil {
			return 0, err
		}
	}
}

// find returns the length of the head that b begins with, or 0, and from where
// to search when b has grown.
func (e headEnd) find(b []byte, from int) (n, next int) {
	if e == strictEnd {
		if i := bytes.Index(b[from:], []byte("\r\n\r\n")); i >= 0 {
			return from + i + 4, 0
		}
		return 0, max(0, len(b)-3)
	}
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0, from
		}
		if from > 0 && (i == 0 || i == 1 && b[from] == '\r') {
			return from + i + 1, 0
		}
		from += i + 1
	}
}

// maxEmptyLines is how many empty lines before a head are skipped at a time.
const maxEmptyLines = 8

// emptyLines returns how many bytes of empty lines b begins with.
func emptyLines(b []byte, end headEnd) int {
	n := 0
	for range maxEmptyLines {
		switch {
		case bytes.HasPrefix(b[n:], []byte("\r\n")):
			n += 2
		case end == lenientEnd && len(b) > n && b[n] == '\n':
			n++
		default:
			return n
		}
	}
	return n
}

// beginsLikeHTTP reports whether b may be the beginning of an answer.
func beginsLikeHTTP(b []byte) bool {
	const begin = "HTTP/1."
	n := min(len(b), len(begin))
	if n == 1 && b[0] == '\r' { // of an empty line
		return true
	}
	return string(b[:n]) == begin[:n]
}
