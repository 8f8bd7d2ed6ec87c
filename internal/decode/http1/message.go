package http1

import (
	"bytes"
	"slices"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// request reads the head of a request.
func (r *reader) request() bool {
	if !r.in.blank() {
		return false
	}
	b := r.in.Bytes()
	if !r.in.judged {
		// The first line is judged as soon as it is there: what is no request is
		// not waited for.
		line, there := r.in.firstLine()
		switch first, ok := parseRequestLine(line); {
		case !there && !mayBeRequest(b), there && !ok, there && first.version == "0.9" && (r.d.requests > 0 || r.d.c.Midstream):
			r.search(decode.LostMalformed)
			return true
		case there && first.version == "0.9":
			n := bytes.IndexByte(b, '\n') + 1
			r.beginRequest(string(b[:n]), n)
			r.headRead()
			return true
		}
		r.in.judged = there
	}
	n, long, ok := r.in.headBytes()
	if !ok {
		return false
	}
	r.beginRequest(string(b[:n]), n)
	if long {
		r.state, r.why = inLongHead, decode.LostTooLong
		return true
	}
	r.headRead()
	return true
}

// beginRequest begins an exchange with the head of its request, which is n bytes
// of the buffer.
func (r *reader) beginRequest(text string, n int) {
	x := &exchange{kept: int64(n)}
	r.x, r.m, r.head = x, &x.e.Request, head{odd: oddLines(text)}
	line, rest := cutLine(text)
	first, ok := parseRequestLine(line)
	if !ok || r.in.inLine { // it is cut off
		first.method, first.target, _ = strings.Cut(line, " ")
		first.version = ""
	}
	x.e = decode.Exchange{
		Protocol: Name, Kind: decode.KindRequest, Version: first.version, Started: r.in.At(), Ended: r.in.At(),
		Method: first.method, Target: content.Target(r.d.c, first.target),
	}
	x.handshake = handshake{method: first.method, target: x.e.Target, version: first.version}
	if first.version != "0.9" {
		x.e.Request.Header = r.head.fields(r.d.c, rest)
	}
	r.d.requests++
	r.d.wait(x)
	r.take(n)
}

// requestHead goes on after the head of a request.
func (r *reader) requestHead() {
	x, h := r.x, &r.head
	x.e.Host = h.host
	switch target := x.e.Target; {
	case x.e.Method == "CONNECT":
		x.e.Host = target
	default:
		if scheme, rest, ok := strings.Cut(target, "://"); ok && scheme != "" && !strings.ContainsAny(scheme, "/?#") {
			if i := strings.IndexAny(rest, "/?#"); i >= 0 {
				rest = rest[:i]
			}
			x.e.Host = rest[strings.LastIndexByte(rest, '@')+1:]
		}
	}
	x.e.Group = x.e.Method + " " + content.Template(x.e.Target)
	x.handshake.host, x.handshake.upgrade, x.handshake.key, x.handshake.settings = x.e.Host, h.upgrade, h.websocketKey, h.http2Settings
	x.switches = x.e.Method == "CONNECT" || h.upgrade != "" && hasToken(h.connection, "upgrade")
	r.note(h.odd)
	if x.e.Version == "0.9" {
		r.body.begin(framing{})
		return
	}
	x.upper = r.d.layer(&x.e)
	x.expects = strings.EqualFold(h.expect, "100-continue")
	r.body.begin(h.framing(true, x.e.Version, r.note))
}

// response reads the head of a response.
func (r *reader) response() bool {
	if !r.in.blank() || r.d.mustWait() {
		return false
	}
	b := r.in.Bytes()
	if !r.in.judged {
		line, there := r.in.firstLine()
		if _, ok := parseStatusLine(line); there && !ok || !there && !mayBeResponse(b) {
			r.notResponse()
			return true
		}
		r.in.judged = there
	}
	n, long, ok := r.in.headBytes()
	if !ok {
		return false
	}
	x := r.d.next(r.in.At())
	r.beginResponse(x, string(b[:n]), n)
	if long {
		r.state, r.why = inLongHead, decode.LostTooLong
		return true
	}
	r.headRead()
	return true
}

// beginResponse begins the response of an exchange with its head, which is n
// bytes of the buffer.
func (r *reader) beginResponse(x *exchange, text string, n int) {
	r.x, r.m, r.head = x, &x.e.Response, head{odd: oddLines(text)}
	line, rest := cutLine(text)
	r.status, _ = parseStatusLine(line)
	header := r.head.fields(r.d.c, rest)
	if r.status.interim() {
		x.interrupt(r.status.status, header)
	} else {
		x.e.Answered, x.e.Response.Header = r.in.At(), header
		x.e.Status, x.e.Code, x.e.Failed = r.status.status, r.status.code, r.status.code >= 500
		switch x.e.Version {
		case "":
			x.e.Version = r.status.version
		case r.status.version:
		default:
			x.answered = r.status.version
		}
	}
	r.take(n)
}

// responseHead goes on after the head of a response.
func (r *reader) responseHead() {
	x, h := r.x, &r.head
	r.note(h.odd)
	if r.status.interim() {
		r.state, r.x, r.m = atStart, nil, nil
		if x.requestDone && !slices.Contains(r.d.waiting, x) { // its request was not seen: nothing but this is known
			x.e.Status, x.e.Code = r.status.status, r.status.code
			x.responseDone = true
			r.d.emit(x)
		}
		return
	}
	r.d.answers++
	switch {
	case r.status.code == 101:
		r.d.switchProtocol(r, upgradeName(h.upgrade, x.handshake.upgrade))
		return
	case x.e.Method == "CONNECT" && r.status.code < 300:
		r.d.switchProtocol(r, "")
		return
	}
	if x.e.Method == "HEAD" || r.status.code == 204 || r.status.code == 304 {
		r.body.begin(framing{})
		return
	}
	r.body.begin(h.framing(false, r.status.version, r.note))
}

// notResponse reads what a server sent that is no response. As the first answer
// of a connection it is one of HTTP/0.9, which has no head.
func (r *reader) notResponse() {
	if r.d.answers > 0 || r.d.gapped || r.d.c.Midstream || r.d.allAnswered() {
		r.search(decode.LostMalformed)
		return
	}
	x := r.d.next(r.in.At())
	r.d.answers++
	r.x, r.m, r.head = x, &x.e.Response, head{}
	x.e.Answered = r.in.At()
	if x.e.Version != "0.9" {
		r.note("it has no status line: it is read as one of HTTP/0.9")
	}
	r.body.begin(framing{kind: framedByClose})
}

// partial makes an exchange, or a response, of a head that is cut off by the end
// of the connection. It reports whether it could.
func (r *reader) partial() bool {
	text := string(r.in.Bytes()[:min(r.in.Len(), r.d.c.Limits.Message)])
	n := r.in.Len()
	line, _ := cutLine(text)
	if r.of == decode.Client {
		if _, ok := parseRequestLine(line); !ok && (strings.Contains(text, "\n") || !strings.Contains(text, " ") || !mayBeRequest([]byte(text))) {
			return false
		}
		r.beginRequest(text, n)
		r.x.e.Host = r.head.host
		r.x.e.Group = r.x.e.Method + " " + content.Template(r.x.e.Target)
	} else {
		if _, ok := parseStatusLine(line); !ok {
			return false
		}
		x := r.d.next(r.in.At())
		r.beginResponse(x, text, n)
	}
	r.note("its header is cut off")
	r.end(false)
	return true
}
