package probe

import (
	"errors"
	"fmt"
	"net/url"

	"lodge/internal/loopback"
	"lodge/internal/target"
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

// ParseTarget reads an address as people write it (see package target): PORT,
// :PORT, HOST:PORT, [IPV6]:PORT, a URL, or a name: a host's, which means its
// HTTPS, or the name of a service that has a port ("postgresql").
func ParseTarget(text string) (Target, error) {
	t, err := parseTarget(text)
	if err != nil {
		return Target{}, fmt.Errorf("read address %q: %w", text, err)
	}
	return t, nil
}

func parseTarget(text string) (Target, error) {
	a, err := target.Parse(text)
	if err != nil {
		return Target{}, err
	}
	t := Target{Text: text, Scheme: a.Scheme, Host: a.Host, Port: a.Port}
	if _, known := target.SchemePort(a.Scheme); a.Scheme != "" && !known {
		return t, fmt.Errorf("scheme %q is not known", a.Scheme)
	}
	switch {
	case a.Unix != "":
		return t, errors.New("it is the path of a Unix socket, and probe asks by TCP and UDP")
	case a.Block.IsValid():
		return t, errors.New("it is a block of addresses, not one")
	case a.HasPort && a.Last != a.Port:
		return t, errors.New("it is a range of ports, not one")
	case !a.HasPort && a.IP.IsValid(), !a.HasPort && a.Scheme != "":
		return t, errNoPort
	case !a.HasPort:
		if !isDotted(a.Host) {
			return t, errNoPort
		}
		t.Scheme, t.Port = "https", 443
	case a.Port == 0:
		return t, errors.New("a port is 1 to 65535")
	}
	if t.Host == "" {
		t.Host = "localhost"
	}
	if a.IP.IsValid() {
		t.Host = a.IP.String()
	}
	switch t.Scheme {
	case "":
		if a.Protocol == loopback.UDP {
			t.Scheme = "udp"
		}
	case "http", "https", "ws", "wss", "h2c":
		if a.Path != "" {
			u, err := url.ParseRequestURI(a.Path)
			if err != nil {
				return t, errors.New("its path is not one of a URL")
			}
			t.Path = u.RequestURI()
		}
	}
	return t, nil
}

// isDotted reports whether a name has more than one label.
func isDotted(host string) bool {
	for i := range len(host) {
		if host[i] == '.' {
			return true
		}
	}
	return false
}
