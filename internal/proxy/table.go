package proxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// State says what a service can do with a request now.
type State uint8

// The states of a service.
const (
	Ready    State = iota // its endpoints answer
	Starting              // requests wait for Ready
	Down                  // requests are answered with a page, or start it
	// Unsettled: it is not known what it speaks, or where: Config.Settle finds
	// out, and requests wait for that.
	Unsettled
	// Failing: it ended, and will be started again. Requests wait for Ready, but
	// only for FailTime, and are answered with a page then.
	Failing
)

// Protocol is what a service speaks at an endpoint.
type Protocol uint8

// The protocols. With Auto a service is taken to speak HTTP/1.1, and HTTP/2
// without TLS (h2c, by prior knowledge: RFC 9113, section 3.3) for requests of
// gRPC, which exists in no other.
const (
	Auto  Protocol = iota
	HTTP1          // HTTP/1.1 and nothing else
	H2C            // HTTP/2 without TLS and nothing else
	HTTPS          // TLS, with HTTP/2 where it offers that; its certificate is not checked: it is on this machine
)

// Endpoint is where a service listens.
type Endpoint struct {
	Addr     netip.AddrPort // TCP, IPv4 or IPv6; left zero with Path
	Path     string         // a Unix socket; "@" in front is an abstract one
	Protocol Protocol
}

func (p Endpoint) String() string {
	if p.Path != "" {
		return "unix:" + p.Path
	}
	return p.Addr.String()
}

// Name is a host name under which a service is reached.
type Name struct {
	Host string // lower case, no port, no dot at the end: "web.shop.localhost"
	// Wildcard leads every name below Host to the service too.
	Wildcard bool
	// Ports says that the number of a port right in front of Host means a port of
	// the service: it leads where the table has it as a name, or nowhere.
	Ports bool
	// Unlisted keeps the name out of pages that list names.
	Unlisted bool
}

// NamesOf returns a service's names in a project: SERVICE.PROJECT.localhost with
// all that is below it, and PROJECT.localhost if it is the project's default.
// Both must be DNS labels, or labels joined by dots.
func NamesOf(service, project string, isDefault bool) []Name {
	names := []Name{{Host: service + "." + project + ".localhost", Wildcard: true}}
	if isDefault {
		names = append(names, Name{Host: project + ".localhost"})
	}
	return names
}

// Service is what the engine must know of one.
type Service struct {
	ID      string // unique and the same over tables, such as "shop/web"
	Project string // requests between services of one project are not cross-site
	Names   []Name
	State   State
	// Endpoints are tried in this order. All of them must be one server's.
	Endpoints []Endpoint
	// OnRequest has Config.Start called when a request comes and it is down.
	OnRequest bool
	Exit      string // why it is down, for people: "exited with status 1"
	// Silent is one that runs and cannot be asked all the same; Exit says why, as
	// the rest of a sentence: "runs, and listens nowhere".
	Silent    bool
	StartWith string // the command that starts it: "lodge up web"
	Note      string // for people, on pages: where it listens, and how to choose
	// NoPage is one of which nobody expects a page: a job, a worker.
	NoPage bool
	// UsedAs is the identifier of the service as which it is in use, where that
	// is another: a port of one.
	UsedAs string
	// AllowCrossSite lets pages of other sites make any request.
	AllowCrossSite bool
	// AllowOrigins are other sites that may, as a browser names them in Origin:
	// "http://localhost:5173".
	AllowOrigins []string
	// RedirectPlain answers http: with a redirect to https: where the engine
	// has TLS; else both are served.
	RedirectPlain bool
	// Host is sent to the service instead of the name that was asked for.
	Host string
	// Origin is what Host is to the service's own pages, such as
	// "http://localhost:3000": Origin, Referer and Location are made to match.
	Origin string
	// Raw is a service that speaks no HTTP: no request leads to it, but a
	// connection over TLS that asks for one of its names does (raw.go).
	Raw bool
}

// Table is an immutable set of services. Engine.SetTable puts it to use.
type Table struct {
	services []Service
	names    map[string]int // exact names to services
	wild     map[string]int // names whose subdomains lead there too
	raw      map[string]int // exact names of services that are Raw
	ports    map[string]int // names below which numbers are ports
	unlisted map[string]bool
}

// NewTable checks services: identifiers and names are unique, and names are
// host names.
func NewTable(services []Service) (*Table, error) {
	t := &Table{services: make([]Service, len(services)), names: map[string]int{}, wild: map[string]int{}, raw: map[string]int{}, ports: map[string]int{}, unlisted: map[string]bool{}}
	copy(t.services, services)
	ids := make(map[string]bool, len(services))
	for i := range t.services {
		s := &t.services[i]
		if s.ID == "" || ids[s.ID] {
			return nil, fmt.Errorf("make table: service %q twice or without an identifier", s.ID)
		}
		ids[s.ID] = true
		for _, p := range s.Endpoints {
			if p.Path == "" && !p.Addr.IsValid() {
				return nil, fmt.Errorf("make table: service %s: an endpoint without address and path", s.ID)
			}
		}
		if strings.ContainsFunc(s.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return nil, fmt.Errorf("make table: service %s: %q is not a host", s.ID, s.Host)
		}
		for _, n := range s.Names {
			if !hostName(n.Host) {
				return nil, fmt.Errorf("make table: service %s: %q is not a lower-case host name", s.ID, n.Host)
			}
			for _, known := range []map[string]int{t.names, t.raw} {
				if other, taken := known[n.Host]; taken {
					return nil, fmt.Errorf("make table: %s is a name of %s and of %s", n.Host, t.services[other].ID, s.ID)
				}
			}
			if s.Raw {
				t.raw[n.Host] = i
				continue
			}
			t.names[n.Host] = i
			if n.Unlisted {
				t.unlisted[n.Host] = true
			}
			if n.Wildcard {
				t.wild[n.Host] = i
			}
			if n.Ports {
				t.ports[n.Host] = i
			}
		}
	}
	return t, nil
}

// hostName reports whether s is made of DNS labels, in lower case. Underscores
// are no part of host names, but browsers take them.
func hostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for l := range strings.SplitSeq(s, ".") {
		if l == "" || len(l) > 63 {
			return false
		}
		for i := range len(l) {
			c := l[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// find returns the service for a host name in lower case, or -1. host may have
// more labels than a name with a wildcard. port is not 0 where the name means a
// port of the service for which the table has no name.
func (t *Table) find(host []byte) (i int, port uint16) {
	if i, ok := t.names[string(host)]; ok {
		return i, 0
	}
	for {
		dot := bytes.IndexByte(host, '.')
		if dot < 0 {
			return -1, 0
		}
		label := host[:dot]
		host = host[dot+1:]
		if i, ok := t.ports[string(host)]; ok {
			if port := portNumber(label); port != 0 {
				return i, port
			}
		}
		if i, ok := t.wild[string(host)]; ok {
			return i, 0
		}
	}
}

// portNumber reads a port as host names have it, or returns 0.
func portNumber(label []byte) uint16 {
	if len(label) == 0 || label[0] == '0' {
		return 0
	}
	n, err := strconv.ParseUint(string(label), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
