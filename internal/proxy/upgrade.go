package proxy

import (
	"io"
	"net"
	"net/http"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/tunnel"
	"lodge/internal/proxy/upstream"
)

// switchProtocols makes the client's connection and that to the service a tunnel.
// It returns false if the answer could not be sent; the connection to the service
// is the caller's then.
func (c *fastConn) switchProtocols(r *route, u *upstream.Conn) bool {
	if !sendSwitched(u, c, c.in.Pending()) {
		return false
	}
	c.use(nil)
	c.e.leave(c)
	c.in.Release()
	joinTunnel(c.e, r, c.accepted, c.c, u)
	return true
}

// sendSwitched writes an answer that switches protocols to the client, and to each
// side what came early from the other.
func sendSwitched(u *upstream.Conn, client io.Writer, early []byte) bool {
	head := &u.Head
	out := head.AppendFields(http1.AppendStatusLine(nil, http.StatusSwitchingProtocols, head.Reason))
	out = append(out, "Connection: Upgrade\r\n"...)
	out = append(http1.AppendField(out, []byte("Upgrade"), head.Upgrade), "\r\n"...)
	if _, err := client.Write(append(out, u.Reader.Pending()...)); err != nil {
		return false
	}
	if len(early) > 0 {
		if _, err := u.Write(early); err != nil {
			return false
		}
	}
	return true
}

// joinTunnel makes a tunnel, which owns both connections.
func joinTunnel(e *Engine, r *route, a *accepted, client net.Conn, u *upstream.Conn) {
	r.use.tunnel()
	e.tunnels.Join(tunnel.End{Conn: client, Socket: &a.Conn}, u.Release(), func() { r.use.end(e.now.Load()) })
}
