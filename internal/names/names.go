// Package names says what services are called: which host names lead to which
// service of which project. It is pure: it knows no socket, no proxy and no
// resolver, and it is made anew whenever the services change.
package names

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lodge/internal/service"
)

// The domains that names are in. localhost is this machine by definition
// (RFC 6761, section 6.3), so those names need no resolver: HTTP goes through
// the proxy there. test is free for local use (section 6.2): those names are
// resolved to homes, for any protocol on its usual port.
const (
	HTTPDomain = "localhost"
	TCPDomain  = "test"
)

// Project is one project with the services that names may lead to.
type Project struct {
	ID   string
	Name string
	// Label is what the project is called in host names: one DNS label that no
	// other project has.
	Label    string
	Path     string
	Home     netip.Addr
	Services []service.Status
}

// Kind says what a host name is.
type Kind int

// The kinds of host names.
const (
	// Foreign is a name that is none of lodge's, such as one that an attacker's
	// resolver points at this machine.
	Foreign Kind = iota
	// Index is localhost itself, where all names are listed.
	Index
	// Unknown is below localhost, and leads nowhere.
	Unknown
	// NoDefault is a project's own name where it is not clear which service
	// is meant.
	NoDefault
	// Service is the name of a service.
	Service
)

// Match is what a host name leads to.
type Match struct {
	Kind    Kind
	Project *Project
	Service *service.Status
	// Port is the port of the service that the name means, by its number or by
	// a name that the file gives it; 0 where the name is the service's own.
	Port uint16
	// Candidates are the services that a project's own name could mean, for
	// Kind NoDefault; who speaks HTTP decides.
	Candidates []*service.Status
}

// Named reports whether the host name is one of lodge's, for which there may be
// a certificate.
func (m Match) Named() bool { return m.Kind == Service || m.Kind == NoDefault || m.Kind == Index }

// Table is all names at one moment. It is not changed after New.
type Table struct {
	projects []Project
	labels   map[string]*Project
}

// New makes the table. Labels must differ; of two with one label the first has it.
func New(projects []Project) *Table {
	t := &Table{projects: slices.Clone(projects), labels: make(map[string]*Project, len(projects))}
	slices.SortStableFunc(t.projects, func(a, b Project) int { return strings.Compare(a.Label, b.Label) })
	for i := range t.projects {
		p := &t.projects[i]
		if _, taken := t.labels[p.Label]; !taken {
			t.labels[p.Label] = p
		}
	}
	return t
}

// Normalize returns a host name as the table has it: lower case, without the
// port, the root's dot or brackets. host is as the Host header (RFC 9110,
// section 7.2), the :authority or the SNI have it.
func Normalize(host string) string {
	if strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > 0 {
			return strings.ToLower(host[1:end])
		}
		return host
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host, ':') == i {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// Find reports what a host name, which Normalize gave, leads to.
func (t *Table) Find(host string) Match {
	if host == HTTPDomain {
		return Match{Kind: Index}
	}
	rest, ok := strings.CutSuffix(host, "."+HTTPDomain)
	if !ok || rest == "" {
		return Match{Kind: Foreign}
	}
	labels := strings.Split(rest, ".")
	last := len(labels) - 1
	p := t.labels[labels[last]]
	if p == nil {
		return Match{Kind: Unknown}
	}
	if last == 0 {
		return p.bare()
	}
	if slices.Contains(labels, "") {
		return Match{Kind: Unknown, Project: p}
	}
	// Whatever stands in front of a service's name leads to it as well, but for
	// the number of a port.
	if m := p.below(labels[last-1]); m.Service != nil {
		if last > 1 && m.Port == 0 {
			m.Port = PortLabel(labels[last-2])
		}
		return m
	}
	return p.onPort(PortLabel(labels[last-1]))
}

// FindTCP reports what a host name below test, which Normalize gave, leads to. A
// project's own name leads to its home, whatever the services: NoDefault.
func (t *Table) FindTCP(host string) Match {
	rest, ok := strings.CutSuffix(host, "."+TCPDomain)
	if !ok || rest == "" {
		return Match{Kind: Foreign}
	}
	labels := strings.Split(rest, ".")
	last := len(labels) - 1
	p := t.labels[labels[last]]
	switch {
	case p == nil:
		return Match{Kind: Unknown}
	case last == 0:
		return Match{Kind: NoDefault, Project: p}
	}
	m := p.below(labels[last-1])
	switch {
	case last == 1:
		return m
	case last == 2 && m.Service != nil && m.Port == 0 && PortLabel(labels[0]) != 0:
		m.Port = PortLabel(labels[0])
		return m
	}
	return Match{Kind: Unknown} // nothing stands in front of these names
}

// below finds a service, or a port, by its name in the project.
func (p *Project) below(label string) Match {
	if s := p.service(label); s != nil {
		return Match{Kind: Service, Project: p, Service: s}
	}
	for i := range p.Services {
		for _, n := range p.Services[i].PortNames {
			if n.Name == label {
				return Match{Kind: Service, Project: p, Service: &p.Services[i], Port: n.Port}
			}
		}
	}
	return Match{Kind: Unknown, Project: p}
}

// onPort finds the service of the project that listens on a TCP port; where
// none does, the default one is meant.
func (p *Project) onPort(port uint16) Match {
	if port == 0 {
		return Match{Kind: Unknown, Project: p}
	}
	m := p.bare()
	if m.Service != nil && len(EndpointsAt(m.Service, port)) > 0 {
		return Match{Kind: Service, Project: p, Service: m.Service, Port: port}
	}
	for i := range p.Services {
		if len(EndpointsAt(&p.Services[i], port)) > 0 {
			return Match{Kind: Service, Project: p, Service: &p.Services[i], Port: port}
		}
	}
	if m.Service != nil {
		return Match{Kind: Service, Project: p, Service: m.Service, Port: port}
	}
	return Match{Kind: Unknown, Project: p}
}

// service finds a service by its name as host names have it.
func (p *Project) service(label string) *service.Status {
	for i := range p.Services {
		if p.Services[i].Name == label {
			return &p.Services[i]
		}
	}
	return nil
}

// bare reports what the project's own name leads to: the service that the file
// names, else the only one that could speak HTTP.
func (p *Project) bare() Match {
	var could []*service.Status
	for i := range p.Services {
		s := &p.Services[i]
		if s.Default {
			return Match{Kind: Service, Project: p, Service: s}
		}
		if MaySpeakHTTP(s) {
			could = append(could, s)
		}
	}
	if len(could) == 1 {
		return Match{Kind: Service, Project: p, Service: could[0]}
	}
	return Match{Kind: NoDefault, Project: p, Candidates: could}
}

// HTTPName returns the name of a service, without a port.
func (p *Project) HTTPName(service string) string {
	return service + "." + p.Label + "." + HTTPDomain
}

// TCPName returns the name of a service for any protocol.
func (p *Project) TCPName(service string) string { return service + "." + p.Label + "." + TCPDomain }

// BareName returns the project's own HTTP name.
func (p *Project) BareName() string { return p.Label + "." + HTTPDomain }

// Projects lists the projects by their labels.
func (t *Table) Projects() []Project { return t.projects }

// HTTPNames lists the names that lead somewhere, for a page that helps.
func (t *Table) HTTPNames() []string {
	var out []string
	for i := range t.projects {
		p := &t.projects[i]
		if m := p.bare(); m.Kind == Service || len(m.Candidates) > 0 {
			out = append(out, p.BareName())
		}
		for j := range p.Services {
			if MaySpeakHTTP(&p.Services[j]) {
				out = append(out, p.HTTPName(p.Services[j].Name))
			}
			for _, n := range p.portNames(&p.Services[j]) {
				out = append(out, p.HTTPName(n.Name))
			}
		}
	}
	return out
}

// TCPNames lists the names of one project that are resolved to its home.
func (p *Project) TCPNames() []string {
	out := []string{p.Label + "." + TCPDomain}
	for _, s := range p.Services {
		if s.State != service.Exited {
			out = append(out, p.TCPName(s.Name))
		}
		for _, n := range p.portNames(&s) {
			out = append(out, p.TCPName(n.Name))
		}
	}
	return out
}

// portNames lists the names of a service's ports, without those that are names
// of services: a command that runs may have taken one.
func (p *Project) portNames(s *service.Status) []service.PortName {
	var out []service.PortName
	for _, n := range s.PortNames {
		if p.service(n.Name) == nil {
			out = append(out, n)
		}
	}
	return out
}

// Clean makes a DNS label (RFC 1123, section 2.1) of a project's name, which
// mostly is one.
func Clean(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 63 {
			break
		}
	}
	if l := strings.Trim(b.String(), "-"); l != "" {
		return l
	}
	return "project"
}

// Label returns the first label after want that is not taken: want itself, then
// want with a number.
func Label(want string, taken func(string) bool) string {
	if !taken(want) {
		return want
	}
	for i := 2; ; i++ {
		suffix := fmt.Sprintf("-%d", i)
		l := want
		if len(l)+len(suffix) > 63 { // RFC 1035, section 2.3.4
			l = strings.TrimRight(l[:63-len(suffix)], "-")
		}
		if l += suffix; !taken(l) {
			return l
		}
	}
}
