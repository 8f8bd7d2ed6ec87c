package postgresql

import (
	"fmt"

	"lodge/internal/decode"
)

// The codes of the messages that have no kind; others are protocol versions.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
)

// start handles the client's next message without a kind. It reports whether
// there was one.
func (d *decoder) start() bool {
	code, m, ok := d.in[decode.Client].startup()
	if !ok {
		return false
	}
	switch {
	case code == codeSSL || code == codeGSS:
		d.phase, d.asked = negotiating, code
		d.negotiate(code, m)
	case code == codeCancel:
		d.cancel(m)
		d.fail(decode.LostUnknown)
	case code>>16 == 3:
		d.phase = speaking
		d.connect(code, m)
	default:
		d.fail(decode.LostMalformed)
	}
	return true
}

// fail gives the connection up: what follows is counted.
func (d *decoder) fail(why decode.LossReason) {
	d.phase, d.reason = unreadable, why
}

// answer handles the server's answer to a request for encryption. It reports
// whether there was one.
func (d *decoder) answer() bool {
	in := &d.in[decode.Server]
	b := in.Bytes()
	if len(b) == 0 {
		return false
	}
	x := d.state.session
	if x.x.Response.Bytes == 0 {
		x.x.Answered = in.At()
	}
	switch {
	case b[0] == 'N':
		x.answered(in.At(), "refused")
		in.Advance(1)
		d.phase = starting
		return true
	case b[0] == 'S' && d.asked == codeSSL:
		x.answered(in.At(), "accepted")
		in.Advance(1)
		d.state.endSession()
		d.phase = handedOver
		d.conn.Handoff("tls", [2][]byte{d.in[decode.Client].Bytes(), in.Bytes()}, decode.Field{Name: "inside", Value: Name})
	case b[0] == 'G' && d.asked == codeGSS:
		x.answered(in.At(), "accepted")
		in.Advance(1)
		x.x.Unknown = append(x.x.Unknown, "what follows: it is encrypted with GSSAPI")
		d.state.endSession()
		d.fail(decode.LostUnknown)
	case b[0] == 'E':
		d.phase = speaking // an error, and then the connection ends
		return true
	default:
		d.fail(decode.LostMalformed)
	}
	return false
}

// negotiate begins a session with a request for encryption.
func (d *decoder) negotiate(code uint32, m message) {
	if d.state.session == nil {
		d.state.session = newSession(d.state, m)
	}
	x := d.state.session
	x.asked = "SSLRequest"
	if code == codeGSS {
		x.asked = "GSSENCRequest"
	}
	x.add(m)
}

// connect begins a session with a StartupMessage.
func (d *decoder) connect(code uint32, m message) {
	if d.state.session == nil {
		d.state.session = newSession(d.state, m)
	}
	x := d.state.session
	x.add(m)
	x.begun = true
	d.state.version = fmt.Sprintf("%d.%d", code>>16, code&0xffff)
	x.x.Version = d.state.version
	r := reader{b: m.body}
	for len(r.b) > 0 {
		name := r.text()
		if name == "" {
			break
		}
		value := r.text()
		switch name {
		case "user":
			d.state.user = value
		case "database":
			d.state.database = value
		case "application_name":
			x.application = value
		}
		x.x.Request.Header = append(x.x.Request.Header, decode.Field{Name: name, Value: value})
	}
	if d.state.database == "" {
		d.state.database = d.state.user // as the server does
	}
	x.x.Target = d.state.database
}

// cancel emits the request to cancel a statement of another connection.
func (d *decoder) cancel(m message) {
	r := reader{b: m.body}
	e := &decode.Exchange{
		Protocol: Name, Kind: decode.KindMessage, From: decode.Client, Method: "cancel",
		Started: m.at, Ended: m.end, Request: decode.Message{Bytes: m.size},
	}
	e.Target = fmt.Sprintf("process %d", uint32(r.int32()))
	e.Add("key", d.state.conn.Secret(fmt.Sprintf("%x", r.b)))
	d.state.conn.Emit(e)
}
