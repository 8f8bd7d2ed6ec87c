// Package project reads what a directory says about itself, lodge.toml or a
// Procfile, into a Project.
//
// It is strict: an unknown key, a wrong type, a name that cannot be a host
// name or a cycle in needs is one *Error with file, line and column, and with
// what was probably meant. It reads files and starts nothing: it does not look
// whether a command exists, does not open a socket and does not run git.
package project

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"lodge/internal/loopback"
)

// ConfigName and ProcfileName are the files that describe a project.
const (
	ConfigName   = "lodge.toml"
	ProcfileName = "Procfile"
)

// Version is the version of lodge.toml that this package reads.
const Version = 1

// The values of keys that are not set.
const (
	DefaultStopSignal   = "SIGTERM"
	DefaultStopGrace    = 10 * time.Second
	DefaultReadyTimeout = 60 * time.Second
)

// Project is a directory and what runs in it. All its fields survive a trip
// through encoding/json.
type Project struct {
	// Name is one DNS label (RFC 1123, section 2.1). In a linked git worktree
	// it has the branch in front. Two projects may have the same name.
	Name string
	// Dir is absolute, with symbolic links resolved.
	Dir string
	// ConfigPath is the lodge.toml or Procfile that was read, or "" where
	// there is none.
	ConfigPath string
	Isolation  loopback.Isolation
	// Default is the service that the bare name of the project leads to, or
	// "" where the file does not say.
	Default string
	// Env is what every service has: of the project's own env and env files, or of
	// the .env beside a Procfile. EnvNames are its names in file order.
	Env      map[string]string `json:",omitempty"`
	EnvNames []string          `json:",omitempty"`
	// KeyLog says that what is started inside writes the keys of its TLS connections,
	// where a service does not say otherwise.
	KeyLog bool `json:",omitempty"`
	// Services are in the order of the file.
	Services []Service

	vars *vars // what Resolve reads
}

// Service is one command of a project, with every default filled in.
type Service struct {
	// Name is one DNS label, unique in the project.
	Name string
	// Command is the command as one line. Where the file gives an array, it
	// is that array quoted for a shell, for people to read.
	Command string
	// Args is the command where the file gives it as an array; otherwise nil.
	Args []string
	// Dir is absolute.
	Dir string
	// Needs names the services that must be ready before this one starts.
	Needs []string
	// Env holds what the file sets, and EnvNames its names in file order. After
	// Resolve it is all that the service has over the environment of the caller, as
	// texts for refs.Expand.
	Env      map[string]string
	EnvNames []string
	// Watch holds patterns of files as .gitignore writes them (gitignore(5)),
	// relative to Dir. They are valid; the package that watches gives them their meaning.
	Watch []string
	// HTTP is the port that the service's name leads to; 0 is not set.
	HTTP uint16
	// HTTPSocket is the Unix socket that it leads to instead, absolute, or "".
	HTTPSocket string `json:",omitempty"`
	// NoHTTP says that the service speaks no HTTP: http = false.
	NoHTTP bool `json:",omitempty"`
	// Names are names that ports of the service have, beside the service's own,
	// in the order of the file.
	Names []PortName `json:",omitempty"`
	// WatchFallback says what is done where the kernel has no inotify watch left.
	WatchFallback WatchFallback `json:",omitempty"`
	// CrossSite says what is done with a request that a page of another site
	// makes, by the service's name.
	CrossSite CrossSite `json:",omitempty"`
	// Host is the Host that requests by its name have: HostName, or "" for that, or
	// HostLocalhost.
	Host string `json:",omitempty"`
	// PlainHTTP says what http:// names do.
	PlainHTTP PlainHTTP `json:",omitempty"`
	// OnRequest says that the first request for its name starts it.
	OnRequest bool `json:",omitempty"`
	// Idle is after how long without a request it is stopped again; 0 is never.
	Idle time.Duration `json:",omitempty"`
	// Port is leased, and given to the service as PORT.
	Port Port
	// Listen is the port on which lodge itself opens the listening socket,
	// which the service gets as LISTEN_FDS (sd_listen_fds(3)).
	Listen  Port
	Ready   Ready
	Restart Restart
	// TTY gives it a terminal.
	TTY bool `json:",omitempty"`
	// KeyLog says whether it writes the keys of its TLS connections; nil is not set.
	KeyLog *bool `json:",omitempty"`
	// Private names the directories that it has for itself: PrivateHome, PrivateTmp.
	Private []string `json:",omitempty"`
	// StopSignal is a name such as "SIGTERM".
	StopSignal string
	// StopGrace is how long a service may take to stop before it is killed.
	StopGrace time.Duration
	// ReadyTimeout is how long it may take to become ready.
	ReadyTimeout time.Duration
}

// PortName is a name for one port of a service.
type PortName struct {
	// Name is one DNS label that no service and no other port of the project has.
	Name string
	Port uint16
}

// Port is a port as the file gives it: "" (not set), "auto" (lodge chooses a
// dynamic one), or a decimal number from 1 to 65535.
type Port string

// AutoPort is the Port that lodge chooses.
const AutoPort Port = "auto"

// IsSet reports whether the file gives a port.
func (p Port) IsSet() bool { return p != "" }

// IsAuto reports whether lodge chooses the number.
func (p Port) IsAuto() bool { return p == AutoPort }

// Number returns the port's number, or 0 where it is not set or lodge chooses.
func (p Port) Number() uint16 {
	n, err := strconv.ParseUint(string(p), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// Ready says when a service counts as ready. At most one field is set; with
// none set, a service is ready when it listens.
type Ready struct {
	// HTTP is a path, with its query, that must be answered with success.
	HTTP string `json:",omitempty"`
	// Command is a shell command that must exit with 0.
	Command string `json:",omitempty"`
	// Log must match a line of the service's output.
	Log *regexp.Regexp `json:",omitempty"`
	// TCP are ports on all of which it must listen.
	TCP []uint16 `json:",omitempty"`
	// None says that the service is ready as soon as it has started.
	None bool `json:",omitempty"`
}

// CrossSite says what is done with requests from other sites.
type CrossSite string

// The choices for requests from other sites; not set is CrossSiteRefuse.
const (
	CrossSiteRefuse CrossSite = "refuse"
	CrossSiteAllow  CrossSite = "allow"
)

// The directories that a service may have for itself.
const (
	PrivateHome = "home"
	PrivateTmp  = "tmp"
)

// The choices for Host.
const (
	HostName      = "name"
	HostLocalhost = "localhost"
)

// WatchFallback says what is done with files of which the kernel cannot tell.
type WatchFallback string

// The choices for files that have no inotify watch; not set is WatchPoll.
const (
	WatchPoll WatchFallback = "poll"
	WatchNone WatchFallback = "none"
)

// PlainHTTP says what is done with requests over http.
type PlainHTTP string

// The choices for http; not set is PlainServe.
const (
	PlainServe    PlainHTTP = "serve"
	PlainRedirect PlainHTTP = "redirect"
)

// Restart says what happens when a service ends by itself.
type Restart string

// The restart policies.
const (
	// RestartOnFailure starts it again unless it exited with 0.
	RestartOnFailure Restart = "on-failure"
	// RestartAlways starts it again however it ended.
	RestartAlways Restart = "always"
	// RestartNever leaves it.
	RestartNever Restart = "never"
)

// Service returns the service of that name.
func (p *Project) Service(name string) (Service, bool) {
	for _, s := range p.Services {
		if s.Name == name {
			return s, true
		}
	}
	return Service{}, false
}

// HasKeyLog reports whether a service of the project writes the keys of its TLS
// connections.
func (p *Project) HasKeyLog(s Service) bool {
	if s.KeyLog != nil {
		return *s.KeyLog
	}
	return p.KeyLog
}

// NeedConfig returns an error that wraps ErrNoConfig where the project has
// neither lodge.toml nor a Procfile, and so nothing that could be started.
func (p *Project) NeedConfig() error {
	if p.ConfigPath != "" {
		return nil
	}
	return fmt.Errorf("find services of %s: %w", p.Dir, ErrNoConfig)
}

// Environ returns what the file sets as "NAME=value", in file order.
func (s Service) Environ() []string { return environ(s.Env, s.EnvNames) }

// Environ returns what every service has as "NAME=value", in file order.
func (p *Project) Environ() []string { return environ(p.Env, p.EnvNames) }

func environ(env map[string]string, names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		out = append(out, name+"="+env[name])
	}
	return out
}

// Signal returns the number of StopSignal on Linux (signal(7)).
func (s Service) Signal() os.Signal { return stopSignals()[s.StopSignal] }

// stopSignals returns the signals by which a service may be stopped.
func stopSignals() map[string]syscall.Signal {
	return map[string]syscall.Signal{
		"SIGABRT":  syscall.SIGABRT,
		"SIGALRM":  syscall.SIGALRM,
		"SIGCONT":  syscall.SIGCONT,
		"SIGHUP":   syscall.SIGHUP,
		"SIGINT":   syscall.SIGINT,
		"SIGKILL":  syscall.SIGKILL,
		"SIGPWR":   syscall.SIGPWR,
		"SIGQUIT":  syscall.SIGQUIT,
		"SIGTERM":  syscall.SIGTERM,
		"SIGUSR1":  syscall.SIGUSR1,
		"SIGUSR2":  syscall.SIGUSR2,
		"SIGWINCH": syscall.SIGWINCH,
	}
}

// newService returns a service in which only the defaults are set.
func newService(name, dir string) Service {
	return Service{
		Name:         name,
		Dir:          dir,
		Restart:      RestartOnFailure,
		StopSignal:   DefaultStopSignal,
		StopGrace:    DefaultStopGrace,
		ReadyTimeout: DefaultReadyTimeout,
	}
}

// setEnv sets a variable and keeps the order in which names first came.
func (s *Service) setEnv(name, value string) { setEnv(&s.Env, &s.EnvNames, name, value) }

func (p *Project) setEnv(name, value string) { setEnv(&p.Env, &p.EnvNames, name, value) }

func setEnv(env *map[string]string, names *[]string, name, value string) {
	if *env == nil {
		*env = map[string]string{}
	}
	if _, ok := (*env)[name]; !ok {
		*names = append(*names, name)
	}
	(*env)[name] = value
}
