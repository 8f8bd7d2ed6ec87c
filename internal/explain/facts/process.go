package facts

// Process is more than a row tells of a process.
type Process struct {
	// State is that of proc(5): R, S, D, T (stopped), t (by a debugger), Z.
	State byte
	// Ancestors are the parent, its parent and so on, up to pid 1.
	Ancestors []Ancestor
	// Limits say which limits on the number of processes hold it back.
	Limits []string
}

// Ancestor is a process above another.
type Ancestor struct {
	PID     int    `json:"pid"`
	Name    string `json:"name"`
	Command string `json:"command,omitempty"`
}

// Descriptors counts a process's open descriptors, and says how many it may have
// (RLIMIT_NOFILE).
type Descriptors struct{ Open, Limit int }

// Route says why no packet can be sent to an address.
type Route struct {
	// Type is "unreachable", "prohibit" or "blackhole" (ip-route(8)), or "none"
	// where there is no route.
	Type string
	// Err is the error that a connection meets, in words.
	Err string
	// DownLink is the interface that leads there and is down; "" for none.
	DownLink string
}
