package http1

import (
	"bytes"

	"lodge/internal/decode"
)

// detect recognises HTTP/1 by a request line, or by a status line where the
// request was not seen.
func detect(p *decode.Prefix) decode.Verdict {
	client := detectRequest(p)
	server := detectResponse(p)
	switch {
	case client == decode.Yes || server == decode.Yes && client != decode.No:
		return decode.Yes
	case client == decode.No && !(server == decode.Yes && p.Midstream):
		return decode.No
	case server == decode.No && len(p.Bytes[decode.Client]) == 0:
		return decode.No
	case server == decode.Yes:
		return decode.Yes
	}
	return decode.Maybe
}

func detectRequest(p *decode.Prefix) decode.Verdict {
	b := bytes.TrimLeft(p.Bytes[decode.Client], "\r\n")
	if len(b) == 0 {
		return decode.Maybe
	}
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		switch {
		case !mayBeRequest(b):
			return search(p, b, findRequest)
		case len(p.Bytes[decode.Client]) >= decode.PrefixBytes && knownMethod(b):
			return decode.Yes // its first line is longer than what a detector sees
		}
		return decode.Maybe
	}
	line, ok := parseRequestLine(string(b[:i]))
	switch {
	case !ok:
		return search(p, b, findRequest)
	case line.version != "0.9":
		return decode.Yes
	case p.Midstream || !(line.target[0] == '/'):
		return decode.No
	}
	// GET of HTTP/0.9, which may be one of Redis: the answer says.
	switch s := p.Bytes[decode.Server]; {
	case len(s) == 0 && !p.Ended[decode.Server]:
		return decode.Maybe
	case len(s) == 0 || bytes.IndexByte([]byte("+-:$*_,#!=(%~>|"), s[0]) >= 0:
		return decode.No
	}
	return decode.Yes
}

func knownMethod(b []byte) bool {
	for _, m := range methods {
		if bytes.HasPrefix(b, []byte(m+" ")) {
			return true
		}
	}
	return false
}

// search looks for a first line within what was captured of a connection that
// was joined midstream.
func search(p *decode.Prefix, b []byte, find func([]byte) int) decode.Verdict {
	if !p.Midstream {
		return decode.No
	}
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		if find(b[:i]) >= 0 {
			return decode.Yes
		}
		b = b[i+1:]
	}
	return decode.Maybe
}

func detectResponse(p *decode.Prefix) decode.Verdict {
	b := bytes.TrimLeft(p.Bytes[decode.Server], "\r\n")
	if len(b) == 0 {
		return decode.Maybe
	}
	if !mayBeResponse(b) {
		return search(p, b, findResponse)
	}
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if len(b) > maxStatusLine {
			return decode.No
		}
		return decode.Maybe
	}
	if line, ok := parseStatusLine(string(b[:i])); ok && line.version[0] < '2' {
		return decode.Yes
	}
	return search(p, b, findResponse)
}
