package http1

import (
	"net/http"
	"net/textproto"
	"strings"
)

// Header returns the fields of [AppendRequest] for net/http's Transport, which
// frames the body and says what is to be said of the connection by itself.
func (r *Request) Header(c *Client, to Target) http.Header {
	var out []byte
	for _, f := range r.Fields {
		out = r.appendField(out, f, to.Origin)
	}
	if r.teTrailers {
		out = append(out, "Te: trailers\r\n"...)
	}
	out = r.appendForwarded(out, c)
	h := http.Header{}
	for line := range strings.SplitSeq(string(out), "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok {
			k = textproto.CanonicalMIMEHeaderKey(k)
			h[k] = append(h[k], v)
		}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // none of Transport's
	}
	return h
}
