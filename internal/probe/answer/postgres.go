package answer

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// PostgresSSLRequest asks whether TLS is offered; the answer is one byte, S or
// N (PostgreSQL documentation, "Message Formats").
const PostgresSSLRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

// PostgresTerminate ends a session politely.
const PostgresTerminate = "X\x00\x00\x00\x04"

// PostgresStartup is the StartupMessage of protocol 3.0.
func PostgresStartup(user, database string) []byte {
	body := []byte("\x00\x03\x00\x00user\x00" + user + "\x00database\x00" + database + "\x00application_name\x00lodge probe\x00\x00")
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// ReadPostgres knows the answers to a StartupMessage, and the error that may be
// the answer to SSLRequest. The one byte that is the usual answer to that proves
// nothing: see askPostgres.
func ReadPostgres(r Reply) (*Answer, bool) {
	if string(r.Sent) == PostgresSSLRequest && r.Data[0] != 'E' || string(r.Sent) != PostgresSSLRequest && !isStartup(r.Sent) {
		return nil, false
	}
	a := &Answer{Protocol: "postgresql", Product: "PostgreSQL"}
	for rest := r.Data; ; {
		if len(rest) < 5 {
			return orNil(a, a.Auth != "" || a.Refusal != ""), !r.Final
		}
		n := binary.BigEndian.Uint32(rest[1:])
		if n < 4 || n > 64<<10 {
			// Servers before version 14 refuse in the form of protocol 2: E, text, zero.
			text, _, ended := bytes.Cut(rest[1:], []byte{0})
			if rest[0] == 'E' && a.Auth == "" && printable(text) && len(text) < 1024 && (!ended || bytes.HasSuffix(text, []byte{'\n'})) {
				a.Refusal = Plain(string(text))
				return orNil(a, ended), !ended && !r.Final
			}
			return orNil(a, a.Auth != ""), false
		}
		if len(rest)-1 < int(n) {
			return orNil(a, a.Auth != ""), !r.Final
		}
		body := rest[5 : 1+n]
		switch rest[0] {
		case 'R':
			if len(body) < 4 {
				return orNil(a, a.Auth != ""), false
			}
			if a.Auth = postgresAuth(body); a.Auth == "" {
				return nil, false
			}
			if a.Auth != "none" {
				return a, false
			}
		case 'E':
			a.RefusalCode, a.Refusal = postgresError(body)
			return orNil(a, len(a.RefusalCode) == 5 || a.Auth != ""), false
		case 'S':
			name, value, _ := strings.Cut(strings.TrimSuffix(string(body), "\x00"), "\x00")
			if name == "server_version" {
				a.Version, _, _ = strings.Cut(Plain(value), " ") // "15.18 (Debian 15.18-0+deb12u1)"
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

// postgresAuth names the Authentication message, "" where there is no such one.
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
		return Plain(strings.ToLower(string(mechanism)))
	case 6, 8, 11, 12:
		return "required"
	}
	return ""
}

// postgresError takes the SQLSTATE and the text out of an ErrorResponse.
func postgresError(body []byte) (code, text string) {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		switch body[0] {
		case 'C':
			code = Plain(string(value))
		case 'M':
			text = Plain(string(value))
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
