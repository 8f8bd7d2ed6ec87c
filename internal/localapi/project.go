package localapi

import (
	"strings"

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
	// KeyLog is the file to which programs of the project write the keys of their TLS
	// connections (RFC 9850), where any was asked to (keylog = true, --keylog).
	KeyLog string `json:"key_log,omitempty"`
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

// OpenRequest asks for a project's home and keeper.
type OpenRequest struct {
	Path      string             `json:"path"`
	Name      string             `json:"name"`
	Isolation loopback.Isolation `json:"isolation"`
	// Engine is the one that must be used, or "" for the best there is.
	Engine loopback.Engine `json:"engine,omitempty"`
}
