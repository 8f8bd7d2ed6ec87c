// Package tls decodes the handshakes of TLS, as far as they are in clear: TLS 1.3
// (RFC 8446, https://www.rfc-editor.org/rfc/rfc8446), TLS 1.2 (RFC 5246) and
// those before it.
//
// An exchange is a handshake: what the client offered, what the server chose,
// the certificates where they are not encrypted, and the alerts. What follows is
// encrypted: its bytes are counted, as [decode.LostEncrypted] and in an exchange
// at the end of the connection.
//
// It reads certificates itself: crypto/x509 links a lot, and refuses
// certificates that are to be shown.
package tls

import "lodge/internal/decode"

// Name is the protocol's name, of its exchanges and for a handoff.
const Name = "tls"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{
		Name:   Name,
		Detect: detect,
		New:    func(c *decode.Conn) decode.Decoder { return newDecoder(c) },
	}
}

// detect recognises the ClientHello, and in the middle of a connection a chain
// of records.
func detect(p *decode.Prefix) decode.Verdict {
	client, server := p.Bytes[decode.Client], p.Bytes[decode.Server]
	if len(client) > 0 {
		if v := hello(client, typeClientHello); v != decode.No {
			return v
		}
	}
	if !p.Midstream {
		if len(client) > 0 || hello(server, typeServerHello) == decode.No {
			return decode.No
		}
		return decode.Maybe
	}
	records, possible := 0, false
	for s, b := range p.Bytes {
		if n, ok := chain(b); ok && (len(b) > 0 || !p.Ended[s]) {
			records, possible = records+n, true
		}
	}
	switch {
	case records >= 2:
		return decode.Yes
	case possible:
		return decode.Maybe
	}
	return decode.No
}

// hello judges whether bytes begin with a handshake message of a type.
func hello(b []byte, kind byte) decode.Verdict {
	for i, c := range b[:min(len(b), recordHeader+1)] {
		switch {
		case i == 0 && c != recordHandshake, i == 1 && c != 3, i == 2 && c > 4:
			return decode.No
		case i == 3 && c > maxRecord>>8:
			return decode.No
		case i == 5 && c != kind:
			return decode.No
		}
	}
	if len(b) <= recordHeader {
		return decode.Maybe
	}
	n := int(b[3])<<8 | int(b[4])
	if n == 0 || n > maxRecord {
		return decode.No
	}
	if n < 6 {
		return decode.Yes // the message is split over records
	}
	if len(b) < recordHeader+6 {
		return decode.Maybe
	}
	// The message's length, and its version.
	if b[6] > 1 || b[9] != 3 {
		return decode.No
	}
	return decode.Yes
}

// chain counts the records in bytes that are one after the other, and reports
// whether there may be more.
func chain(b []byte) (records int, ok bool) {
	for ; len(b) > 0; records++ {
		if b[0] < recordCCS || b[0] > recordData || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
			return 0, false
		}
		if len(b) < recordHeader {
			break
		}
		n := int(b[3])<<8 | int(b[4])
		if n == 0 || n > maxCiphertext {
			return 0, false
		}
		if len(b) < recordHeader+n {
			break
		}
		b = b[recordHeader+n:]
	}
	return records, true
}
