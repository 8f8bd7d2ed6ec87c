package ebpfhome

import (
	"lodge/internal/sockets/diag"

	"lodge/internal/sockets/holders"
)

// holder is a process inside that has a socket open.
type holder struct {
	service string
	pid     int
}

// attribution tells of which service a socket is.
type attribution struct {
	groups   *groups
	services map[uint64]string // by cgroup
	holders  map[uint32]holder // by inode; nil until it is needed
}

// of returns the service that made a socket, and whether it was made inside.
// What the kernel does not tell is filled in.
func (a *attribution) of(s *diag.Socket) (service string, isInside bool, err error) {
	if !s.FromProc {
		service, isInside = a.services[s.CgroupID]
		return service, isInside, nil
	}
	if a.holders == nil {
		if a.holders, err = a.read(); err != nil {
			return "", false, err
		}
	}
	h, isInside := a.holders[s.Inode]
	if isInside && s.Src.Addr().Is6() && s.Src.Addr().IsUnspecified() {
		s.V6Only = holders.AskV6Only(h.pid, s.Inode)
	}
	return h.service, isInside, nil
}

// read maps the sockets that processes inside have open, by inode. It is
// needed where the kernel does not tell in which cgroup a socket was made
// (sockets.Socket.FromProc): only a process inside can have made what it alone
// has open. A process that may not be looked into, such as a set-user-id
// program, has no socket here.
func (a *attribution) read() (map[uint32]holder, error) {
	names := make(map[string]bool)
	for _, name := range a.services {
		names[name] = true
	}
	out := make(map[uint32]holder)
	for name := range names {
		pids, err := a.groups.pids(name)
		if err != nil {
			return nil, err
		}
		for _, pid := range pids {
			has, err := holders.ProcessSockets(pid)
			if err != nil {
				continue // not to be seen
			}
			for inode := range has {
				out[inode] = holder{name, pid}
			}
		}
	}
	return out, nil
}
