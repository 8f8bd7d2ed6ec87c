package http2

import "lodge/internal/decode"

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
	st.tunnel = p.New(c)
}
