package grpc

import (
	"encoding/base64"
	"net/url"
	"strings"

	"lodge/internal/decode"
)

// get is a request of Connect with GET, which has its message in the target:
// https://connectrpc.com/docs/protocol#unary-get-request.
type get struct {
	path        string
	codec       string
	compression string // of the message
	message     []byte
	problem     string // why there is no message
}

// parseGet reads a request with GET, and returns nil for one that is not Connect's:
// it has the parameters message and encoding, and says that it is Connect's, or that
// the message is one of Protocol Buffers.
func parseGet(e *decode.Exchange) *get {
	if e.Method != "GET" || !strings.Contains(e.Target, "encoding=") {
		return nil
	}
	path, query, _ := strings.Cut(e.Target, "?")
	query, _, _ = strings.Cut(query, "#")
	if _, method, ok := splitPath(path); !ok || method == "" {
		return nil
	}
	q, err := url.ParseQuery(query)
	if err != nil || !q.Has("message") || q.Get("encoding") == "" {
		return nil
	}
	if q.Get("connect") != "v1" && field(e.Request.Header, "connect-protocol-version") == "" && q.Get("encoding") != "proto" {
		return nil
	}
	g := &get{path: path, codec: q.Get("encoding"), compression: q.Get("compression"), message: []byte(q.Get("message"))}
	if q.Get("base64") == "1" {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(q.Get("message"), "="))
		if g.message = b; err != nil {
			g.message, g.problem = nil, "it is not in base64, as its target says"
		}
	}
	return g
}

// give gives the message in the target to the call, once.
func (g *get) give(x *call) {
	if g == nil {
		return
	}
	x.get, x.compression = nil, g.compression
	if g.problem != "" {
		x.e.Unknown = append(x.e.Unknown, "message: "+g.problem)
	}
	if p := &x.sides[decode.Client]; len(g.message) > 0 {
		p.started, p.ended, p.size = x.e.Started, x.e.Started, int64(len(g.message))
		x.hold(p, g.message)
	}
}
