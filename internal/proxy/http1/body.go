package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"

	"lodge/internal/proxy/buffers"
)

// Source is where a body comes from.
type Source interface {
	// Read reads bytes of the body. io.EOF is the end of a whole body, and may
	// come with the last bytes.
	Read(p []byte) (int, error)
	// Ready reports whether the next Read is known to return at once.
	Ready() bool
	// Trailer returns the trailer fields, after io.EOF.
	Trailer() (http.Header, error)
}

// Sink is where a body goes.
type Sink interface {
	// Room is where the next piece is to be read to.
	Room() []byte
	// Piece sends the first n bytes of Room. more reports whether the next piece,
	// or the end, is there already, so that this one may wait for it.
	Piece(n int, more bool) error
	// End is called after the last piece.
	End(trailer http.Header) error
}

// ErrCut is a body that broke off before its end.
var ErrCut = errors.New("the body broke off")

// Relay takes a body to where it goes, each piece as soon as it was read. The
// error is ErrCut if the body was not whole, or else the sink's.
func Relay(to Sink, from Source) error {
	for {
		n, err := from.Read(to.Room())
		if n > 0 {
			if err := to.Piece(n, err != nil || from.Ready()); err != nil {
				return err
			}
		}
		if err == nil {
			continue
		}
		if err != io.EOF {
			return ErrCut
		}
		trailer, err := from.Trailer()
		if err != nil {
			return ErrCut
		}
		return to.End(trailer)
	}
}

// Body is a body that follows a head on a connection.
type Body struct {
	from   *Reader
	left   int64     // of a body whose length is known, in bytes; ToEndLength
	chunks io.Reader // of a chunked one
}

// Begin makes b the body that follows the head that was read last. length is in
// bytes, ChunkedLength or ToEndLength.
func (b *Body) Begin(from *Reader, length int64) {
	*b = Body{from: from, left: length}
	if length == ChunkedLength {
		b.chunks = httputil.NewChunkedReader(from.Reader)
	}
}

func (b *Body) Read(p []byte) (int, error) {
	switch {
	case b.chunks != nil:
		return b.chunks.Read(p)
	case b.left == ToEndLength:
		return b.from.Read(p)
	case b.left == 0:
		return 0, io.EOF
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	return b.took(n, err)
}

// took notes that n bytes of a body with a length were read.
func (b *Body) took(n int, err error) (int, error) {
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Ready reports whether the next bytes were read from the connection already.
func (b *Body) Ready() bool {
	if b.chunks != nil {
		return bytes.IndexByte(b.from.Pending(), '\n') >= 0 // the head of a chunk is whole
	}
	return b.from.Buffered() > 0
}

// Begun reports whether first bytes of the body were read with the head.
func (b *Body) Begun() bool {
	pending := b.from.Pending()
	if b.chunks == nil {
		return len(pending) > 0
	}
	i := bytes.IndexByte(pending, '\n')
	return i >= 0 && i+1 < len(pending)
}

// ReadNow reads bytes that are there by now, by a function that does not wait for
// them. It does so for bodies with a length, as long as nothing is buffered.
// io.EOF is the end.
func (b *Body) ReadNow(p []byte, read func([]byte) (int, error)) (int, error) {
	if b.chunks != nil || b.left <= 0 || b.from.Buffered() > 0 {
		return 0, nil
	}
	n, err := read(p[:min(int64(len(p)), b.left)])
	if n <= 0 || err != nil {
		return 0, nil // an error comes again
	}
	return b.took(n, nil)
}

// Trailer reads the trailer section of a chunked body.
func (b *Body) Trailer() (http.Header, error) {
	if b.chunks == nil {
		return nil, nil
	}
	return readTrailer(b.from)
}

// Writer frames a body and writes it. What is around a piece is put into the
// same block, so that all goes out in one write: the size of a chunk, and a head
// that is sent with the first piece.
type Writer struct {
	To      io.Writer
	Block   *buffers.Block
	Chunked bool
	head    []byte // of the next piece; at most maxJoined bytes
}

const (
	chunkHead = 10                   // room for a chunk's size in hexadecimal and CR LF
	maxJoined = buffers.CopySize / 4 // a longer head goes out by itself
)

// Head writes a head, with the first piece of the body if together is set.
func (w *Writer) Head(head []byte, together bool) error {
	if together && len(head) <= maxJoined {
		w.head = head
		return nil
	}
	_, err := w.To.Write(head)
	return err
}

func (w *Writer) start() int {
	if w.Chunked {
		return len(w.head) + chunkHead
	}
	return len(w.head)
}

// Room is where the next piece is to be read to.
func (w *Writer) Room() []byte { return w.Block[w.start() : len(w.Block)-2] }

// Piece writes n bytes, framed.
func (w *Writer) Piece(n int, _ bool) error {
	first := w.start()
	end := first + n
	if w.Chunked {
		var size [chunkHead]byte
		h := append(strconv.AppendInt(size[:0], int64(n), 16), "\r\n"...)
		first -= len(h)
		copy(w.Block[first:], h)
		end += copy(w.Block[end:], "\r\n")
	}
	first -= len(w.head)
	copy(w.Block[first:], w.head)
	w.head = nil
	_, err := w.To.Write(w.Block[first:end])
	return err
}

// End writes the last chunk and the trailer, and the head if there was no piece.
func (w *Writer) End(trailer http.Header) error {
	out := w.head
	if w.head = nil; w.Chunked {
		out = appendTrailer(append(out, "0\r\n"...), trailer)
	}
	if len(out) == 0 {
		return nil
	}
	_, err := w.To.Write(out)
	return err
}
