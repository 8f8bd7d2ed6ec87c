package http1

import (
	"bytes"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// detect recognises HTTP/1 by a request line, or by a status line where the
// request was not seen or is malformed.
func detect(p *decode.Prefix) decode.Verdict {
	client := detectRequest(p)
	if client == decode.Yes {
		return decode.Yes
	}
	server := detectResponse(p)
	switch {
	case client == decode.No && (server == decode.No || !mayBeAnswered(p)):
		return decode.No
	case server == decode.No && len(p.Bytes[decode.Client]) == 0 && (p.Midstream || len(p.Bytes[decode.Server]) > maxGreeting):
		return decode.No
	case server == decode.Yes:
		return decode.Yes
	}
	return decode.Maybe
}

// maxGreeting is how many bytes a server may have sent before a request that are no HTTP/1:
// that of another protocol, which a client of HTTP has come to, such as HTTP/2.
const maxGreeting = 1024

// mayBeAnswered reports whether a server of HTTP may have been sent what is no
// request: text, or what has a request line somewhere in its first line.
func mayBeAnswered(p *decode.Prefix) bool {
	b := p.Bytes[decode.Client]
	b = b[:min(len(b), 512)]
	line, _, there := bytes.Cut(b, []byte{'\n'})
	if there {
		return findRequest(line) >= 0 || content.IsText("", line)
	}
	return len(b) < 512 || content.IsText("", b)
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
	case p.Midstream || line.target[0] != '/':
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
