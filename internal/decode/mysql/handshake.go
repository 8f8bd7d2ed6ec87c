package mysql

import (
	"bytes"

	"lodge/internal/decode"
)

// The capabilities that change what is sent:
// https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html
// and, of MariaDB, those above bit 31.
const (
	capMySQL           = 1 << 0 // not set by MariaDB, which has more capabilities then
	capConnectWithDB   = 1 << 3
	capCompress        = 1 << 5
	capProtocol41      = 1 << 9
	capSSL             = 1 << 11
	capSecure          = 1 << 15
	capPluginAuth      = 1 << 19
	capConnectAttrs    = 1 << 20
	capAuthSized       = 1 << 21
	capSessionTrack    = 1 << 23
	capDeprecateEOF    = 1 << 24
	capZstd            = 1 << 26
	capQueryAttributes = 1 << 27
	capExtendedColumns = 1 << 35 // MariaDB: a column definition has more
)

// greetingPacket is what a server begins with:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
type greetingPacket struct {
	version string
	thread  uint32
	caps    uint64
	charset byte
	plugin  string
}

func readGreeting(b []byte) (g greetingPacket, ok bool) {
	r := reader{b: b}
	if r.uint8() != 10 {
		return g, false
	}
	g.version = r.text()
	g.thread = r.uint32()
	r.take(8)
	if r.uint8() != 0 || r.bad {
		return g, false
	}
	g.caps = uint64(r.uint16())
	if len(r.b) == 0 {
		return g, !r.bad
	}
	g.charset = r.uint8()
	r.uint16()
	g.caps |= uint64(r.uint16()) << 16
	size := int(r.uint8())
	reserved := r.take(10)
	if r.bad {
		return g, false
	}
	if g.caps&capMySQL == 0 {
		var more reader
		more.b = reserved[6:]
		g.caps |= uint64(more.uint32()) << 32
	}
	if g.caps&capSecure != 0 {
		r.take(min(max(13, size-8), len(r.b)))
	}
	if g.caps&capPluginAuth != 0 {
		g.plugin, _, _ = cutZero(r.b)
	}
	return g, true
}

// cutZero splits bytes at the first zero byte.
func cutZero(b []byte) (string, []byte, bool) {
	v, rest, ok := bytes.Cut(b, []byte{0})
	return string(v), rest, ok
}

// loginPacket is what the client answers: HandshakeResponse41, or the older 320.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html
type loginPacket struct {
	caps           uint64
	tls            bool // it asks for TLS, and has nothing more
	user, database string
	secret         []byte
	plugin         string
	charset        uint16
	attributes     []decode.Field
}

func readLogin(b []byte, offered uint64) (l loginPacket, ok bool) {
	r := reader{b: b}
	if len(b) < 5 {
		return l, false
	}
	l.caps = uint64(r.uint16())
	if l.caps&capProtocol41 == 0 {
		r.take(3)
		l.tls = l.caps&capSSL != 0 && len(b) == 5
		l.user = r.text()
		if l.caps&capConnectWithDB != 0 {
			l.secret = []byte(r.text())
			l.database = r.text()
		} else {
			l.secret = r.rest()
		}
		return l, l.tls || l.user != "" || len(b) > 5
	}
	l.caps |= uint64(r.uint16()) << 16
	r.uint32() // the longest packet
	l.charset = uint16(r.uint8())
	reserved := r.take(23)
	if r.bad {
		return l, false
	}
	if offered&capMySQL == 0 && l.caps&capMySQL == 0 {
		more := reader{b: reserved[19:]}
		l.caps |= uint64(more.uint32()) << 32
	}
	if l.tls = l.caps&capSSL != 0 && len(b) == 32; l.tls {
		return l, true
	}
	l.user = r.text()
	switch {
	case l.caps&capAuthSized != 0:
		l.secret = r.sized()
	case l.caps&capSecure != 0:
		l.secret = r.take(int(r.uint8()))
	default:
		l.secret = []byte(r.text())
	}
	if r.bad {
		return l, false
	}
	if l.caps&capConnectWithDB != 0 {
		l.database, r.b, _ = cutZero(r.b)
	}
	if l.caps&capPluginAuth != 0 {
		l.plugin, r.b, _ = cutZero(r.b)
	}
	if l.caps&capConnectAttrs != 0 {
		l.attributes = readAttributes(&r)
	}
	return l, true
}

// readAttributes reads the attributes of a connection.
func readAttributes(r *reader) []decode.Field {
	all := reader{b: r.sized()}
	var fields []decode.Field
	for len(all.b) > 0 && !all.bad {
		name := string(all.sized())
		fields = append(fields, decode.Field{Name: name, Value: string(all.sized())})
	}
	return fields
}
