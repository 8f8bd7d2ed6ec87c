package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// chunks reads a chunked body (RFC 9112, section 7.1) up to its trailer.
type chunks struct{ io.Reader }

func newChunks(br *bufio.Reader) *chunks { return &chunks{httputil.NewChunkedReader(br)} }

// piece is a block into which a piece of a body is read with room around it:
// for the frame of a chunk, and for a head that goes out with the first piece.
// So all is written at once.
type piece struct {
	block   []byte
	head    []byte // of the next piece; at most maxJoined bytes
	chunked bool
}

const (
	chunkHead = 10           // room for a chunk's size in hexadecimal and CR LF
	maxJoined = copySize / 4 // a longer head goes out by itself
)

// start is where the bytes of the body begin.
func (p *piece) start() int {
	if p.chunked {
		return len(p.head) + chunkHead
	}
	return len(p.head)
}

// room is where to read to.
func (p *piece) room() []byte { return p.block[p.start() : len(p.block)-2] }

// frame returns what to write when n bytes were read to room.
func (p *piece) frame(n int) []byte {
	first := p.start()
	end := first + n
	if p.chunked {
		var size [chunkHead]byte
		h := append(strconv.AppendInt(size[:0], int64(n), 16), "\r\n"...)
		first -= len(h)
		copy(p.block[first:], h)
		end += copy(p.block[end:], "\r\n")
	}
	first -= len(p.head)
	copy(p.block[first:], p.head)
	p.head = nil
	return p.block[first:end]
}

// maxTrailer is the longest trailer section, in bytes: what a reader of
// readSize surely holds.
const maxTrailer = readSize

var errTrailer = errors.New("a trailer section that is malformed or too long")

// readTrailer reads what follows the last chunk (RFC 9112, section 7.1.2).
// Fields that may not be in a trailer are left out.
func readTrailer(br *bufio.Reader) (http.Header, error) {
	b, err := br.Peek(2)
	if err != nil {
		return nil, err
	}
	if string(b) == "\r\n" {
		_, err := br.Discard(2)
		return nil, err
	}
	for {
		b, _ := br.Peek(br.Buffered()) // all of it is there
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			return parseTrailer(br, i+4)
		}
		if len(b) >= maxTrailer {
			return nil, errTrailer
		}
		if _, err := br.Peek(len(b) + 1); err != nil {
			return nil, err
		}
	}
}

func parseTrailer(br *bufio.Reader, n int) (http.Header, error) {
	b, err := br.Peek(n)
	if err != nil {
		return nil, err
	}
	if checkHead(b, n) != nil {
		return nil, errTrailer
	}
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(b))).ReadMIMEHeader()
	if err != nil {
		return nil, errTrailer
	}
	for k, vv := range h {
		if !trailerField(k) {
			delete(h, k)
			continue
		}
		for _, v := range vv {
			if !validField([]byte(k), []byte(v)) {
				return nil, errTrailer
			}
		}
	}
	_, err = br.Discard(n)
	return http.Header(h), err
}

// trailerField reports whether a field may come after the body (RFC 9110, section
// 6.5.1): none that says how to read the message, or who sends it.
func trailerField(k string) bool {
	if !httpguts.ValidTrailerHeader(k) {
		return false
	}
	switch fieldOf([]byte(k)) {
	case fieldOther, fieldAccept, fieldReferer:
		return true
	}
	return false
}

// appendTrailer writes a trailer section and its end.
func appendTrailer(out []byte, h http.Header) []byte {
	for k, vv := range h {
		for _, v := range vv {
			out = appendField(out, []byte(k), []byte(v))
		}
	}
	return append(out, "\r\n"...)
}

// statusLine begins the head of an answer. A reason that is not given is the
// usual one.
func statusLine(out []byte, status int, reason []byte) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	if len(reason) > 0 && validField([]byte("x"), reason) {
		out = append(out, reason...)
	} else {
		out = append(out, http.StatusText(status)...)
	}
	return append(out, "\r\n"...)
}
