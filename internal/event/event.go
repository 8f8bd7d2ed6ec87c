// Package event has the events that lodge tells of: numbered, typed facts about
// services, names, sockets and projects, each with its time and its source; and
// the bus that hands them to any number of readers.
//
// It is pure: it opens no file and no socket, and it starts no goroutine. The
// standard library is all that it imports.
package event

import "time"

// Kind is what an event is about; it determines the payload.
type Kind string

// The kinds of events.
const (
	KindService Kind = "service" // a service, or a command of `lodge run`, changed
	KindSocket  Kind = "socket"  // a socket was opened, closed or changed
	KindName    Kind = "name"    // a host name was added, removed, or leads elsewhere
	KindProject Kind = "project" // a project's keeper started or ended
	KindLost    Kind = "lost"    // events are missing here
	KindStream  Kind = "stream"  // the numbers begin anew
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{KindService, KindSocket, KindName, KindProject, KindLost, KindStream}
}

// Event is one fact. Exactly one payload is set, the one that belongs to Kind.
type Event struct {
	// Stream identifies the numbering: numbers of two streams cannot be compared.
	Stream string `json:"stream,omitempty"`
	// Number counts the events of a stream from 1 on, without a gap.
	Number uint64 `json:"number"`
	// Time is when it happened, as the source saw it.
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Source  Source    `json:"source"`
	Subject Subject   `json:"subject,omitzero"`

	Service *Service `json:"service,omitempty"`
	Name    *Name    `json:"name,omitempty"`
	Project *Project `json:"project,omitempty"`
	Socket  *Socket  `json:"socket,omitempty"`
	Lost    *Lost    `json:"lost,omitempty"`
	Begun   *Begun   `json:"begun,omitempty"`
}

// OfSockets reports whether the event is about sockets, of which there may be so
// many that they are kept apart from all others: one of KindSocket, or a loss of
// such events only.
func (e *Event) OfSockets() bool {
	return e.Kind == KindSocket || e.Kind == KindLost && e.Lost != nil && e.Lost.Of == KindSocket
}

// The sources of events.
const (
	SourceDaemon = "daemon"
	SourceKeeper = "keeper"
)

// Source names the process that saw the event. A keeper numbers its events itself;
// they are passed on with a number of the daemon's beside it.
type Source struct {
	// Name is SourceDaemon or SourceKeeper.
	Name string `json:"name"`
	// ProjectID is the keeper's project.
	ProjectID string `json:"project_id,omitempty"`
	// Stream and Number are the event's own in the keeper's stream.
	Stream string `json:"stream,omitempty"`
	Number uint64 `json:"number,omitempty"`
	// Derived says that the event was found by comparing two states of a keeper
	// that tells no events: what happened between them may be missing.
	Derived bool `json:"derived,omitempty"`
}

// Subject names the project, and the service, that an event is about.
type Subject struct {
	ProjectID string `json:"project_id,omitempty"`
	// Project is the project's label, by which people call it.
	Project string `json:"project,omitempty"`
	Service string `json:"service,omitempty"`
}

// Removed is the state in Service.To of a service that is no longer defined.
const Removed = "removed"

// What a service event is about.
const (
	ChangeState     = "state"     // its state, process or reason
	ChangeEndpoints = "endpoints" // where it listens
)

// Service is the payload of KindService.
type Service struct {
	// Change is ChangeState or ChangeEndpoints.
	Change string `json:"change"`
	// From and To are states as `lodge ls` has them. From is "" for a service
	// that was not there before; both are equal where only the process, the reason
	// or the endpoints changed.
	From string `json:"from"`
	To   string `json:"to"`
	// Type is service, or run for a command of `lodge run`.
	Type string `json:"type,omitempty"`
	// PID is the service's process, 0 where it has none.
	PID int `json:"pid,omitempty"`
	// ExitStatus is how its last process ended: 128 and the signal's number where
	// a signal ended it, whose name is then in Signal.
	ExitStatus *int   `json:"exit_status,omitempty"`
	Signal     string `json:"signal,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Restarts   int    `json:"restarts"`
	// ReadyMS is how long it took from the start until it was ready.
	ReadyMS   float64    `json:"ready_ms,omitempty"`
	Endpoints []Endpoint `json:"endpoints,omitempty"`
}

// Endpoint is an address and port on which a service listens.
type Endpoint struct {
	Protocol string `json:"protocol"` // tcp or udp
	IP       string `json:"ip"`
	Port     uint16 `json:"port"`
	// RealPort is where it is reached from outside the home, if that is another port.
	RealPort uint16 `json:"real_port,omitempty"`
}

// What happened to a name, or to a project.
const (
	Added   = "added"
	Changed = "changed"
	// A name that is gone has Removed.

	ProjectUp   = "up"
	ProjectDown = "down"
)

// Name is the payload of KindName.
type Name struct {
	Change string `json:"change"` // added, changed or removed
	Host   string `json:"host"`
	// Targets are the addresses, each IP:PORT, to which the name leads, as far as
	// that is known without asking the service; an IP alone for a name that leads to
	// the whole home.
	Targets []string `json:"targets"`
}

// Project is the payload of KindProject.
type Project struct {
	Change    string `json:"change"` // up or down
	Path      string `json:"path,omitempty"`
	Home      string `json:"home,omitempty"`
	Engine    string `json:"engine,omitempty"`
	KeeperPID int    `json:"keeper_pid,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// Why events are missing.
const (
	// LostDaemonEnded: socket events are not written to a disk; those that a daemon
	// before this one told are gone with it.
	LostDaemonEnded = "daemon_ended"
	// LostReadings: the sockets changed faster than their changes were published.
	LostReadings = "readings_skipped"
	// LostSlowReader: the reader was so slow that events were dropped which it had
	// not read; From and To are numbers of the stream.
	LostSlowReader = "slow_reader"
	// LostTooOld: the reader asked for events that are not kept any more.
	LostTooOld = "too_old"
	// LostStreamChanged: the reader resumed with a number of another stream.
	LostStreamChanged = "stream_changed"
	// LostUnknownNumber: the reader resumed with a number that the stream has not
	// reached.
	LostUnknownNumber = "unknown_number"
	// LostKeeperOverrun: the keeper dropped events before the daemon read them; From
	// and To are numbers of the keeper's stream.
	LostKeeperOverrun = "keeper_overrun"
	// LostKeeperEnded: the keeper ended while no daemon ran, or was killed; what it
	// told last may be missing.
	LostKeeperEnded = "keeper_ended"
)

// Lost is the payload of KindLost: Count events are missing at this place.
//
// A loss that concerns one reader only (slow_reader, too_old, unknown_number,
// stream_changed) has no number of its own: its number is that of the last
// missing event, so that a reader that resumes by the last number that it saw is
// right.
type Lost struct {
	Reason string `json:"reason"`
	// Count is how many are missing; 0 where that cannot be known.
	Count uint64 `json:"count"`
	// From and To are the first and the last missing number.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
	// Of is the kind of all missing events, "" where they may be of any.
	Of Kind `json:"of,omitempty"`
}

// Begun is the payload of KindStream.
type Begun struct {
	// Reason says why the stream does not continue an older one.
	Reason string `json:"reason"`
}
