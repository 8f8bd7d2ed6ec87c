package keeperapi

import (
	"errors"
	"time"

	"lodge/internal/event"
	"lodge/internal/home"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/service"
)

// Config is what the daemon gives a new keeper, as JSON on descriptor 3.
type Config struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Dir  string `json:"dir"`
	// DirID is the directory's device and inode when the project was opened.
	DirID  string `json:"dir_id,omitempty"`
	Socket string `json:"socket"`
	Record string `json:"record"`
	// SpareRecord is a second record, which does not go with the runtime
	// directory.
	SpareRecord  string          `json:"spare_record,omitempty"`
	LogDir       string          `json:"log_dir"`
	Home         home.Spec       `json:"home"`
	Engine       loopback.Engine `json:"engine"`
	EngineReason string          `json:"engine_reason"`
	// EngineFiles is how many descriptors from EngineFD on the engine has.
	EngineFiles int `json:"engine_files,omitempty"`
	// Cgroup is the home's, where the engine makes one.
	Cgroup  string `json:"cgroup,omitempty"`
	Exe     string `json:"exe"`
	Version string `json:"version"`
}

// Record is what a keeper leaves on disk while it runs, so that a daemon that
// comes back finds it.
type Record struct {
	Config Config `json:"config"`
	PID    int    `json:"pid"`
	// StartTime is the process's start in clock ticks since boot (proc(5),
	// field 22 of stat): a process id may be used again, this pair is not.
	StartTime uint64    `json:"start_time"`
	Started   time.Time `json:"started"`
	// BootID is the machine's boot in which it runs.
	BootID string `json:"boot_id,omitempty"`
}

// Project is the state of a project as its keeper tells it.
type Project struct {
	// Seq counts the states that this keeper has told: of two, the one with the
	// greater number is newer.
	Seq  uint64 `json:"seq"`
	ID   string `json:"id"`
	Name string `json:"name"`
	Dir  string `json:"dir"`
	// DirID is the directory's device and inode. DirProblem says what happened to
	// it since (DirRenamed and so on), DirNow where it is now, if that is elsewhere.
	DirID        string              `json:"dir_id,omitempty"`
	DirProblem   string              `json:"dir_problem,omitempty"`
	DirNow       string              `json:"dir_now,omitempty"`
	Home         home.Spec           `json:"home"`
	Engine       loopback.Engine     `json:"engine"`
	EngineReason string              `json:"engine_reason"`
	PID          int                 `json:"pid"`
	Version      string              `json:"version"`
	LogError     string              `json:"log_error,omitempty"`
	Services     []service.Status    `json:"services"`
	Others       []loopback.Endpoint `json:"others,omitempty"`
}

// Request is one call, the first line on a connection. Descriptors that belong
// to it travel with its first byte (unix(7), SCM_RIGHTS).
type Request struct {
	Op string `json:"op"` // status, watch, events, define, environ, up, restart, stop, rest, down, logs, tap, exec

	Services []string       `json:"services,omitempty"`
	Specs    []service.Spec `json:"specs,omitempty"`
	Env      []string       `json:"env,omitempty"`
	// Dir is the directory of the file that defines the services.
	Dir string `json:"dir,omitempty"`

	Query  *LogQuery `json:"query,omitempty"`
	Follow bool      `json:"follow,omitempty"`

	Exec *Exec `json:"exec,omitempty"`

	// After is the place in the keeper's stream from which on events are told.
	After *event.Position `json:"after,omitempty"`

	// Kill makes down leave out the grace times.
	Kill bool `json:"kill,omitempty"`
}

// LogQuery says which lines are wanted.
type LogQuery struct {
	Services []string  `json:"services,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Tail     int       `json:"tail,omitempty"` // 0: all
}

// Exec is one command to run inside. Its descriptors: standard input, output
// and error; with Terminal only the output, for a listed one.
type Exec struct {
	Argv    []string `json:"argv"`
	Dir     string   `json:"dir"`
	Name    string   `json:"name"`
	Command string   `json:"command"`
	// Listed makes it a run: it shows among the services and its output is kept.
	Listed   bool `json:"listed,omitempty"`
	Terminal bool `json:"terminal,omitempty"`
	// Env is the project's own environment, as texts for refs.Expand, over that of
	// the request.
	Env []string `json:"env,omitempty"`
	// As names the service whose environment and directory the command has, and
	// Spec is that service as the project's file has it, for one that was not
	// defined yet.
	As   string        `json:"as,omitempty"`
	Spec *service.Spec `json:"spec,omitempty"`
	// Hosts are lines that the command sees below those of /etc/hosts
	// (hosts(5)), where the machine allows it.
	Hosts string `json:"hosts,omitempty"`
	// Announce asks for a reply with Begins just before the command is started:
	// a client that does not learn more must not ask another keeper.
	Announce bool `json:"announce,omitempty"`

	Rows uint16 `json:"rows,omitempty"`
	Cols uint16 `json:"cols,omitempty"`
}

// Reply is one line of the answer. The last one has Done or Error.
type Reply struct {
	Done    bool     `json:"done,omitempty"`
	Error   *Error   `json:"error,omitempty"`
	Project *Project `json:"project,omitempty"`
	// Lines are some at once of those that were asked for.
	Lines []logs.Line `json:"lines,omitempty"`
	// Events are transitions of services, the oldest first.
	Events []event.Event `json:"events,omitempty"`
	// Begins says that a command is started now. Done after it, without a PID:
	// it was not.
	Begins bool `json:"begins,omitempty"`
	// PID and Name of a command that was started; its terminal travels with
	// the line.
	PID  int    `json:"pid,omitempty"`
	Name string `json:"name,omitempty"`
	// Exit is how the command ended.
	Exit *service.ExitStatus `json:"exit,omitempty"`
	// Env is the environment with which the services were defined last.
	Env []string `json:"env,omitempty"`
	// Feed says that the socket of a tap travels with the line.
	Feed bool `json:"feed,omitempty"`
}

// Error is a failure as it travels between keeper, daemon and client.
type Error struct {
	Message   string   `json:"message"`
	Hint      string   `json:"hint,omitempty"`
	Service   string   `json:"service,omitempty"`
	LastLines []string `json:"last_lines,omitempty"`
	// Status is the exit status of a command that could not be run, or 0. It is 2
	// for wrong usage and for a mistake in a project's file.
	Status int `json:"exit_status,omitempty"`
	// File, Line and Column are where the mistake in a project's file is; Line and
	// Column start at 1, and Column counts characters.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (e *Error) Error() string { return e.Message }

func WireError(err error) *Error {
	var se *service.Error
	if errors.As(err, &se) {
		return &Error{Message: se.Error(), Hint: se.Hint, Service: se.Service, LastLines: se.LastLines}
	}
	var we *Error
	if errors.As(err, &we) {
		return we
	}
	return &Error{Message: err.Error()}
}

// Signal is what a client may send while its command runs.
type Signal struct {
	Signal int `json:"signal"`
}
