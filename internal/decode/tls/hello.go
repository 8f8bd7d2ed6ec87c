package tls

import (
	"lodge/internal/decode"
	"lodge/internal/decode/tlskeys"
)

// The extensions that are read.
const (
	extServerName = 0
	extGroups     = 10
	extALPN       = 16

	extEncryptThenMAC = 22

	extTicket       = 35
	extPSK          = 41
	extEarlyData    = 42
	extVersions     = 43
	extKeyShare     = 51
	extECH          = 0xfe0d
	maxALPN         = 16
	maxListed       = 64
	helloRetryMagic = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"
)

// clientHello is what a client offers.
type clientHello struct {
	version   uint16
	random    tlskeys.Random
	sessionID []byte
	suites    []uint16
	versions  []uint16
	groups    []uint16
	name      string
	alpn      []string
	ticket    bool // it has a session ticket
	psk       bool // it has a pre-shared key
	early     bool
	ech       bool
}

// parseClientHello reads a ClientHello, and reports whether it is one.
func parseClientHello(b []byte) (h clientHello, ok bool) {
	w := wire{b: b}
	h.version = w.u16()
	copy(h.random[:], w.take(len(h.random)))
	h.sessionID = w.v8()
	h.suites = list(w.v16())
	w.v8() // compression
	if w.bad {
		return h, false
	}
	extensions(&w, func(id uint16, w wire) {
		switch id {
		case extServerName:
			for names := (wire{b: w.v16()}); len(names.b) > 0; {
				if kind, name := names.u8(), names.v16(); kind == 0 && h.name == "" {
					h.name = decodeName(name)
				}
			}
		case extGroups:
			h.groups = list(w.v16())
		case extALPN:
			h.alpn = alpn(&w)
		case extTicket:
			h.ticket = len(w.b) > 0
		case extPSK:
			h.psk = true
		case extEarlyData:
			h.early = true
		case extVersions:
			h.versions = list(w.v8())
		case extECH:
			h.ech = len(w.b) > 0 && w.b[0] == 0 // outer
		}
	})
	return h, !w.bad
}

// decodeName returns a name that came from the wire as text of a bounded length.
func decodeName(b []byte) string {
	out := append([]byte(nil), b[:min(len(b), 255)]...)
	for i, c := range out {
		if c <= ' ' || c >= 0x7f {
			out[i] = '?'
		}
	}
	return string(out)
}

func alpn(w *wire) (out []string) {
	for l := (wire{b: w.v16()}); len(l.b) > 0 && len(out) < maxALPN; {
		if p := l.v8(); len(p) > 0 && !(len(p) == 2 && grease(uint16(p[0])<<8|uint16(p[1]))) {
			out = append(out, decodeName(p))
		}
	}
	return out
}

// extensions calls f with each extension.
func extensions(w *wire, f func(id uint16, w wire)) {
	if len(w.b) == 0 {
		return
	}
	l := wire{b: w.v16()}
	for len(l.b) > 0 {
		id := l.u16()
		p := l.v16()
		if l.bad {
			w.bad = true
			return
		}
		f(id, wire{b: p})
	}
}

// offers returns what is offered as fields.
func (h *clientHello) offers() []decode.Field {
	fs := []decode.Field{}
	add := func(name, value string) {
		if value != "" {
			fs = append(fs, decode.Field{Name: name, Value: value})
		}
	}
	add("server_name", h.name)
	versions := h.versions
	if len(versions) == 0 {
		versions = []uint16{h.version}
	}
	add("versions", names(versions[:min(len(versions), maxListed)], versionName))
	add("alpn", join(h.alpn))
	add("cipher_suites", names(h.suites[:min(len(h.suites), 4*maxListed)], suiteName))
	add("groups", names(h.groups[:min(len(h.groups), maxListed)], groupName))
	return fs
}

// serverHello is what a server chooses.
type serverHello struct {
	version   uint16
	random    tlskeys.Random
	retry     bool // HelloRetryRequest
	sessionID []byte
	suite     uint16
	alpn      string
	group     uint16
	psk       bool
	ticket    bool // it will issue a session ticket

	encryptThenMAC bool
}

// parseServerHello reads a ServerHello, and reports whether it is one.
func parseServerHello(b []byte) (h serverHello, ok bool) {
	w := wire{b: b}
	h.version = w.u16()
	copy(h.random[:], w.take(len(h.random)))
	h.retry = string(h.random[:]) == helloRetryMagic
	h.sessionID = w.v8()
	h.suite = w.u16()
	w.u8() // compression
	if w.bad {
		return h, false
	}
	extensions(&w, func(id uint16, w wire) {
		switch id {
		case extALPN:
			if chosen := alpn(&w); len(chosen) > 0 {
				h.alpn = chosen[0]
			}
		case extVersions:
			h.version = w.u16()
		case extKeyShare:
			h.group = w.u16()
		case extPSK:
			h.psk = true
		case extTicket:
			h.ticket = true
		case extEncryptThenMAC:
			h.encryptThenMAC = true
		}
	})
	return h, !w.bad
}

// isTLS13 reports whether a version hides what follows the hellos.
func isTLS13(v uint16) bool { return v == 0x0304 || v>>8 == 0x7f }
