package explain

import (
	"net/netip"
	"slices"

	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Report is the answer. Its JSON is what `lodge explain --json` prints.
type Report struct {
	Input     string          `json:"input"`
	Kind      input.Kind      `json:"kind"`
	Operation input.Operation `json:"operation,omitempty"`
	Error     string          `json:"error,omitempty"`
	Address   *Address        `json:"address,omitempty"`
	Port      *Port           `json:"port,omitempty"`
	// Name is set where the name is one of lodge's.
	Name *Name `json:"lodge_name,omitempty"`
	// Answer is one to three sentences.
	Answer string `json:"answer"`
	// Listeners wait for others on the address; Connections have it at their
	// own end, or at the other one if that is another machine.
	Listeners   []sockets.Row `json:"listeners"`
	Connections []sockets.Row `json:"connections"`
	// Serving are the sockets of the service that lodge hands requests to.
	Serving []sockets.Row `json:"service_listeners,omitempty"`
	Causes  []Cause       `json:"causes"`
	// Service is the one of which the answer tells: lodge holds the socket for
	// it, it had the port, or its name was given.
	Service *Kept `json:"service,omitempty"`
	// Unix is set where the path of a Unix socket was asked for.
	Unix *UnixSocket `json:"unix,omitempty"`
	// Also are the other failures of which a message tells.
	Also []Also `json:"also,omitempty"`
	// Ancestors are those of the processes in the rows, nearest first, by pid.
	Ancestors map[int][]Ancestor `json:"ancestors"`
	// Unknown says what could not be found out.
	Unknown []string `json:"unknown,omitempty"`

	// Lines are the evidence as pairs of a label and a text, for people.
	Lines []Line `json:"-"`
	// Hints are what to do.
	Hints []string `json:"-"`
}

// Address is what an address or a name means.
type Address struct {
	Name      string         `json:"name,omitempty"`
	IP        *netip.Addr    `json:"ip,omitempty"`
	Scope     loopback.Scope `json:"scope,omitempty"`
	Block     string         `json:"block,omitempty"`
	BlockName string         `json:"block_name,omitempty"`
	RFC       string         `json:"rfc,omitempty"`
	Reach     string         `json:"reach,omitempty"`
	Local     bool           `json:"local"`
	Interface string         `json:"interface,omitempty"`
	Project   string         `json:"project,omitempty"`
	// Resolved are the addresses of a name, in the order in which programs try
	// them; ResolvedBy says who knows it.
	Resolved   []netip.Addr `json:"resolved,omitempty"`
	ResolvedBy string       `json:"resolved_by,omitempty"`
	NameRFC    string       `json:"name_rfc,omitempty"`
	NameMeans  string       `json:"name_meaning,omitempty"`
}

// Port is what a port number means, here and by its registry.
type Port struct {
	Port        uint16            `json:"port"`
	Protocol    loopback.Protocol `json:"protocol,omitempty"`
	Class       loopback.Class    `json:"class"`
	IANAName    string            `json:"iana_name,omitempty"`
	Description string            `json:"iana_description,omitempty"`
	CommonUse   string            `json:"common_use,omitempty"`
	// Ephemeral says that the kernel may take it for an outgoing connection,
	// Reserved that it is kept out of that by ip_local_reserved_ports, and
	// Privileged that not everybody may bind it.
	Ephemeral      bool   `json:"ephemeral"`
	Reserved       bool   `json:"reserved"`
	Privileged     bool   `json:"privileged"`
	EphemeralFirst uint16 `json:"ephemeral_first"`
	EphemeralLast  uint16 `json:"ephemeral_last"`
}

// Report makes the answer of the facts.
func (f *Facts) Report() *Report {
	r := &Report{
		Input: f.Question.Text, Kind: f.Question.Kind, Operation: f.Question.Operation, Error: f.Question.Errno,
		Address: f.address(), Port: f.port(), Name: f.Name, Serving: f.Serving, Causes: f.Causes(), Unknown: f.Unknown, Service: f.Kept,
		Listeners: []sockets.Row{}, Connections: []sockets.Row{}, Ancestors: make(map[int][]Ancestor),
	}
	r.Unix = f.Unix
	for _, o := range f.Others {
		r.Also = append(r.Also, o.also())
	}
	if f.Unix != nil {
		for _, row := range f.unixListeners() {
			r.Listeners = append(r.Listeners, *row)
		}
	}
	for _, row := range f.listening() {
		r.Listeners = append(r.Listeners, *row)
	}
	for _, row := range f.connections() {
		r.Connections = append(r.Connections, *row)
	}
	if len(r.Listeners)+len(r.Connections)+len(r.Serving)+len(f.Elsewhere) == 0 && !f.aboutName() {
		r.Unknown = slices.Compact(slices.Concat(f.Unknown, f.Unseen))
	}
	for pid, p := range f.Processes {
		if len(p.Ancestors) > 0 {
			r.Ancestors[pid] = p.Ancestors
		}
	}
	r.Answer = f.answer(r)
	for i := range r.Also {
		r.Answer += " The message tells of another failure, too: " + r.Also[i].sentence()
	}
	r.Lines = f.lines(r)
	r.Hints = f.hints(r)
	return r
}

// listening are the sockets that wait for others on what was asked for.
func (f *Facts) listening() []*sockets.Row {
	var out []*sockets.Row
	for i := range f.Rows {
		r := &f.Rows[i]
		if !listens(r) || f.Question.HasPort && r.Local.Port != f.Question.Port {
			continue
		}
		if f.Question.Protocol != "" && r.Protocol != f.Question.Protocol {
			continue
		}
		if n := f.Name; n != nil && n.Service != nil && !f.Question.HasPort && r.Service != n.Service.Name {
			continue // the home is all of the project's
		}
		if len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, func(ip netip.Addr) bool { return overlaps(r, ip) || slices.Contains(f.home(ip), r.Local.IP) }) {
			out = append(out, r)
		}
	}
	return out
}

// connections are the sockets with a peer whose near end is what was asked
// for, or whose far end is and is not of this machine.
func (f *Facts) connections() []*sockets.Row {
	var out []*sockets.Row
	if !f.Question.HasPort {
		return out
	}
	is := func(a *sockets.Address) bool {
		return a.Port == f.Question.Port && (len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, func(ip netip.Addr) bool {
			return ip.IsUnspecified() || ip.Unmap() == a.IP.Unmap() || slices.Contains(f.home(ip), a.IP)
		}))
	}
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Remote == nil || r.Local == nil || listens(r) || f.Question.Protocol != "" && r.Protocol != f.Question.Protocol {
			continue
		}
		if is(r.Local) || is(r.Remote) && !f.isLocal(r.Remote.IP) {
			out = append(out, r)
		}
	}
	return out
}

func (f *Facts) address() *Address {
	a := &Address{Name: f.Question.Name}
	if a.Name != "" {
		a.Resolved, a.ResolvedBy = f.Resolution.Addresses, f.Resolution.Source
		if s, ok := loopback.SpecialNameOf(a.Name); ok {
			a.NameRFC, a.NameMeans = s.RFC, s.Meaning
		}
	}
	if len(f.Targets) == 0 {
		if a.Name == "" {
			return nil
		}
		return a
	}
	ip := f.Targets[0]
	b := loopback.BlockOf(ip)
	a.IP, a.Block, a.BlockName, a.RFC, a.Reach = &ip, b.Prefix.String(), b.Name, b.RFC, b.Reach
	a.Local, a.Interface = f.isLocal(ip), f.Local[ip.WithZone("")]
	if a.Local && a.Interface == "" && ip.IsLoopback() {
		a.Interface = "lo"
	}
	a.Scope = f.scope(ip)
	a.Reach = f.reach(ip)
	if p := f.project(ip); p != nil {
		a.Project = p.Name
	}
	return a
}

// scope tells from where an address can be reached, as lodge ports does.
func (f *Facts) scope(ip netip.Addr) loopback.Scope {
	if f.Scope == nil {
		return ""
	}
	return f.Scope(ip)
}

// reach reports who can reach an address, as the end of "… can be reached".
func (f *Facts) reach(ip netip.Addr) string {
	if f.scope(ip) == loopback.ScopeContainer {
		return loopback.ScopeContainer.Reach()
	}
	return loopback.BlockOf(ip).Reach
}

func (f *Facts) port() *Port {
	if !f.Question.HasPort || f.Implied {
		return nil
	}
	n := f.Question.Port
	p := &Port{
		Port: n, Protocol: f.Question.Protocol, Class: loopback.PortClass(n),
		Ephemeral: n != 0 && f.Kernel.IsEphemeral(n), Reserved: f.Kernel.IsReserved(n), Privileged: n != 0 && n < f.Kernel.UnprivilegedStart,
		EphemeralFirst: f.Kernel.EphemeralFirst, EphemeralLast: f.Kernel.EphemeralLast,
	}
	if a, ok := loopback.Assigned(f.protocol(), n); ok {
		p.IANAName, p.Description = a.Name, a.Description
	}
	p.CommonUse, _ = loopback.CommonUse(n)
	return p
}
