package http1

import (
	"bytes"
	"errors"
	"net/http"

	"golang.org/x/net/http/httpguts"

	"lodge/internal/proxy/buffers"
)

// maxTrailer is the longest trailer section, in bytes: what a reader of
// buffers.ReadSize surely holds.
const maxTrailer = buffers.ReadSize

var errTrailer = errors.New("a trailer section that is malformed or too long")

// readTrailer reads what follows the last chunk (RFC 9112, section 7.1.2).
// Fields that may not be in a trailer are left out.
func readTrailer(r *Reader) (http.Header, error) {
	b, err := r.Peek(2)
	if err != nil {
		return nil, err
	}
	if string(b) == "\r\n" {
		_, err := r.Discard(2)
		return nil, err
	}
	for {
		b := r.Pending()
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			h, err := parseTrailer(b[:i+4])
			if err != nil {
				return nil, err
			}
			_, err = r.Discard(i + 4)
			return h, err
		}
		if len(b) >= maxTrailer {
			return nil, errTrailer
		}
		if _, err := r.Peek(len(b) + 1); err != nil {
			return nil, err
		}
	}
}

func parseTrailer(b []byte) (http.Header, error) {
	h := http.Header{}
	for {
		line, rest, err := strictLine(b)
		if err != nil {
			return nil, errTrailer
		}
		if len(line) == 0 {
			return h, nil
		}
		b = rest
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return nil, errTrailer
		}
		k, v := line[:colon], trim(line[colon+1:])
		if !ValidField(k, v) {
			return nil, errTrailer
		}
		if trailerField(k) {
			h.Add(string(k), string(v))
		}
	}
}

// trailerField reports whether a field may come after the body (RFC 9110, section
// 6.5.1): none that says how to read the message, or where it comes from.
func trailerField(k []byte) bool {
	if !httpguts.ValidTrailerHeader(http.CanonicalHeaderKey(string(k))) {
		return false
	}
	switch KindOf(k) {
	case KindOther, KindAccept, KindReferer:
		return true
	}
	return false
}

// FilterTrailer returns those fields of a trailer that may be sent on.
func FilterTrailer(h http.Header) http.Header {
	for k, vv := range h {
		keep := trailerField([]byte(k))
		for _, v := range vv {
			keep = keep && ValidField(Bytes(k), Bytes(v))
		}
		if !keep {
			delete(h, k)
		}
	}
	return h
}

// trailerNames adds those names of a Trailer field to a list that may be in a
// trailer. The result shares no bytes with v.
func trailerNames(list, v []byte) []byte {
	tokens(v, func(t []byte) bool {
		if IsToken(t) && trailerField(t) {
			if len(list) > 0 {
				list = append(list, ", "...)
			}
			list = append(list, t...)
		}
		return true
	})
	return list
}

// appendTrailer writes a trailer section and its end.
func appendTrailer(out []byte, h http.Header) []byte {
	for k, vv := range h {
		for _, v := range vv {
			out = AppendField(out, []byte(k), []byte(v))
		}
	}
	return append(out, "\r\n"...)
}
