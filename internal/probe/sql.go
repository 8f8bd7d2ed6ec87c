package probe

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// postgresSSLRequest asks whether TLS is offered; the answer is one byte, S or
// N (PostgreSQL documentation, "Message Formats").
const postgresSSLRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

// postgresTerminate ends a session politely.
const postgresTerminate = "X\x00\x00\x00\x04"

// postgresStartup is the StartupMessage of protocol 3.0.
func postgresStartup(user, database string) []byte {
	body := []byte("\x00\x03\x00\x00user\x00" + user + "\x00database\x00" + database + "\x00application_name\x00lodge probe\x00\x00")
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// readPostgres knows the answers to SSLRequest and to a StartupMessage.
func readPostgres(r reply) (*Answer, bool) {
	if string(r.sent) == postgresSSLRequest {
		switch {
		case len(r.data) == 1 && r.data[0] == 'N':
			return &Answer{Protocol: "postgresql", Product: "PostgreSQL"}, false
		case len(r.data) == 1 && r.data[0] == 'S':
			return &Answer{Protocol: "postgresql", Product: "PostgreSQL", Offers: []string{"tls"}}, false
		}
	} else if !isStartup(r.sent) {
		return nil, false
	}
	a := &Answer{Protocol: "postgresql", Product: "PostgreSQL"}
	for rest := r.data; ; {
		if len(rest) < 5 {
			return orNil(a, a.Auth != "" || a.Refusal != ""), !r.final
		}
		n := binary.BigEndian.Uint32(rest[1:])
		if n < 4 || n > 64<<10 {
			// Servers before version 14 refuse in the form of protocol 2: E, text, zero.
			text, _, ended := bytes.Cut(rest[1:], []byte{0})
			if rest[0] == 'E' && a.Auth == "" && printable(text) && len(text) < 1024 {
				a.Refusal = plain(string(text))
				return orNil(a, ended), !ended && !r.final
			}
			return orNil(a, a.Auth != ""), false
		}
		if len(rest)-1 < int(n) {
			return orNil(a, a.Auth != ""), !r.final
		}
		body := rest[5 : 1+n]
		switch rest[0] {
		case 'R':
			if len(body) < 4 {
				return orNil(a, a.Auth != ""), false
			}
			a.Auth = postgresAuth(body)
			if a.Auth != "none" {
				return a, false
			}
		case 'E':
			a.RefusalCode, a.Refusal = postgresError(body)
			return a, false
		case 'S':
			name, value, _ := strings.Cut(strings.TrimSuffix(string(body), "\x00"), "\x00")
			if name == "server_version" {
				a.Version, _, _ = strings.Cut(plain(value), " ") // "15.18 (Debian 15.18-0+deb12u1)"
			}
		case 'Z':
			return a, false
		case 'K', 'N', 'v':
		default:
			return orNil(a, a.Auth != ""), false
		}
		rest = rest[1+n:]
	}
}

func orNil(a *Answer, ok bool) *Answer {
	if !ok {
		return nil
	}
	return a
}

func isStartup(sent []byte) bool {
	return len(sent) > 8 && string(sent[4:8]) == "\x00\x03\x00\x00"
}

// postgresAuth names the Authentication message.
func postgresAuth(body []byte) string {
	switch binary.BigEndian.Uint32(body) {
	case 0:
		return "none"
	case 2:
		return "kerberos"
	case 3:
		return "password"
	case 5:
		return "md5"
	case 7:
		return "gss"
	case 9:
		return "sspi"
	case 10:
		mechanism, _, _ := bytes.Cut(body[4:], []byte{0})
		return plain(strings.ToLower(string(mechanism)))
	}
	return "required"
}

// postgresError takes the SQLSTATE and the text out of an ErrorResponse.
func postgresError(body []byte) (code, text string) {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		switch body[0] {
		case 'C':
			code = plain(string(value))
		case 'M':
			text = plain(string(value))
		}
		if !ok {
			break
		}
		body = rest
	}
	if text == "" {
		text = "no reason given"
	}
	return code, text
}

// readMySQL knows the first packet of a server: the handshake of protocol 10,
// or an error (MySQL internals, "Connection Phase Packets").
func readMySQL(r reply) (*Answer, bool) {
	if len(r.data) < 5 {
		return nil, !r.final && (len(r.data) < 4 || r.data[3] == 0)
	}
	n := int(r.data[0]) | int(r.data[1])<<8 | int(r.data[2])<<16
	if r.data[3] != 0 || n < 3 || n > 4096 {
		return nil, false
	}
	body := r.data[4:]
	if body[0] != 10 && body[0] != 0xff {
		return nil, false
	}
	if len(body) < n {
		return nil, !r.final
	}
	body = body[:n]
	a := &Answer{Protocol: "mysql", Product: "MySQL"}
	if body[0] == 0xff {
		// Before the handshake an error has no SQL state, but some send one.
		text := body[3:]
		if len(text) > 6 && text[0] == '#' {
			text = text[6:]
		}
		if !printable(text) {
			return nil, false
		}
		a.RefusalCode, a.Refusal = decimal(int(body[1])|int(body[2])<<8), plain(string(text))
		if strings.Contains(a.Refusal, "MariaDB") {
			a.Product = "MariaDB"
		}
		return a, false
	}
	version, rest, ok := bytes.Cut(body[1:], []byte{0})
	if !ok || len(version) == 0 || !printable(version) {
		return nil, false
	}
	a.Version = plain(string(version))
	// 5.5.5- is what MariaDB 10 puts in front for old replicas.
	if v, is := strings.CutPrefix(a.Version, "5.5.5-"); is || strings.Contains(a.Version, "MariaDB") {
		a.Product, a.Version = "MariaDB", v
	}
	a.Auth, a.Offers = mysqlHandshake(rest)
	return a, false
}

// mysqlHandshake reads what follows the version: thread id, 8 bytes of
// scramble, a filler, and the capabilities; at the end the plugin's name.
func mysqlHandshake(b []byte) (auth string, offers []string) {
	const clientSSL, pluginAuth = 0x0800, 0x0008_0000
	if len(b) < 4+8+1+2 {
		return "", nil
	}
	caps := uint32(binary.LittleEndian.Uint16(b[13:]))
	if b = b[15:]; len(b) >= 1+2+2+1+10 {
		caps |= uint32(binary.LittleEndian.Uint16(b[3:])) << 16
		length := max(13, int(b[5])-8)
		if b = b[16:]; caps&pluginAuth != 0 && len(b) > length {
			name, _, _ := bytes.Cut(b[length:], []byte{0})
			auth = plain(string(name))
		}
	}
	if caps&clientSSL != 0 {
		offers = []string{"tls"}
	}
	return auth, offers
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
