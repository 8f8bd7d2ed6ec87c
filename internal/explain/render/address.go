package render

import (
	"net/netip"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
)

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
	// them; ResolvedBy is what knows it.
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
	// Privileged that not every user may bind it.
	Ephemeral      bool   `json:"ephemeral"`
	Reserved       bool   `json:"reserved"`
	Privileged     bool   `json:"privileged"`
	EphemeralFirst uint16 `json:"ephemeral_first"`
	EphemeralLast  uint16 `json:"ephemeral_last"`
}

func address(f *facts.Facts) *Address {
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
	a.Local, a.Interface = f.IsLocal(ip), f.Local[ip.WithZone("")]
	if a.Local && a.Interface == "" && ip.IsLoopback() {
		a.Interface = "lo"
	}
	a.Scope = f.Scope
	a.Reach = loopback.ReachOf(f.Scope, ip)
	if p := f.ProjectOf(ip); p != nil {
		a.Project = p.Name
	}
	return a
}

func port(f *facts.Facts) *Port {
	if !f.Question.HasPort || f.Implied {
		return nil
	}
	n := f.Question.Port
	p := &Port{
		Port: n, Protocol: f.Question.Protocol, Class: loopback.PortClass(n),
		Ephemeral: n != 0 && f.Kernel.IsEphemeral(n), Reserved: f.Kernel.IsReserved(n), Privileged: n != 0 && n < f.Kernel.UnprivilegedStart,
		EphemeralFirst: f.Kernel.EphemeralFirst, EphemeralLast: f.Kernel.EphemeralLast,
	}
	if a, ok := loopback.Assigned(f.Protocol(), n); ok {
		p.IANAName, p.Description = a.Name, a.Description
	}
	p.CommonUse, _ = loopback.CommonUse(n)
	return p
}
