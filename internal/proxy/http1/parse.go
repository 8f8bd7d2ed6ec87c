package http1

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
)

// H2Line is the part of the preface of HTTP/2 without TLS (RFC 9113, section
// 3.4) that looks like a whole head.
const H2Line = "PRI * HTTP/2.0\r\n\r\n"

// The errors of heads that are read strictly. What follows such a head could be
// read in more than one way: the connection must not be used for more.
var (
	ErrFields   = errors.New("too many header fields")
	ErrVersion  = errors.New("its version is not HTTP/1.0 or HTTP/1.1")
	errLineEnd  = errors.New("a line does not end in CR LF, or has a CR, LF or NUL within")
	errFold     = errors.New("a header field that goes on in the next line")
	errField    = errors.New("a header field that is malformed")
	errHead     = errors.New("its head is malformed")
	errMethod   = errors.New("its method is malformed")
	errBadFirst = errors.New("its first line is malformed")
)

// Read waits for the next head and reads it. With Minor 2 the client begins
// HTTP/2 by its preface, and r has nothing else. An error that is no
// [*HeadError] is the connection's.
func (r *Request) Read(from *Reader, maxHead, maxFields int) error {
	r.reset()
	n, err := from.head(maxHead, strictEnd)
	if err != nil {
		return err
	}
	b, _ := from.Peek(n) // it is there
	r.buf = append(r.buf, b...)
	if _, err := from.Discard(n); err != nil {
		return err
	}
	if string(r.buf) == H2Line {
		r.Minor = 2
		return nil
	}
	if err := r.parse(r.buf, maxFields); err != nil {
		return &HeadError{err}
	}
	return nil
}

// HeadError is a head that was read and is refused.
type HeadError struct{ Cause error }

func (e *HeadError) Error() string { return e.Cause.Error() }

func (e *HeadError) Unwrap() error { return e.Cause }

// strictLine returns the first line of b without its CR LF, and what follows.
func strictLine(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || bytes.IndexByte(b[:i], '\r') != i-1 {
		return nil, nil, errLineEnd
	}
	return b[:i-1], b[i+1:], nil
}

// parse reads a whole head.
func (r *Request) parse(b []byte, maxFields int) error {
	line, rest, err := strictLine(b)
	if err != nil {
		return err
	}
	var version []byte
	method, after, ok := bytes.Cut(line, []byte{' '})
	if ok {
		r.Target, version, ok = bytes.Cut(after, []byte{' '})
	}
	if r.Method = method; !ok || len(r.Target) == 0 {
		return errBadFirst
	}
	switch string(version) {
	case "HTTP/1.1":
		r.Minor = 1
	case "HTTP/1.0":
		r.Minor = 0
	default:
		if len(version) == 8 && string(version[:5]) == "HTTP/" && version[6] == '.' {
			return ErrVersion
		}
		return errBadFirst
	}
	if !IsToken(method) {
		return errMethod
	}
	for {
		if line, rest, err = strictLine(rest); err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			return errFold
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return errField
		}
		f := NewField(line[:colon], trim(line[colon+1:]))
		if !ValidField(f.Name, f.Value) {
			return errField
		}
		if len(r.Fields) == maxFields {
			return ErrFields
		}
		r.Fields = append(r.Fields, f)
		r.add(f)
	}
	if len(rest) > 0 {
		return errHead // it cannot be: the empty line is the end
	}
	return r.finish()
}

// Adopt makes r the request that net/http has read, with its head and framing.
// What HTTP/2 allows in a path or a field may be none in HTTP/1 (RFC 9113,
// section 10.3): that is an error.
func (r *Request) Adopt(in *http.Request, maxFields int) error {
	r.reset()
	r.Minor = in.ProtoMinor
	if in.ProtoMajor == 2 {
		r.Minor = 2
	}
	r.Method, r.Target = Bytes(in.Method), Bytes(in.RequestURI)
	if !IsToken(r.Method) { // net/http checks none of HTTP/2's
		return errMethod
	}
	if r.Fields == nil {
		r.Fields = make([]Field, 0, len(in.Header)+2) // a few fields come twice
	}
	for k, vv := range in.Header {
		for _, v := range vv {
			f := NewField(Bytes(k), Bytes(v))
			if !ValidField(f.Name, f.Value) {
				return errField
			}
			r.Fields = append(r.Fields, f)
			r.add(f)
		}
	}
	if len(r.Fields) > maxFields {
		return ErrFields
	}
	// These net/http has taken out of the header, or has decided on. It answers
	// Expect when the body is read.
	r.hosts, r.Host, r.codings, r.Expect = 1, Bytes(in.Host), 0, false
	r.Length, r.Chunked, r.lengths = in.ContentLength, in.ContentLength < 0, min(r.lengths, 1)
	if r.Length > 0 {
		r.lengths = 1
	}
	if len(in.Trailer) > 0 {
		names := make([]string, 0, len(in.Trailer))
		for k := range in.Trailer {
			names = append(names, k)
		}
		r.Trailer = trailerNames(nil, []byte(strings.Join(names, ", ")))
	}
	return r.finish()
}
