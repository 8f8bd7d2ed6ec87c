package target

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"lodge/internal/loopback"
)

// Target is what a word means.
type Target struct {
	// Text is the word as it was given.
	Text string
	// Scheme is a URL's, in lower case; "http" for an address with a path.
	Scheme string
	// Protocol is "" where it was not said.
	Protocol loopback.Protocol
	// Host is the name or the address as it was written, without brackets; ""
	// is any address of this machine. IP is valid where it is an address.
	Host string
	IP   netip.Addr
	// Block is valid where a block of addresses was given (10.0.0.0/8).
	Block netip.Prefix
	// Port and Last, if HasPort, are the ports from Port to Last; both are the
	// same unless a range was given. A port may be zero.
	Port, Last uint16
	HasPort    bool
	// Implied says that the port was not written: it is the scheme's.
	Implied bool
	// Service is the name by which the port was given ("http"), or "".
	Service string
	// Path is a URL's path and query as they were written, or "".
	Path string
	// Unix is the path of a Unix socket; an abstract one begins with @.
	Unix string
}

// maxLength bounds a word, in bytes.
const maxLength = 2048

// ErrEmpty is a word without anything in it.
var ErrEmpty = errors.New("it is empty")

// PortError is a port that is none.
type PortError struct{ Text string }

func (e *PortError) Error() string {
	switch {
	case isDigits(e.Text):
		return fmt.Sprintf("port %q: not a number from 0 to 65535", e.Text)
	}
	return fmt.Sprintf("port %q: not a number from 0 to 65535, and no service's name", e.Text)
}

// HostError is a host that is neither an address nor a name.
type HostError struct{ Host string }

func (e *HostError) Error() string {
	if len(e.Host) > maxName {
		return "the name is longer than 253 characters"
	}
	return fmt.Sprintf("%q is neither an address, a port nor a host's name", e.Host)
}

// OrderError is a range of ports whose first is the larger one.
type OrderError struct{ First, Last uint16 }

func (e *OrderError) Error() string {
	return fmt.Sprintf("ports %d-%d: the first is the larger one", e.First, e.Last)
}

// Parse reads a word.
func Parse(word string) (Target, error) {
	t := Target{Text: word}
	switch {
	case word == "":
		return t, ErrEmpty
	case len(word) > maxLength:
		return t, errors.New("it is too long")
	case strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return t, errors.New("it has blanks or control characters")
	}
	if rest, ok := strings.CutPrefix(word, "//"); ok && !strings.HasPrefix(rest, "/") && strings.Contains(rest, ":") {
		word = rest // a URL that leaves the scheme out
	}
	if t.unix(word) {
		return t, nil
	}
	if strings.Contains(word, "://") {
		return t, t.url(word)
	}
	return t, t.plain(t.protocol(word))
}

// unix reads the path of a Unix socket.
func (t *Target) unix(s string) bool {
	for _, prefix := range []string{"unix://", "unix:", "ipc://", "local:"} {
		if rest, ok := cutPrefixFold(s, prefix); ok && rest != "" {
			t.Unix = rest
			return true
		}
	}
	// The form of Docker's clients and of Python's requests-unixsocket.
	for _, prefix := range []string{"http+unix://", "unix+http://"} {
		if rest, ok := cutPrefixFold(s, prefix); ok {
			path, _, _ := strings.Cut(rest, "/")
			path = strings.NewReplacer("%2F", "/", "%2f", "/", "%2E", ".", "%2e", ".").Replace(path)
			t.Unix = path
			return path != ""
		}
	}
	switch {
	case strings.HasPrefix(s, "./"), strings.HasPrefix(s, "../"), strings.HasPrefix(s, "/") && len(s) > 1, strings.HasPrefix(s, "@") && len(s) > 1:
		t.Unix = s
		return true
	}
	return false
}

// protocol takes "tcp:" off the front and "/udp" off the end.
func (t *Target) protocol(s string) string {
	for _, p := range []string{"tcp", "udp"} {
		for _, prefix := range []string{p + ":", p + "4:", p + "6:"} {
			if rest, ok := cutPrefixFold(s, prefix); ok && rest != "" {
				t.Protocol = loopback.Protocol(p)
				return rest
			}
		}
		if rest, ok := cutPrefixFold(s, p+"/"); ok && isDigits(rest) {
			t.Protocol = loopback.Protocol(p)
			return rest
		}
		if head, ok := cutSuffixFold(s, "/"+p); ok && head != "" {
			t.Protocol = loopback.Protocol(p)
			return head
		}
	}
	// gRPC's names of resolvers, before an address with a port.
	for _, prefix := range []string{"ipv4:", "ipv6:", "dns:"} {
		if rest, ok := cutPrefixFold(s, prefix); ok && strings.Contains(rest, ":") {
			return rest
		}
	}
	return s
}

// plain reads an address without a scheme.
func (t *Target) plain(s string) error {
	if b, ok := parseBlock(s); ok {
		t.Block = b
		return nil
	}
	if at := strings.LastIndexByte(s, '@'); at > 0 && !strings.Contains(s[:at], "/") {
		s = s[at+1:] // a user before the host, as in ssh
	}
	if i := strings.LastIndexByte(s, ':'); i > 0 {
		if b, ok := parseBlock(s[:i]); ok {
			t.Block = b
			return t.port(s[i+1:])
		}
	}
	if i := strings.IndexByte(s, '#'); i > 0 && isDigits(s[i+1:]) && !strings.Contains(s[:i], "/") {
		if _, err := netip.ParseAddr(s[:i]); err == nil { // dig: 127.0.0.1#53
			if err := t.port(s[i+1:]); err != nil {
				return err
			}
			return t.host(s[:i])
		}
	}
	if slash := strings.IndexAny(s, "/?"); slash >= 0 {
		host := s[:slash]
		if _, err := netip.ParseAddr(host); err == nil && isDigits(s[slash+1:]) {
			return &HostError{s} // a block that is none
		}
		if err := t.address(host); err != nil {
			return err
		}
		t.Path, t.Scheme = "/"+strings.TrimPrefix(s[slash:], "/"), "http"
		if !t.HasPort {
			t.setPort(80)
			t.Implied = true
		}
		return nil
	}
	return t.address(s)
}

// address reads a host, a port, or both.
func (t *Target) address(s string) error {
	host, port, has, err := split(s)
	if err != nil {
		return err
	}
	if has {
		if err := t.port(port); err != nil {
			return err
		}
	}
	return t.host(host)
}

func (t *Target) host(s string) error {
	if s == "" || s == "*" {
		if !t.HasPort {
			return ErrEmpty
		}
		return nil
	}
	t.Host = s
	if ip, err := netip.ParseAddr(s); err == nil {
		t.IP = ip
		return nil
	}
	if !t.HasPort && !strings.Contains(s, ".") {
		if port, ok := ServicePort(s); ok {
			t.Host, t.Service = "", strings.ToLower(s)
			t.setPort(port)
			return nil
		}
	}
	if !ValidName(s) {
		return &HostError{s}
	}
	return nil
}

// port reads what stands where a port does: a number, a range or a name.
func (t *Target) port(s string) error {
	first, last, ranged := strings.Cut(s, "-")
	if n, err := Port(first); err == nil {
		t.setPort(n)
		if ranged {
			if t.Last, err = Port(last); err != nil {
				return err
			}
			if t.Last < t.Port {
				return &OrderError{t.Port, t.Last}
			}
		}
		return nil
	}
	if n, ok := ServicePort(s); ok && !isDigits(s) {
		t.setPort(n)
		t.Service = strings.ToLower(s)
		return nil
	}
	return &PortError{s}
}

func (t *Target) setPort(n uint16) { t.Port, t.Last, t.HasPort = n, n, true }

// split takes the port off the end of an address, in all the ways in which it
// is written: 1.2.3.4:80, [::1]:80, :80, 80, and ::1:80 and :::80, without
// brackets.
func split(s string) (host, port string, has bool, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, tail, ok := strings.Cut(rest, "]")
		switch {
		case !ok:
			return "", "", false, fmt.Errorf("%q: a bracket without its end", s)
		case tail == "":
			return host, "", false, nil
		case tail[0] != ':':
			return "", "", false, fmt.Errorf("%q: no colon before the port", s)
		}
		return host, tail[1:], true, nil
	}
	if first, last, ranged := strings.Cut(s, "-"); isDigits(first) && (!ranged || isDigits(last)) {
		return "", s, true, nil
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false, nil
	}
	if strings.Count(s, ":") == 1 {
		return s[:i], s[i+1:], true, nil
	}
	if ip, n, ok := Unbracketed(s); ok {
		return ip.String(), strconv.Itoa(int(n)), true, nil
	}
	if _, err := netip.ParseAddr(s); err != nil {
		if ip, err := netip.ParseAddr(s[:i]); err == nil {
			return ip.String(), s[i+1:], true, nil // 1:2:3:4:5:6:7:8:80, ::1:http
		}
	}
	return s, "", false, nil
}

// Unbracketed reads an IPv6 address and a port with one colon between and no
// brackets, as Node and netstat write them: ::1:5432, :::3000. By itself such a
// text is an address, too, but none that anybody has; so the address must be
// one of this machine's loopback or unspecified ones.
func Unbracketed(s string) (netip.Addr, uint16, bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.Addr{}, 0, false
	}
	ip, err := netip.ParseAddr(s[:i])
	if err != nil || !ip.Is6() || !(ip.IsLoopback() || ip.IsUnspecified() || ip.Is4In6()) {
		return netip.Addr{}, 0, false
	}
	n, err := Port(s[i+1:])
	return ip, n, err == nil
}

// parseBlock reads 10.0.0.0/8.
func parseBlock(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// Port reads a port's number.
func Port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || !isDigits(s) {
		return 0, &PortError{s}
	}
	return uint16(n), nil
}

const maxName = 253

// ValidName reports whether a text can be a host's name (RFC 1123, section 2.1,
// with the underscore that people use and the dot at the end).
func ValidName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > maxName {
		return false
	}
	letter := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			switch c := label[i] | 0x20; {
			case c >= 'a' && c <= 'z', label[i] == '_':
				letter = true
			case label[i] >= '0' && label[i] <= '9', label[i] == '-':
			default:
				return false
			}
		}
	}
	return letter
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s[:len(s)-len(suffix)], true
	}
	return s, false
}
