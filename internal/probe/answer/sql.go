package answer

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// readMySQL knows the first packet of a server: the handshake of protocol 10,
// or an error (MySQL internals, "Connection Phase Packets").
func readMySQL(r Reply) (*Answer, bool) {
	if len(r.Data) < 5 {
		return nil, !r.Final && (len(r.Data) < 4 || r.Data[3] == 0)
	}
	n := int(r.Data[0]) | int(r.Data[1])<<8 | int(r.Data[2])<<16
	if r.Data[3] != 0 || n < 3 || n > 4096 {
		return nil, false
	}
	body := r.Data[4:]
	if body[0] != 10 && body[0] != 0xff {
		return nil, false
	}
	if len(body) < n {
		return nil, !r.Final
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
		a.RefusalCode, a.Refusal = decimal(int(body[1])|int(body[2])<<8), Plain(string(text))
		if strings.Contains(a.Refusal, "MariaDB") {
			a.Product = "MariaDB"
		}
		return a, false
	}
	version, rest, ok := bytes.Cut(body[1:], []byte{0})
	if !ok || len(version) == 0 || !printable(version) {
		return nil, false
	}
	a.Version = Plain(string(version))
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
			auth = Plain(string(name))
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
