package tls

import (
	"fmt"
	"strings"
	"time"

	"lodge/internal/decode"
)

// The types of handshake messages.
const (
	typeClientHello        = 1
	typeServerHello        = 2
	typeNewSessionTicket   = 4
	typeCertificate        = 11
	typeServerKeyExchange  = 12
	typeCertificateRequest = 13
	typeFinished           = 20
	typeKeyUpdate          = 24
	typeMessageHash        = 254

	typeEndOfEarlyData      = 5
	typeEncryptedExtensions = 8
)

// session is what is known of a connection.
type session struct {
	c *decode.Conn
	e decode.Exchange // the handshake
	// seen reports that a part of the handshake was, done that it is over and
	// emitted.
	seen, done bool
	client     clientHello
	hasClient  bool
	server     serverHello
	hasServer  bool
	retried    bool // HelloRetryRequest was sent
	certified  bool // the server's certificate was seen
	finished   [2]bool
	flight     bool // the server has sent something encrypted
	gone       [2]bool
	data       [2]traffic
	instead    [2][]byte // of TLS, what was sent first
	extended   bool      // EncryptedExtensions were read
	late       bool      // an alert after the handshake was told
	why        string    // records were not decrypted, where keys were to be had
}

// traffic is what one side sent encrypted after the handshake.
type traffic struct {
	started, ended time.Time
	records, bytes int64
	how            decode.End
}

func (s *session) begin(c *decode.Conn) {
	s.c = c
	s.e = decode.Exchange{Protocol: Name, Kind: decode.KindSession, From: decode.Client, Method: "handshake"}
}

// hidesCCS reports whether ChangeCipherSpec means nothing: TLS 1.3 sends it so
// that it looks like older versions.
func (s *session) hidesCCS() bool {
	return s.retried || s.hasServer && isTLS13(s.server.version) || !s.hasServer && !s.gone[decode.Server] && s.client.early
}

func (s *session) side(side decode.Side) *decode.Message {
	if side == decode.Client {
		return &s.e.Request
	}
	return &s.e.Response
}

// count counts a record of the handshake.
func (s *session) count(side decode.Side, r *record) {
	if s.done {
		return
	}
	s.seen = true
	s.saw(side, r.started, r.ended)
	s.side(side).Bytes += r.wire
}

func (s *session) saw(side decode.Side, started, ended time.Time) {
	if side == decode.Client && s.e.Started.IsZero() {
		s.e.Started = started
	}
	if side == decode.Server && s.e.Answered.IsZero() {
		s.e.Answered = started
	}
	if ended.After(s.e.Ended) {
		s.e.Ended = ended
	}
}

// message has a handshake message that is in clear.
func (s *session) message(side decode.Side, kind byte, b []byte, r *record) {
	if s.done {
		return // a renegotiation's, or what looks like it
	}
	switch {
	case kind == typeClientHello && side == decode.Client:
		h, ok := parseClientHello(b)
		if !ok {
			s.bad("ClientHello")
		}
		if s.hasClient {
			return // the second one, after HelloRetryRequest, offers the same
		}
		s.client, s.hasClient = h, true
		s.e.Host, s.e.Target = h.name, h.name
		s.e.Request.Header = h.offers()
	case kind == typeServerHello && side == decode.Server:
		h, ok := parseServerHello(b)
		if !ok {
			s.bad("ServerHello")
		}
		if h.retry {
			s.retried = true
			s.add("hello retry request", groupName(h.group))
			return
		}
		s.server, s.hasServer = h, true
		s.e.Version = versionName(h.version)
		s.e.Status = suiteName(h.suite)
	case kind == typeCertificate:
		s.certificates(side, b)
	case kind == typeServerKeyExchange && side == decode.Server:
		// ECDHE names its curve first, where the suite has it.
		if w := (wire{b: b}); strings.Contains(suiteName(s.server.suite), "_ECDHE_") && w.u8() == 3 {
			s.server.group = w.u16()
		}
	case kind == typeCertificateRequest && side == decode.Server:
		s.add("client certificate", "requested")
	case kind == typeNewSessionTicket && side == decode.Server:
		s.add("session ticket", "issued")
	case kind == typeEncryptedExtensions && side == decode.Server:
		s.extended = true
		extensions(&wire{b: b}, func(id uint16, w wire) {
			if chosen := alpn(&w); id == extALPN && len(chosen) > 0 {
				s.server.alpn = chosen[0]
			}
		})
	case kind == typeFinished:
		if s.finished[side] = true; s.finished[side.Other()] {
			s.emit(true)
		}
	}
}

// maxNotes bounds what is said of one handshake: a side may send any number of
// messages and alerts.
const maxNotes = 64

func (s *session) add(name, value string) {
	if len(s.e.Details) < maxNotes {
		s.e.Add(name, value)
	}
}

func (s *session) unknown(text string) {
	if len(s.e.Unknown) < maxNotes {
		s.e.Unknown = append(s.e.Unknown, text)
	}
}

func (s *session) bad(what string) {
	s.unknown(what + ": it is malformed")
}

// certificates has a Certificate message.
func (s *session) certificates(side decode.Side, b []byte) {
	w := wire{b: b}
	tls13 := s.hasServer && isTLS13(s.server.version)
	if tls13 {
		w.v8() // the context
	}
	l := wire{b: w.v24()}
	n := 0
	var first []byte
	for len(l.b) > 0 {
		p := l.v24()
		if n == 0 {
			first = p
		}
		if tls13 {
			l.v16() // extensions
		}
		if !l.bad {
			n++
		}
	}
	prefix := "certificate"
	if side == decode.Client {
		prefix = "client certificate"
	} else {
		s.certified = true
	}
	if n == 0 {
		s.add(prefix, "none")
		return
	}
	c, ok := parseCertificate(first)
	if !ok {
		s.bad(prefix)
		return
	}
	s.add(prefix+" subject", c.subject)
	if len(c.names) > 0 {
		s.add(prefix+" names", join(c.names))
	}
	s.add(prefix+" issuer", c.issuer)
	s.add(prefix+" not after", c.notAfter)
	if n > 1 {
		s.add(prefix+" chain", fmt.Sprintf("%d certificates", n))
	}
}

// changed is ChangeCipherSpec.
func (s *session) changed(side decode.Side, r *record) { s.count(side, r) }

// alert is an alert that can be read.
func (s *session) alert(side decode.Side, r *record) {
	level, id := r.payload[0], r.payload[1]
	text := alertName(id) + " from the " + side.String()
	if s.done {
		s.lateAlert(side, r, level, id)
		return
	}
	s.count(side, r)
	s.add("alert", text)
	if level == 2 {
		s.e.Failed, s.e.Code = true, int(id)
		s.e.Status = "alert " + text
	}
}

// lateAlert is an alert after the handshake that was decrypted. One that only says
// that a side sends no more is not told.
func (s *session) lateAlert(side decode.Side, r *record, level, id byte) {
	const closeNotify, userCanceled = 0, 90
	if id == closeNotify || id == userCanceled || s.late {
		return
	}
	s.late = true
	e := decode.Exchange{
		Protocol: Name, Version: s.e.Version, Kind: decode.KindMessage, From: side, Method: "alert",
		Host: s.e.Host, Target: s.e.Target, Status: "alert " + alertName(id) + " from the " + side.String(), Code: int(id), Failed: level == 2,
		Started: r.started, Ended: r.ended,
	}
	e.Request.Bytes = r.wire
	s.c.Emit(&e)
}

// encrypted is a record that cannot be read.
func (s *session) encrypted(side decode.Side, r *record) {
	if s.done || !s.seen {
		s.traffic(side, r.started, r.ended, r.wire)
		return
	}
	s.count(side, r)
	// The last message of both sides is the first encrypted one of TLS 1.2, and in
	// TLS 1.3 that of the client after all that the server sent.
	switch {
	case s.hasServer && !isTLS13(s.server.version):
		if r.kind == recordAlert {
			s.hiddenAlert(side)
			return
		}
		if s.finished[side] = true; s.finished[side.Other()] {
			s.emit(true)
		}
	case side == decode.Server:
		s.flight = true
	case s.flight:
		// Finished has at least 36 bytes: a record that is smaller than that is an alert.
		if r.kind == recordData && len(r.payload) <= 2+1+16 {
			s.hiddenAlert(side)
			return
		}
		s.emit(true)
	}
}

// hiddenAlert is an alert in the place of the end of the handshake.
func (s *session) hiddenAlert(side decode.Side) {
	s.e.Failed = true
	s.e.Status = "alert from the " + side.String()
	s.unknown("alert: which one it is is encrypted")
	s.emit(true)
}

func (s *session) traffic(side decode.Side, started, ended time.Time, n int64) {
	t := &s.data[side]
	if t.bytes == 0 {
		t.started = started
	}
	t.ended = ended
	t.records++
	t.bytes += n
}

// unread counts bytes that are not read as records.
func (s *session) unread(side decode.Side, started, ended time.Time, b []byte) {
	n := int64(len(b))
	if p := s.instead[side]; p != nil {
		s.instead[side] = append(p, b[:min(len(b), maxInstead-len(p))]...)
	}
	if s.done || !s.seen {
		s.traffic(side, started, ended, n)
		return
	}
	s.saw(side, started, ended)
	s.side(side).Bytes += n
}

// maxInstead is how much is kept of what is sent in the place of TLS.
const maxInstead = 80

// notTLS is a side that sends something else.
func (s *session) notTLS(side decode.Side, at time.Time) {
	if s.done || !s.seen {
		return
	}
	s.saw(side, at, at)
	s.e.Failed = true
	s.e.Status = "the " + side.String() + " does not send TLS"
	s.instead[side] = make([]byte, 0, maxInstead)
}

// firstLine returns the first line of bytes if it can be printed.
func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	for _, r := range line {
		if r < ' ' || r >= 0x7f {
			return ""
		}
	}
	return line
}

// gap is for bytes that are missing.
func (s *session) gap(side decode.Side) {
	if s.done {
		return
	}
	s.gone[side] = true
}

func (s *session) end(side decode.Side, how decode.End) { s.data[side].how = how }

// close emits what there is at the end of the connection.
func (s *session) close() {
	if !s.done && s.seen {
		s.emit(false)
	}
	client, server := &s.data[decode.Client], &s.data[decode.Server]
	if client.bytes+server.bytes == 0 {
		return
	}
	e := decode.Exchange{Protocol: Name, Version: s.e.Version, Kind: decode.KindSession, From: decode.Client, Method: "data",
		Host: s.e.Host, Target: s.e.Target, Started: client.started, Answered: server.started}
	if e.Ended = client.ended; server.ended.After(e.Ended) {
		e.Ended = server.ended
	}
	e.Request.Bytes, e.Request.BodyBytes = client.bytes, client.bytes
	e.Response.Bytes, e.Response.BodyBytes = server.bytes, server.bytes
	e.Request.Truncated, e.Response.Truncated = client.bytes > 0, server.bytes > 0
	e.Status = fmt.Sprintf("%d bytes, %d bytes back", client.bytes, server.bytes)
	e.Unknown = []string{"what was sent: it is encrypted"}
	if s.why != "" {
		e.Unknown[0] += "; " + s.why
	}
	if !s.seen {
		e.Unknown = append(e.Unknown, "the handshake: it was before the recording began")
	}
	s.c.Emit(&e)
}

// over notes that the client sends data, so that its handshake is over although not
// all of it was read.
func (s *session) over() {
	if !s.done && s.seen {
		s.emit(true)
	}
}

// emit emits the handshake; whole reports that it ended.
func (s *session) emit(whole bool) {
	s.done = true
	e := &s.e
	if s.hasServer {
		s.chosen()
	}
	if !whole {
		e.Request.Incomplete = s.hasServer && !e.Failed
		e.Response.Incomplete = !e.Failed
	}
	for side, gone := range s.gone {
		if gone {
			e.Unknown = append(e.Unknown, "what the "+decode.Side(side).String()+" sent: a part of it was not captured")
			s.side(decode.Side(side)).Incomplete = true
		}
	}
	if !s.hasClient {
		e.Unknown = append(e.Unknown, "the ClientHello: it was before the recording began")
	}
	for _, b := range s.instead {
		if line := firstLine(b); line != "" {
			e.Add("sent instead", line)
		}
	}
	out := *e
	s.c.Emit(&out)
}

// chosen puts what the server chose into the exchange.
func (s *session) chosen() {
	e, h := &s.e, &s.server
	fs := []decode.Field{{Name: "version", Value: versionName(h.version)}, {Name: "cipher_suite", Value: suiteName(h.suite)}}
	if h.group != 0 {
		fs = append(fs, decode.Field{Name: "group", Value: groupName(h.group)})
	}
	if h.alpn != "" {
		fs = append(fs, decode.Field{Name: "alpn", Value: h.alpn})
		e.Add("alpn", h.alpn)
	}
	e.Response.Header = fs
	switch {
	case isTLS13(h.version):
		if h.psk {
			e.Add("resumed", "pre-shared key")
		}
		if len(s.client.alpn) > 0 && !s.extended {
			e.Unknown = append(e.Unknown, "the ALPN protocol that was chosen: it is encrypted")
		}
		if !h.psk && !s.certified {
			e.Unknown = append(e.Unknown, "the certificate: it is encrypted")
		}
	case s.certified || !s.finished[decode.Server] || withoutCertificate(suiteName(h.suite)):
	case s.client.ticket:
		e.Add("resumed", "session ticket")
	case len(h.sessionID) > 0 && string(h.sessionID) == string(s.client.sessionID):
		e.Add("resumed", "session id")
	}
	if s.client.early {
		e.Add("early data", "offered")
	}
	if s.client.ech {
		e.Add("encrypted client hello", "offered")
		e.Unknown = append(e.Unknown, "the server's name: it may be another one, in an encrypted ClientHello")
	}
}

// withoutCertificate reports whether a cipher suite needs no certificate.
func withoutCertificate(suite string) bool {
	return strings.Contains(suite, "_anon_") || strings.Contains(suite, "PSK") || strings.Contains(suite, "_SRP_")
}

func join(list []string) string { return strings.Join(list, ", ") }
