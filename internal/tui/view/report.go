package view

import (
	"net/netip"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Report is a frame as JSON has it. Of the lists only that of the view is
// there. Rates are in bytes a second and left out where they are not known.
type Report struct {
	Time          time.Time          `json:"time"`
	View          string             `json:"view"`
	Counts        Counts             `json:"counts"`
	UnknownOwners int                `json:"unknown_owners"`
	Warnings      []string           `json:"warnings,omitempty"`
	Projects      []ReportService    `json:"projects,omitzero"`
	Listeners     []ReportListener   `json:"listeners,omitzero"`
	Connections   []ReportConnection `json:"connections,omitzero"`
	Talks         []ReportTalk       `json:"talk,omitzero"`
}

// ReportRates are of one direction each. For a service or a listener, received
// is what comes in; for a connection, sent is what its client sends.
type ReportRates struct {
	Sent     *float64 `json:"sent_bytes_per_second,omitempty"`
	Received *float64 `json:"received_bytes_per_second,omitempty"`
}

// ReportParty is one end of a connection, or a listener.
type ReportParty struct {
	Address   *sockets.Address   `json:"address,omitempty"`
	Processes []*sockets.Process `json:"processes"`
	Unknown   bool               `json:"owner_unknown,omitempty"`
	Closed    *sockets.Process   `json:"closed_by,omitempty"`
	Project   string             `json:"project,omitempty"`
	Service   string             `json:"service,omitempty"`
}

// ReportService is a service of a project; Service is empty for a project
// without any.
type ReportService struct {
	Project     string     `json:"project"`
	Service     string     `json:"service,omitempty"`
	State       string     `json:"state"`
	Reason      string     `json:"reason,omitempty"`
	Home        string     `json:"home"`
	Ports       []string   `json:"ports"`
	PID         int        `json:"pid,omitempty"`
	StartedAt   *time.Time `json:"started_at,omitempty"`
	Connections int        `json:"connections"`
	ReportRates
}

// ReportListener is a socket that waits for connections or datagrams.
type ReportListener struct {
	Protocol     loopback.Protocol `json:"protocol"`
	Scope        loopback.Scope    `json:"scope,omitempty"`
	Owner        ReportParty       `json:"owner"`
	Namespace    string            `json:"network_namespace_name,omitempty"`
	Connections  int               `json:"connections"`
	Backlog      *uint32           `json:"backlog,omitempty"`
	BacklogLimit *uint32           `json:"backlog_limit,omitempty"`
	ReportRates
}

// ReportConnection is a connection, each once.
type ReportConnection struct {
	Protocol  loopback.Protocol `json:"protocol"`
	State     string            `json:"state"`
	Client    ReportParty       `json:"client"`
	Server    ReportParty       `json:"server"`
	Namespace string            `json:"network_namespace_name,omitempty"`
	RTT       uint32            `json:"rtt_us,omitempty"`
	ReportRates
}

// ReportTalk is all connections of one program to one port of another.
type ReportTalk struct {
	Protocol    loopback.Protocol `json:"protocol"`
	Client      string            `json:"client"`
	Server      string            `json:"server"`
	Port        uint16            `json:"port"`
	Connections int               `json:"connections"`
	RTT         uint32            `json:"rtt_us,omitempty"`
	ReportRates
}

func ratesOf(r Rate) ReportRates {
	if !r.Known {
		return ReportRates{}
	}
	return ReportRates{Sent: &r.Send, Received: &r.Receive}
}

func reportParty(p Party, at netip.AddrPort) ReportParty {
	out := ReportParty{Processes: p.Processes, Unknown: p.Unknown, Closed: p.Closed, Project: p.Project, Service: p.Service}
	if out.Processes == nil {
		out.Processes = []*sockets.Process{}
	}
	if at.IsValid() {
		out.Address = &sockets.Address{IP: at.Addr(), Port: at.Port()}
	}
	return out
}

// Report returns the frame with the items of one of the digest's lists, in their order.
func (d *Digest) Report(v List) Report {
	out := Report{
		Time: d.frame.Time.UTC(), View: v.Title(), Counts: d.Counts,
		UnknownOwners: d.frame.UnknownOwners, Warnings: d.frame.Warnings,
	}
	switch l := v.(type) {
	case *list[serviceItem]:
		out.Projects = make([]ReportService, l.Len())
		for i := range out.Projects {
			s := l.at(i)
			out.Projects[i] = ReportService{
				Project: s.Project.Name, State: s.State, Reason: s.Reason, Home: s.Project.Home, Ports: s.Ports,
				PID: s.PID, StartedAt: s.Started, Connections: s.Connections, ReportRates: ratesOf(s.Rate),
			}
			if s.Service != nil {
				out.Projects[i].Service = s.Service.Name
			}
		}
	case *list[listenerItem]:
		out.Listeners = make([]ReportListener, l.Len())
		for i := range out.Listeners {
			s := l.at(i)
			out.Listeners[i] = ReportListener{
				Protocol: s.Protocol, Scope: s.Scope, Owner: reportParty(s.Owner, s.Address), Namespace: s.Namespace,
				Connections: s.Connections, Backlog: s.Backlog, BacklogLimit: s.BacklogLimit, ReportRates: ratesOf(s.Rate),
			}
		}
	case *list[connectionItem]:
		out.Connections = make([]ReportConnection, l.Len())
		for i := range out.Connections {
			c := l.at(i)
			out.Connections[i] = ReportConnection{
				Protocol: c.Protocol, State: c.State, Client: reportParty(c.Client, c.ClientAt), Server: reportParty(c.Server, c.ServerAt),
				Namespace: c.Namespace, RTT: c.RTT, ReportRates: ratesOf(c.Rate),
			}
		}
	case *list[talkItem]:
		out.Talks = make([]ReportTalk, l.Len())
		for i := range out.Talks {
			t := l.at(i)
			out.Talks[i] = ReportTalk{
				Protocol: t.Protocol, Client: t.ClientName, Server: t.ServerName, Port: t.ServerAt.Port(),
				Connections: t.Connections, RTT: t.RTT, ReportRates: ratesOf(t.Rate),
			}
		}
	}
	return out
}
