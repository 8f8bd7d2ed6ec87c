// Package service says what a service is: what is asked of one (Spec), what is known of
// one (Status), by which protocol and port it is reached, and how its program is found.
// What runs services is package supervisor below this one. It knows nothing of files such
// as lodge.toml.
package service

import (
	"fmt"
	"time"

	"lodge/internal/loopback"
)

// Spec is everything that is asked of one service.
type Spec struct {
	Name string `json:"name"`
	// Argv is the command; Argv[0] is looked up in the PATH of Env.
	Argv []string `json:"argv"`
	// Command is the command as the person wrote it.
	Command string `json:"command"`
	Dir     string `json:"dir"`
	// Env is the service's own, over the project's. Its values may refer to
	// services that are needed: ${db.port} (package refs).
	Env   []string `json:"env,omitempty"`
	Needs []string `json:"needs,omitempty"`
	Watch []string `json:"watch,omitempty"`
	// WatchRoot is the directory that Watch is relative to.
	WatchRoot string `json:"watch_root,omitempty"`
	// WatchNoPolling leaves files unwatched where the kernel has no inotify watch
	// left; else they are looked at every second.
	WatchNoPolling bool `json:"watch_no_polling,omitempty"`
	// HTTP is the port that the service's name leads to; 0 for whichever it is.
	HTTP uint16 `json:"http,omitempty"`
	// HTTPSocket is the Unix socket that the service's name leads to, absolute,
	// or "" for a port.
	HTTPSocket string `json:"http_socket,omitempty"`
	// MakeDirs are directories of the service's own that are made for it.
	MakeDirs []string `json:"make_dirs,omitempty"`
	// TTY gives it a terminal for its input and output.
	TTY bool `json:"tty,omitempty"`
	// URL is the service's address for people, given as LODGE_URL.
	URL string `json:"url,omitempty"`
	Naming
	// Port is given as PORT. AutoPort leases one from the dynamic range.
	Port     uint16 `json:"port,omitempty"`
	AutoPort bool   `json:"auto_port,omitempty"`
	// Listen says that lodge opens the listening socket on Port and passes it
	// (sd_listen_fds(3)).
	Listen bool  `json:"listen,omitempty"`
	Ready  Ready `json:"ready"`
	// KeyLog says why its programs write the keys of their TLS connections to the
	// project's key log: KeyLogSet or KeyLogAsked; "": they do not.
	KeyLog string `json:"key_log,omitempty"`
	// Restart is on-failure, always or never.
	Restart      string        `json:"restart,omitempty"`
	StopSignal   int           `json:"stop_signal,omitempty"`
	StopGrace    time.Duration `json:"stop_grace,omitempty"`
	ReadyTimeout time.Duration `json:"ready_timeout,omitempty"`
}

// Ready says how it is known that a service serves. The zero value: it
// listens.
type Ready struct {
	HTTP    string   `json:"http,omitempty"`    // a path that answers 2xx or 3xx
	Command []string `json:"command,omitempty"` // a command that exits with 0
	Log     string   `json:"log,omitempty"`     // a regular expression that a line of output matches
	TCP     []uint16 `json:"tcp,omitempty"`     // ports on all of which it listens
	None    bool     `json:"none,omitempty"`    // it is, as soon as it runs
	// Soft says that a service that runs but listens nowhere is taken for
	// ready when its time is over: a Procfile cannot say which ones listen.
	Soft bool `json:"soft,omitempty"`
}

// Why a service writes keys of TLS.
const (
	KeyLogSet   = "set"   // the project's file says so
	KeyLogAsked = "asked" // the user who started it does
)

// Naming is what is asked of the names that lead to a service; the supervisor
// only passes it on, but for OnRequest.
type Naming struct {
	// Default says that the project's own name leads to it.
	Default bool `json:"default,omitempty"`
	// CrossSite is allow or refuse (the default): what is done with requests
	// that a page of another site makes.
	CrossSite string `json:"cross_site,omitempty"`
	// Host is name (the default) or localhost: the Host that the service is told
	// by which it was asked.
	Host string `json:"host,omitempty"`
	// PlainHTTP is serve (the default) or redirect, to HTTPS.
	PlainHTTP string `json:"plain_http,omitempty"`
	// OnRequest says that the service is not started with the others, but by
	// the first request for its name, and IdleMS after how long without one it is
	// stopped again; zero is never.
	OnRequest bool  `json:"on_request,omitempty"`
	IdleMS    int64 `json:"idle_ms,omitempty"`
	// NoHTTP says that it speaks no HTTP on any port, so that it is not asked.
	NoHTTP bool `json:"no_http,omitempty"`
	// PortNames are names of its own that some of its ports have.
	PortNames []PortName `json:"names,omitempty"`
}

// HostLocalhost is the Naming.Host of a service that is asked as localhost.
const HostLocalhost = "localhost"

// PortName is a port of a service that has a name of its own.
type PortName struct {
	Name string `json:"name"`
	Port uint16 `json:"port"`
	// URL and HostName are as in [Status]; the daemon knows them.
	URL      string `json:"url,omitempty"`
	HostName string `json:"host_name,omitempty"`
}

// State is where a service is in its life.
type State string

// The states of a service.
const (
	Stopped  State = "stopped"  // not asked to run
	Idle     State = "idle"     // not running; the first request for its name starts it
	Waiting  State = "waiting"  // for what it needs
	Starting State = "starting" // runs, not ready yet
	Up       State = "ready"
	Stopping State = "stopping"
	Backoff  State = "backoff" // will be started again
	Failed   State = "failed"  // will not be started again by itself
	Exited   State = "exited"  // ended with status 0, as one that is asked to run once
)

// Kind tells a service of lodge.toml from a command that `lodge run` started.
const (
	KindService = "service"
	KindRun     = "run"
)

// Status is what is known of one service now.
type Status struct {
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	State      State      `json:"state"`
	Command    string     `json:"command"`
	Dir        string     `json:"dir"`
	PID        int        `json:"pid,omitempty"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	ReadyMS    float64    `json:"ready_ms,omitempty"` // from its start until it was ready
	Restarts   int        `json:"restarts"`
	Exit       *int       `json:"exit_status,omitempty"` // 128+signal where a signal ended it
	Signal     string     `json:"signal,omitempty"`      // the name of that signal, such as SIGKILL
	Reason     string     `json:"reason,omitempty"`
	HTTP       uint16     `json:"http,omitempty"`
	Port       uint16     `json:"port,omitempty"`
	HTTPSocket string     `json:"http_socket,omitempty"`
	// WebPort is the port to which the service's HTTPS name leads, where that is
	// known. The daemon knows it.
	WebPort uint16 `json:"web_port,omitempty"`
	// Scheme is how the service is spoken to, as far as its command or port
	// tells: http, postgres, redis.
	Scheme string `json:"scheme,omitempty"`
	// URL is the service's HTTPS name, and HostName its name for any protocol
	// on its own port. The daemon knows them.
	URL      string `json:"url,omitempty"`
	HostName string `json:"host_name,omitempty"`
	// SharedURL is where the network reaches it while it is shared.
	SharedURL string `json:"shared_url,omitempty"`
	Naming
	Needs []string `json:"needs,omitempty"`
	// KeyLog is as in [Spec].
	KeyLog    string              `json:"key_log,omitempty"`
	Endpoints []loopback.Endpoint `json:"endpoints"`
	// Failing is how the service's last process ended by itself, if it was not
	// ready since and will be started again, or is just starting.
	Failing string `json:"failing,omitempty"`
	// Warnings are what is not as it should be although the service runs.
	Warnings []string `json:"warnings,omitempty"`
	// LastPorts are those that a service had which has none now: a client that looks for
	// it there learns that it has ended.
	LastPorts []uint16 `json:"last_ports,omitempty"`
}

// Defaults for what a Spec leaves open.
const (
	DefaultStopGrace    = 10 * time.Second
	DefaultReadyTimeout = 60 * time.Second
	SoftReadyTimeout    = 3 * time.Second
)

// Error is a failure of a named service, with a hint of what to do.
type Error struct {
	Service string
	Verb    string // what could not be done; "": start
	Cause   string
	Hint    string
	// LastLines of the service's output, oldest first.
	LastLines []string
}

func (e *Error) Error() string {
	verb := e.Verb
	if verb == "" {
		verb = "start"
	}
	return fmt.Sprintf("%s service %s: %s", verb, e.Service, e.Cause)
}

// WithHint sets the hint where there is none, and returns the error.
func (e *Error) WithHint(h string) *Error {
	if e.Hint == "" {
		e.Hint = h
	}
	return e
}
