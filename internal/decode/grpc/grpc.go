// Package grpc decodes gRPC, on the streams of HTTP/2:
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, and on HTTP/1 and
// HTTP/2 gRPC-Web (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md) and
// Connect (https://connectrpc.com/docs/protocol).
//
// An exchange is a call: Method "call", Target the path /package.Service/Method,
// Status and Code the status in the trailers. Where there is one message in each
// direction, they are the bodies. Of a call that streams each message is an
// exchange too, of the kind [decode.KindMessage].
//
// Messages of Protocol Buffers are shown as text, with the names of the fields
// where [Descriptors] have them. What server reflection answers on the wire is
// learned from, so that later calls have names.
package grpc

import (
	"slices"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
	"lodge/internal/decode/http1"
	"lodge/internal/decode/http2"
	"lodge/internal/decode/protobuf"
)

// Name is the protocol of the exchanges.
const Name = "grpc"

// Descriptors are what is known of services. [protobuf.Files] implements it.
type Descriptors interface {
	protobuf.Types
	// FindMethod returns a method of a service, whose name is in full.
	FindMethod(service, method string) (protobuf.Method, bool)
	// Add adds a FileDescriptorProto that was seen on the wire.
	Add(file []byte) error
}

// Layer returns the layer of gRPC on HTTP/2. The descriptors are shared by all
// connections, and may be nil.
func Layer(d Descriptors) http2.Layer { return layer{d} }

// Layer1 returns the layer of gRPC-Web and Connect on HTTP/1.
func Layer1(d Descriptors) http1.Layer { return layer1{d} }

type layer struct{ d Descriptors }

type layer1 struct{ d Descriptors }

// Open implements [http1.Layer].
func (l layer1) Open(c *decode.Conn, e *decode.Exchange) http1.Stream {
	x := open(l.d, c, e, nil)
	if x == nil || !x.format.web && !x.format.connect && !x.format.bare {
		return nil // gRPC itself needs HTTP/2
	}
	x.room = http2.NewRoom(c.Limits.Message + 2*c.Limits.Body)
	return x
}

// Open implements [http2.Layer].
func (l layer) Open(c *decode.Conn, e *decode.Exchange, r *http2.Room) http2.Stream {
	if x := open(l.d, c, e, r); x != nil {
		return x
	}
	return nil
}

// open returns the call that an exchange is, or nil.
func open(d Descriptors, c *decode.Conn, e *decode.Exchange, r *http2.Room) *call {
	if g := parseGet(e); g != nil {
		x := &call{c: c, e: e, d: d, room: r, format: format{bare: true, get: true, codec: g.codec}, get: g}
		e.Target = g.path
		x.find(g.path)
		return x
	}
	kind := field(e.Request.Header, "content-type")
	if kind == "" && !known(e.Request.Header) {
		// The request was not seen, or not all of it.
		kind = field(e.Response.Header, "content-type")
		if kind == "" && field(e.Response.Trailer, "grpc-status") != "" {
			kind = "application/grpc"
		}
	}
	format, ok := parseType(kind)
	if format.bare && field(e.Request.Header, "connect-protocol-version") == "" {
		return nil
	}
	if !ok || !format.bare && len(content.Codings(field(e.Request.Header, "content-encoding"))) > 0 {
		return nil // the frames are compressed as a whole
	}
	x := &call{c: c, e: e, d: d, room: r, format: format}
	x.find(e.Target)
	return x
}

// known reports whether all of a header that was seen is known.
func known(fs []decode.Field) bool {
	return len(fs) > 0 && !slices.ContainsFunc(fs, func(f decode.Field) bool { return f.Name == http2.UnknownName })
}

// format is what a content type says of the messages.
type format struct {
	web, text bool   // gRPC-Web, in base64
	connect   bool   // Connect, with frames
	bare      bool   // Connect of one message each way, without frames
	get       bool   // with the request's message in the target
	codec     string // "proto", "json"
}

// parseType reads application/grpc, application/grpc+proto, application/grpc-web
// and so on, and Connect's application/connect+proto, application/proto and
// application/json.
func parseType(value string) (f format, ok bool) {
	value = content.MediaType(value)
	switch value {
	case "application/proto":
		return format{bare: true, codec: "proto"}, true
	case "application/json":
		return format{bare: true, codec: "json"}, true
	}
	if codec, ok := strings.CutPrefix(value, "application/connect+"); ok {
		return format{connect: true, codec: codec}, true
	}
	rest, ok := strings.CutPrefix(value, "application/grpc")
	if !ok {
		return f, false
	}
	rest, f.codec, _ = strings.Cut(rest, "+")
	if f.codec == "" {
		f.codec = "proto"
	}
	switch rest {
	case "":
	case "-web":
		f.web = true
	case "-web-text":
		f.web, f.text = true, true
	default:
		return f, false
	}
	return f, true
}

// splitPath splits /package.Service/Method.
func splitPath(path string) (service, method string, ok bool) {
	path, ok = strings.CutPrefix(path, "/")
	i := strings.LastIndexByte(path, '/')
	if !ok || i < 0 {
		return "", "", false
	}
	return path[:i], path[i+1:], true
}

// field returns the first value of a header field.
func field(fs []decode.Field, name string) string {
	for i := range fs {
		if len(fs[i].Name) == len(name) && strings.EqualFold(fs[i].Name, name) {
			return fs[i].Value
		}
	}
	return ""
}
