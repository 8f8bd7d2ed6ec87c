package explain

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"lodge/internal/loopback"
)

// Kind says what a person gave.
type Kind string

// The kinds of input.
const (
	KindAddress  Kind = "address"  // 127.0.0.1
	KindPort     Kind = "port"     // 3000, :3000, 53/udp, postgresql
	KindEndpoint Kind = "endpoint" // 127.0.0.1:3000
	KindName     Kind = "name"     // web.shop.localhost, localhost:3000, a URL
	KindError    Kind = "error"    // a message with an error in it
)

// Operation is what was tried.
type Operation string

// The operations that fail.
const (
	Connect Operation = "connect"
	Bind    Operation = "bind"
)

// Input is what was asked about.
type Input struct {
	Text string
	Kind Kind
	// Protocol is "" where it was not said.
	Protocol loopback.Protocol
	// Name is a host name, in lower case, or "".
	Name string
	// IPs are the addresses that were written. With a Name they are those that
	// a message says were tried for it.
	IPs []netip.Addr
	// Port, if HasPort.
	Port    uint16
	HasPort bool
	// Service is the name by which the port was given.
	Service string
	// Operation and Errno ("ECONNREFUSED") are what a message tells, or "".
	Operation Operation
	Errno     string
	// Local is the near end of a connection that a message tells of.
	Local netip.AddrPort
}

// ErrNoAddress says that there is neither an address, a port nor a name in
// what was given.
var ErrNoAddress = errors.New("no address, port or name in it")

// maxInput bounds what is read, in bytes: a log's line, not a log.
const maxInput = 16 << 10

// Parse reads what a person typed or pasted.
func Parse(text string) (Input, error) {
	if len(text) > maxInput {
		text = strings.ToValidUTF8(text[:maxInput], "")
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return Input{}, ErrNoAddress
	}
	if strings.ContainsAny(text, " \t\n\r") || errnoOf(text) != "" {
		return parseMessage(text)
	}
	in := Input{Text: text}
	word := strings.Trim(text, `"'<>(),;`+"`")
	if err := in.word(strings.TrimSuffix(word, ".")); err != nil {
		return Input{}, err
	}
	in.kind()
	return in, nil
}

func (in *Input) kind() {
	switch {
	case in.Errno != "":
		in.Kind = KindError
	case in.Name != "":
		in.Kind = KindName
	case len(in.IPs) > 0 && in.HasPort:
		in.Kind = KindEndpoint
	case len(in.IPs) > 0:
		in.Kind = KindAddress
	default:
		in.Kind = KindPort
	}
}

// word reads one word that is an address, a port, a name or a URL.
func (in *Input) word(s string) error {
	if scheme, _, ok := strings.Cut(s, "://"); ok && scheme != "" {
		return in.url(s)
	}
	// An address and a path, as copied from a browser that hides the scheme.
	if head, tail, ok := strings.Cut(s, "/"); ok {
		switch strings.ToLower(tail) {
		case "tcp", "udp":
			in.Protocol = loopback.Protocol(strings.ToLower(tail))
		default:
			if _, err := netip.ParsePrefix(s); err == nil {
				return fmt.Errorf("%q is a block of addresses, not one", s)
			}
		}
		s = head
	}
	host, port, has, err := splitPort(s)
	if err != nil {
		return err
	}
	if has {
		in.Port, in.HasPort = port, true
	}
	return in.host(host)
}

// host takes the part without a port.
func (in *Input) host(s string) error {
	if s == "" || s == "*" {
		if !in.HasPort {
			return ErrNoAddress
		}
		return nil
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		in.IPs = append(in.IPs, ip)
		return nil
	}
	if !in.HasPort && !strings.Contains(s, ".") {
		if port, proto, ok := serviceByName(s, in.Protocol); ok {
			in.Port, in.HasPort, in.Service = port, true, strings.ToLower(s)
			if proto != "" {
				in.Protocol = proto
			}
			return nil
		}
	}
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if !validName(name) {
		return fmt.Errorf("%q is neither an address, a port nor a name", s)
	}
	in.Name = name
	return nil
}

// splitPort takes the port off the end of a host, in all the ways in which
// programs write that: 1.2.3.4:80, [::1]:80, :80, 80, and Node's ::1:80 and
// :::80, which have no brackets.
func splitPort(s string) (host string, port uint16, has bool, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, tail, ok := strings.Cut(rest, "]")
		if !ok {
			return "", 0, false, fmt.Errorf("%q: a bracket without its end", s)
		}
		if tail == "" {
			return host, 0, false, nil
		}
		tail, ok = strings.CutPrefix(tail, ":")
		if !ok {
			return "", 0, false, fmt.Errorf("%q: no colon before the port", s)
		}
		port, err := parsePort(tail)
		return host, port, true, err
	}
	if isDigits(s) {
		port, err := parsePort(s)
		return "", port, true, err
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, 0, false, nil
	}
	if strings.Count(s, ":") > 1 {
		// Node writes the address and the port of IPv6 with one colon between.
		// ::1:5432 is an address by itself, too, but none that anybody has.
		if ip, ok := nodeAddress(s[:i]); ok && isDigits(s[i+1:]) {
			if port, err := parsePort(s[i+1:]); err == nil {
				return ip.String(), port, true, nil
			}
		}
		return s, 0, false, nil
	}
	port, err = parsePort(s[i+1:])
	if err != nil {
		return "", 0, false, fmt.Errorf("port %q: not a number from 0 to 65535", s[i+1:])
	}
	return s[:i], port, true, nil
}

// nodeAddress reads what stands before the port of an IPv6 address without
// brackets, if that is one of this machine.
func nodeAddress(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil || !(ip.IsLoopback() || ip.IsUnspecified() || ip.Is4In6()) {
		return netip.Addr{}, false
	}
	return ip, true
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || !isDigits(s) {
		return 0, fmt.Errorf("port %q: not a number from 0 to 65535", s)
	}
	return uint16(n), nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// url takes the host and port of a URL.
func (in *Input) url(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		// The rest of a URL may be broken; only its authority counts here.
		scheme, rest, _ := strings.Cut(s, "://")
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[:i]
		}
		if u, err = url.Parse(scheme + "://" + rest); err != nil {
			return fmt.Errorf("%q is not a URL", s)
		}
	}
	if u.Hostname() == "" && u.Port() == "" {
		return fmt.Errorf("%q: no host in it", s)
	}
	if p := u.Port(); p != "" {
		if in.Port, err = parsePort(p); err != nil {
			return err
		}
		in.HasPort = true
	} else if p, ok := schemePort(u.Scheme); ok {
		in.Port, in.HasPort = p, true
	}
	switch strings.ToLower(u.Scheme) {
	case "tcp", "udp":
		in.Protocol = loopback.Protocol(strings.ToLower(u.Scheme))
	}
	return in.host(u.Hostname())
}

// schemePort gives the port of a URL that names none.
func schemePort(scheme string) (uint16, bool) {
	switch strings.ToLower(scheme) {
	case "http", "ws":
		return 80, true
	case "https", "wss":
		return 443, true
	case "postgres", "postgresql":
		return 5432, true
	case "redis", "rediss", "valkey":
		return 6379, true
	case "mysql", "mariadb":
		return 3306, true
	case "mongodb":
		return 27017, true
	case "amqp":
		return 5672, true
	case "nats":
		return 4222, true
	case "memcached":
		return 11211, true
	case "ftp":
		return 21, true
	case "ssh", "sftp":
		return 22, true
	}
	return 0, false
}

// serviceByName gives the port of a service name: IANA's (RFC 6335), or one
// that everybody says instead.
func serviceByName(s string, want loopback.Protocol) (uint16, loopback.Protocol, bool) {
	switch s = strings.ToLower(s); s {
	case "localhost":
		return 0, "", false
	case "postgres", "psql":
		s = "postgresql"
	case "dns":
		s = "domain"
	case "vite":
		return 5173, loopback.TCP, true
	case "memcached":
		s = "memcache"
	case "mongo":
		s = "mongodb"
	case "elasticsearch":
		return 9200, loopback.TCP, true
	case "rabbitmq":
		s = "amqp"
	case "mariadb":
		s = "mysql"
	case "valkey":
		s = "redis"
	}
	port, ok := loopback.PortOf(s)
	return port, want, ok
}

// validName says whether a text can be a host name (RFC 1123, section 2.1,
// with the underscore that people use).
func validName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	letter := false
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			switch {
			case c >= 'a' && c <= 'z', c == '_':
				letter = true
			case c >= '0' && c <= '9', c == '-':
			default:
				return false
			}
		}
	}
	return letter
}
