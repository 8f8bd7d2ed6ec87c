package policy

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Table is an immutable set of services, by their host names.
type Table struct {
	services []Service
	ids      map[string]int
	names    map[string]int // exact names to services
	wild     map[string]int // names whose subdomains lead there too
	raw      map[string]int // exact names of services that are Raw
	ports    map[string]int // names below which numbers are ports
	unlisted map[string]bool
}

// NewTable checks services: identifiers and names are unique, and names are
// host names.
func NewTable(services []Service) (*Table, error) {
	t := &Table{services: make([]Service, len(services)), ids: map[string]int{}, names: map[string]int{}, wild: map[string]int{}, raw: map[string]int{}, ports: map[string]int{}, unlisted: map[string]bool{}}
	copy(t.services, services)
	for i := range t.services {
		s := &t.services[i]
		if _, twice := t.ids[s.ID]; s.ID == "" || twice {
			return nil, fmt.Errorf("make table: service %q twice or without an identifier", s.ID)
		}
		t.ids[s.ID] = i
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

// Find returns the index of the service for a host name in lower case, or -1. host may have
// more labels than a name with a wildcard. port is not 0 where the name means a
// port of the service for which the table has no name.
func (t *Table) Find(host []byte) (i int, port uint16) {
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

// Raw returns the index of the service without HTTP that has a name, or -1.
func (t *Table) Raw(name []byte) int {
	if i, ok := t.raw[string(name)]; ok {
		return i
	}
	return -1
}

// Len returns the number of services.
func (t *Table) Len() int { return len(t.services) }

// Service returns the service with an index.
func (t *Table) Service(i int) *Service { return &t.services[i] }

// Names calls f with each exact name of a service that speaks HTTP.
func (t *Table) Names(f func(name string, s *Service, unlisted bool)) {
	for name, i := range t.names {
		f(name, &t.services[i], t.unlisted[name])
	}
}
