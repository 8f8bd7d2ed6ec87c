// Package socketquery is the filter of sockets: the fields that `lodge ports` and
// `lodge top` know in the language of package query, what their plain words
// mean, how a row is matched, and which part of a filter the kernel and the
// search for processes can check, so that the rest is never read.
package socketquery

import (
	"time"

	"lodge/internal/loopback"
	"lodge/internal/query"
	"lodge/internal/sockets"
	"lodge/internal/target"
)

// The fields. Those of "either end" have a value for each end of a connection.
const (
	Port       = iota + 1 // either end
	LocalPort             // the socket's own
	RemotePort            // the other end's
	At                    // address and port of either end
	Address               // either end
	Local                 // the socket's own address
	Remote
	Protocol
	Family
	State
	Scope
	Path // of a Unix socket, either end
	Process
	PID
	User
	Executable
	Command
	Directory
	Parent
	Unit
	Container
	Project
	Service
	Namespace
	Inode
	ReceiveQueue
	SendQueue
	Backlog
	RTT
	Sent
	Received
	Retransmits
	Age
	Opened
	// Word is a name that is a project's or a process's, and Host a host name
	// that only the daemon can say more of: see Resolve.
	Word
	Host
)

// Options are what the package does not find out by itself.
type Options struct {
	// Unix says that Unix sockets are asked for, so that any path may be that
	// of one.
	Unix bool
	// Host reports whether a text is the name of a project's or a service's
	// that lodge serves.
	Host func(text string) bool
	// User returns the user id of a name or a number.
	User func(text string) (uint32, error)
	// Paths returns the ways in which a Unix socket at a path may have been
	// bound; nil is the path alone.
	Paths func(path string) []string
	// Nearest is query.Schema.Nearest.
	Nearest func(word string, list []string) string
	// Now is the present time, in the zone in which times are read.
	Now time.Time
}

// Schema is the fields of sockets.
type Schema struct {
	query.Schema
	options Options
}

// New returns the schema.
func New(o Options) *Schema {
	s := &Schema{options: o}
	s.Schema = query.Schema{
		Fields: s.fields(), Word: s.word, Service: serviceName, Nearest: o.Nearest, Now: o.Now,
	}
	return s
}

func serviceName(name string) (uint16, bool) {
	if isDigits(name) {
		return 0, false
	}
	return target.ServicePort(name)
}

// States are the words of State, and OtherStates other spellings of them.
func States() []string {
	return []string{
		"listen", "established", "syn_sent", "syn_recv", "fin_wait_1", "fin_wait_2", "time_wait", "close", "close_wait", "last_ack", "closing", "bound", "connected",
	}
}

// OtherStates maps spellings, in lower case without - and _, to States.
func OtherStates() map[string]string {
	return map[string]string{"listening": "listen", "estab": "established", "synreceived": "syn_recv", "closed": "close", "unconn": "bound"}
}

// Scopes are the words of Scope, and OtherScopes other spellings of them.
func Scopes() []string {
	return []string{
		string(loopback.ScopeLoopback), string(loopback.ScopeHome), string(loopback.ScopeLAN), string(loopback.ScopeContainer),
		string(loopback.ScopeLinkLocal), string(loopback.ScopeAll), string(loopback.ScopeMulticast),
	}
}

// OtherScopes maps spellings, in lower case without - and _, to Scopes.
func OtherScopes() map[string]string {
	return map[string]string{"all": "all-interfaces", "any": "all-interfaces", "wildcard": "all-interfaces", "local": "loopback"}
}

// protocolUnix is sockets.Row.Protocol of Unix sockets.
const protocolUnix = "unix"

func (s *Schema) fields() []query.Field {
	protocols := []string{string(loopback.TCP), string(loopback.UDP), protocolUnix}
	return []query.Field{
		{ID: Port, Name: "port", Aliases: []string{"ports"}, Type: query.Port, Group: "port", Spaced: true, Help: "port of either end"},
		{ID: LocalPort, Name: "lport", Aliases: []string{"sport"}, Type: query.Port, Help: "the socket's own port"},
		{ID: RemotePort, Name: "rport", Aliases: []string{"dport"}, Type: query.Port, Help: "the other end's port"},
		{ID: At, Type: query.Endpoint, Group: "port"},
		{ID: Address, Name: "address", Aliases: []string{"addr", "ip", "host"}, Type: query.Address, Read: addressValue, Help: "address or prefix of either end"},
		{ID: Local, Name: "local", Aliases: []string{"src"}, Type: query.Address, Read: addressValue, Help: "the socket's own address"},
		{ID: Remote, Name: "remote", Aliases: []string{"dst"}, Type: query.Address, Read: addressValue, Help: "the other end's address"},
		{ID: Protocol, Name: "protocol", Aliases: []string{"proto"}, Type: query.Choice, Words: protocols, Single: true, Help: "tcp, udp or unix"},
		{ID: Family, Name: "family", Type: query.Choice, Words: []string{"ipv4", "ipv6", "unix"}, Single: true, Help: "ipv4, ipv6 or unix"},
		{ID: State, Name: "state", Type: query.Choice, Words: States(), Also: OtherStates(), Help: "listen, established, time_wait, ..."},
		{ID: Scope, Name: "scope", Type: query.Choice, Words: Scopes(), Also: OtherScopes(), Help: "from where the own address is reached"},
		{ID: Path, Name: "path", Type: query.Text, Read: s.pathValues, Help: "path of a Unix socket, of either end"},
		{ID: Process, Name: "process", Aliases: []string{"name", "comm"}, Type: query.Text, Help: "name of a process, or of its executable"},
		{ID: PID, Name: "pid", Type: query.Number, Spaced: true, Help: "process id"},
		{ID: User, Name: "user", Aliases: []string{"uid"}, Type: query.Number, Read: s.userValue, Help: "name or id of the user"},
		{ID: Executable, Name: "executable", Aliases: []string{"exe"}, Type: query.Text, Help: "path of the program"},
		{ID: Command, Name: "command", Aliases: []string{"cmd"}, Type: query.Text, Help: "command line"},
		{ID: Directory, Name: "directory", Aliases: []string{"cwd", "dir"}, Type: query.Text, Help: "working directory"},
		{ID: Parent, Name: "parent", Type: query.Text, Help: "name of the ancestor that started it"},
		{ID: Unit, Name: "unit", Type: query.Text, Help: "unit of systemd"},
		{ID: Container, Name: "container", Type: query.Text, Help: "name or id of a container"},
		{ID: Project, Name: "project", Type: query.Text, Help: "project, of either end"},
		{ID: Service, Name: "service", Type: query.Pair, Covers: "project", Help: "service, or PROJECT/SERVICE, of either end"},
		{ID: Namespace, Name: "namespace", Aliases: []string{"netns"}, Type: query.Text, Help: "name of another network namespace (-A)"},
		{ID: Inode, Name: "inode", Type: query.Number, Help: "inode of the socket"},
		{ID: ReceiveQueue, Name: "recvq", Type: query.Size, Help: "bytes that wait to be read"},
		{ID: SendQueue, Name: "sendq", Type: query.Size, Help: "bytes that wait to be sent"},
		{ID: Backlog, Name: "backlog", Type: query.Number, Help: "connections that wait for accept"},
		{ID: RTT, Name: "rtt", Type: query.Duration, Help: "round-trip time (TCP)"},
		{ID: Sent, Name: "sent", Type: query.Size, Help: "bytes sent and acknowledged (TCP)"},
		{ID: Received, Name: "received", Aliases: []string{"recv"}, Type: query.Size, Help: "bytes received (TCP)"},
		{ID: Retransmits, Name: "retransmits", Aliases: []string{"retrans"}, Type: query.Number, Help: "what was sent again (TCP)"},
		{ID: Age, Name: "age", Type: query.Duration, Help: "how long it has been open, where that is known"},
		{ID: Opened, Name: "opened", Type: query.Time, Help: "when it was opened, where that is known"},
		{ID: Word, Type: query.Text, Group: "word"},
		{ID: Host, Type: query.Text, Group: "host"},
	}
}

func (s *Schema) userValue(text string) ([]query.Value, error) {
	uid, err := s.options.User(text)
	if err != nil {
		return nil, err
	}
	return []query.Value{{Low: int64(uid), High: int64(uid)}}, nil
}

func addressValue(text string) ([]query.Value, error) {
	ps, ok := ParseAddresses(text)
	if !ok {
		return nil, &query.Error{Text: "it is not an address", Hint: "for example 127.0.0.1, ::1, 10.0.0.0/8 or localhost"}
	}
	return []query.Value{{Prefixes: ps}}, nil
}

func (s *Schema) pathValues(path string) ([]query.Value, error) {
	paths := []string{path}
	if s.options.Paths != nil {
		paths = s.options.Paths(path)
	}
	out := make([]query.Value, len(paths))
	for i, p := range paths {
		out[i].Text = p
	}
	return out, nil
}

// Keep returns a function that reports whether a row is selected; nil for a
// filter that selects all. It allocates nothing, and is for one goroutine at a
// time. now returns the present time, for the age of sockets.
func Keep(e query.Expr, now func() time.Time) func(*sockets.Row) bool {
	if e == nil {
		return nil
	}
	m, v := query.Compile(e), &row{now: now}
	return func(r *sockets.Row) bool {
		v.Row = r
		return m.Match(v)
	}
}
