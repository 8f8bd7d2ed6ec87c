package http1

import (
	"slices"
	"strconv"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// exchange is a request with its response, or as much of both as was seen.
type exchange struct {
	e            decode.Exchange
	requestDone  bool
	responseDone bool
	switches     bool           // it asks for another protocol: CONNECT, or an upgrade
	handshake    handshake      // what it asks for
	interim      []decode.Field // the interim responses
	interims     int            // their number
	expects      bool           // nothing of a body was sent that waits for an interim response
	answered     string         // the response's version, where it is another one
	upgraded     string         // to this protocol
	accept       string         // what is wrong with Sec-WebSocket-Accept
	kept         int64          // bytes of the request that are held
	upper        Stream         // decodes the bodies; nil: none
}

// note adds what could not be had, or is contradictory.
func (x *exchange) note(what string) {
	if what != "" && len(x.e.Unknown) < 16 && !slices.Contains(x.e.Unknown, what) {
		x.e.Unknown = append(x.e.Unknown, what)
	}
}

// maxInterims is how many interim responses to one request are shown: a server may
// send any number of them.
const maxInterims = 16

// interrupt has an interim response.
func (x *exchange) interrupt(status string, header []decode.Field) {
	if x.interims++; x.interims > maxInterims {
		return
	}
	x.interim = append(x.interim, decode.Field{Name: "interim", Value: status})
	for _, f := range header {
		x.interim = append(x.interim, decode.Field{Name: "interim header", Value: f.Name + ": " + f.Value})
	}
}

// mostKept is how many times as much as one message may have is kept of all
// requests that wait.
const mostKept = 16

// wait adds an exchange whose request has begun. The oldest are emitted without
// response when there are too many.
func (d *decoder) wait(x *exchange) {
	l := d.c.Limits
	for len(d.waiting) > 0 && (len(d.waiting) >= l.Pending || d.kept > mostKept*int64(l.Message+l.Body)) {
		old := d.waiting[0]
		if !old.responseDone {
			d.dropped++
		}
		old.note("too many requests wait for their response")
		d.emit(old)
	}
	d.waiting = append(d.waiting, x)
	d.kept += x.kept
}

// done ends an exchange whose request and response have ended.
func (d *decoder) done(x *exchange) {
	if x.requestDone && x.responseDone {
		d.emit(x)
	}
}

// emit hands an exchange over, and forgets it.
func (d *decoder) emit(x *exchange) {
	i := slices.Index(d.waiting, x)
	if i >= 0 {
		d.kept -= x.kept
	}
	if i == 0 {
		d.waiting[0] = nil
		if d.waiting = d.waiting[1:]; len(d.waiting) == 0 {
			d.waiting = nil
		}
	} else if i > 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
	}
	e := &x.e
	if !x.responseDone {
		e.Response.Incomplete = true
	}
	if !x.requestDone && e.Request.Seen() {
		e.Request.Incomplete = true
	}
	x.describe(e)
	if x.upper != nil {
		x.upper.Finish()
		x.upper = nil
	}
	d.c.Emit(e)
}

// layer returns the decoder of the bodies of an exchange, or nil.
func (d *decoder) layer(e *decode.Exchange) Stream {
	for _, l := range d.layers {
		if s := l.Open(d.c, e); s != nil {
			return s
		}
	}
	return nil
}

// announce emits an exchange whose response is a stream that has begun.
func (d *decoder) announce(x *exchange) {
	e := x.e
	e.Begun, e.Response.Incomplete = true, true
	e.Unknown = slices.Clone(e.Unknown)
	x.describe(&e)
	d.c.Emit(&e)
}

// maxPartName is how much of the name of a part of a form is shown.
const maxPartName = 200

// describe fills in the details, in their order.
func (x *exchange) describe(e *decode.Exchange) {
	e.Details = nil
	if len(e.Request.Body) > 0 {
		contentType := content.Field(e.Request.Header, "content-type")
		for _, p := range content.Parts(contentType, e.Request.Body) {
			text := p.Name
			if p.Filename != "" {
				text += " (" + p.Filename + ")"
			}
			e.Add("part", text[:min(len(text), maxPartName)]+", "+strconv.Itoa(p.End-p.Begin)+" bytes")
		}
	}
	e.Details = append(e.Details, x.interim...)
	if x.interims > maxInterims {
		e.Add("interim", "and "+strconv.Itoa(x.interims-maxInterims)+" more")
	}
	if x.answered != "" {
		e.Add("response version", x.answered)
	}
	if x.upgraded != "" {
		e.Add("upgrade", x.upgraded)
	}
	if x.accept != "" {
		e.Add("sec-websocket-accept", x.accept)
	}
}

// allAnswered reports whether no request waits for its response.
func (d *decoder) allAnswered() bool {
	return d.dropped == 0 && (len(d.waiting) == 0 || d.waiting[0].responseDone)
}

// mustWait reports whether what the server sent must wait for its request, which
// may still come: the two directions need not be in order.
func (d *decoder) mustWait() bool { return d.allAnswered() && d.whyWithout() == "" }

// whyWithout returns why a response has no request, when none waits; "" where its
// request may still come.
func (d *decoder) whyWithout() string {
	client := &d.sides[decode.Client]
	switch {
	case client.state == searching && client.why == decode.LostMalformed:
		return "what the client sent is no request"
	case d.c.Midstream && d.requests == 0:
		return "its request was sent before the recording began"
	case client.final || d.sides[decode.Server].in.Len() > d.c.Limits.Message:
		return "it answers no request that was seen"
	}
	return ""
}

// next returns the exchange of the next response, which was sent at a time.
func (d *decoder) next(at time.Time) *exchange {
	if d.dropped > 0 {
		d.dropped--
		return orphan("its request was emitted before: too many waited for their response")
	}
	if d.allAnswered() {
		return orphan(d.whyWithout())
	}
	if !d.gapped {
		if d.waiting[0].e.Started.After(at) {
			// RFC 9112 section 9.2: it is no response to what is sent later.
			return orphan("the response was sent when no request waited for one")
		}
		d.pipelined = d.pipelined || len(d.waiting) > 1 && !d.waiting[1].e.Started.After(at)
		return d.waiting[0]
	}
	// Requests or responses may be missing. A client that does not pipeline sends
	// a request after the response of the one before it.
	last := -1
	for i, x := range d.waiting {
		if !x.responseDone && !x.e.Started.After(at) {
			last = i
		}
	}
	switch {
	case last < 0:
		return orphan("its request was not captured")
	case d.pipelined:
		return orphan("which request it answers is not known: a part of the connection was not captured")
	}
	for range last {
		d.waiting[0].note("its response was not captured")
		d.emit(d.waiting[0])
	}
	return d.waiting[0]
}

// orphan returns an exchange without a request.
func orphan(why string) *exchange {
	x := &exchange{requestDone: true}
	x.e = decode.Exchange{Protocol: Name, Kind: decode.KindRequest}
	x.note("request: " + why)
	return x
}
