package localapi

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
