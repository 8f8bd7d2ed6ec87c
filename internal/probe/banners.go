package probe

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// begins reports whether data begins with word, or may yet when more comes.
func begins(r reply, word string) (yes, maybe bool) {
	if len(r.data) >= len(word) {
		return string(r.data[:len(word)]) == word, false
	}
	return false, !r.final && strings.HasPrefix(word, string(r.data))
}

// readSSH knows the identification string: SSH-protoversion-softwareversion
// SP comments (RFC 4253, section 4.2).
func readSSH(r reply) (*Answer, bool) {
	yes, maybe := begins(r, "SSH-")
	if !yes {
		return readSSHLines(r, maybe)
	}
	first, _, whole := line(r.data)
	a := &Answer{Protocol: "ssh"}
	_, software, ok := strings.Cut(strings.TrimPrefix(first, "SSH-"), "-")
	if ok {
		software, comment, _ := strings.Cut(software, " ")
		a.Product, a.Version, _ = strings.Cut(plain(software), "_")
		if comment != "" {
			a.Version = plain(strings.TrimSpace(a.Version + " " + comment))
		}
	}
	return a, !whole && len(r.data) < 255
}

// readSMTPOrFTP knows a greeting that is a three-digit code and text (RFC 5321,
// section 3.1; RFC 959, section 5.4). Both greet with 220: which one it is
// shows in the text, or has to be asked for.
func readSMTPOrFTP(r reply) (*Answer, bool) {
	if len(r.data) < 4 {
		return nil, !r.final && isDigits(string(r.data))
	}
	code := string(r.data[:3])
	if !isDigits(code) || (r.data[3] != ' ' && r.data[3] != '-') || !strings.Contains("220 120 421 554 530", code) {
		return nil, false
	}
	text := ""
	for rest := r.data; ; {
		first, next, whole := line(rest)
		if !whole && !r.final || len(first) < 4 || first[:3] != code {
			return nil, !r.final
		}
		text += " " + first[4:]
		if first[3] == ' ' {
			break
		}
		rest = next
	}
	text = plain(text)
	a := &Answer{}
	if code != "220" && code != "120" {
		a.Refusal, a.RefusalCode = text, code
	}
	upper := strings.ToUpper(text)
	switch {
	case strings.Contains(upper, "SMTP") || code == "554":
		a.Protocol = "smtp"
	case strings.Contains(upper, "FTP") || code == "120" || code == "530":
		a.Protocol = "ftp"
	default:
		a.Protocol, a.next = "smtp or ftp", "ehlo"
	}
	if a.Refusal == "" {
		a.Product = text
	}
	return a, false
}

// readPOP3 knows RFC 1939's greeting, section 4.
func readPOP3(r reply) (*Answer, bool) {
	yes, maybe := begins(r, "+OK")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.data)
	if len(r.sent) > 0 && strings.TrimRight(first, "\r") == "+OK" {
		return nil, !whole && !r.final // Redis says this to many commands
	}
	return &Answer{Protocol: "pop3", Product: plain(first[3:])}, !whole
}

// readIMAP knows RFC 9051's greetings, section 7.1.
func readIMAP(r reply) (*Answer, bool) {
	for _, word := range []string{"* OK", "* PREAUTH", "* BYE"} {
		yes, maybe := begins(r, word)
		if maybe {
			return nil, true
		}
		if !yes {
			continue
		}
		first, _, whole := line(r.data)
		a := &Answer{Protocol: "imap"}
		text := first[len(word):]
		if i := strings.Index(text, "] "); strings.HasPrefix(text, " [") && i > 0 {
			text = text[i+1:] // the capabilities
		}
		switch word {
		case "* BYE":
			a.Refusal = plain(text)
		case "* PREAUTH":
			a.Auth, a.Product = "none", plain(text)
		default:
			a.Product = plain(text)
		}
		return a, !whole
	}
	return nil, false
}

// readNATS knows the server's INFO line (docs.nats.io, "Client Protocol").
func readNATS(r reply) (*Answer, bool) {
	yes, maybe := begins(r, "INFO {")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.data)
	a := &Answer{Protocol: "nats", Product: "NATS"}
	var info struct {
		Version string `json:"version"`
		Auth    bool   `json:"auth_required"`
		TLS     bool   `json:"tls_required"`
		Offered bool   `json:"tls_available"`
	}
	if !whole {
		return a, true
	}
	if json.Unmarshal([]byte(first[len("INFO "):]), &info) == nil {
		a.Version, a.Auth = plain(info.Version), "none"
		if info.Auth {
			a.Auth = "required"
		}
		if info.TLS || info.Offered {
			a.Offers = []string{"tls"}
		}
	}
	return a, false
}

// readRedis knows answers to PING, to INFO, and the errors that Redis and its
// kin give to what is not a command (redis.io, "RESP protocol").
func readRedis(r reply) (*Answer, bool) {
	for _, word := range []string{"+PONG", "-NOAUTH", "-DENIED", "-LOADING", "-NOPERM", "-MASTERDOWN", "-BUSY", "-ERR "} {
		yes, maybe := begins(r, word)
		if maybe {
			return nil, true
		}
		if !yes {
			continue
		}
		first, _, whole := line(r.data)
		a := &Answer{Protocol: "redis"}
		switch word {
		case "+PONG":
			a.Auth = "none"
		case "-NOAUTH":
			a.Auth = "required"
		case "-ERR ":
			if !bytes.HasPrefix(r.sent, []byte("PING")) {
				a.next = "redis" // POP3 has the same mark for errors, and this was no question for Redis
			}
			fallthrough
		default:
			code, text, _ := strings.Cut(first[1:], " ")
			a.Refusal, a.RefusalCode = plain(text), plain(code)
		}
		return a, !whole
	}
	return nil, false
}

// readRedisBulk knows the answer to INFO: a bulk string, "$SIZE" and a line end
// before it.
func readRedisBulk(r reply) (*Answer, bool) {
	head, rest, ok := line(r.data)
	if !ok {
		return nil, len(r.data) < 16 && !r.final
	}
	size, isBulk := strings.CutPrefix(head, "$")
	n, err := strconv.ParseUint(size, 10, 16)
	if !isBulk || err != nil {
		return nil, false
	}
	if uint64(len(rest)) < n && !r.final {
		return nil, true
	}
	a := &Answer{}
	a.Product, a.Version = readRedisInfo(rest)
	return a, false
}

// readRedisInfo takes the version out of INFO's "server" section.
func readRedisInfo(data []byte) (product, version string) {
	product = "Redis"
	for l := range strings.Lines(string(data)) {
		k, v, ok := strings.Cut(strings.TrimSpace(l), ":")
		switch {
		case !ok:
		case k == "redis_version" && version == "":
			version = plain(v)
		case k == "valkey_version":
			product, version = "Valkey", plain(v)
		case k == "dragonfly_version":
			product, version = "Dragonfly", plain(v)
		}
	}
	return product, version
}

// readMemcached knows the answer to "version", and ERROR, which memcached says
// to what is not a command (memcached's doc/protocol.txt).
func readMemcached(r reply) (*Answer, bool) {
	yes, maybe := begins(r, "VERSION ")
	if maybe {
		return nil, true
	}
	if yes && string(r.sent) == memcachedHello {
		first, _, whole := line(r.data)
		return &Answer{Protocol: "memcached", Product: "memcached", Version: plain(first[len("VERSION "):]), Auth: "none"}, !whole
	}
	if yes, maybe = begins(r, "ERROR\r\n"); yes && string(r.sent) != memcachedHello {
		return &Answer{Protocol: "memcached", next: "memcached"}, false
	}
	return nil, maybe
}

// readVNC knows the ProtocolVersion message (RFC 6143, section 7.1.1).
func readVNC(r reply) (*Answer, bool) {
	yes, maybe := begins(r, "RFB ")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.data)
	return &Answer{Protocol: "vnc", Version: plain(first[len("RFB "):])}, !whole && len(r.data) < 12
}

// readRsync knows the daemon's greeting (rsync's csprotocol.txt).
func readRsync(r reply) (*Answer, bool) {
	yes, maybe := begins(r, "@RSYNCD:")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.data)
	return &Answer{Protocol: "rsync", Version: plain(first[len("@RSYNCD:"):])}, !whole
}

// readTelnet knows the options with which most servers begin: IAC and WILL,
// WONT, DO or DONT (RFC 854).
func readTelnet(r reply) (*Answer, bool) {
	if len(r.data) < 3 {
		return nil, !r.final && r.data[0] == 0xff
	}
	if r.data[0] == 0xff && r.data[1] >= 0xfb && r.data[1] <= 0xfe {
		return &Answer{Protocol: "telnet"}, false
	}
	return nil, false
}

// readEcho knows a server that says what was said to it (RFC 862).
func readEcho(r reply) (*Answer, bool) {
	if len(r.sent) == 0 || len(r.data) > len(r.sent) || !bytes.HasPrefix(r.sent, r.data) {
		return nil, false
	}
	if len(r.data) == len(r.sent) {
		return &Answer{Protocol: "echo"}, false
	}
	return nil, !r.final
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
