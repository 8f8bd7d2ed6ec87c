package http2

import (
	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// maxTunnels is how many tunnels of one connection are decoded at a time. Those
// above are shown as one exchange each.
const maxTunnels = 64

// connect makes a stream the tunnel that an extended CONNECT asked for (RFC
// 8441). The exchange is emitted now, as that of an upgrade in HTTP/1 is; what
// the tunnel carries is decoded as a connection of its own.
func (ss *streams) connect(st *stream) {
	p := ss.config.Tunnels[st.e.Detail("protocol")]
	if p == nil || ss.tunnels >= maxTunnels {
		return
	}
	ss.tunnels++
	for s := range st.halves {
		st.halves[s].ended = true
	}
	st.finish(ss.c)
	e := st.e
	ss.c.Emit(&e)
	st.emitted = true
	for s := range st.halves {
		st.halves[s] = half{begun: true, header: true}
	}
	c := decode.NewConn(ss.c.Options, func(x *decode.Exchange) {
		if x.Stream == 0 {
			x.Stream = uint64(st.id)
		}
		ss.c.Emit(x)
	}, ss.c.Lost)
	// The facts of the handshake, as a decoder of HTTP/1 names them.
	c.Facts = []decode.Field{
		{Name: FactHost, Value: e.Host}, {Name: FactTarget, Value: e.Target},
		{Name: "extensions", Value: content.Field(e.Response.Header, "sec-websocket-extensions")},
		{Name: "subprotocol", Value: content.Field(e.Response.Header, "sec-websocket-protocol")},
	}
	st.tunnel = p.New(c)
}

// The facts ([decode.Conn.Facts]) of the request of HTTP/1 that asked for an
// upgrade: it is answered on stream 1 (RFC 7540, section 3.2).
const (
	FactMethod = "method"
	FactTarget = "target"
	FactHost   = "host"
)

// upgraded opens the stream of the request that asked for an upgrade.
func (ss *streams) upgraded() {
	method := ss.c.Fact(FactMethod)
	if method == "" {
		return
	}
	st := newStream(1, ss.why)
	st.e.Method, st.e.Target, st.e.Host = method, ss.c.Fact(FactTarget), ss.c.Fact(FactHost)
	st.e.Add("upgrade", "the request was sent with HTTP/1.1")
	st.halves[decode.Client] = half{begun: true, header: true, ended: true}
	ss.open[1], ss.order, ss.last[decode.Client] = st, []uint32{1}, 1
}
