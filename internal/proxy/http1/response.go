package http1

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Lengths of bodies that are not known in advance.
const (
	ChunkedLength = -1 // the last chunk is the end
	ToEndLength   = -2 // the end of the connection is the end
)

// Response is the head of an answer. Its bytes belong to it, and are valid until
// the next head is read into it.
type Response struct {
	Minor         int // of the version
	Status        int
	Reason        []byte  // may be empty
	Fields        []Field // all of them; [Response.Passes] chooses
	ContentLength int64   // the field, in bytes; -1: none
	Upgrade       []byte
	Trailer       []byte // the names of trailer fields that are announced
	Reusable      bool   // the connection, once the body was read
	// KeepFor is how long the service keeps the connection, as it says in
	// Keep-Alive; 0: it does not say.
	KeepFor time.Duration

	chunked    bool
	connection [][]byte // Connection fields
	buf        []byte   // the head, with folded lines joined
}

// The errors of answers.
var (
	errStatus         = errors.New("its answer has a malformed first line")
	errAnswerField    = errors.New("its answer has a malformed header field")
	errAnswerLength   = errors.New("its answer has several lengths, or one that is no number")
	errAnswerEncoding = errors.New("its answer has a transfer coding other than chunked")
	errAnswerTooLong  = errors.New("its answer has a head that is too long")
)

// maxKept bounds the buffer that is kept for the next head, in bytes.
const maxKept = 16 << 10

// Read waits for the next head and reads it. Lines may end in LF alone (RFC
// 9112, section 2.2); a line that goes on in the next is joined with a blank,
// and blanks between a name and its colon are removed (sections 5.1 and 5.2).
func (r *Response) Read(from *Reader, maxHead int) error {
	n, err := from.head(maxHead, lenientEnd)
	if errors.Is(err, ErrHeadTooLong) {
		return errAnswerTooLong
	}
	if err != nil {
		return err
	}
	b, _ := from.Peek(n) // it is there
	if cap(r.buf) > maxKept {
		r.buf = nil
	}
	r.buf = append(r.buf[:0], b...)
	if _, err := from.Discard(n); err != nil {
		return err
	}
	return r.parse(r.buf)
}

// parse reads a whole head. It writes to b where lines are folded.
func (r *Response) parse(b []byte) error {
	*r = Response{Fields: r.Fields[:0], connection: r.connection[:0], buf: r.buf, ContentLength: -1}
	end := bytes.IndexByte(b, '\n')
	if end < 0 || !r.statusLine(withoutCR(b[:end])) {
		return errStatus
	}
	value, valueEnd := 0, 0 // of the last field
	for at := end + 1; at < len(b); at = end + 1 {
		if end = bytes.IndexByte(b[at:], '\n'); end < 0 {
			return errAnswerField
		}
		end += at
		line := withoutCR(b[at:end])
		switch {
		case len(line) == 0:
			return r.frame()
		case !validValue(line):
			return errAnswerField
		case line[0] == ' ' || line[0] == '\t':
			if value == 0 {
				return errAnswerField
			}
			for i := valueEnd; i < at; i++ {
				b[i] = ' '
			}
			valueEnd = at + len(line)
			r.Fields[len(r.Fields)-1].Value = trim(b[value:valueEnd])
			continue
		}
		colon := bytes.IndexByte(line, ':')
		name := trimRight(line[:max(colon, 0)])
		if !IsToken(name) {
			return errAnswerField
		}
		value, valueEnd = at+colon+1, at+len(line)
		r.Fields = append(r.Fields, NewField(name, trim(b[value:valueEnd])))
	}
	return errAnswerField
}

func withoutCR(line []byte) []byte {
	if n := len(line) - 1; n >= 0 && line[n] == '\r' {
		return line[:n]
	}
	return line
}

// statusLine reads "HTTP/1.1 200 OK". The reason, with the blank before it, may
// be left out.
func (r *Response) statusLine(line []byte) bool {
	const version = "HTTP/1."
	if len(line) < len(version)+1 || string(line[:len(version)]) != version || bytes.IndexByte(line, '\r') >= 0 {
		return false
	}
	switch line[len(version)] {
	case '0':
	case '1':
		r.Minor = 1
	default:
		return false
	}
	rest := line[len(version)+1:]
	if len(rest) == 0 || rest[0] != ' ' {
		return false
	}
	for len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	code, reason, _ := bytes.Cut(rest, []byte{' '})
	if len(code) != 3 {
		return false
	}
	for _, c := range code {
		if c < '0' || c > '9' {
			return false
		}
		r.Status = 10*r.Status + int(c-'0')
	}
	r.Reason = reason
	return r.Status >= 100
}

// frame reads what the fields say about body and connection (RFC 9112, sections
// 6.3 and 9.3).
func (r *Response) frame() error {
	keepAlive, closes, codings := false, false, 0
	for _, f := range r.Fields {
		switch v := f.Value; f.Kind {
		case KindConnection:
			r.connection = append(r.connection, v)
			closes = closes || hasToken(v, "close")
			keepAlive = keepAlive || hasToken(v, "keep-alive")
		case KindContentLength:
			n, err := strconv.ParseUint(String(v), 10, 63)
			if err != nil || r.ContentLength >= 0 && r.ContentLength != int64(n) {
				return errAnswerLength
			}
			r.ContentLength = int64(n)
		case KindKeepAlive:
			r.keepFor(v)
		case KindTrailer:
			r.Trailer = trailerNames(r.Trailer, v)
		case KindTransferEncoding:
			if r.Minor == 0 {
				closes = true // what came before it may not know it (section 6.1)
				continue
			}
			if codings++; codings > 1 || !EqualFold(v, "chunked") {
				return errAnswerEncoding
			}
			r.chunked = true
		case KindUpgrade:
			r.Upgrade = v
		}
	}
	if r.chunked && r.ContentLength >= 0 {
		r.ContentLength, closes = -1, true
	}
	r.Reusable = !closes && (r.Minor > 0 || keepAlive)
	return nil
}

// keepFor reads "timeout=5, max=100" (RFC 2068, section 19.7.1.1).
func (r *Response) keepFor(v []byte) {
	tokens(v, func(t []byte) bool {
		if len(t) > 8 && EqualFold(t[:8], "timeout=") {
			if n, err := strconv.ParseUint(string(t[8:]), 10, 20); err == nil {
				r.KeepFor = max(time.Duration(n)*time.Second, 1)
			}
		}
		return true
	})
}

// BodyLength returns the length of the body that follows the head in answer to a
// method, in bytes, or [ChunkedLength] or [ToEndLength].
func (r *Response) BodyLength(method []byte) int64 {
	switch {
	case String(method) == "HEAD" || r.Status == http.StatusNoContent || r.Status == http.StatusNotModified:
		return 0
	case r.chunked:
		return ChunkedLength
	case r.ContentLength >= 0:
		return r.ContentLength
	}
	return ToEndLength
}

// Interim reports whether another answer follows (RFC 9110, section 15.2).
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != http.StatusSwitchingProtocols }

// Adopt makes r the answer that net/http has read.
func (r *Response) Adopt(status int, header http.Header, contentLength int64, trailer http.Header) {
	*r = Response{Fields: r.Fields[:0], connection: r.connection[:0], Minor: 1, Status: status, ContentLength: contentLength}
	if r.Fields == nil {
		r.Fields = make([]Field, 0, len(header)+2) // a few fields come twice
	}
	for k, vv := range header {
		for _, v := range vv {
			f := NewField(Bytes(k), Bytes(v))
			r.Fields = append(r.Fields, f)
			if f.Kind == KindConnection {
				r.connection = append(r.connection, f.Value)
			}
		}
	}
	for k := range trailer {
		r.Trailer = trailerNames(r.Trailer, []byte(k))
	}
}

// AppendFields writes the fields that are for the client.
func (r *Response) AppendFields(out []byte) []byte {
	for _, h := range r.Fields {
		if r.Passes(h) {
			out = AppendField(out, h.Name, h.Value)
		}
	}
	return out
}

// Passes reports whether a field is for the client: one that does not speak of the
// connection to the service (RFC 9110, section 7.6.1), and is not written anew.
func (r *Response) Passes(f Field) bool {
	switch f.Kind {
	case KindConnection, KindContentLength, KindKeepAlive, KindTE, KindTrailer, KindTransferEncoding, KindUpgrade:
		return false
	case KindProxy:
		return !EqualFold(f.Name, "proxy-connection")
	}
	return len(r.connection) == 0 || !nominates(r.connection, f.Name)
}

// AppendStatusLine begins the head of an answer. A reason that is missing or
// malformed is the usual one.
func AppendStatusLine(out []byte, status int, reason []byte) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	if len(reason) > 0 && validValue(reason) {
		out = append(out, reason...)
	} else {
		out = append(out, http.StatusText(status)...)
	}
	return append(out, "\r\n"...)
}
