package explain

import (
	"slices"

	"lodge/internal/explain/input"
)

// Code names a cause for good: programs compare it.
type Code string

// The causes of a connection that fails, of a bind that fails, or both.
const (
	NobodyListens   Code = "nobody_listens"
	OtherAddress    Code = "listens_on_other_address"
	InHome          Code = "listens_in_home"
	InNamespace     Code = "listens_in_namespace"
	BoundOnly       Code = "bound_not_listening"
	ProcessDied     Code = "process_died"
	ProcessStopped  Code = "process_stopped"
	BacklogFull     Code = "backlog_full"
	FamilyOrder     Code = "family_order"
	ListensNow      Code = "listens_now"
	PortsExhausted  Code = "ephemeral_exhausted"
	NameUnknown     Code = "name_not_resolved"
	FirewallRule    Code = "firewall"
	NotLocal        Code = "not_local"
	ReusePortShared Code = "reuseport_shared"
	HeldByProcess   Code = "held_by_process"
	HeldInHome      Code = "held_in_home"
	TimeWait        Code = "time_wait"
	EphemeralTaken  Code = "ephemeral_taken"
	SelfConnected   Code = "self_connected"
	PrivilegedPort  Code = "privileged_port"
	FreeNow         Code = "free_now"
	LoopbackDown    Code = "loopback_down"
	NoRoute         Code = "no_route"
	CloseWait       Code = "close_wait"
	ForwardsNowhere Code = "forwards_nowhere"
	DescriptorsUsed Code = "descriptors_used_up"

	// Of Unix sockets.
	SocketMissing Code = "socket_missing"
	SocketStale   Code = "socket_stale"
	SocketDenied  Code = "socket_denied"
	NotASocket    Code = "not_a_socket"
	WrongType     Code = "wrong_socket_type"

	// Of names that lodge gives.
	ServiceDown     Code = "service_not_running"
	ServiceStarting Code = "service_not_ready"
	NoSuchService   Code = "no_such_service"
	NotHTTP         Code = "not_http"
	OtherPort       Code = "served_on_other_port"
)

// Cause is one reason, with what shows it and what to do.
type Cause struct {
	Code Code `json:"code"`
	// Operation is what fails by it: connect or bind.
	Operation input.Operation `json:"operation"`
	// Sure is false where the evidence is good but something could not be seen.
	Sure     bool     `json:"sure"`
	Summary  string   `json:"summary"`
	Evidence []string `json:"evidence"`
	Hint     string   `json:"hint,omitempty"`
	// PIDs are the processes that would have to end.
	PIDs []int `json:"pids,omitempty"`
}

// Causes returns why a connection and a bind would fail now, each with the
// likeliest first. Where the input tells which of both failed, only that.
func (f *Facts) Causes() []Cause {
	out := []Cause{}
	if f.Unix != nil {
		return f.unixCauses()
	}
	if f.Question.HasPort && f.Question.Port == 0 {
		return out
	}
	names := f.nameCauses()
	out = append(out, names...)
	about := f.aboutName()
	switch {
	case f.Resolution != nil && len(f.Targets) == 0:
		if len(names) == 0 {
			out = append(out, f.nameUnknown())
		}
		return out
	case about && (!f.Name.Up || f.Name.Missing != ""):
		return out
	}
	if f.Question.Operation != input.Bind {
		out = append(out, f.connectCauses()...)
	}
	// Nobody binds by such a name, who does not say so.
	if f.Question.HasPort && f.Question.Operation != input.Connect && (f.Name == nil || f.Question.Operation == input.Bind) {
		out = append(out, f.bindCauses()...)
	}
	out = f.ofErrno(out)
	for i := range out {
		if out[i].Evidence == nil {
			out[i].Evidence = []string{}
		}
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return f.weight(b) - f.weight(a) })
	return out
}

// weight puts forward what goes with the error that a message tells.
func (f *Facts) weight(c Cause) int {
	w := 0
	if c.Sure {
		w = 1
	}
	if c.Code == NameUnknown && f.Name != nil && f.Question.Errno != "" && f.Question.Errno != "ENOTFOUND" {
		w -= 4 // who got that far had found the name
	}
	switch f.Question.Errno {
	case "ENETUNREACH", "EHOSTUNREACH":
		if c.Code == LoopbackDown || c.Code == NoRoute || c.Code == FirewallRule {
			w += 2
		}
	case "EACCES":
		if c.Code == PrivilegedPort || c.Code == FirewallRule || c.Code == NoRoute {
			w += 2
		}
	case "EADDRNOTAVAIL":
		if c.Code == NotLocal || c.Code == PortsExhausted {
			w += 2
		}
	case "ETIMEDOUT":
		if c.Code == FirewallRule || c.Code == BacklogFull || c.Code == ProcessStopped {
			w += 2
		}
	case "ECONNREFUSED":
		if c.Code == ListensNow {
			w -= 2
		}
	case "ECONNRESET":
		if c.Code == BacklogFull || c.Code == ProcessDied || c.Code == ForwardsNowhere {
			w += 2
		}
	}
	return w
}
