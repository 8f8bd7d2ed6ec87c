package http1

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/websocket"
)

// handshake is what a request asks for that may change the protocol.
type handshake struct {
	method, target, version, host string
	upgrade, key, settings        string
}

// The facts of a handover, besides those of [websocket.FactHost] and those that
// are beside it.
const (
	FactMethod   = "method"
	FactVersion  = "version"
	FactUpgrade  = "upgrade"        // the protocol that was agreed on, as the response names it
	FactSettings = "http2-settings" // the request's HTTP2-Settings (RFC 7540 section 3.2.1)
)

// upgradeName returns the protocol that a connection is upgraded to.
func upgradeName(response, request string) string {
	name := response
	if name == "" {
		name = request
	}
	name, _, _ = strings.Cut(name, ",")
	return strings.TrimSpace(name)
}

// protocolOf returns the name of a decoder for a name in Upgrade, or "" where it
// is found by its bytes.
func protocolOf(upgrade string) string {
	switch name := strings.ToLower(upgrade); {
	case name == "websocket":
		return websocket.Name
	case name == "h2c":
		return "http2"
	case strings.HasPrefix(name, "tls/"):
		return "tls"
	}
	return ""
}

// switchProtocol ends the exchange whose response was read, and hands the
// connection over.
func (d *decoder) switchProtocol(r *reader, upgrade string) {
	x, h := r.x, &r.head
	client := &d.sides[decode.Client]
	x.upgraded = upgrade
	if strings.EqualFold(upgrade, "websocket") && x.handshake.key != "" && h.websocketAcc != acceptOf(x.handshake.key) {
		x.accept = "wrong: the client must close the connection"
	}
	if client.x == x {
		client.cutOff("the response came before its end")
	}
	name := protocolOf(upgrade)
	var facts []decode.Field
	if name != "" { // what a tunnel carries has nothing to do with the request for it
		facts = x.handshake.facts(upgrade, h)
	}
	r.end(true)
	for len(d.waiting) > 0 {
		d.waiting[0].note("the connection changed its protocol before its response")
		d.emit(d.waiting[0])
	}
	d.gone = true
	d.c.Handoff(name, [2][]byte{client.in.Bytes(), r.in.Bytes()}, facts...)
}

// facts are what the next protocol is told of the handshake: h is the response's head.
func (x *handshake) facts(upgrade string, h *head) []decode.Field {
	facts := []decode.Field{
		{Name: websocket.FactHost, Value: x.host},
		{Name: websocket.FactTarget, Value: x.target},
		{Name: FactMethod, Value: x.method},
		{Name: FactVersion, Value: x.version},
		{Name: FactUpgrade, Value: upgrade},
		{Name: websocket.FactExtensions, Value: h.websocketExt},
		{Name: websocket.FactSubprotocol, Value: h.websocketProto},
	}
	if x.settings != "" {
		facts = append(facts, decode.Field{Name: FactSettings, Value: x.settings})
	}
	return facts
}

// acceptOf returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455
// section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
