package http1

import (
	"strconv"
	"strings"
)

// framing is how the length of a body is determined.
type framing struct {
	kind   framed
	length int64
}

type framed uint8

const (
	framedNone framed = iota // no body
	framedByLength
	framedByChunks
	framedByClose
)

// framing determines the length of the body of a message of a version (RFC 9112
// section 6.3), and notes what is contradictory.
func (h *head) framing(request bool, version string, note func(string)) framing {
	length, lengthOK := h.length()
	if h.hasTransfer {
		if h.hasLength {
			note("it has both Transfer-Encoding and Content-Length (request smuggling?): Transfer-Encoding is used")
		}
		if version == "1.0" {
			note("it has Transfer-Encoding in HTTP/1.0, where it does not exist")
		}
		return h.transferred(request, note)
	}
	switch {
	case h.hasLength && !lengthOK:
		why := "its Content-Length is not a length"
		if h.conflict || strings.Contains(h.contentLength, ",") {
			why = "its Content-Lengths differ"
		}
		note(why + " (request smuggling?): where it ends is not known")
		return framing{kind: framedByClose}
	case h.hasLength && length > 0:
		return framing{framedByLength, length}
	case h.hasLength || request:
		return framing{}
	}
	return framing{kind: framedByClose}
}

// transferred is the framing of a message with Transfer-Encoding.
func (h *head) transferred(request bool, note func(string)) framing {
	codings := strings.Split(h.transferCoding, ",")
	chunked, last := 0, false
	for _, c := range codings {
		name, _, _ := strings.Cut(c, ";")
		if last = strings.EqualFold(strings.TrimSpace(name), "chunked"); last {
			chunked++
		}
	}
	switch {
	case chunked > 1:
		note("its Transfer-Encoding is chunked more than once (request smuggling?)")
	case last:
	case chunked == 1:
		note("its Transfer-Encoding does not end with chunked (request smuggling?): where it ends is not known")
	case request:
		note("its Transfer-Encoding is not chunked: where it ends is not known")
	}
	if last {
		return framing{kind: framedByChunks}
	}
	return framing{kind: framedByClose}
}

// length reads the Content-Length, which may be a list of the same numbers.
func (h *head) length() (n int64, ok bool) {
	if !h.hasLength || h.conflict {
		return 0, false
	}
	first, rest, more := strings.Cut(h.contentLength, ",")
	first = strings.TrimSpace(first)
	for more {
		var one string
		one, rest, more = strings.Cut(rest, ",")
		if strings.TrimSpace(one) != first {
			return 0, false
		}
	}
	for i := range len(first) {
		if !isDigit(first[i]) {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(first, 10, 64)
	return n, err == nil
}

// codings returns the content codings and, after them, the transfer codings.
func (h *head) codings() string {
	codings := h.contentCoding
	if h.hasTransfer {
		join(&codings, h.transferCoding)
	}
	return codings
}
