package http1

import "lodge/internal/decode"

// unsent judges whether the body of a request is not sent: it was announced with
// Expect: 100-continue, the final response came first, and the client goes on with
// another request (RFC 9110 section 10.1.1). As it may also send the body in spite
// of the response, the first line of what it sends decides. After Yes the request
// has ended.
func (b *body) unsent() decode.Verdict {
	r := b.r
	x := r.x
	if !x.expects || r.of != decode.Client || !x.responseDone {
		return decode.No
	}
	if v := beginsMethod(r.in.Bytes()); v != decode.Yes {
		x.expects = v == decode.Maybe
		return v
	}
	line, there := r.in.firstLine()
	if !there && r.in.Len() <= maxFound {
		return decode.Maybe
	}
	x.expects = false
	if _, ok := parseRequestLine(line); !ok || len(line) >= maxFound || findRequest([]byte(line)) != 0 {
		return decode.No
	}
	r.note("its body was not sent, as the response came before it")
	r.end(true)
	return decode.Yes
}

// beginsMethod judges whether what was sent begins with a method that is known.
func beginsMethod(b []byte) decode.Verdict {
	verdict := decode.No
	for _, m := range methods {
		switch m += " "; {
		case len(b) >= len(m) && string(b[:len(m)]) == m:
			return decode.Yes
		case len(b) < len(m) && m[:len(b)] == string(b):
			verdict = decode.Maybe
		}
	}
	return verdict
}

// decided lets what waits for more bytes be read as the body: there are no more.
func (r *reader) decided() {
	if r.x == nil || r.of != decode.Client || !r.x.expects {
		return
	}
	r.x.expects = false
	for r.step() {
	}
}
