package helperapi

// Hello is what a helper says of itself.
type Hello struct {
	Version int `json:"version"`
	// UID is the user that the helper serves, Pid the helper's process.
	UID          uint32       `json:"uid"`
	Pid          int          `json:"pid"`
	Capabilities []Capability `json:"capabilities"`
	// LiveMap is the live map of sockets; with probe.
	LiveMap *Capability `json:"live_map,omitempty"`
	// Tap is the tap of lo; with probe.
	Tap *Capability `json:"tap,omitempty"`
}

// Capability is one thing that the ebpf engine needs, and whether it is here.
type Capability struct {
	Name string `json:"name"`
	// Status is yes, no or unknown.
	Status string `json:"status"`
	Reason string `json:"reason"`
}

// CanMakeHomes reports whether nothing that the ebpf engine needs is missing,
// and if not, what.
func (h *Hello) CanMakeHomes() (bool, string) {
	for _, c := range h.Capabilities {
		if c.Status != "yes" {
			return false, c.Name + ": " + c.Reason
		}
	}
	return true, ""
}
