package model

import (
	"net/netip"
	"time"

	"lodge/internal/loopback"
)

// Kind says of what sort a piece of evidence is, and so which of its fields is set.
type Kind string

// The kinds of evidence. KindFact has no field of its own: its sentence is all.
const (
	KindFact    Kind = "fact"
	KindSocket  Kind = "socket"
	KindProcess Kind = "process"
	KindRule    Kind = "rule"
	KindRoute   Kind = "route"
	KindFile    Kind = "file"
	KindSysctl  Kind = "sysctl"
	KindCounter Kind = "counter"
	KindLimit   Kind = "limit"
	KindName    Kind = "name"
	KindService Kind = "service"
	KindAddress Kind = "address"
)

// Evidence is one fact that shows a finding: a sentence for people, and the same
// in fields for programs.
type Evidence struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text"`

	Socket  *Socket  `json:"socket,omitempty"`
	Process *Process `json:"process,omitempty"`
	Rule    *Rule    `json:"rule,omitempty"`
	Route   *Route   `json:"route,omitempty"`
	File    *File    `json:"file,omitempty"`
	Sysctl  *Sysctl  `json:"sysctl,omitempty"`
	Counter *Counter `json:"counter,omitempty"`
	Limit   *Limit   `json:"limit,omitempty"`
	Name    *Name    `json:"name,omitempty"`
	Service *Service `json:"service,omitempty"`
	Address *Address `json:"address,omitempty"`
}

// Fact returns evidence that is a sentence only.
func Fact(text string) Evidence { return Evidence{Kind: KindFact, Text: text} }

// Facts returns evidence that is sentences only.
func Facts(texts ...string) []Evidence {
	out := make([]Evidence, 0, len(texts))
	for _, s := range texts {
		out = append(out, Fact(s))
	}
	return out
}

// Endpoint is an address and a port.
type Endpoint struct {
	IP   netip.Addr `json:"ip"`
	Port uint16     `json:"port"`
}

// Process is a process. Its number alone names another one later: Start tells
// them apart.
type Process struct {
	PID int `json:"pid"`
	// Start is when it started, in clock ticks since boot (proc(5), field 22 of
	// /proc/PID/stat); zero where it is not known.
	Start     uint64     `json:"start_ticks,omitempty"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	Name      string     `json:"name,omitempty"`
	Command   string     `json:"command,omitempty"`
	Directory string     `json:"directory,omitempty"`
	User      string     `json:"user,omitempty"`
}

// Socket is a socket of this machine. A Unix socket has a path and no addresses.
type Socket struct {
	Protocol loopback.Protocol `json:"protocol"`
	State    string            `json:"state"`
	Local    *Endpoint         `json:"local,omitempty"`
	Remote   *Endpoint         `json:"remote,omitempty"`
	Path     string            `json:"path,omitempty"`
	Inode    uint32            `json:"inode,omitempty"`
	// Namespace is the inode number of its network namespace; zero for that of
	// the program that looked.
	Namespace uint32    `json:"network_namespace,omitempty"`
	Processes []Process `json:"processes,omitempty"`
}

// Rule is a rule of the packet filter, in the words of nft(8) or iptables(8).
type Rule struct {
	Family  string `json:"family,omitempty"`
	Table   string `json:"table,omitempty"`
	Chain   string `json:"chain"`
	Hook    string `json:"hook,omitempty"`
	Text    string `json:"text,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// Route is what the kernel says of the way to an address.
type Route struct {
	IP netip.Addr `json:"ip"`
	// Type is unreachable, prohibit or blackhole (ip-route(8)), or "none".
	Type      string `json:"type"`
	Interface string `json:"interface,omitempty"`
}

// File is a file or a directory.
type File struct {
	Path string `json:"path"`
	// Type is socket, directory or other; "" where there is no such file.
	Type  string `json:"type,omitempty"`
	Mode  string `json:"mode,omitempty"`
	User  string `json:"user,omitempty"`
	Group string `json:"group,omitempty"`
}

// Sysctl is a setting of the kernel, by its name in sysctl(8).
type Sysctl struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Counter is a number that was counted, by its name.
type Counter struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// Limit is how much of something there is, and how much there may be.
type Limit struct {
	// Name is that of the limit: backlog, RLIMIT_NOFILE, ip_local_port_range.
	Name string `json:"name"`
	Used uint64 `json:"used"`
	Max  uint64 `json:"max"`
	// PID is the process that it holds back, zero for none.
	PID int `json:"pid,omitempty"`
}

// Name is what a host name means.
type Name struct {
	Host string `json:"host"`
	// Addresses are in the order in which programs try them.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// Source knows the name, or was asked for it: a file, DNS, an RFC.
	Source string `json:"source,omitempty"`
}

// Service is a service of a project, as lodge supervises it.
type Service struct {
	Project string `json:"project,omitempty"`
	Name    string `json:"name"`
	State   string `json:"state,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Exit    *int   `json:"exit_status,omitempty"`
}

// Address is an IP address and the interface that has it.
type Address struct {
	IP netip.Addr `json:"ip"`
	// Interface has it; "" where none of this machine does.
	Interface string `json:"interface,omitempty"`
	// Block is the registered block that it is in (RFC 6890), such as 10.0.0.0/8.
	Block string `json:"block,omitempty"`
	// Namespace is the inode number of another network namespace that has it.
	Namespace uint32 `json:"network_namespace,omitempty"`
}
