package tap

import (
	"bytes"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// Unknown is the protocol of records of Unix sockets whose protocol was not recognised.
const Unknown = "unknown"

// unrecognised is what a connection of Unix sockets has carried of which no protocol was
// recognised. Of TCP that is counted, and no more: most that local programs say to each
// other by Unix sockets is in no protocol that is known, and who does is worth a record.
type unrecognised struct {
	ended   [2]bool
	session *decode.Exchange // nil: there is none
	told    bool             // that it goes on
}

// goesOn is for how long something is sent until it is told that a connection goes on.
const goesOn = time.Second

// unknown notes bytes of which no protocol was recognised.
func (c *conn) unknown(l decode.Loss) {
	u := &c.unrecognised
	if c.transport != packet.Unix || l.Reason != decode.LostUnknown || l.Bytes <= 0 {
		return
	}
	if c.given != nil && c.given.Datagram {
		c.datagram(l)
		return
	}
	x := u.session
	if x == nil {
		x = &decode.Exchange{Protocol: Unknown, Kind: decode.KindSession, From: decode.Client, Method: "data"}
		u.session = x
	}
	m := &x.Request
	if l.Side == decode.Server {
		m = &x.Response
	}
	m.Bytes += l.Bytes
	m.BodyBytes += l.Bytes
	m.Truncated = true
	if x.Started.IsZero() {
		x.Started = l.At
	}
	x.Ended = l.At
	if !u.told && x.Ended.Sub(x.Started) > goesOn {
		u.told = true
		now := *x
		now.Begun = true
		c.emit(&now)
	}
}

// datagram tells of one datagram.
func (c *conn) datagram(l decode.Loss) {
	x := &decode.Exchange{Protocol: Unknown, Kind: decode.KindMessage, From: decode.Client, Method: "datagram", Started: l.At, Ended: l.At}
	x.Request = decode.Message{Bytes: l.Bytes, BodyBytes: l.Bytes, Truncated: true}
	// What cannot be read has secrets that cannot be found.
	if most := c.engine.o.Decode.Limits.Body; c.engine.masker == nil && int64(len(l.Data)) == l.Bytes {
		x.Request.Body = bytes.Clone(l.Data[:min(len(l.Data), most)])
		x.Request.Truncated = len(l.Data) > most
	}
	c.emit(x)
}

// endUnknown tells of what was not recognised, at the end of the connection.
func (c *conn) endUnknown(s decode.Side, how decode.End) {
	u := &c.unrecognised
	u.ended[s] = true
	if x := u.session; x != nil && (how == decode.Reset || u.ended[s.Other()]) {
		u.session = nil
		c.emit(x)
	}
}
