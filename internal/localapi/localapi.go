// Package localapi is how lodge's faces talk to its daemon: the wire types of
// the API, which are also what `--json` prints, and the client. It is HTTP and
// JSON over a Unix socket.
//
// It formats nothing for people, and it starts no daemon.
package localapi

import (
	"strings"
	"time"

	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/mark"
	"lodge/internal/service"
)

// Project is a project that has a home now.
type Project struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Path string `json:"path"`
	// PathBase64 has the bytes of a path that is not UTF-8.
	PathBase64 []byte `json:"path_base64,omitempty"`
	// DirectoryID is the directory's device and inode, by which it is known when
	// its path changes. DirectoryProblem says that it was renamed, removed or
	// replaced while the project is up, DirectoryNow where it is now.
	DirectoryID      string `json:"directory_id,omitempty"`
	DirectoryProblem string `json:"directory_problem,omitempty"`
	DirectoryNow     string `json:"directory_now,omitempty"`
	// Home is the project's own localhost, an IPv4 address; Home6 is its
	// address for IPv6-only sockets, where the engine has one.
	Home         string             `json:"home"`
	Home6        string             `json:"home6,omitempty"`
	Engine       loopback.Engine    `json:"engine"`
	EngineReason string             `json:"engine_reason"`
	Isolation    loopback.Isolation `json:"isolation"`
	State        string             `json:"state"` // up, or down for one that only is remembered
	KeeperPID    int                `json:"keeper_pid,omitempty"`
	// KeeperVersion is that of the lodge that started the keeper.
	KeeperVersion string              `json:"keeper_version,omitempty"`
	Services      []service.Status    `json:"services"`
	Others        []loopback.Endpoint `json:"other_endpoints,omitempty"`
	LogDir        string              `json:"log_dir"`
	// Label is what the project is called in host names, URL its own HTTPS
	// name, and DefaultService the service to which that leads, where one is
	// known.
	Label          string `json:"label,omitempty"`
	URL            string `json:"url,omitempty"`
	DefaultService string `json:"default_service,omitempty"`
	LogError       string `json:"log_error,omitempty"`
	// Unresponsive says why the project's keeper does not answer, where it does
	// not: the services are then those that it told last. UnresponsiveHint says
	// what makes it answer.
	Unresponsive     string `json:"unresponsive,omitempty"`
	UnresponsiveHint string `json:"unresponsive_hint,omitempty"`
	// Notice is what the client that opened the project should be told, such as that it
	// has another engine than it could have; it is in no list.
	Notice string `json:"notice,omitempty"`
	// Socket is where the project's keeper listens.
	Socket string `json:"socket,omitempty"`
	// Mark is what the project's processes carry (RLIMIT_RTTIME).
	Mark mark.Home `json:"mark,omitzero"`
}

// Shown is what the project is called where several are: its label, which no
// other has.
func (p Project) Shown() string {
	if p.Label != "" {
		return p.Label
	}
	return p.Name
}

// URLOf returns the HTTPS name of a service of the project, or "" where names are
// not served.
func (p Project) URLOf(service string) string {
	if rest, ok := strings.CutPrefix(p.URL, "https://"); ok {
		return "https://" + service + "." + rest
	}
	return ""
}

// Projects is the answer to "what runs".
type Projects struct {
	Projects []Project `json:"projects"`
	Warnings []string  `json:"warnings,omitempty"`
}

// HostNames is the answer to "which names are there below .test".
type HostNames struct {
	// Resolved says that the machine resolves them; if not, Reason says why.
	Resolved bool   `json:"resolved"`
	Reason   string `json:"reason,omitempty"`
	// Lines are the names as a hosts file has them (hosts(5)).
	Lines string `json:"lines"`
}

// Lead is where a name of a project leads.
type Lead struct {
	URL      string `json:"url,omitempty"`
	Service  string `json:"service,omitempty"`
	HostName string `json:"host_name,omitempty"`
	// Port is the one that answers, or that is to be connected to where that is
	// not HTTP; Address is the home with it.
	Port    uint16 `json:"port,omitempty"`
	Address string `json:"address,omitempty"`
	// HTTP is false for what is known to speak something else, Listens for what
	// listens nowhere while it runs.
	HTTP    bool `json:"http"`
	Listens bool `json:"listens"`
	// Ports are the TCP ports on which the service listens.
	Ports []uint16 `json:"ports,omitempty"`
	// Could are the services that a project's own name could mean.
	Could []string `json:"could,omitempty"`
}

// Share is a service that the network may reach.
type Share struct {
	// URL has the address in the network, NameURL a name that is announced there
	// by multicast DNS; where that cannot be, NameReason says why.
	URL        string `json:"url"`
	NameURL    string `json:"name_url,omitempty"`
	NameReason string `json:"name_reason,omitempty"`
	IP         string `json:"ip"`
	Port       uint16 `json:"port"`
	Interface  string `json:"interface"`
}

// OpenRequest asks for a project's home and keeper.
type OpenRequest struct {
	Path      string             `json:"path"`
	Name      string             `json:"name"`
	Isolation loopback.Isolation `json:"isolation"`
	// Engine is the one that must be used, or "" for the best there is.
	Engine loopback.Engine `json:"engine,omitempty"`
}

// Capability is one thing that works here, or does not.
type Capability struct {
	Name   string `json:"name"`
	Status string `json:"status"` // yes, no, unknown
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

// Doctor is what works here and why.
type Doctor struct {
	Version      string          `json:"version"`
	Engine       loopback.Engine `json:"engine"`
	EngineReason string          `json:"engine_reason"`
	Capabilities []Capability    `json:"capabilities"`
	Warnings     []string        `json:"warnings,omitempty"`
}

// Info is what the daemon says of itself.
type Info struct {
	Version   string    `json:"version"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
}

// Error travels as the body of an answer that is no 2xx.
type Error = keeperapi.Error
