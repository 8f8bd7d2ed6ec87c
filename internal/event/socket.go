package event

// What happened to a socket.
const (
	// SocketsFollowed: sockets are followed from here on. Socket.Sockets is how many
	// there were; they are not told one by one.
	SocketsFollowed = "followed"
	SocketOpen      = "open"
	SocketClose     = "close"
	SocketState     = "state"  // its state is another, or one of its ends
	SocketHolder    = "holder" // other processes hold it, or its service is another
)

// Socket is the payload of KindSocket: a socket of the machine that differs between
// two readings of the kernel's table.
type Socket struct {
	// Change is one of the constants above.
	Change string `json:"change"`
	// Protocol is tcp, udp or unix.
	Protocol string `json:"protocol,omitempty"`
	// Local and Remote are the socket's own end and the other one, nil where there
	// is none; Path is that of a Unix socket, with @ before an abstract name.
	Local  *SocketAddress `json:"local,omitempty"`
	Remote *SocketAddress `json:"remote,omitempty"`
	Path   string         `json:"path,omitempty"`
	// State is the newest state that is known, a word of `lodge ports`; StateBefore
	// the one before, "" for a socket that was opened.
	State       string `json:"state,omitempty"`
	StateBefore string `json:"state_before,omitempty"`
	// Scope says from where Local can be reached, a word of `lodge ports`.
	Scope string `json:"scope,omitempty"`
	// PID is the process with the lowest id of those that hold the socket, or held it
	// last; 0 where none may be seen. Process is its name, Command its command line.
	PID     int    `json:"pid,omitempty"`
	Process string `json:"process,omitempty"`
	Command string `json:"command,omitempty"`
	Project string `json:"project,omitempty"`
	Service string `json:"service,omitempty"`
	// Sockets is set for SocketsFollowed.
	Sockets int `json:"sockets,omitempty"`
}

// SocketAddress is one end of a socket.
type SocketAddress struct {
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
}
