package answer

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// begins reports whether data begins with word, or may yet when more comes.
func begins(r Reply, word string) (yes, maybe bool) {
	if len(r.Data) >= len(word) {
		return string(r.Data[:len(word)]) == word, false
	}
	return false, !r.Final && strings.HasPrefix(word, string(r.Data))
}

// readSSH knows the identification string: SSH-protoversion-softwareversion
// SP comments (RFC 4253, section 4.2).
func readSSH(r Reply) (*Answer, bool) {
	yes, maybe := begins(r, "SSH-")
	if !yes {
		return readSSHLines(r, maybe)
	}
	first, _, whole := line(r.Data)
	a := &Answer{Protocol: "ssh"}
	_, software, ok := strings.Cut(strings.TrimPrefix(first, "SSH-"), "-")
	if ok {
		software, comment, _ := strings.Cut(software, " ")
		a.Product, a.Version, _ = strings.Cut(Plain(software), "_")
		if comment != "" {
			a.Version = Plain(strings.TrimSpace(a.Version + " " + comment))
		}
	}
	return a, !whole && len(r.Data) < 255
}

// readSMTPOrFTP knows a greeting that is a three-digit code and text (RFC 5321,
// section 3.1; RFC 959, section 5.4). Both greet with 220: which one it is
// shows in the text, or has to be asked for.
func readSMTPOrFTP(r Reply) (*Answer, bool) {
	if len(r.Data) < 4 {
		return nil, !r.Final && isDigits(string(r.Data))
	}
	code := string(r.Data[:3])
	if !isDigits(code) || (r.Data[3] != ' ' && r.Data[3] != '-') || !strings.Contains("220 120 421 554 530", code) {
		return nil, false
	}
	text := ""
	for rest := r.Data; ; {
		first, next, whole := line(rest)
		if !whole && !r.Final || len(first) < 4 || first[:3] != code {
			return nil, !r.Final
		}
		text += " " + first[4:]
		if first[3] == ' ' {
			break
		}
		rest = next
	}
	text = Plain(text)
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
		a.Protocol, a.Next = "smtp or ftp", "ehlo"
	}
	if a.Refusal == "" {
		a.Product = text
	}
	return a, false
}

// readPOP3 knows RFC 1939's greeting, section 4.
func readPOP3(r Reply) (*Answer, bool) {
	yes, maybe := begins(r, "+OK")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.Data)
	if len(r.Sent) > 0 && strings.TrimRight(first, "\r") == "+OK" {
		return nil, !whole && !r.Final // Redis says this to many commands
	}
	return &Answer{Protocol: "pop3", Product: Plain(first[3:])}, !whole
}

// readIMAP knows RFC 9051's greetings, section 7.1.
func readIMAP(r Reply) (*Answer, bool) {
	for _, word := range []string{"* OK", "* PREAUTH", "* BYE"} {
		yes, maybe := begins(r, word)
		if maybe {
			return nil, true
		}
		if !yes {
			continue
		}
		first, _, whole := line(r.Data)
		a := &Answer{Protocol: "imap"}
		text := first[len(word):]
		if i := strings.Index(text, "] "); strings.HasPrefix(text, " [") && i > 0 {
			text = text[i+1:] // the capabilities
		}
		switch word {
		case "* BYE":
			a.Refusal = Plain(text)
		case "* PREAUTH":
			a.Auth, a.Product = "none", Plain(text)
		default:
			a.Product = Plain(text)
		}
		return a, !whole
	}
	return nil, false
}

// readNATS knows the server's INFO line (docs.nats.io, "Client Protocol").
func readNATS(r Reply) (*Answer, bool) {
	yes, maybe := begins(r, "INFO {")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.Data)
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
		a.Version, a.Auth = Plain(info.Version), "none"
		if info.Auth {
			a.Auth = "required"
		}
		if info.TLS || info.Offered {
			a.Offers = []string{"tls"}
		}
	}
	return a, false
}

// RedisHello is PING in the inline form that every Redis knows.
const RedisHello = "PING\r\n"

// readRedis knows answers to PING, to INFO, and the errors that Redis and its
// kin give to what is not a command (redis.io, "RESP protocol").
func readRedis(r Reply) (*Answer, bool) {
	for _, word := range []string{"+PONG", "-NOAUTH", "-DENIED", "-LOADING", "-NOPERM", "-MASTERDOWN", "-BUSY", "-ERR "} {
		yes, maybe := begins(r, word)
		if maybe {
			return nil, true
		}
		if !yes {
			continue
		}
		first, _, whole := line(r.Data)
		a := &Answer{Protocol: "redis"}
		switch word {
		case "+PONG":
			a.Auth = "none"
		case "-NOAUTH":
			a.Auth = "required"
		case "-ERR ":
			if !bytes.HasPrefix(r.Sent, []byte("PING")) {
				a.Next = "redis" // POP3 has the same mark for errors, and this was no question for Redis
			}
			fallthrough
		default:
			code, text, _ := strings.Cut(first[1:], " ")
			a.Refusal, a.RefusalCode = Plain(text), Plain(code)
		}
		return a, !whole
	}
	return nil, false
}

// ReadRedisBulk knows the answer to INFO: a bulk string, "$SIZE" and a line end
// before it.
func ReadRedisBulk(r Reply) (*Answer, bool) {
	head, rest, ok := line(r.Data)
	if !ok {
		return nil, len(r.Data) < 16 && !r.Final
	}
	size, isBulk := strings.CutPrefix(head, "$")
	n, err := strconv.ParseUint(size, 10, 16)
	if !isBulk || err != nil {
		return nil, false
	}
	if uint64(len(rest)) < n && !r.Final {
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
			version = Plain(v)
		case k == "valkey_version":
			product, version = "Valkey", Plain(v)
		case k == "dragonfly_version":
			product, version = "Dragonfly", Plain(v)
		}
	}
	return product, version
}

// MemcachedHello asks for the version (memcached's doc/protocol.txt).
const MemcachedHello = "version\r\n"

// readMemcached knows the answer to "version", and ERROR, which memcached says
// to what is not a command (memcached's doc/protocol.txt).
func readMemcached(r Reply) (*Answer, bool) {
	yes, maybe := begins(r, "VERSION ")
	if maybe {
		return nil, true
	}
	if yes && string(r.Sent) == MemcachedHello {
		first, _, whole := line(r.Data)
		return &Answer{Protocol: "memcached", Product: "memcached", Version: Plain(first[len("VERSION "):]), Auth: "none"}, !whole
	}
	if yes, maybe = begins(r, "ERROR\r\n"); yes && string(r.Sent) != MemcachedHello {
		return &Answer{Protocol: "memcached", Next: "memcached"}, false
	}
	return nil, maybe
}

// readVNC knows the ProtocolVersion message (RFC 6143, section 7.1.1).
func readVNC(r Reply) (*Answer, bool) {
	yes, maybe := begins(r, "RFB ")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.Data)
	return &Answer{Protocol: "vnc", Version: Plain(first[len("RFB "):])}, !whole && len(r.Data) < 12
}

// readRsync knows the daemon's greeting (rsync's csprotocol.txt).
func readRsync(r Reply) (*Answer, bool) {
	yes, maybe := begins(r, "@RSYNCD:")
	if !yes {
		return nil, maybe
	}
	first, _, whole := line(r.Data)
	return &Answer{Protocol: "rsync", Version: Plain(first[len("@RSYNCD:"):])}, !whole
}

// readTelnet knows the options with which most servers begin: IAC and WILL,
// WONT, DO or DONT (RFC 854).
func readTelnet(r Reply) (*Answer, bool) {
	if len(r.Data) < 3 {
		return nil, !r.Final && r.Data[0] == 0xff
	}
	if r.Data[0] == 0xff && r.Data[1] >= 0xfb && r.Data[1] <= 0xfe {
		return &Answer{Protocol: "telnet"}, false
	}
	return nil, false
}

// readEcho knows a server that says what was said to it (RFC 862).
func readEcho(r Reply) (*Answer, bool) {
	if len(r.Sent) == 0 || len(r.Data) > len(r.Sent) || !bytes.HasPrefix(r.Sent, r.Data) {
		return nil, false
	}
	if len(r.Data) == len(r.Sent) {
		return &Answer{Protocol: "echo"}, false
	}
	return nil, !r.Final
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
