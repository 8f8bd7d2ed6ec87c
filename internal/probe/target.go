package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"lodge/internal/loopback"
)

// Target is what is probed.
type Target struct {
	// Text is what the user wrote.
	Text string
	// Scheme is the URL's scheme, in lower case, or "".
	Scheme string
	// Host is a name or an address without brackets; "localhost" if none was given.
	Host string
	// Port is never zero.
	Port uint16
	// Path is the URL's path and query, or "".
	Path string
}

// errNoPort is an address that says where but not which port.
var errNoPort = errors.New("it has no port")

// schemePort gives the port that a scheme means, 0 if it means none, and
// whether lodge knows the scheme.
func schemePort(scheme string) (uint16, bool) {
	switch scheme {
	case "tcp", "udp":
		return 0, true
	case "http", "ws", "h2c":
		return 80, true
	case "https", "wss":
		return 443, true
	case "tls", "grpc", "grpcs":
		return 443, true
	case "postgres", "postgresql":
		return 5432, true
	case "mysql", "mariadb":
		return 3306, true
	case "redis", "rediss", "valkey":
		return 6379, true
	case "memcached", "memcache":
		return 11211, true
	case "mongodb":
		return 27017, true
	case "amqp":
		return 5672, true
	case "amqps":
		return 5671, true
	case "kafka":
		return 9092, true
	case "nats":
		return 4222, true
	case "dns":
		return 53, true
	case "ssh", "sftp":
		return 22, true
	case "ftp":
		return 21, true
	case "smtp":
		return 25, true
	case "imap":
		return 143, true
	case "pop3":
		return 110, true
	}
	return 0, false
}

// ParseTarget reads an address as people write it: PORT, :PORT, HOST:PORT,
// [IPV6]:PORT, a URL, or a name: a host's, which means its HTTPS, or the name
// of a service that IANA has given a port ("postgresql"). A port may be such a
// name too. An IPv6 address may have a zone.
func ParseTarget(text string) (Target, error) {
	t, err := parseTarget(text)
	if err != nil {
		return Target{}, fmt.Errorf("read address %q: %w", text, err)
	}
	return t, nil
}

func parseTarget(text string) (Target, error) {
	t := Target{Text: text}
	switch {
	case text == "":
		return t, errors.New("it is empty")
	case len(text) > 2048:
		return t, errors.New("it is too long")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return t, errors.New("it has blanks or control characters")
	case strings.Contains(text, "://"):
		return parseURL(t)
	}
	if port, ok := parsePort(text); ok {
		t.Host, t.Port = "localhost", port
		return t, nil
	}
	if isDigits(text) {
		return t, errors.New("a port is 1 to 65535")
	}
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if ip, err := netip.ParseAddr(bare); err == nil {
		t.Host = ip.String()
		return t, errNoPort
	}
	host, port, ok := cutPort(text)
	if !ok {
		// A path without a scheme: localhost:3000/health.
		if h, path, slash := strings.Cut(text, "/"); slash && h != "" {
			return parseURL(Target{Text: "http://" + h + "/" + path})
		}
		if port, known := loopback.PortOf(text); known && !strings.Contains(text, ".") {
			t.Host, t.Port = "localhost", port
			return t, nil
		}
		if err := checkHost(text); err != nil {
			return t, err
		}
		if !strings.Contains(text, ".") {
			return t, errNoPort
		}
		t.Scheme, t.Host, t.Port = "https", text, 443
		return t, nil
	}
	if h, path, slash := strings.Cut(port, "/"); slash {
		u, err := parseURL(Target{Text: "http://" + hostPort(host, h) + "/" + path})
		u.Text = text
		return u, err
	}
	if t.Port, ok = readPort(port); !ok {
		return t, fmt.Errorf("port %q: not 1 to 65535, and no service's name", port)
	}
	if host == "" {
		host = "localhost"
	}
	t.Host = host
	return t, checkHost(host)
}

// cutPort cuts at the last colon outside brackets. An IPv6 address that has no
// brackets is not cut: its end is not a port.
func cutPort(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		host, port, ok = strings.Cut(s[1:], "]:")
		return host, port, ok
	}
	if strings.Count(s, ":") != 1 {
		return "", "", false
	}
	return strings.Cut(s, ":")
}

func hostPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

func parseURL(t Target) (Target, error) {
	u, err := url.Parse(t.Text)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return t, err
	}
	t.Scheme = strings.ToLower(u.Scheme)
	port, ok := schemePort(t.Scheme)
	if !ok {
		return t, fmt.Errorf("scheme %q is not known", u.Scheme)
	}
	if p := u.Port(); p != "" {
		if port, ok = parsePort(p); !ok {
			return t, errors.New("a port is 1 to 65535")
		}
	}
	if port == 0 {
		return t, errNoPort
	}
	t.Port = port
	if t.Host = u.Hostname(); t.Host == "" {
		t.Host = "localhost"
	}
	switch t.Scheme {
	case "http", "https", "ws", "wss", "h2c":
		t.Path = u.RequestURI()
	}
	return t, checkHost(t.Host)
}

func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if len(host) > 253 {
		return errors.New("the name is longer than 253 characters")
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		bad := func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, bad) {
			return fmt.Errorf("%q is not a host's name", host)
		}
	}
	return nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// parsePort reads a port in decimal; zero is none.
func parsePort(s string) (uint16, bool) {
	if !isDigits(s) || len(s) > 5 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s) {
		n = n*10 + int(c-'0')
	}
	return uint16(n), n > 0 && n < 65536
}

// readPort reads a port's number or name.
func readPort(s string) (uint16, bool) {
	if isDigits(s) {
		return parsePort(s)
	}
	return loopback.PortOf(s)
}
