package holders

import (
	"time"
)

// Process is what is known of a process that holds a socket. A fact that may
// not be read is left out.
type Process struct {
	PID int `json:"pid"`
	// Start is its start in clock ticks since boot (proc(5)): with PID it
	// names one process for ever.
	Start uint64 `json:"-"`
	// Name is the kernel's name of the main thread, up to 15 bytes.
	Name string `json:"name"`
	// Command is the command line, its arguments quoted where need be.
	Command    string     `json:"command,omitempty"`
	Executable string     `json:"executable,omitempty"`
	Directory  string     `json:"directory,omitempty"`
	UID        uint32     `json:"uid"`
	User       string     `json:"user,omitempty"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	ParentPID  int        `json:"parent_pid,omitempty"`
	// ParentName is the name of the nearest ancestor that explains the
	// process: the shell, the supervisor, the editor that started it.
	ParentName string `json:"parent_name,omitempty"`
	Cgroup     string `json:"cgroup,omitempty"`
	// Unit is systemd's (a .service or .scope), Container a container's id or
	// name, both read from the cgroup's path.
	Unit      string `json:"unit,omitempty"`
	Container string `json:"container,omitempty"`
	Project   string `json:"project,omitempty"`
	Service   string `json:"service,omitempty"`
}
