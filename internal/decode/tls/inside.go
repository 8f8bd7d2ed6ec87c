package tls

import (
	"time"

	"lodge/internal/decode"
)

// zeroRTT is what is known of 0-RTT data.
type zeroRTT uint8

const (
	undecided zeroRTT = iota
	accepted
	rejected
)

// piece is a part of what a side sent.
type piece struct {
	at time.Time
	b  []byte
}

// maxEarly is how much 0-RTT data are kept until the server accepts them.
const maxEarly = 256 << 10

// data gives decrypted data to the protocol inside, each byte with the time of the
// byte that carried it. prefix is how much of the record came before them.
func (x *crypt) data(s decode.Side, r *record, prefix int) {
	x.start()
	if p := &x.sides[s]; p.missed {
		p.missed = false
		x.flow.Gap(s, r.started, -1)
	}
	r.pieces(prefix, func(at time.Time, b []byte) { x.flow.Data(s, at, b) })
}

// pieces calls f with the parts of a decrypted record that came at different times.
func (r *record) pieces(prefix int, f func(at time.Time, b []byte)) {
	at, from := r.started, 0
	for _, m := range r.moments {
		to := min(max(m.index-recordHeader-prefix, 0), len(r.payload))
		if to > from {
			f(at, r.payload[from:to])
			from = to
		}
		at = m.at
	}
	if from < len(r.payload) {
		f(at, r.payload[from:])
	}
}

// start makes the connection inside.
func (x *crypt) start() {
	if x.flow != nil {
		return
	}
	outer := x.d.c
	o := outer.Options
	o.Midstream = false // its begin was seen, or there are gaps before
	c := decode.NewConn(o, func(e *decode.Exchange) {
		e.Secure = true
		outer.Emit(e)
	}, outer.Lost)
	c.Facts = outer.Facts
	x.flow = decode.NewFlow(c, x.config.Inside, true)
	name := alpnProtocol(x.d.s.server.alpn)
	if name == "" {
		name = outer.Fact(FactInside)
	}
	if name != "" {
		x.flow.Choose(name)
	}
	for s, e := range x.ends {
		if e.how != 0 {
			x.flow.End(decode.Side(s), e.at, e.how)
		}
	}
}

// alpnProtocol returns the name of the protocol that ALPN names, or "" where it is
// found by its bytes.
func alpnProtocol(alpn string) string {
	switch alpn {
	case "h2":
		return "http2"
	case "http/1.1", "http/1.0":
		return "http"
	}
	return ""
}

// earlyData has 0-RTT data, which do not count before the server accepts them: if it
// does not, the client sends them once more.
func (x *crypt) earlyData(s decode.Side, r *record, prefix int) {
	if x.zero == accepted {
		x.data(s, r, prefix)
		return
	}
	size := 0
	for _, p := range x.early {
		size += len(p.b)
	}
	if x.zero == rejected || size+len(r.payload) > maxEarly {
		x.d.lose(s, decode.LostEncrypted, r.wire)
		return
	}
	r.pieces(prefix, func(at time.Time, b []byte) {
		x.early = append(x.early, piece{at, append([]byte(nil), b...)})
	})
}

// decide is for what the server says of 0-RTT data.
func (x *crypt) decide(z zeroRTT) {
	if x.zero != undecided {
		return
	}
	x.zero = z
	if z == accepted && len(x.early) > 0 {
		x.start()
		for _, p := range x.early {
			x.flow.Data(decode.Client, p.at, p.b)
		}
	}
	x.early = nil
}

// message handles what a message of the handshake means for the keys.
func (x *crypt) message(s decode.Side, message []byte) {
	kind, body := message[0], message[messageHeader:]
	x.said.message(&x.d.s, x.config.Bind, s, message)
	if !x.d.s.hasServer || !isTLS13(x.d.s.server.version) {
		return
	}
	switch kind {
	case typeEncryptedExtensions:
		if s == decode.Server && x.d.s.client.early {
			z := rejected
			extensions(&wire{b: body}, func(id uint16, _ wire) {
				if id == extEarlyData {
					z = accepted
				}
			})
			x.decide(z)
		}
	case typeEndOfEarlyData:
		if s == decode.Client {
			x.decide(accepted)
		}
	case typeKeyUpdate:
		x.sides[s].update(x.suite)
	}
}
